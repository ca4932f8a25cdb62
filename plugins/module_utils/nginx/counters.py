# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests and errors per server, added up from the structured access log; only what is new in the log is read.

The role's log format starts every line with the five fields that are read here, so that one regular expression
does the work and no line is decoded as JSON.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

CHUNK = 8 << 20
NAMES = ("requests", "responses_5xx", "errors")
_LINE = re.compile(
    rb'^\{"service":"([^"]*)","status":"?(\d*)"?,"upstream":"([^"]*)","upstream_status":"([^"]*)",'
    rb'"upstream_header_time":"([^"]*)"',
    re.MULTILINE,
)
Key = t.Tuple[bytes, bytes, bytes, bytes, bytes]


def count(text: bytes, totals: dict[str, dict[str, list[int]]]) -> None:
    """Add whole log lines to ``totals``: service -> address (or "" for the service itself) -> NAMES."""
    seen: dict[Key, int] = {}
    for service, status, upstream, statuses, times in _LINE.findall(text):
        key = (service, status, upstream, statuses, times if b"-" in times else b"")
        seen[key] = seen.get(key, 0) + 1
    for key, number in seen.items():
        _add(totals, key, number)


def _add(totals: dict[str, dict[str, list[int]]], key: Key, number: int) -> None:
    service, status, upstream, statuses, times = (part.decode(errors="replace") for part in key)
    servers = totals.setdefault(service, {})
    whole = servers.setdefault("", [0, 0, 0])
    whole[0] += number
    if status.startswith("5"):
        whole[1] += number
    if not upstream:
        return
    tried, answers, waits = _items(upstream), _items(statuses), _items(times)
    for place, address in enumerate(tried):
        counts = servers.setdefault(address, [0, 0, 0])
        counts[0] += number
        answer = answers[place] if place < len(answers) else "502"
        # NGINX logs its own 502 or 504 as the server's; without a header there was no answer at all.
        if place < len(waits) and waits[place] == "-":
            failed = answer != "-" and status != "499"
            counts[2] += number if failed else 0
        elif answer.startswith("5"):
            counts[1] += number
    if any(address == service for address in tried):  # no server was left to try
        whole[2] += number


def _items(text: str) -> list[str]:
    """One item a server that was tried; a colon parts the groups of an internal redirect."""
    return text.replace(" : ", ", ").split(", ") if text else []


class Counters:
    """Totals that survive from call to call.

    Args:
        path: where totals and the place in each log are kept.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def read(self, logs: t.Sequence[str]) -> dict[str, t.Any]:
        """Read what the logs got since the last call.

        Returns:
            ``totals`` as in count(), and ``gaps``: how often a log was replaced and its rest could not be found.
        """
        with self._locked():
            state = self._load()
            for log in logs:
                self._follow(log, state)
            self._save(state)
        return state

    def _follow(self, log: str, state: dict[str, t.Any]) -> None:
        place = state["places"].get(log)
        try:
            now = Path(log).stat()
        except OSError:
            return
        start = 0
        if place is not None:
            if place["inode"] == now.st_ino and place["offset"] <= now.st_size:
                start = place["offset"]
            elif place["inode"] != now.st_ino:
                self._finish_rotated(log, place, state)
            else:
                state["gaps"] += 1  # cut to nothing in place
        state["places"][log] = {"inode": now.st_ino, "offset": _count_file(log, start, state["totals"])}

    @staticmethod
    def _finish_rotated(log: str, place: dict[str, int], state: dict[str, t.Any]) -> None:
        """The rest of the log's predecessor, as logrotate leaves it beside the new one."""
        for candidate in (f"{log}.1", f"{log}.0", f"{log}-old"):
            try:
                found = Path(candidate).stat().st_ino == place["inode"]
            except OSError:
                continue
            if found:
                _count_file(candidate, place["offset"], state["totals"])
                return
        state["gaps"] += 1

    @contextlib.contextmanager
    def _locked(self) -> t.Iterator[None]:
        try:
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            handle = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ScalingError(
                f"The counters cannot be kept in {self._path}: {error.strerror}.", "Give another 'counters_file'."
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _load(self) -> dict[str, t.Any]:
        fresh: dict[str, t.Any] = {"places": {}, "totals": {}, "gaps": 0}
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return fresh
        except (OSError, ValueError):
            return dict(fresh, gaps=1)
        return kept if isinstance(kept, dict) and set(fresh) <= set(kept) else dict(fresh, gaps=1)

    def _save(self, state: dict[str, t.Any]) -> None:
        fresh = Path(f"{self._path}.new")
        fresh.write_text(json.dumps(state), encoding="utf-8")
        fresh.replace(self._path)


def _count_file(path: str, start: int, totals: dict[str, dict[str, list[int]]]) -> int:
    """Count whole lines from ``start``; where the next call goes on."""
    with Path(path).open("rb") as log:
        log.seek(start)
        while True:
            text = log.read(CHUNK)
            end = text.rfind(b"\n") + 1
            if not end:
                return start
            count(text[:end], totals)
            start += end
            log.seek(start)
