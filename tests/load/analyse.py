#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say whether a planned operation was seen by clients: analyse.py FOLDER [--record FILE] [--run FILE] > verdict.json.

FOLDER is what generator.Load wrote. Everything here is a pure function of the requests and of three times.
"""

from __future__ import annotations

import argparse
import bisect
import collections
import dataclasses
import json
import math
import pathlib
import sys
import typing as t

import results
from results import FAILURES, OK, Row

SECOND = 1_000_000_000
PHASES = ("before", "during", "after")


@dataclasses.dataclass(frozen=True)
class Operation:
    """What happened while the load went on. Times in seconds since the epoch.

    Attributes:
        started, ended: the whole operation as a person sees it, with what it does before anything is touched.
        before, target: the versions it goes between; empty: any. During it both may answer, before it only `before`.
        after: the version that alone may answer once it has settled: the target, or `before` when it went back; empty
            when it has not come to an end.
        settled: from when on; 0: from `ended` on.
    """

    started: float
    ended: float
    before: str = ""
    target: str = ""
    after: str = ""
    settled: float = 0.0


def percentile(ordered: t.Sequence[int], share: float) -> int:
    """The smallest value that at least `share` percent of the values do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)]


def upper_bound(failures: int, requests: int, confidence: float = 0.95) -> float:
    """The failure share that is not exceeded with this confidence: 3/n for no failure (the rule of three)."""
    if not requests:
        return 1.0
    low, high = float(failures), failures + 10 * math.sqrt(failures + 1) + 10
    for _ in range(60):
        middle = (low + high) / 2
        if _poisson(failures, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return min(1.0, high / requests)


def _poisson(count: int, mean: float) -> float:
    """Probability of at most `count` events where `mean` are expected."""
    return sum(math.exp(number * math.log(mean) - mean - math.lgamma(number + 1)) for number in range(count + 1))


def longest_gap(rows: t.Sequence[Row]) -> dict[str, float]:
    """The longest time in which no request was answered well, and when it began."""
    if not rows:
        return {"ms": 0.0, "at": 0.0}
    done = sorted(row.intended + row.latency for row in rows if row.outcome == OK)
    edges = [rows[0].intended, *done, max(row.intended for row in rows)]
    length, at = max((later - earlier, earlier) for earlier, later in zip(edges, edges[1:]))
    return {"ms": round(length / 1e6, 3), "at": at / SECOND}


def wrong_versions(rows: t.Sequence[Row], operation: Operation) -> list[Row]:
    """Answers by a version that had no business at that time."""
    if not (operation.before and operation.target):
        return []
    started = operation.started * SECOND
    settled = (operation.settled or operation.ended) * SECOND
    both = {operation.before, operation.target}
    wrong = []
    for row in rows:
        if row.outcome != OK:
            continue
        allowed = {operation.before} if row.intended < started else both
        if operation.after and row.intended > settled:
            allowed = {operation.after}
        if row.version not in allowed:
            wrong.append(row)
    return wrong


def summary(rows: t.Sequence[Row], seconds: float = 0.0) -> dict[str, t.Any]:
    """Counts by outcome and the latency of what was answered, in milliseconds."""
    counts = collections.Counter(row.outcome for row in rows)
    ordered = sorted(row.latency for row in rows if row.outcome == OK)
    failed = len(rows) - counts[OK]
    latency = {f"p{share}_ms": _milliseconds(ordered, share) for share in (50, 90, 99)}
    latency["max_ms"] = _milliseconds(ordered, 100)
    rate = {"seconds": round(seconds, 1), "rate": round(len(rows) / seconds, 1)} if seconds else {}
    outcomes = {name: counts[name] for name in (OK, *FAILURES)}
    return {"requests": len(rows), "failed": failed, **rate, **latency, "outcomes": outcomes}


def _milliseconds(ordered: t.Sequence[int], share: float) -> float | None:
    return round(percentile(ordered, share) / 1e6, 2) if ordered else None


def phases(rows: t.Sequence[Row], operation: Operation) -> dict[str, t.Any]:
    """summary() before, during and after, by when a request should have been sent; rows are in that order."""
    first = bisect.bisect_left(rows, (int(operation.started * SECOND),))
    last = bisect.bisect_left(rows, (int(operation.ended * SECOND),))
    parts = dict(zip(PHASES, (rows[:first], rows[first:last], rows[last:])))
    return {name: summary(part, _span(part)) for name, part in parts.items()}


def _span(rows: t.Sequence[Row]) -> float:
    return (rows[-1].intended - rows[0].intended) / SECOND if rows else 0.0


def series(rows: t.Sequence[Row]) -> dict[str, t.Any]:
    """One value a second: answers by version and by host, failures by kind, p50 and p99 in milliseconds."""
    if not rows:
        return {
            "start": 0,
            "seconds": 0,
            "whole_seconds": 0,
            "versions": {},
            "hosts": {},
            "failed": {},
            "p50_ms": [],
            "p99_ms": [],
        }
    start = rows[0].intended
    length = (rows[-1].intended - start) // SECOND + 1
    versions: dict[str, list[int]] = collections.defaultdict(lambda: [0] * length)
    hosts: dict[str, list[int]] = collections.defaultdict(lambda: [0] * length)
    failed: dict[str, list[int]] = collections.defaultdict(lambda: [0] * length)
    latencies: list[list[int]] = [[] for _ in range(length)]
    for row in rows:
        second = (row.intended - start) // SECOND
        if row.outcome == OK:
            versions[row.version or "unknown"][second] += 1
            hosts[row.host or "unknown"][second] += 1
            latencies[second].append(row.latency)
        else:
            failed[row.outcome][second] += 1
    for values in latencies:
        values.sort()
    return {
        "start": start / SECOND,
        "seconds": length,
        "whole_seconds": _whole_seconds(rows, start, failed),
        "versions": {name: versions[name] for name in sorted(versions)},
        "hosts": {name: hosts[name] for name in sorted(hosts)},
        "failed": {name: failed[name] for name in FAILURES if name in failed},
        "p50_ms": [_milliseconds(values, 50) for values in latencies],
        "p99_ms": [_milliseconds(values, 99) for values in latencies],
    }


def _whole_seconds(rows: t.Sequence[Row], start: int, failed: t.Mapping[str, t.Sequence[int]]) -> int:
    """Seconds in which every stream sent to their end: a picture of the rest would show a dip that was none."""
    last = {row.attack: row.intended for row in rows}
    whole = (min(last.values()) - start) // SECOND
    seen = [second for values in failed.values() for second, count in enumerate(values) if count]
    return max([whole, *(second + 1 for second in seen)])


def analyse(
    rows: t.Sequence[Row],
    operation: Operation | None = None,
    unrecorded: int = 0,
    connections: t.Sequence[dict[str, t.Any]] = (),
) -> dict[str, t.Any]:
    """The verdict on a run.

    Args:
        rows: requests, in the order of their intended times.
        unrecorded: requests that left no result; with any the verdict is inconclusive.
        connections: what long_connections.py saw.
    """
    if operation is None:
        operation = (
            Operation(rows[-1].intended / SECOND + 1, rows[-1].intended / SECOND + 1) if rows else Operation(0, 0)
        )
    whole = summary(rows, _span(rows))
    wrong = wrong_versions(rows, operation)
    long = connection_summary(connections)
    verdict, reason = _verdict(whole, len(wrong), long["failed"], unrecorded)
    lags = sorted(row.sent - row.intended for row in rows)
    return {
        "verdict": verdict,
        "reason": reason,
        "requests": whole["requests"],
        "failed": whole["failed"],
        "wrong_version": len(wrong),
        "unrecorded": unrecorded,
        "failed_share_bound_95": upper_bound(whole["failed"], len(rows)),
        "longest_gap": longest_gap(rows),
        "whole": whole,
        "phases": phases(rows, operation),
        "attacks": _by(rows, "attack"),
        "methods": _by(rows, "method"),
        "generator_lag": {"p99_ms": _milliseconds(lags, 99), "max_ms": _milliseconds(lags, 100)},
        "operation": dataclasses.asdict(operation),
        "long_connections": long,
        "examples": _examples(rows, wrong),
        "series": series(rows),
    }


def connection_summary(connections: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
    """How many long connections ended how; only those that were cut or refused have failed."""
    bad = [connection for connection in connections if connection["outcome"] not in ("closed", "whole")]
    kinds = collections.Counter(f"{connection['kind']}s_{connection['outcome']}" for connection in connections)
    return {"connections": len(connections), "failed": len(bad), "outcomes": dict(kinds), "examples": bad[:5]}


def _by(rows: t.Sequence[Row], attribute: str) -> dict[str, t.Any]:
    groups: dict[str, list[Row]] = collections.defaultdict(list)
    index = Row._fields.index(attribute)
    for row in rows:
        groups[row[index]].append(row)
    return {name: summary(groups[name], _span(groups[name])) for name in sorted(groups)}


def _verdict(whole: dict[str, t.Any], wrong: int, cut: int, unrecorded: int) -> tuple[str, str]:
    requests, failed = whole["requests"], whole["failed"]
    if failed or wrong or cut:
        parts = [f"{whole['outcomes'][name]} {results.LABELS[name]}" for name in FAILURES if whole["outcomes"][name]]
        parts += [f"{wrong} {results.LABELS['wrong_version']}"] if wrong else []
        parts += [f"{cut} long connections cut"] if cut else []
        return "failed", f"{failed} of {requests:,} requests failed: {', '.join(parts)}."
    if not requests:
        return "inconclusive", "No request was sent."
    if unrecorded:
        return "inconclusive", f"{unrecorded} of {requests + unrecorded:,} requests left no result."
    share = upper_bound(0, requests) * 1e6
    return "passed", f"0 of {requests:,} requests failed; with 95 % confidence fewer than {share:.0f} in a million do."


def _examples(rows: t.Sequence[Row], wrong: t.Sequence[Row], each: int = 3) -> list[dict[str, t.Any]]:
    """The first failures of every kind, in the order of time."""
    found: dict[str, list[Row]] = {"wrong_version": list(wrong[:each])}
    for row in rows:
        if row.outcome != OK and len(found.setdefault(row.outcome, [])) < each:
            found[row.outcome].append(row)
    examples = [{**_example(row), "outcome": kind} for kind, bad in found.items() for row in bad]
    return sorted(examples, key=lambda example: example["at"])


def _example(row: Row) -> dict[str, t.Any]:
    return {
        "at": row.intended / SECOND,
        "outcome": row.outcome,
        "attack": row.attack,
        "method": row.method,
        "code": row.code,
        "version": row.version,
        "error": row.error,
    }


def operation_from(record: dict[str, t.Any], run: dict[str, t.Any]) -> Operation | None:
    """The operation's times from the ledger's record and from what demo.py wrote of its run; None without both."""
    if not record and not run:
        return None
    seconds = {
        name: results.nanoseconds(record[name]) / SECOND if record.get(name) else 0.0
        for name in ("started", "finished")
    }
    reached = {"succeeded": "version", "running": "", "paused": ""}.get(record.get("state", ""), "from")
    return Operation(
        started=run.get("started") or seconds["started"],
        ended=run.get("ended") or seconds["finished"],
        before=record.get("from", ""),
        target=record.get("version", ""),
        after=record.get(reached, ""),
        settled=seconds["finished"],
    )


def _load(path: pathlib.Path | None) -> dict[str, t.Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}


def analyse_folder(folder: pathlib.Path, record: dict[str, t.Any], run: dict[str, t.Any]) -> dict[str, t.Any]:
    rows, manifest = results.read_folder(folder)
    connections = results.read_connections(folder / "long-connections.json")
    return {"load": manifest, **analyse(rows, operation_from(record, run), manifest["unrecorded"], connections)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--record", type=pathlib.Path, help="the rollout's record from the ledger")
    parser.add_argument("--run", type=pathlib.Path, help="run.json as demo.py writes it")
    arguments = parser.parse_args()
    verdict = analyse_folder(arguments.folder, _load(arguments.record), _load(arguments.run))
    json.dump(verdict, sys.stdout, indent=2)
    print()
    return 0 if verdict["verdict"] == "passed" else 1


if __name__ == "__main__":
    sys.exit(main())
