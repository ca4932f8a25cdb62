# SPDX-License-Identifier: GPL-3.0-or-later
"""The batches of a rollout's record as spans of time, and its plan as sentences."""

from __future__ import annotations

import dataclasses
import typing as t

import results

PHASES = {"draining": "drain", "replacing": "replace", "verifying": "verify"}
ENDS = ("done", "taken_back")


@dataclasses.dataclass(frozen=True)
class Span:
    """A phase of a batch, or all of it. Times in seconds since the epoch."""

    name: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclasses.dataclass(frozen=True)
class Batch:
    number: int
    hosts: list[str]
    state: str
    spans: list[Span]
    evidence: dict[str, t.Any]

    @property
    def whole(self) -> Span:
        return Span(f"batch {self.number}", self.spans[0].start, self.spans[-1].end)

    def seconds(self, name: str) -> float | None:
        """Time spent in a phase; None when the batch never was in it."""
        found = [span.seconds for span in self.spans if span.name == name]
        return sum(found) if found else None


def batches(record: dict[str, t.Any]) -> list[Batch]:
    """The batches that were begun, in the order in which they were."""
    over = record.get("finished") or record.get("updated")
    found = []
    for batch in record.get("batches", []):
        times = sorted((results.nanoseconds(time) / 1e9, phase) for phase, time in (batch.get("phases") or {}).items())
        if not times:
            continue
        if times[-1][1] not in ENDS:
            times.append((results.nanoseconds(over) / 1e9 if over else times[-1][0], "unfinished"))
        spans = [
            Span(PHASES.get(phase, phase), time, later) for (time, phase), (later, _next) in zip(times, times[1:])
        ] or [Span(times[0][1], times[0][0], times[0][0])]
        found.append(Batch(batch["number"], batch["hosts"], batch["state"], spans, batch.get("evidence") or {}))
    return sorted(found, key=lambda batch: batch.whole.start)


def plan_lines(record: dict[str, t.Any]) -> list[str]:
    """The plan, one sentence per batch and per host that it leaves alone."""
    plan = record.get("plan") or {}
    back = plan.get("back") or {}
    total = len(plan.get("batches", []))
    lines = []
    for batch in plan.get("batches", []):
        hosts = ", ".join(f"{host} ({back.get(host) or 'none'} → {plan.get('version', '')})" for host in batch["hosts"])
        lines.append(f"Batch {batch['number']} of {total}: {hosts}")
    lines += [f"Left alone: {skip['host']} ({skip['reason']})" for skip in plan.get("skipped", [])]
    return lines


def evidence_text(evidence: t.Any) -> str:
    """What the gate saw, as a sentence: reasons first, other plain values after them."""
    if not isinstance(evidence, dict):
        return str(evidence)
    first = [str(evidence[key]) for key in ("verdict", "reason") if evidence.get(key)]
    rest = []
    for key, value in evidence.items():
        if key in ("verdict", "reason") or value in (None, "", [], {}):
            continue
        rest.append(f"{key.replace('_', ' ')}: {_plain(value)}")
    return ": ".join(first) + ("; " if first and rest else "") + "; ".join(rest)


def _plain(value: t.Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
