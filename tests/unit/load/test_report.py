# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import html.parser
import json
import re

import analyse
import batches
import charts
import pytest
import report
import results
import summary
from results import Row

SECOND = 1_000_000_000
START = 1_795_469_230

RECORD = {
    "id": "20261123-1",
    "service": "claims-service",
    "version": "2.0.0",
    "from": "1.0.0",
    "state": "succeeded",
    "owner": "ops@laptop",
    "started": "2026-11-23T21:27:20.000Z",
    "finished": "2026-11-23T21:27:40.000Z",
    "plan": {
        "version": "2.0.0",
        "hash": "abc",
        "batches": [{"number": 1, "hosts": ["app1"]}, {"number": 2, "hosts": ["app2", "app3"]}],
        "skipped": [{"host": "app4", "reason": "runs 2.0.0 already"}],
        "back": {"app1": "1.0.0", "app2": "1.0.0", "app3": ""},
    },
    "batches": [
        {
            "number": 1,
            "hosts": ["app1"],
            "state": "done",
            "phases": {
                "draining": "2026-11-23T21:27:20.000Z",
                "replacing": "2026-11-23T21:27:22.000Z",
                "verifying": "2026-11-23T21:27:23.500Z",
                "done": "2026-11-23T21:27:30.000Z",
            },
            "evidence": {"verdict": "success", "reason": "error_rate 0 %", "remaining_sessions": [0]},
        },
        {
            "number": 2,
            "hosts": ["app2", "app3"],
            "state": "running",
            "phases": {"draining": "2026-11-23T21:27:30.000Z"},
            "evidence": {},
        },
        {"number": 3, "hosts": ["app5"], "state": "pending", "phases": {}},
    ],
}
RUN = {"started": START + 8, "ended": START + 40, "command": "ansible-playbook x -e '<v>'", "return_code": 0}


def verdict(failures=0, version=""):
    rows = []
    for number in range(500):
        due = START * SECOND + number * SECOND // 10
        outcome = "reset" if number % 100 < failures else "ok"
        answered = version or ("1.0.0" if number < 200 else "2.0.0")
        rows.append(Row(due, due, 2_000_000, outcome, answered, "app1", "keep-alive", "GET", 200, ""))
    return analyse.analyse(rows, analyse.operation_from({**RECORD, "from": "1.0.0"}, RUN))


class Checker(html.parser.HTMLParser):
    """Every tag is closed, nothing is fetched from elsewhere."""

    void = {"meta", "path", "rect", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.outside = [], []

    def handle_starttag(self, tag, attributes):
        self.outside += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag


@pytest.mark.parametrize("failures", [0, 3])
@pytest.mark.parametrize("record", [RECORD, {}])
def test_the_page_is_whole_and_stands_alone(failures, record):
    text = report.page(verdict(failures), record, RUN)
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.outside == []
    assert "url(" not in text and "@import" not in text
    assert "nan" not in text.lower().replace("nanoseconds", "")


def test_the_page_says_how_many_failed_and_none_when_none_did():
    good, bad = report.page(verdict(), RECORD, RUN), report.page(verdict(3), RECORD, RUN)
    assert '<p class="headline good">0 of 500 requests failed</p>' in good
    assert '<div class="none">none</div>' in good
    assert '<p class="headline bad">15 of 500 requests failed</p>' in bad
    assert "none</div>" not in bad
    assert "First failures" in bad


def test_what_comes_from_outside_is_escaped():
    record = json.loads(json.dumps(RECORD).replace("app1", "<b>app1"))
    text = report.page(verdict(version="</script><b>"), record, RUN)
    assert "<b>app1" not in text
    assert "&lt;v&gt;" in text
    assert text.count("</script>") == 1


def test_batches_as_spans():
    first, second = batches.batches(RECORD)
    assert [(span.name, span.seconds) for span in first.spans] == [("drain", 2.0), ("replace", 1.5), ("verify", 6.5)]
    assert first.whole.seconds == 10
    assert (second.seconds("drain"), second.seconds("replace")) == (10.0, None)


def test_a_batch_that_was_taken_back_keeps_its_phases():
    record = {"batches": [{"number": 1, "hosts": ["app1"], "state": "taken_back", "evidence": {}, "phases": {}}]}
    record["batches"][0]["phases"] = {
        "draining": "2026-11-23T21:27:20Z",
        "verifying": "2026-11-23T21:27:23Z",
        "taken_back": "2026-11-23T21:27:30Z",
    }
    (batch,) = batches.batches(record)
    assert [(span.name, span.seconds) for span in batch.spans] == [("drain", 3.0), ("verify", 7.0)]


def test_the_plan_as_sentences():
    assert batches.plan_lines(RECORD) == [
        "Batch 1 of 2: app1 (1.0.0 → 2.0.0)",
        "Batch 2 of 2: app2 (1.0.0 → 2.0.0), app3 (none → 2.0.0)",
        "Left alone: app4 (runs 2.0.0 already)",
    ]


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        ({}, ""),
        ({"verdict": "success", "reason": "fine", "cut": {"app1": 0}}, "success: fine; cut: app1 0"),
        ({"left_out": ["app1", "app2"], "share": 0.25, "none": []}, "left out: app1, app2; share: 0.25"),
    ],
)
def test_evidence_as_a_sentence(evidence, text):
    assert batches.evidence_text(evidence) == text


@pytest.mark.parametrize(
    ("highest", "top", "steps"), [(0, 1, 6), (1, 1.5, 4), (7, 8, 5), (330, 400, 5), (400, 500, 6), (1000, 1200, 7)]
)
def test_linear_scales_end_above_the_highest_value(highest, top, steps):
    scale = charts.linear(highest)
    assert scale.high > highest or highest == 0
    assert len(scale.ticks) <= 7


@pytest.mark.parametrize("values", [[], [1.5], [1.7, 48], [0.2, 30_000], [5, 5], [0.0004, 9e6]])
def test_logarithmic_scales_hold_every_value(values):
    scale = charts.logarithmic(values)
    assert scale.low < scale.high
    assert 2 <= len(scale.ticks) <= 12
    assert all(0 <= scale.share(value) <= 1 for value in values if 0.001 <= value <= 5e6)


@pytest.mark.parametrize("length", [3, 12, 59, 60, 61, 300, 3000, 20_000])
def test_the_time_axis_has_a_few_round_ticks_and_zero(length):
    ticks = charts.TimeAxis(100, 100 + length, 102).ticks()
    assert 2 <= len(ticks) <= 13
    assert "0" in [label for _share, label in ticks]
    assert all(0 <= share <= 1 for share, _label in ticks)


def test_lines_break_where_there_is_no_value():
    axis, scale = charts.TimeAxis(0, 4, 0), charts.linear(1)
    path = charts.line("p50", [1, None, 1, 1], axis, 0, scale)
    assert path.count("M") == 2 and path.count("L") == 1


def test_stacked_areas_lie_on_each_other():
    axis, scale = charts.TimeAxis(0, 1, 0), charts.Scale(0, 10, ())
    text = charts.stacked({"a": [4], "b": [6]}, axis, 0, scale)
    heights = [re.findall(r" (\d+\.\d)", path) for path in re.findall(r'd="([^"]+)"', text)]
    assert heights == [["600.0", "600.0", "1000.0", "1000.0"], ["0.0", "0.0", "600.0", "600.0"]]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (1.66, "1.7 ms"), (12.84, "13 ms"), (980, "980 ms"), (2340, "2.34 s")]
)
def test_latencies_for_people(value, text):
    assert report.milliseconds(value) == text


def test_the_table_ends_with_the_verdict():
    lines = summary.table(verdict(1), RECORD, {"processor_busy": {"before": 0.5, "during": 0.934}}).splitlines()
    assert "  Processors of the machine busy: 50% before, 93% during." in lines
    assert lines[-1] == f"FAILED: 5 of 500 requests failed: 5 {results.LABELS['reset']}."
    assert any(line.split() == ["1", "app1", "done", "2.0", "s", "1.5", "s", "6.5", "s", "10.0", "s"] for line in lines)
    assert any("20261123-1" in line for line in lines)
