# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time

import analyse
import pytest
import results
from analyse import Operation
from results import Row

MS = 1_000_000
SECOND = 1_000_000_000
OPERATION = Operation(10, 20, before="1.0.0", target="2.0.0", after="2.0.0", settled=19)


def row(at, outcome="ok", *, version="1.0.0", latency_ms=2.0, attack="keep-alive", method="GET", host="app1"):
    """A request that was due `at` seconds after the epoch."""
    time_ns = int(at * SECOND)
    code = 200 if outcome == "ok" else 0
    return Row(time_ns, time_ns, int(latency_ms * MS), outcome, version, host, attack, method, code, "")


def steady(first=0.0, last=30.0, rate=10):
    """Requests of a rollout that goes well: the version changes at 15 s."""
    count = int((last - first) * rate)
    times = [first + number / rate for number in range(count)]
    return [row(at, version="1.0.0" if at < 15 else "2.0.0") for at in times]


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 1), (10, 1), (50, 5), (51, 6), (90, 9), (91, 10), (99, 10), (100, 10)]
)
def test_percentile_is_the_nearest_rank(share, expected):
    assert analyse.percentile(list(range(1, 11)), share) == expected


def test_the_bound_for_no_failure_is_the_rule_of_three():
    assert analyse.upper_bound(0, 60_000) == pytest.approx(3 / 60_000, rel=0.01)


def test_the_bound_grows_with_failures_and_is_never_below_what_was_seen():
    bounds = [analyse.upper_bound(failures, 1000) for failures in (0, 1, 5, 50, 500, 1000)]
    assert bounds == sorted(bounds)
    assert bounds[1] == pytest.approx(4.744 / 1000, rel=0.001)  # from tables of the Poisson distribution
    assert all(bound >= failures / 1000 for bound, failures in zip(bounds, (0, 1, 5, 50, 500, 1000)))


def test_the_bound_without_requests_says_nothing():
    assert analyse.upper_bound(0, 0) == 1.0


def test_a_good_rollout_passes():
    verdict = analyse.analyse(steady(), OPERATION)
    assert verdict["verdict"] == "passed"
    assert verdict["reason"].startswith("0 of 300 requests failed")
    assert (verdict["failed"], verdict["wrong_version"]) == (0, 0)
    assert {name: part["requests"] for name, part in verdict["phases"].items()} == {
        "before": 100,
        "during": 100,
        "after": 100,
    }


@pytest.mark.parametrize("outcome", results.FAILURES)
def test_every_kind_of_failure_fails_the_run_and_is_named(outcome):
    verdict = analyse.analyse([*steady(), row(30, outcome)], OPERATION)
    assert verdict["verdict"] == "failed"
    assert verdict["reason"] == f"1 of 301 requests failed: 1 {results.LABELS[outcome]}."
    assert verdict["whole"]["outcomes"][outcome] == 1
    assert verdict["examples"][0]["outcome"] == outcome


@pytest.mark.parametrize(
    ("at", "version", "wrong"),
    [
        (5, "1.0.0", 0),
        (5, "2.0.0", 1),  # before anything was started
        (12, "1.0.0", 0),
        (12, "2.0.0", 0),
        (12, "3.0.0", 1),
        (12, "", 1),
        (19.5, "1.0.0", 1),  # the ledger said that it was over
        (19.5, "2.0.0", 0),
        (25, "1.0.0", 1),
    ],
)
def test_versions_that_should_not_answer(at, version, wrong):
    verdict = analyse.analyse([row(at, version=version)], OPERATION)
    assert verdict["wrong_version"] == wrong
    assert verdict["verdict"] == ("failed" if wrong else "passed")


@pytest.mark.parametrize(("version", "wrong"), [("1.0.0", 0), ("2.0.0", 1)])
def test_after_a_rollback_only_the_old_version_may_answer(version, wrong):
    operation = Operation(10, 20, before="1.0.0", target="2.0.0", after="1.0.0", settled=19)
    assert analyse.analyse([row(15, version="2.0.0"), row(25, version=version)], operation)["wrong_version"] == wrong


def test_failed_requests_have_no_wrong_version():
    assert analyse.wrong_versions([row(25, "status_5xx", version="")], OPERATION) == []


def test_without_versions_any_may_answer():
    assert analyse.wrong_versions([row(5, version="9")], Operation(10, 20)) == []


def test_no_request_and_lost_results_are_inconclusive():
    assert analyse.analyse([])["verdict"] == "inconclusive"
    verdict = analyse.analyse(steady(), OPERATION, unrecorded=2)
    assert (verdict["verdict"], verdict["reason"]) == ("inconclusive", "2 of 302 requests left no result.")


def test_a_long_connection_that_was_cut_fails_the_run():
    connections = [
        {"kind": "websocket", "outcome": "closed"},
        {"kind": "websocket", "outcome": "cut"},
        {"kind": "download", "outcome": "whole"},
    ]
    verdict = analyse.analyse(steady(), OPERATION, connections=connections)
    assert verdict["verdict"] == "failed"
    assert "1 long connections cut" in verdict["reason"]
    assert verdict["long_connections"]["outcomes"] == {
        "websockets_closed": 1,
        "websockets_cut": 1,
        "downloads_whole": 1,
    }


def test_the_longest_gap_lies_between_two_answers():
    rows = [row(0), row(1), row(1.5, "timeout"), row(4), row(5)]
    gap = analyse.longest_gap(rows)
    assert gap["ms"] == pytest.approx(3000)
    assert gap["at"] == pytest.approx(1.002)


def test_a_gap_at_the_end_counts():
    assert analyse.longest_gap([row(0), row(8, "timeout")])["ms"] == pytest.approx(7998)


def test_percentiles_leave_failures_out():
    part = analyse.summary([row(0, latency_ms=1), row(1, latency_ms=3), row(2, "timeout", latency_ms=10_000)])
    assert (part["p50_ms"], part["p99_ms"], part["max_ms"]) == (1.0, 3.0, 3.0)
    assert part["failed"] == 1


def test_the_series_has_a_value_for_every_second():
    rows = [row(0), row(0.5, version="2.0.0", host="app2"), row(2.2, "reset"), row(3.9, latency_ms=7)]
    series = analyse.series(rows)
    assert series["seconds"] == 4
    assert series["versions"] == {"1.0.0": [1, 0, 0, 1], "2.0.0": [1, 0, 0, 0]}
    assert series["hosts"] == {"app1": [1, 0, 0, 1], "app2": [1, 0, 0, 0]}
    assert series["failed"] == {"reset": [0, 0, 1, 0]}
    assert series["p50_ms"] == [2.0, None, None, 7.0]


def test_the_picture_ends_with_the_stream_that_ends_first_unless_something_failed_later():
    rows = sorted([row(at / 10) for at in range(50)] + [row(at / 10, attack="other") for at in range(32)])
    assert analyse.series(rows)["whole_seconds"] == 3
    assert analyse.series([*rows, row(4.95, "timeout")])["whole_seconds"] == 5


def test_operation_from_the_record_of_the_ledger():
    record = {
        "from": "1.0.0",
        "version": "2.0.0",
        "state": "succeeded",
        "started": "1970-01-01T00:00:12Z",
        "finished": "1970-01-01T00:00:19Z",
    }
    assert analyse.operation_from(record, {"started": 10, "ended": 20}) == OPERATION
    assert analyse.operation_from({**record, "state": "failed"}, {}) == Operation(12, 19, "1.0.0", "2.0.0", "1.0.0", 19)
    assert analyse.operation_from({**record, "state": "paused"}, {}).after == ""
    assert analyse.operation_from({}, {}) is None


@pytest.mark.parametrize(("version", "wrong"), [("1.0.0", 0), ("2.0.0", 0), ("3.0.0", 1)])
def test_both_versions_may_answer_while_a_rollout_is_open(version, wrong):
    operation = Operation(10, 20, before="1.0.0", target="2.0.0")
    assert analyse.analyse([row(25, version=version)], operation)["wrong_version"] == wrong


def test_the_verdict_is_plain_json():
    verdict = analyse.analyse([*steady(), row(30, "timeout")], OPERATION)
    assert json.loads(json.dumps(verdict))["verdict"] == "failed"


def test_200_000_requests_take_less_than_five_seconds():
    answer = {"X-Service-Version": ["1.0.0"], "X-Service-Host": ["app1"], "Server": ["aiohttp"], "Date": ["x"]}
    base = {"attack": "keep-alive", "code": 200, "latency": 1_700_000, "error": "", "method": "GET", "headers": answer}
    lines = [
        json.dumps(
            {**base, "seq": number, "timestamp": f"2026-11-23T21:{number // 60_000:02}:{number / 1000 % 60:012.9f}Z"}
        )
        for number in range(200_000)
    ]
    began = time.process_time()
    rows, _missing = results.parse(lines, rate=1000)
    verdict = analyse.analyse(rows, Operation(rows[0].intended / SECOND + 50, rows[0].intended / SECOND + 150))
    assert verdict["requests"] == 200_000
    assert time.process_time() - began < 5
