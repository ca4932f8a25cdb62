# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
import results

GET = 'Get "http://10.89.0.250/version": '


def line(seq, timestamp="2026-11-23T21:20:44.000000000Z", **fields):
    values = {"attack": "keep-alive", "seq": seq, "code": 200, "timestamp": timestamp, "latency": 2_000_000}
    values.update(error="", method="GET", headers={"X-Service-Version": ["1.0.0"], "X-Service-Host": ["app1"]})
    return json.dumps({**values, **fields})


@pytest.mark.parametrize(
    ("code", "error", "outcome"),
    [
        (200, "", "ok"),
        (201, "", "ok"),
        (302, "", "ok"),
        (0, "", "other"),
        (404, "404 Not Found", "status_4xx"),
        (422, "422 Unprocessable Entity", "status_4xx"),
        (500, "500 Internal Server Error", "status_5xx"),
        (503, "503 Service Unavailable", "status_5xx"),
        (0, GET + "dial tcp 10.89.0.250:80: connect: connection refused", "connect_error"),
        (0, GET + "dial tcp 10.89.0.250:80: i/o timeout", "connect_error"),
        (0, GET + "dial tcp 10.89.0.250:80: connect: no route to host", "connect_error"),
        (0, GET + "dial tcp: lookup lb1 on 10.89.0.1:53: no such host", "connect_error"),
        (0, GET + "read tcp 10.89.0.8:1->10.89.0.250:80: read: connection reset by peer", "reset"),
        (0, GET + "EOF", "reset"),
        (0, "unexpected EOF", "reset"),
        (0, GET + "http: server closed idle connection", "reset"),
        (0, GET + "write: broken pipe", "reset"),
        (0, GET + "context deadline exceeded (Client.Timeout exceeded while awaiting headers)", "timeout"),
        (0, "net/http: request canceled (Client.Timeout or context cancellation while reading body)", "timeout"),
        (0, GET + "dial tcp 10.89.0.250:80: connect: cannot assign requested address", "generator"),
        (0, GET + "dial tcp 10.89.0.250:80: socket: too many open files", "generator"),
        (0, "something nobody has seen", "other"),
    ],
)
def test_outcomes(code, error, outcome):
    assert results.classify(code, error) == outcome


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:01.000000007Z", 1_000_000_007),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T19:30:00.25-04:30", 250_000_000),
        ("2026-11-23T21:27:16.419Z", 1795469236_419_000_000),
    ],
)
def test_times(text, expected):
    assert results.nanoseconds(text) == expected


def test_times_of_two_zones_in_one_minute_are_told_apart():
    clock = results._Clock()
    assert clock.nanoseconds("1970-01-01T00:00:00Z") == 0
    assert clock.nanoseconds("1970-01-01T00:00:00+00:30") == -1800 * 10**9
    assert clock.nanoseconds("1970-01-01T00:00:00-00:30") == 1800 * 10**9
    assert clock.nanoseconds("1970-01-01T00:00:59Z") == 59 * 10**9


def test_latency_counts_from_when_a_request_was_due():
    lines = [
        line(0, "2026-11-23T21:20:44.000Z"),
        line(1, "2026-11-23T21:20:44.100Z"),
        line(2, "2026-11-23T21:20:44.950Z"),  # due at .200
    ]
    rows, missing = results.parse(lines, rate=10)
    assert [row.latency for row in rows] == [2_000_000, 2_000_000, 752_000_000]
    assert [row.intended - rows[0].intended for row in rows] == [0, 100_000_000, 200_000_000]
    assert missing == 0


def test_a_late_first_request_does_not_shift_the_others():
    rows, _missing = results.parse([line(0, "2026-11-23T21:20:44.05Z"), line(1, "2026-11-23T21:20:44.1Z")], rate=10)
    assert [row.latency for row in rows] == [52_000_000, 2_000_000]


def test_without_a_rate_the_real_time_counts():
    rows, _missing = results.parse([line(0), line(1, "2026-11-23T21:20:49Z")])
    assert [row.latency for row in rows] == [2_000_000, 2_000_000]


def test_requests_without_a_result_are_counted():
    rows, missing = results.parse([line(0), line(3), '{"attack":"keep-al'], rate=10)
    assert (len(rows), missing) == (2, 2)


def test_results_that_came_out_of_order_are_sorted():
    rows, _missing = results.parse([line(1, "2026-11-23T21:20:44.1Z"), line(0)], rate=10)
    assert rows[0].intended < rows[1].intended


def test_an_answer_without_headers_has_no_version():
    rows, _missing = results.parse([line(0, headers=None, code=0, error="EOF")])
    assert (rows[0].version, rows[0].host) == ("", "")


def test_an_empty_stream():
    assert results.parse([]) == ([], 0)


def test_a_folder_holds_several_streams(tmp_path):
    attacks = [{"name": "keep-alive", "rate": 10}, {"name": "new-connections", "rate": 1}]
    (tmp_path / "load.json").write_text(json.dumps({"attacks": attacks}))
    (tmp_path / "keep-alive.json").write_text(line(0, "2026-11-23T21:20:45Z") + "\n")
    (tmp_path / "new-connections.json").write_text(line(1, attack="new-connections") + "\n")
    rows, manifest = results.read_folder(tmp_path)
    assert [row.attack for row in rows] == ["new-connections", "keep-alive"]
    assert manifest["unrecorded"] == 1


def test_long_connections_are_read_and_need_not_be_there(tmp_path):
    assert results.read_connections(tmp_path / "none.json") == []
    (tmp_path / "some.json").write_text('{"kind": "download"}\n{"kind": "down')
    assert results.read_connections(tmp_path / "some.json") == [{"kind": "download"}]
