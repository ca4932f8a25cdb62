# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of vegeta, read from its JSON lines: when a request should have been sent, and how it ended."""

from __future__ import annotations

import calendar
import json
import pathlib
import typing as t

OK = "ok"
FAILURES = ("connect_error", "reset", "timeout", "status_5xx", "status_4xx", "generator", "other")
LABELS = {
    OK: "answered",
    "connect_error": "connection refused or not made",
    "reset": "connection cut",
    "timeout": "no answer in time",
    "status_5xx": "answered 5xx",
    "status_4xx": "answered 4xx",
    "generator": "the load generator's own limits",
    "other": "other failures",
    "wrong_version": "answered by the wrong version",
}

# Parts of Go's error messages; the first that matches decides.
_ERRORS = (
    ("cannot assign requested address", "generator"),
    ("too many open files", "generator"),
    ("dial ", "connect_error"),
    ("connection refused", "connect_error"),
    ("no route to host", "connect_error"),
    ("Client.Timeout", "timeout"),
    ("deadline exceeded", "timeout"),
    ("i/o timeout", "timeout"),
    ("connection reset", "reset"),
    ("broken pipe", "reset"),
    ("EOF", "reset"),
    ("server closed", "reset"),
    ("closed network connection", "reset"),
)


class Row(t.NamedTuple):
    """One request. Times are nanoseconds; `intended` and `sent` since the epoch.

    `latency` counts from the intended time, so that a generator or a server that falls behind is not flattered.
    """

    intended: int
    sent: int
    latency: int
    outcome: str
    version: str
    host: str
    attack: str
    method: str
    code: int
    error: str


def classify(code: int, error: str) -> str:
    """`ok` or the kind of failure."""
    if code >= 500:
        return "status_5xx"
    if code >= 400:
        return "status_4xx"
    if not error:
        return OK if code >= 200 else "other"
    for part, outcome in _ERRORS:
        if part in error:
            return outcome
    return "other"


class _Clock:
    """Reads RFC 3339 times with up to nine decimals; what comes before the seconds is parsed once."""

    def __init__(self) -> None:
        self._minutes: dict[tuple[str, str], int] = {}

    def nanoseconds(self, text: str) -> int:
        zone = "Z" if text[-1] == "Z" else text[-6:]
        key = (text[:16], zone)
        if key not in self._minutes:
            self._minutes[key] = _epoch(*key) * 1_000_000_000
        seconds, _point, fraction = text[17 : -len(zone)].partition(".")
        return self._minutes[key] + int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def _epoch(minute: str, zone: str) -> int:
    fields = [int(minute[first:last]) for first, last in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16))]
    offset = 0 if zone == "Z" else (int(zone[1:3]) * 60 + int(zone[4:6])) * (-60 if zone[0] == "-" else 60)
    return calendar.timegm((*fields, 0)) - offset


def nanoseconds(text: str) -> int:
    """A time such as 2026-01-31T12:00:00.123Z as nanoseconds since the epoch."""
    return _Clock().nanoseconds(text)


def parse(lines: t.Iterable[str | bytes], rate: float = 0) -> tuple[list[Row], int]:
    """Rows of one attack, by the time they should have been sent, and how many requests left no result.

    Args:
        lines: JSON lines as `vegeta encode -to json` writes them; a cut last line is left out.
        rate: requests per second; 0 when it was not constant, then the intended time is the real one.
    """
    clock = _Clock()
    numbers: list[int] = []
    rows: list[Row] = []
    for line in lines:
        try:
            result = json.loads(line)
        except ValueError:
            continue
        numbers.append(result["seq"])
        rows.append(_row(result, clock.nanoseconds(result["timestamp"])))
    if not rows:
        return [], 0
    if rate:
        interval = 1e9 / rate
        first = min(row.sent - int(number * interval) for row, number in zip(rows, numbers))
        rows = [_due(row, first + int(number * interval)) for row, number in zip(rows, numbers)]
    rows.sort()
    return rows, max(numbers) + 1 - len(numbers)


def _row(result: dict, sent: int) -> Row:
    headers = result.get("headers") or {}
    code, error = result["code"], result["error"]
    return Row(
        sent,
        sent,
        result["latency"],
        classify(code, error),
        headers.get("X-Service-Version", ("",))[0],
        headers.get("X-Service-Host", ("",))[0],
        result["attack"],
        result["method"],
        code,
        error,
    )


def _due(row: Row, intended: int) -> Row:
    return Row(intended, row[1], row[2] + row[1] - intended, *row[3:])


def read_folder(folder: pathlib.Path) -> tuple[list[Row], dict[str, t.Any]]:
    """All rows of a run that generator.Load wrote, and its manifest with `unrecorded` requests counted."""
    manifest = json.loads((folder / "load.json").read_text(encoding="utf-8"))
    rows: list[Row] = []
    unrecorded = 0
    for attack in manifest["attacks"]:
        with (folder / f"{attack['name']}.json").open("rb") as lines:
            found, missing = parse(lines, attack["rate"])
        rows += found
        unrecorded += missing
    rows.sort()
    return rows, {**manifest, "unrecorded": unrecorded}


def read_connections(path: pathlib.Path) -> list[dict[str, t.Any]]:
    """What long_connections.py reported; nothing when it did not run."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
