# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.expression import parse
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.gate import judge


def server(requests, bad=0, errors=0, name="app1", balancer="lb1", **more):
    counted = {"requests": requests, "responses_5xx": bad, "errors": errors}
    return dict(counted, name=name, balancer=balancer, backend="claims", **more)


def gate(before, after, *expressions, metrics=None, **check):
    return judge([dict(check, expression=text) for text in expressions], before, after, metrics)


@pytest.mark.parametrize(
    ("text", "metric", "sign", "threshold", "unit"),
    [
        ("error_rate < 5%", "error_rate", "<", 5.0, "%"),
        ("error_rate<=0.5%", "error_rate", "<=", 0.5, "%"),
        ("  success_rate >= 99.9 % ", "success_rate", ">=", 99.9, "%"),
        ("requests > 100", "requests", ">", 100.0, ""),
        ("response_time < 200ms", "response_time", "<", 200.0, "ms"),
        ("response_time < 1.5s", "response_time", "<", 1500.0, "ms"),
        ("queue_length != 0", "queue_length", "!=", 0.0, ""),
        ("replicas == 4", "replicas", "==", 4.0, ""),
    ],
)
def test_expressions(text, metric, sign, threshold, unit):
    assert parse(text)[1:] == (metric, sign, threshold, unit)


@pytest.mark.parametrize(
    "text",
    ["", "error_rate", "error_rate < ", "< 5%", "error_rate =< 5%", "error_rate < -5%", "error_rate < 5% or a > 1",
     "__import__('os') < 1", "error_rate < 1e9%", "error_rate < 5kg", "Error_Rate < 5%", "error_rate < 5% x"],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(ScalingError, match=r"expression is .*; give a metric, one of .* such as 'error_rate < 5%'"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("error_rate < 0.05", "error_rate is compared with a number in %"),
        ("error_rate < 101%", "error_rate is a percentage from 0% to 100%"),
        ("requests > 5%", "requests is compared with a number in no unit"),
        ("response_time < 200", "response_time is compared with a number in ms or s"),
    ],
)
def test_a_unit_must_fit_its_metric(text, message):
    with pytest.raises(ScalingError, match=message):
        parse(text)


def test_differences_over_balancers_decide():
    before = [server(1000, 900), server(50, balancer="lb2")]
    after = [server(1100, 900), server(150, 2, 2, balancer="lb2")]
    judged = gate(before, after, "error_rate < 5%", "success_rate >= 98%", "requests == 200")
    assert judged["verdict"] == "success"
    assert [check["value"] for check in judged["checks"]] == [2.0, 98.0, 200.0]
    assert judged["servers"] == [{"name": "app1", "requests": 200, "failed": 4, "error_rate": 2.0}]


def test_a_failure_names_the_server_the_value_and_the_threshold():
    before = [server(0), server(0, name="app2")]
    after = [server(50, name="app2"), server(50, 10, 10)]
    judged = gate(before, after, "error_rate < 5%")
    assert judged["verdict"] == "failure"
    assert judged["reason"] == (
        "error_rate is 20% over 100 requests (worst: app1, 20 of 50 failed), wanted error_rate < 5%"
    )


def test_failed_connections_count_even_without_requests():
    judged = gate([server(10)], [server(10, errors=7)], "error_rate < 5%")
    assert (judged["verdict"], judged["checks"][0]["value"], judged["samples"]) == ("failure", 100.0, 7)


def test_too_few_samples_are_inconclusive_and_said_so():
    judged = gate([server(0)], [server(9, 9)], "error_rate < 5%", min_samples=10)
    assert judged["verdict"] == "inconclusive"
    assert "over 9 requests, fewer than the 10 that are needed to tell" in judged["reason"]


@pytest.mark.parametrize("minimum", [0, 1])
def test_no_traffic_is_never_a_success(minimum):
    judged = gate([server(5)], [server(5)], "error_rate < 5%", min_samples=minimum)
    assert (judged["verdict"], judged["reason"]) == ("inconclusive", "error_rate has no value: no request was seen")


def test_no_servers_are_never_a_success():
    assert gate([], [], "error_rate < 5%", min_samples=0)["verdict"] == "inconclusive"
    assert gate([], [], "requests < 5", min_samples=0)["verdict"] == "inconclusive"


def test_a_missing_metric_is_an_error_and_not_zero():
    judged = gate([server(0)], [server(100)], "response_time < 200ms")
    assert judged["verdict"] == "error"
    assert judged["checks"][0]["value"] is None
    assert "response_time is not among the values" in judged["reason"]


def test_a_missing_counter_is_an_error_and_not_zero():
    bare = [{"name": "app1", "requests": 5}], [{"name": "app1", "requests": 500}]
    judged = gate(*bare, "error_rate < 5%")
    assert judged["verdict"] == "error"
    assert "have no errors, responses_5xx" in judged["reason"]
    assert gate(*bare, "requests > 100")["verdict"] == "success"


@pytest.mark.parametrize("value", [None, "", "many", "nan", True, [1]])
def test_a_given_metric_must_be_a_number(value):
    assert gate([], [], "queue_length < 5", metrics={"queue_length": value})["verdict"] == "error"


def test_given_metrics_need_no_traffic():
    judged = gate(
        [], [], "response_time < 0.2s", "queue_length < 10", metrics={"response_time": "150", "queue_length": 3}
    )
    assert judged["verdict"] == "success"
    assert judged["checks"][0]["reason"] == "response_time is 150ms, as wanted"


def test_response_time_is_weighted_by_requests():
    before = [server(0), server(0, name="app2")]
    after = [server(100, response_time=100), server(300, name="app2", response_time=200)]
    assert gate(before, after, "response_time < 200ms")["checks"][0]["value"] == 175.0


def test_a_restarted_process_cannot_succeed_but_can_fail():
    healthy = gate([server(1000)], [server(100)], "error_rate < 5%")
    assert healthy["verdict"] == "inconclusive"
    assert healthy["reason"] == "error_rate is 0% over 100 requests, but app1 on lb1 began counting anew"
    assert gate([server(1000)], [server(100, 50)], "error_rate < 5%")["verdict"] == "failure"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([server(1), server(1, balancer="lb2")], [server(99)], "app1 on lb2 has no counters any more"),
        ([server(1)], [server(99), server(9, balancer="lb2")], "app1 on lb2 had no counters before"),
        (
            [server(1), server(7), server(1, name="x")],
            [server(9), server(99, name="x")],
            "app1 on lb1 was read 2 times",
        ),
    ],
)
def test_what_was_not_seen_is_said(before, after, said):
    judged = gate(before, after, "error_rate < 5%")
    assert judged["verdict"] == "inconclusive"
    assert said in judged["reason"]


def test_balancers_with_one_name_are_told_apart_by_their_order():
    judged = gate([server(100), server(5000)], [server(150), server(5050)], "error_rate < 5%")
    assert (judged["verdict"], judged["samples"]) == ("success", 100)


@pytest.mark.parametrize(
    ("expressions", "verdict"),
    [
        (("error_rate < 5%", "requests > 10"), "success"),
        (("error_rate < 5%", "requests > 1000"), "failure"),
        (("latency < 5ms", "requests > 1000"), "failure"),
        (("latency < 5ms", "requests > 10"), "error"),
    ],
)
def test_the_worst_verdict_wins(expressions, verdict):
    assert gate([server(0)], [server(100)], *expressions)["verdict"] == verdict


def test_error_wins_over_inconclusive():
    assert gate([server(0)], [server(0)], "error_rate < 5%", "latency < 5ms")["verdict"] == "error"


def test_observing_checks_do_not_decide():
    checks = [{"expression": "requests > 10"}, {"expression": "requests > 1000", "observe_only": True, "name": "busy"}]
    judged = judge(checks, [server(0)], [server(100)])
    assert judged["verdict"] == "success"
    assert [(check["name"], check["verdict"]) for check in judged["checks"]] == [
        ("requests > 10", "success"),
        ("busy", "failure"),
    ]


def test_only_observing_checks_decide_nothing():
    judged = gate([server(0)], [server(100)], "requests > 10", observe_only=True)
    assert (judged["verdict"], judged["reason"]) == ("inconclusive", "every check only observes, so nothing decides")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], []), "checks is an empty list; give at least one"),
        (
            ([{"expression": "requests > 1", "min_samples": -1}], [], []),
            "min_samples is '-1'; give a whole number from 0",
        ),
        (([{"expression": "requests > 1"}], [{"requests": 1}], []), r"before\[0\] is no server with a name"),
        (([{"expression": "requests > 1"}], [], ["app1"]), r"after\[0\] is no server with a name"),
        (
            ([{"expression": "requests > 1"}], [server(1)], [server("many")]),
            "requests of server app1 is 'many'; it must be a whole number",
        ),
    ],
)
def test_bad_input_is_refused_in_a_sentence(arguments, message):
    with pytest.raises(ScalingError, match=message):
        judge(*arguments)
