#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout under load as a short table for a terminal: summary.py VERDICT RECORD [RUN]."""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

from batches import PHASES, batches, evidence_text
from report import milliseconds, processor, seconds

Json = t.Dict[str, t.Any]


def table(verdict: Json, record: Json, run: Json | None = None) -> str:
    """Requests before, during and after; seconds of each batch; the record; the verdict last."""
    blocks = [_requests(verdict)]
    busy = processor(run or {})
    if busy:
        blocks[0] += f"\n  {busy}"
    if record:
        blocks += [_batches(record), _record(record)]
    blocks.append(f"{'PASSED' if verdict['verdict'] == 'passed' else verdict['verdict'].upper()}: {verdict['reason']}")
    return "\n\n".join(blocks) + "\n"


def _aligned(rows: t.Sequence[t.Sequence[str]], left: int) -> str:
    """Columns; the first `left` of them to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def _requests(verdict: Json) -> str:
    rows = [["", "requests", "failed", "p50", "p99", "longest"]]
    for name, part in [*verdict["phases"].items(), ("all", verdict["whole"])]:
        latencies = [milliseconds(part[key]) for key in ("p50_ms", "p99_ms", "max_ms")]
        rows.append([name, f"{part['requests']:,}", f"{part['failed']:,}", *latencies])
    long = verdict["long_connections"]
    if long["connections"]:
        rows.append(["long connections", f"{long['connections']:,}", f"{long['failed']:,}", "", "", ""])
    return _aligned(rows, 1)


def _batches(record: Json) -> str:
    rows = [["batch", "hosts", "state", *PHASES.values(), "all"]]
    notes = []
    for batch in batches(record):
        times = [seconds(batch.seconds(name)) for name in PHASES.values()]
        rows.append([str(batch.number), ", ".join(batch.hosts), batch.state, *times, seconds(batch.whole.seconds)])
        if batch.state != "done" and batch.evidence:
            notes.append(f"  batch {batch.number}: {evidence_text(batch.evidence)}")
    return "\n".join([_aligned(rows, 3), *notes])


def _record(record: Json) -> str:
    lines = [
        ["rollout", record["id"]],
        ["service", f"{record['service']} {record.get('from') or 'none'} -> {record['version']}"],
        ["state", record["state"]],
        ["owner", record.get("owner", "")],
        ["started", record.get("started") or ""],
        ["finished", record.get("finished") or ""],
    ]
    return _aligned(lines, 2)


def main() -> None:
    documents = [json.loads(pathlib.Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:4]]
    sys.stdout.write(table(*documents))


if __name__ == "__main__":
    main()
