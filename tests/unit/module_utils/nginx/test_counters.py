# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.counters import Counters, count

A, B = "10.0.0.1:80", "10.0.0.2:80"


def line(status, upstream, statuses, times, service="claims"):
    return (
        f'{{"service":"{service}","status":{status},"upstream":"{upstream}","upstream_status":"{statuses}",'
        f'"upstream_header_time":"{times}","time":"2026-01-01T00:00:00+00:00","uri":"/\\"upstream\\":"}}\n'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (line(200, A, "200", "0.003"), {"": [1, 0, 0], A: [1, 0, 0]}),
        (line(500, A, "500", "0.003"), {"": [1, 1, 0], A: [1, 1, 0]}),
        (line(502, A, "502", "-"), {"": [1, 1, 0], A: [1, 0, 1]}),  # NGINX's own 502
        (line(502, A, "502", "0.001"), {"": [1, 1, 0], A: [1, 1, 0]}),  # the server's own 502
        (line(200, f"{A}, {B}", "502, 200", "-, 0.004"), {"": [1, 0, 0], A: [1, 0, 1], B: [1, 0, 0]}),
        (line(200, f"{A} : {B}", "200 : 503", "0.1 : 0.2"), {"": [1, 0, 0], A: [1, 0, 0], B: [1, 1, 0]}),
        (line(502, "claims", "502", "-"), {"": [1, 1, 1], "claims": [1, 0, 1]}),  # no server left
        (line(499, A, "-", "-"), {"": [1, 0, 0], A: [1, 0, 0]}),  # the client went away
        (line(429, "", "", ""), {"": [1, 0, 0]}),
    ],
)
def test_what_a_line_counts_as(text, expected):
    totals = {}
    count(text.encode(), totals)
    assert totals == {"claims": expected}


def test_other_lines_count_nothing():
    totals = {}
    count(b'{"service":"x"}\n127.0.0.1 - - [x] "GET /"\n', totals)
    assert totals == {}


@pytest.fixture
def files(tmp_path):
    return tmp_path / "services.log", Counters(str(tmp_path / "state" / "counters.json"))


def requests(counters, log):
    state = counters.read([str(log)])
    return state["totals"].get("claims", {}).get(A, [0])[0], state["gaps"]


def test_only_what_is_new_is_counted(files):
    log, counters = files
    assert requests(counters, log) == (0, 0)
    log.write_text(line(200, A, "200", "0.1") * 3 + '{"service":"cl')
    assert requests(counters, log) == (3, 0)
    assert requests(counters, log) == (3, 0)
    log.write_text(line(200, A, "200", "0.1") * 5)
    assert requests(counters, log) == (5, 0)


def test_the_rest_of_a_rotated_log_is_counted(files):
    log, counters = files
    log.write_text(line(200, A, "200", "0.1") * 3)
    requests(counters, log)
    with log.open("a") as out:
        out.write(line(200, A, "200", "0.1") * 2)
    log.rename(f"{log}.1")
    log.write_text(line(200, A, "200", "0.1"))
    assert requests(counters, log) == (6, 0)


@pytest.mark.parametrize("how", ["gone", "emptied"])
def test_what_cannot_be_counted_is_a_gap(files, how):
    log, counters = files
    log.write_text(line(200, A, "200", "0.1") * 3)
    requests(counters, log)
    if how == "gone":
        keep = log.parent / "keep"  # so that the new file gets another inode
        log.rename(keep)
    log.write_text(line(200, A, "200", "0.1"))
    assert requests(counters, log) == (4, 1)


def test_a_broken_cache_starts_over_and_says_so(files):
    log, counters = files
    log.write_text(line(200, A, "200", "0.1"))
    requests(counters, log)
    (log.parent / "state" / "counters.json").write_text("{")
    assert requests(counters, log) == (1, 1)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ScalingError, match="counters_file"):
        Counters(str(tmp_path / "file" / "x")).read([])
