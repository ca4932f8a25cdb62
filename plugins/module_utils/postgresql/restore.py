# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module pgbackrest_restore does: a cluster as it was at a target, in a directory that may be replaced."""

from __future__ import annotations

import contextlib
import json
import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import backups, predicates
from .pgbackrest import Pgbackrest
from .predicates import Document
from .tools import Tools

REPLACEABLE = ("never", "restored", "any")


class Place:
    """The data directory and, beside it, notes of what was restored into it and of a restore that was cut off."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self._done = tools.data.parent / f".{tools.data.name}.restored"
        self._begun = tools.data.parent / f".{tools.data.name}.restoring"

    def wish(self) -> Document | None:
        """The wish that was last fulfilled here, if the cluster is still that one."""
        with contextlib.suppress(OSError, ValueError), self.tools.account.acting():
            return json.loads(self._done.read_text(encoding="utf-8"))
        return None

    def was_cut_off(self) -> bool:
        """Whether a restore began and its cluster never took writes: one that a person has started since is no ruin."""
        with self.tools.account.acting():
            begun = self._begun.exists()
            label = (self.tools.data / "backup_label").exists()
            control = (self.tools.data / "global/pg_control").exists()
        if not begun or self.tools.pid():
            return False
        return label or not control or "recovery" in self.tools.control()["state"]

    def begin(self) -> None:
        with self.tools.account.acting():
            self.tools.data.parent.mkdir(parents=True, exist_ok=True)
            self._begun.write_text("", encoding="utf-8")
            if self._done.exists():
                self._done.unlink()

    def end(self, wish: Document) -> None:
        with self.tools.account.acting():
            self._done.write_text(json.dumps(wish), encoding="utf-8")
            self._begun.unlink()


def converge(params: Document, check_mode: bool) -> Outcome:
    """Entry point of pgbackrest_restore; raises ScalingError."""
    tools = Tools(params)
    place = Place(tools)
    program = Pgbackrest(params["stanza"], tools.account)
    now = time.time()
    backup, target = backups.choose(program.info(now, params["repository"]), params, now)
    wish = {
        "stanza": params["stanza"],
        "target_type": params["target_type"],
        "target": target,
        "backup": params["backup"],
        **({} if params["inclusive"] else {"inclusive": False}),
    }
    exists, empty = tools.exists(), tools.is_empty()
    control = tools.control() if exists and not place.was_cut_off() else None
    found = "a restore that was cut off" if place.was_cut_off() else "a cluster" if exists else "files"
    before = {
        "data": "none" if empty else found,
        "system_identifier": str(control["system_identifier"]) if control else "",
        "restored": place.wish() if exists else None,
    }
    after = {"data": "a cluster", "system_identifier": backup["system_identifier"], "restored": wish}
    values = {"backup": backup, "action": "none", "reason": "it was restored before", "seconds": {}, "kept_wal": ""}
    # The latest moves on; anything else was reached once and stays so.
    if before == after and not params["again"]:
        return Outcome(before, before, str(tools.data), **values)
    values["action"] = "restore"
    values["reason"] = refuse_or_reason(before, backup, params["replace"], tools.pid(), str(tools.data))
    if not check_mode:
        _restore(params, place, program, target, values)
        place.end(wish)
    # What is restored again counts as not yet restored, as it would look the same otherwise.
    shown = {**before, "restored": None} if params["again"] else before
    return Outcome(shown, after, str(tools.data), **values)


def refuse_or_reason(before: Document, backup: Document, replace: str, pid: int, data: str) -> str:
    """Why the data may be replaced; raises ScalingError if nothing proves it. Pure.

    Args:
        pid: process of the server that runs on the data; 0 for none.
    """
    if before["data"] == "none":
        return "there was nothing"
    if before["data"] == "a restore that was cut off":
        return "a restore into it was cut off, so that it never became complete"
    if before["restored"] and replace in ("restored", "any"):
        return f"it is what was restored from {before['restored']['stanza']} before, and replace is {replace}"
    if replace == "any":
        server = f", whose server (process {pid}) is stopped" if pid else ""
        return f"replace is any{server}"
    what = before["data"]
    if before["system_identifier"]:
        same = before["system_identifier"] == backup["system_identifier"]
        what = f"a cluster {'of the same origin' if same else 'of another origin'} ({before['system_identifier']})"
    if before["restored"]:
        what += ", restored before"
    hint = "Restore into an empty directory, or onto a fresh host." + (
        " replace=restored replaces what was restored before."
        if before["restored"]
        else " replace=any replaces it, and loses what no backup has."
    )
    raise ScalingError(
        f"{data} has {what}{', and its server runs' if pid else ''}; it is not replaced, as replace is {replace}.", hint
    )


def _restore(params: Document, place: Place, program: Pgbackrest, target: str, values: Document) -> None:
    tools = place.tools
    control = tools.control() if tools.exists() and not place.was_cut_off() else None
    deadline = Deadline(params["timeout"])
    outside = tools.tablespaces() if control else []
    if outside:
        raise ScalingError(
            f"{tools.data} has tablespaces outside of it ({', '.join(outside)}), which are not replaced.",
            "Empty them yourself, and the data directory.",
        )
    if control and tools.pid():
        if params["service"]:
            # A unit that restarts by itself, and Debian's, must know that this is no crash.
            tools.stop_service()
        tools.stop(Deadline(300))
    if control and params["keep_discarded"]:
        control = tools.control()
        values["kept_wal"] = tools.keep_wal(
            control["timeline"], control["checkpoint"], control["segment_size"], params["keep_discarded"]
        )
    place.begin()
    tools.wipe()
    words = [f"--repo={params['repository']}", f"--set={values['backup']['label']}", f"--pg1-path={tools.data}"]
    words += [] if params["archive"] else ["--archive-mode=off"]
    words += [f"--process-max={params['processes']}"]
    kind = {"latest": "default"}.get(params["target_type"], params["target_type"])
    words += [f"--type={kind}"]
    words += [f"--target={target}"] if target else []
    words += [] if kind == "default" else ["--target-action=promote"]
    words += [] if params["inclusive"] else ["--target-exclusive"]
    with tools.account.acting():
        tools.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    hint = "If the repository is damaged, name another backup (backup) or another repository (repository)."
    program.call([*words, "restore"], deadline.remaining, hint)
    tools.forget_clone()
    values["seconds"]["copy"] = round(deadline.elapsed, 1)
    if not params["start"]:
        return
    begun = Deadline(params["timeout"])
    mark = tools.log_size()
    try:
        tools.start(params["start_timeout"])
    except ScalingError as error:
        raise ScalingError(
            f"{error} The server's own reason: {recovery_failure(tools.log_since(mark)) or 'none'}"
        ) from error
    _, promoted = begun.wait_for(lambda: _state(tools, mark), lambda state: state, 0.2)
    if not promoted:
        raise ScalingError(
            f"Recovery in {tools.data} has not ended within {begun.elapsed:.0f} s; it goes on.",
            "Give more time, and look at the server's log for its progress.",
        )
    values["seconds"]["replay"] = round(begun.elapsed, 1)


def _state(tools: Tools, mark: tuple[str, int]) -> bool:
    """Whether the server takes writes; raises ScalingError when it never will."""
    text = tools.log_since(mark)
    if not tools.pid():
        raise ScalingError(
            f"The server in {tools.data} ended during recovery: {recovery_failure(text) or 'its log has no reason'}.",
            "Only what was archived can be reached; a segment is when it is full, or after archive_timeout.",
        )
    return (
        "archive recovery complete" in text
        and "ready to accept connections" in text.split("archive recovery complete")[-1]
    )


def recovery_failure(log: str) -> str:
    """The line by which a server says why it cannot recover."""
    fatal = [line.strip() for line in log.splitlines() if "FATAL:" in line or "PANIC:" in line]
    telling = [line for line in fatal if "the database system is" not in line]
    return (telling or [predicates.alarming_line(log)])[0]


def options() -> dict[str, t.Any]:
    """Options beyond those of a server on its host."""
    return {
        "stanza": {"type": "str", "required": True},
        "repository": {"type": "int", "default": 1},
        "backup": {"type": "str", "default": ""},
        "target_type": {"type": "str", "choices": list(backups.TARGETS), "default": "latest"},
        "target": {"type": "str", "default": ""},
        "inclusive": {"type": "bool", "default": True},
        "again": {"type": "bool", "default": False},
        "replace": {"type": "str", "choices": list(REPLACEABLE), "default": "never"},
        "archive": {"type": "bool", "default": False},
        "start": {"type": "bool", "default": True},
        "keep_discarded": {"type": "path", "default": ""},
        "processes": {"type": "int", "default": 2},
        "timeout": {"type": "float", "default": 86400},
        "start_timeout": {"type": "float", "default": 3600},
    }
