# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service on this host as it is: which version runs, since when, what lies beside it, what waits for a restart."""

from __future__ import annotations

import datetime
import hashlib
import time
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.release.store import Store
from ansible_collections.horizontal.scaling.plugins.module_utils.release.unit import Unit


class Observed(t.NamedTuple):
    """What was found.

    Attributes:
        version: of ``current``; the one that the next start would run.
        running_version: of the process; differs from ``version`` after a run that was cut off between the two.
        restart_pending: a file that the process read at its start has changed since.
    """

    version: str
    running: bool
    running_version: str
    enabled: bool
    releases: t.Dict[str, t.Dict[str, t.Any]]
    previous: str
    pid: int
    since: str
    restart_pending: bool
    unit: t.Dict[str, str]

    @property
    def exists(self) -> bool:
        return self.unit.get("LoadState") not in (None, "", "not-found")


def fingerprint(paths: list[str]) -> str:
    """A digest over the contents of files; a directory stands for the files in it."""
    digest = hashlib.sha256()
    for path in _files(paths):
        try:
            content = path.read_bytes()
        except OSError:
            content = b"\0missing"
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _files(paths: list[str]) -> list[Path]:
    found = []
    for path in map(Path, sorted(set(paths))):
        found += sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    return found


def observe(store: Store, unit: Unit, restart_on: list[str]) -> Observed:
    """Look at the host; changes nothing."""
    state = unit.show()
    started = store.started()
    version = store.current()
    pid = int(state.get("MainPID") or 0)
    running = state["ActiveState"] in ("active", "reloading")
    begun = _begun(state) if running else 0.0
    known = bool(started) and started.get("invocation") == state.get("InvocationID")
    running_version = ""
    if running:
        running_version = (store.version_of(pid) if pid else "") or (started["version"] if known else version)
    return Observed(
        version,
        running,
        running_version,
        state.get("UnitFileState") == "enabled",
        store.releases(),
        started.get("previous", ""),
        pid,
        datetime.datetime.fromtimestamp(begun, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if begun else "",
        running and _pending(restart_on, begun, started.get("fingerprint") if known else None),
        state,
    )


def _begun(state: dict[str, str]) -> float:
    """When the main process started, in seconds since 1970."""
    monotonic = int(state.get("ExecMainStartTimestampMonotonic") or 0)
    return time.time() - time.monotonic() + monotonic / 1e6 if monotonic else 0.0


def _pending(paths: list[str], begun: float, known: str | None) -> bool:
    if known is not None:
        return fingerprint(paths) != known
    # Started by something else: what is younger than the process was not read by it.
    for path in _files(paths):
        try:
            if path.stat().st_mtime > begun:
                return True
        except OSError:
            continue
    return False
