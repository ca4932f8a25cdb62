# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verbs on one running HAProxy: read it, apply commands, count sessions, delete servers, save the state file."""

from __future__ import annotations

import os
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from . import predicates
from .client import Answer, Client, parse_address
from .commands import Version, spell
from .plan import Document, Key, path

# Maintenance closes idle connections, but not in the same instant.
_PURGE_SECONDS = 5.0
# `set server addr` answers with a warning, whether it worked or not.
_WARNINGS_OF_SUCCESS = ("changed from", "no need to change")


class Snapshot(t.NamedTuple):
    """A balancer as it was at one moment."""

    balancer: str
    version: Version
    level: str
    info: Document
    servers: t.List[Document]
    stat: t.List[predicates.Row]

    @property
    def algorithms(self) -> dict[str, str]:
        return {row["pxname"]: row.get("algo", "") for row in self.stat if row["svname"] == "BACKEND"}


class Balancer:
    """One HAProxy process behind its runtime API."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.address = client.address

    def read(self) -> Snapshot:
        """Everything in one round trip; raises ScalingError when the balancer does not answer or forbids reading."""
        answers = self.client.run(["show info", "show cli level", "show servers state", "show stat"])
        for answer in answers:
            if answer.is_error:
                raise ScalingError(
                    f"HAProxy at {self.address} refused '{answer.command}': {answer.text}",
                    "Reading needs a 'stats socket' with 'level operator' or 'level admin'.",
                    balancer=self.address,
                )
        info, level, state, stat = (answer.text for answer in answers)
        rows = predicates.parse_stat(stat)
        facts = predicates.parse_info(info)
        return Snapshot(
            balancer=self.address,
            version=predicates.parse_version(str(facts.get("Version", ""))),
            level=level.strip(),
            info=facts,
            servers=predicates.servers(self.address, predicates.parse_servers_state(state), rows),
            stat=rows,
        )

    def apply(self, commands: t.Sequence[str]) -> None:
        """Send commands; raises ScalingError that quotes every refused one."""
        if not commands:
            return
        refused = [answer for answer in self.client.run(commands) if _refused(answer)]
        if refused:
            texts = "; ".join(f"'{answer.command}': {answer.text}" for answer in refused[:5])
            raise ScalingError(
                f"HAProxy at {self.address} refused {texts}",
                "Commands of the same task that are not named here were carried out; read them with haproxy_info.",
                balancer=self.address,
                refused=[{"command": answer.command, "answer": answer.text} for answer in refused],
            )

    def sessions(self, keys: t.Iterable[Key]) -> dict[Key, int]:
        """Sessions and queued requests of the servers; a server that is gone has none."""
        wanted = set(keys)
        counted = dict.fromkeys(wanted, 0)
        # All servers, since a name given here may mean the frontend of the same name.
        for row in predicates.parse_stat(self.client.ask(["show stat -1 4 -1"])[0]):
            key = (row["pxname"], row["svname"])
            if key in counted:
                load = predicates.counters(row)
                counted[key] = load["sessions"] + load["queue"]
        return counted

    def delete(self, key: Key, version: Version, seconds: float) -> None:
        """Delete a server in maintenance once its last connection has ended; raises ScalingError if it does not."""
        commands = spell("wait_removable", version, server=path(key), seconds=1)
        commands += spell("delete", version, server=path(key))

        def gone(answer: Answer) -> bool:
            if not _refused(answer) or "No such server" in answer.text:
                return True
            if "connection" not in answer.text:
                raise ScalingError(f"HAProxy at {self.address} refused '{answer.command}': {answer.text}")
            return False

        answer, done = Deadline(max(seconds, _PURGE_SECONDS)).wait_for(lambda: self.client.run(commands)[-1], gone)
        if not done:
            left = self.sessions([key])[key]
            raise ScalingError(
                f"Server {path(key)} of HAProxy at {self.address} is in maintenance but cannot be removed yet:"
                f" {left} sessions are left ({answer.text}).",
                "Run the task again later or with a longer drain_timeout.",
            )

    def save_state(self, state_file: str) -> bool:
        """Write `show servers state` to the file that HAProxy loads at a reload, if its directory exists."""
        target = Path(state_file)
        if not state_file or parse_address(self.address)[0] != "unix" or not target.parent.is_dir():
            return False
        text = self.client.ask(["show servers state"])[0] + "\n"
        try:
            replace_file(target, text)
        except OSError as error:
            raise ScalingError(
                f"The state file {state_file} cannot be written: {error.strerror or error}.",
                "The running process has changed, but a reload would lose it: repair the file's place and run again.",
            ) from error
        return True


def _refused(answer: Answer) -> bool:
    if answer.severity == 4 and answer.command.startswith("set server "):
        return not any(words in answer.text for words in _WARNINGS_OF_SUCCESS)
    return answer.is_error


def replace_file(target: Path, text: str) -> None:
    """Replace a file at one instant; owner and mode stay."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=str(target.parent))
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            status = target.stat()
            os.chown(name, status.st_uid, status.st_gid)
            Path(name).chmod(status.st_mode & 0o777)
        else:
            Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError:
        Path(name).unlink()
        raise
