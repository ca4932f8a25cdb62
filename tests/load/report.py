#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One self-contained HTML page of a rollout under load: report.py VERDICT RECORD RUN > report.html."""

from __future__ import annotations

import dataclasses
import html
import json
import pathlib
import string
import sys
import typing as t

import charts
from batches import PHASES, Batch, batches, evidence_text, plan_lines
from results import FAILURES, LABELS

TEMPLATE = pathlib.Path(__file__).resolve().parent / "page.html"
Json = t.Dict[str, t.Any]


def milliseconds(value: float | None) -> str:
    """A latency with two or three meaning digits."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


def processor(run: Json) -> str:
    """How busy the machine was; empty when nobody looked."""
    busy = [f"{share:.0%} {name}" for name, share in (run.get("processor_busy") or {}).items() if share is not None]
    return f"Processors of the machine busy: {', '.join(busy)}." if busy else ""


def page(verdict: Json, record: Json, run: Json) -> str:
    """The report.

    Args:
        verdict: what analyse.py says.
        record: the rollout as rollout_info returns it; empty when there was none.
        run: what demo.py wrote: times, command, machine.
    """
    found = batches(record)
    sections = [
        _headline(verdict, record, run, found),
        _charts(verdict, record, found),
        _batch_table(verdict, record, found),
        _outcomes(verdict),
        _plan(record),
        _repeat(verdict, run),
    ]
    return string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=html.escape(_title(record)), body="\n".join(sections), data=_hover(verdict)
    )


def _title(record: Json) -> str:
    if not record:
        return "Load"
    return f"{record['service']} {record.get('from') or 'none'} → {record['version']}"


def _headline(verdict: Json, record: Json, run: Json, found: t.Sequence[Batch]) -> str:
    before, during = (verdict["phases"][name] for name in ("before", "during"))
    colour = "good" if verdict["verdict"] == "passed" else "bad"
    state = record.get("state", "")
    took = found[-1].whole.end - found[0].whole.start if found else None
    done = sum(1 for batch in found if batch.state == "done")
    cards = [
        (f"{verdict['requests']:,}", f"requests sent, {verdict['whole'].get('rate', 0):.0f} a second"),
        (f"{verdict['failed']:,}", f"failed; {verdict['wrong_version']} by a wrong version"),
        (_pair(before["p50_ms"], during["p50_ms"]), "p50 before → during"),
        (_pair(before["p99_ms"], during["p99_ms"]), "p99 before → during"),
        (milliseconds(verdict["longest_gap"]["ms"]), "longest time without an answer"),
        (seconds(took), f"rollout, {_part(record)}"),
        (f"{done} of {len(record.get('batches', []))}", "batches done"),
    ]
    shown = "".join(f"<div class=card><b>{value}</b><span>{html.escape(name)}</span></div>" for value, name in cards)
    what = [f"Rolling update of {_title(record)}" if record else "Load", state.replace("_", " ")]
    what.append(f"{record['started'][:19].replace('T', ' ')} UTC" if record.get("started") else "")
    return (
        f"<h1>{html.escape(' — '.join(filter(None, what)))}</h1>"
        f'<p class="headline {colour}">{verdict["failed"]:,} of {verdict["requests"]:,} requests failed</p>'
        f'<p class="lead">{html.escape(_lead(verdict, run))}</p><div class="cards">{shown}</div>'
    )


def _part(record: Json) -> str:
    sizes = [str(len(batch["hosts"])) for batch in record.get("batches", [])]
    return f"hosts per batch {'+'.join(sizes)}" if 0 < len(sizes) <= 6 else f"{len(sizes)} batches"


def _pair(before: float | None, during: float | None) -> str:
    return f"{milliseconds(before).replace(' ms', '')} → {milliseconds(during)}"


def _lead(verdict: Json, run: Json) -> str:
    text = verdict["reason"]
    long = verdict["long_connections"]
    if long["connections"]:
        text += f" {long['connections'] - long['failed']} of {long['connections']} long connections ended well."
    if run.get("return_code"):
        text += f" The playbook ended with code {run['return_code']}."
    return text


@dataclasses.dataclass(frozen=True)
class _Scene:
    """What all charts of a report share: the series, how much of it is shown, the axis and what lies behind."""

    series: Json
    length: int
    axis: charts.TimeAxis
    behind: str
    marks: str
    labels: str


def _charts(verdict: Json, record: Json, found: t.Sequence[Batch]) -> str:
    series, length = verdict["series"], verdict["series"]["whole_seconds"]
    if not length:
        return ""
    operation = verdict["operation"]
    axis = charts.TimeAxis(series["start"], series["start"] + length, _zero(verdict))
    scene = _Scene(
        series,
        length,
        axis,
        charts.bands(found, axis),
        charts.marks([operation["started"], operation["ended"]], axis),
        charts.band_labels(found, axis),
    )
    parts = [_requests_chart(scene, record), _latency_chart(scene), _error_chart(scene), _host_chart(scene, found)]
    return "\n".join(f"<section>{part}</section>" for part in parts)


def _zero(verdict: Json) -> float:
    start, operation = verdict["series"]["start"], verdict["operation"]["started"]
    return operation if start <= operation <= start + verdict["series"]["seconds"] else start


def _colours(versions: t.Iterable[str], record: Json) -> dict[str, str]:
    """A class of the style sheet for each version."""
    known = {record.get("from", ""): "old", record.get("version", ""): "new", "unknown": "unknown"}
    spare = iter(["third", "unknown"] if record else ["old", "new", "third"])
    return {version: known.get(version) or next(spare, "third") for version in versions}


def _requests_chart(scene: _Scene, record: Json) -> str:
    versions = scene.series["versions"]
    colours = _colours(versions, record)
    order = sorted(versions, key=lambda version: (colours[version] != "old", version))
    layers = {version: versions[version][: scene.length] for version in order}
    scale = charts.linear(max(map(sum, zip(*layers.values())), default=0))
    areas = charts.stacked(layers, scene.axis, scene.series["start"], scale, colours)
    legend = "".join(f'<li><i class="{colours[version]}"></i>{html.escape(version)}</li>' for version in order)
    title = "Answered requests per second by version"
    drawing = scene.behind + areas + scene.marks
    return (
        f"<h2>{title}</h2><p>Seconds since the playbook was started; bands are batches, dashed lines the playbook’s "
        f'start and end.</p><ul class="legend">{legend}</ul>'
        + charts.chart(drawing, scene.axis, scale, unit="requests/s", over=scene.labels, height=210, title=title)
    )


def _latency_chart(scene: _Scene) -> str:
    lines = {name: scene.series[f"{name}_ms"][: scene.length] for name in ("p99", "p50")}
    scale = charts.logarithmic([value for values in lines.values() for value in values if value])
    drawn = [charts.line(name, values, scene.axis, scene.series["start"], scale) for name, values in lines.items()]
    drawing = scene.behind + scene.marks + "".join(drawn)
    title = "Latency per second, p50 and p99"
    return (
        f"<h2>{title}</h2><p>From the moment a request should have been sent, on a logarithmic scale.</p>"
        '<ul class="legend"><li><i class="stroke" style="color:var(--p50)"></i>p50</li>'
        '<li><i class="stroke" style="color:var(--p99)"></i>p99</li></ul>'
        + charts.chart(drawing, scene.axis, scale, unit="milliseconds", over=scene.labels, height=190, title=title)
    )


def _error_chart(scene: _Scene) -> str:
    layers = {name: values[: scene.length] for name, values in scene.series["failed"].items()}
    highest = max(map(sum, zip(*layers.values())), default=0)
    scale = charts.linear(highest) if highest else charts.Scale(0, 1, (0,))
    areas = charts.stacked(layers, scene.axis, scene.series["start"], scale)
    legend = "".join(
        f'<li><i class="{name}"></i>{LABELS[name]}: {sum(values):,}</li>' for name, values in layers.items()
    )
    over = "" if layers else '<div class="none">none</div>'
    height = 140 if layers else 76
    title = "Failed requests per second"
    drawing = scene.behind + areas + scene.marks
    return (
        f"<h2>{title}</h2><p>Every kind counts: {'; '.join(LABELS[name] for name in FAILURES[:5])}.</p>"
        f'<ul class="legend">{legend}</ul>'
        + charts.chart(drawing, scene.axis, scale, unit="requests/s", over=over, height=height, title=title)
    )


def _host_chart(scene: _Scene, found: t.Sequence[Batch]) -> str:
    series = scene.series["hosts"]
    names = sorted({host for batch in found for host in batch.hosts} | (set(series) - {"unknown"}))
    hosts = {name: series.get(name, [])[: scene.length] for name in names}
    highest = max((max(values, default=0) for values in hosts.values()), default=0)
    legend = "".join(f'<li><i class="{name}"></i>{name}</li>' for name in PHASES.values())
    return (
        "<h2>Hosts</h2><p>What was done to each host, over the requests that it answered in each second (at most "
        f'{highest:,}).</p><ul class="legend">{legend}<li><i class="answered"></i>requests answered</li></ul>'
        + charts.timeline(hosts, found, scene.axis, scene.series["start"])
    )


def _batch_table(verdict: Json, record: Json, found: t.Sequence[Batch]) -> str:
    rows = []
    for batch in found:
        times = [seconds(batch.seconds(name)) for name in PHASES.values()]
        answered, failed = _meanwhile(verdict["series"], batch)
        cells = [*times, seconds(batch.whole.seconds), f"{answered:,}", f"{failed:,}"]
        rows.append(
            f'<tr class="batch"><td>{batch.number}</td><td class="left">{html.escape(", ".join(batch.hosts))}</td>'
            f'<td class="left">{html.escape(batch.state.replace("_", " "))}</td>'
            f"{''.join(f'<td>{cell}</td>' for cell in cells)}"
            '</tr><tr class="evidence"><td></td>'
            f'<td colspan="8">{html.escape(evidence_text(batch.evidence)) or "–"}</td></tr>'
        )
    if not rows:
        return ""
    heads = ["Batch", "Hosts", "State", "Drain", "Replace", "Verify", "All", "Answered", "Failed"]
    return (
        "<h2>Batches</h2><p>Answered and failed count all requests of the time in which a batch was worked on; "
        "below each is its evidence.</p>"
        f'<div class="scroll"><table><tr>{_heads(heads, (0, 1, 2))}</tr>{"".join(rows)}</table></div>'
    )


def _heads(names: t.Sequence[str], left: t.Container[int]) -> str:
    return "".join(f"<th{' class=left' if index in left else ''}>{name}</th>" for index, name in enumerate(names))


def _meanwhile(series: Json, batch: Batch) -> tuple[int, int]:
    first = max(0, round(batch.whole.start - series["start"]))
    last = max(first, round(batch.whole.end - series["start"]))
    return tuple(sum(sum(values[first:last]) for values in series[kind].values()) for kind in ("versions", "failed"))  # type: ignore[return-value]


def _outcomes(verdict: Json) -> str:
    groups = [(f"{name} the rollout", part) for name, part in verdict["phases"].items()]
    groups += [(f"stream: {name}", part) for name, part in verdict["attacks"].items()]
    groups += [(f"method: {name}", part) for name, part in verdict["methods"].items()]
    groups.append(("all", verdict["whole"]))
    rows = []
    for name, part in groups:
        kinds = ", ".join(f"{part['outcomes'][kind]:,} {LABELS[kind]}" for kind in FAILURES if part["outcomes"][kind])
        cells = [f"{part['requests']:,}", f"{part.get('rate', 0):.0f}/s", f"{part['failed']:,}"]
        cells += [milliseconds(part[key]) for key in ("p50_ms", "p90_ms", "p99_ms", "max_ms")]
        rows.append(
            f"<tr><td>{html.escape(name)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}"
            f'<td class="left">{kinds or "none"}</td></tr>'
        )
    heads = ["Requests", "Sent", "Rate", "Failed", "p50", "p90", "p99", "Longest", "Kinds of failure"]
    return (
        f"<h2>Requests</h2><p>{html.escape(_long_connections(verdict['long_connections']))}</p>"
        f'<div class="scroll"><table><tr>{_heads(heads, (0, 8))}</tr>{"".join(rows)}</table></div>{_examples(verdict)}'
    )


def _long_connections(long: Json) -> str:
    if not long["connections"]:
        return "No long connections were part of this run."
    kinds = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(long["outcomes"].items()))
    return f"Beside them {long['connections']} long connections: {kinds}."


def _examples(verdict: Json) -> str:
    if not verdict["examples"]:
        return ""
    zero = _zero(verdict)
    lines = [
        f"{example['at'] - zero:7.2f} s  {example['attack']:<16} {example['method']:<5} {example['code'] or '–':<4} "
        f"{example['version'] or '–':<8} {example['error'] or LABELS.get(example['outcome'], '')}"
        for example in verdict["examples"]
    ]
    return f"<h2>First failures</h2><pre>{html.escape(chr(10).join(lines))}</pre>"


def _plan(record: Json) -> str:
    if not record:
        return ""
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in plan_lines(record))
    seen = html.escape(str((record.get("plan") or {}).get("hash", "–")))
    whose = f"Rollout {html.escape(record['id'])} by {html.escape(record.get('owner', '–'))}, as the ledger keeps it."
    document = html.escape(json.dumps(record, indent=2))
    return (
        f"<section><h2>Plan</h2><p>Computed before anything was touched; hash {seen}.</p>"
        f'<ul class="plan">{lines}</ul></section><section><h2>Record</h2><p>{whose}</p>'
        f"<details><summary>Show the record</summary><pre>{document}</pre></details></section>"
    )


def _repeat(verdict: Json, run: Json) -> str:
    load = verdict.get("load", {})
    streams = "; ".join(
        f"{attack['rate']} requests/s, {'kept connections' if attack['keep_alive'] else 'a new connection each'}"
        for attack in load.get("attacks", [])
    )
    lag = verdict["generator_lag"]["p99_ms"]
    notes = [
        f"Load: {streams}; a fifth of the requests send a claim in, the others read. "
        f"Timeout {load.get('timeout_seconds', 0):g} s.",
        "The rate does not wait for answers; a latency counts from the time at which the request was due. "
        f"The generator was at most {milliseconds(lag)} late for 99 % of the requests; the latencies contain it.",
        "A GET on a kept connection that was closed before the first byte of an answer is sent once more by the "
        "client, as HTTP allows; a POST is not, so it shows what such a retry would hide.",
    ]
    machine = run.get("machine", {})
    if machine:
        notes.append(
            "Everything ran on one machine: " + ", ".join(f"{name} {value}" for name, value in machine.items()) + "."
        )
    commands = "\n".join(["make demo", *([run["command"]] if run.get("command") else [])])
    return (
        f"<section><h2>How to repeat it</h2><pre>{html.escape(commands)}</pre>"
        f"{''.join(f'<p class=note>{html.escape(note)}</p>' for note in notes)}</section>"
    )


def _hover(verdict: Json) -> str:
    """The values behind the pictures, for the pointer; `<` cannot end the script."""
    series = verdict["series"]
    rows = [(version, values, "requests/s") for version, values in series["versions"].items()]
    rows += [("p50", series["p50_ms"], "ms"), ("p99", series["p99_ms"], "ms")]
    rows += [(LABELS[name], values, "requests/s") for name, values in series["failed"].items()]
    data = {
        "first": 0,
        "length": series["whole_seconds"],
        "seconds": series["seconds"],
        "zero": series["start"] - _zero(verdict),
        "rows": [{"name": name, "values": values, "unit": unit} for name, values, unit in rows],
    }
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def main() -> None:
    documents = [json.loads(pathlib.Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:4]]
    sys.stdout.write(page(*documents))


if __name__ == "__main__":
    main()
