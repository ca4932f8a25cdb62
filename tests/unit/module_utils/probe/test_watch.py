# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.probe import watch
from ansible_collections.horizontal.scaling.plugins.module_utils.probe.watch import Rules, run_probes
from ansible_collections.horizontal.scaling.plugins.modules.health_check import PROBE, SPEC


class Script:
    """Answers of one probe, one after the other; the last one repeats."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, probe, seconds):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def run(attempt, *, count=1, seconds=1.0, timeout=1.0, interval=0.001, successes=1, retries=None):
    probes = [{"name": f"p{number}", "type": "fake", "weight": 1} for number in range(count)]
    return run_probes(probes, Rules(timeout, interval, successes, retries), seconds, {"fake": attempt})


def test_healthy_at_once():
    (result,) = run(Script(""))
    assert (result["healthy"], result["reason"], result["attempts"]) == (True, "", 1)


def test_waits_for_successes_in_a_row():
    (result,) = run(Script("no", "", "no", "", "", ""), successes=3)
    assert (result["healthy"], result["attempts"]) == (True, 6)


def test_stops_when_the_retries_are_used_up():
    began = time.monotonic()
    (result,) = run(Script("refused"), retries=2, seconds=60)
    assert (result["healthy"], result["reason"], result["attempts"]) == (False, "refused", 3)
    assert time.monotonic() - began < 30


def test_the_deadline_ends_it_with_the_last_reason():
    (result,) = run(Script("refused"), seconds=0.2)
    assert (result["healthy"], result["reason"]) == (False, "refused")


def test_too_few_successes_before_the_deadline_are_said():
    (result,) = run(Script(""), seconds=0.15, interval=0.08, successes=9)
    assert result["healthy"] is False
    assert "of 9 successes in a row before the deadline" in result["reason"]


def test_an_attempt_that_never_returns_does_not_hold_the_task(monkeypatch):
    monkeypatch.setattr(watch, "GRACE", 0.05)
    release = threading.Event()
    began = time.monotonic()
    (result,) = run(lambda probe, seconds: release.wait(30) and "", seconds=0.1)
    release.set()
    assert time.monotonic() - began < 20
    assert (result["healthy"], result["reason"]) == (False, "no answer within the deadline of 0.1 s")


def test_an_attempt_may_take_what_is_left():
    given = []
    run(lambda probe, seconds: given.append(seconds) or "no", seconds=0.3, timeout=5, interval=0.1)
    assert all(seconds <= 0.3 for seconds in given)


def test_a_broken_probe_is_a_reason():
    (result,) = run(lambda probe, seconds: 1 / 0, retries=0)
    assert result["reason"] == "the probe itself failed: ZeroDivisionError: division by zero"


def test_a_hundred_probes_take_the_time_of_the_slowest():
    began = time.monotonic()
    results = run(lambda probe, seconds: time.sleep(0.2) or "", count=100)
    assert time.monotonic() - began < 15
    assert [result["name"] for result in results] == [f"p{number}" for number in range(100)]
    assert all(result["healthy"] for result in results)


def options(probes, **given):
    filled = [dict({name: option.get("default") for name, option in PROBE.items()}, **probe) for probe in probes]
    return dict({name: option.get("default") for name, option in SPEC.items()}, probes=filled, **given)


def fake(monkeypatch, **attempts):
    monkeypatch.setattr(watch, "ATTEMPTS", attempts)


def test_the_failure_names_probe_and_reason(monkeypatch):
    fake(monkeypatch, tcp=Script("connection refused by db1:1"), command=Script(""))
    probes = [
        {"type": "tcp", "host": "db1", "port": 1, "name": "db"},
        {"type": "command", "command": ["x"], "weight": 3},
    ]
    with pytest.raises(ScalingError, match=r"Not healthy after 0\.\d s: db: connection refused by db1:1\.") as error:
        watch.check(options(probes, retries=0), False)
    assert (error.value.details["score"], error.value.details["health"]) == (75, "degraded")
    assert watch.check(options(probes, retries=0, fail=False), False).values["healthy"] is False


def test_the_message_stays_short(monkeypatch):
    fake(monkeypatch, tcp=Script("refused"))
    probes = [{"type": "tcp", "host": f"db{number}", "port": 1} for number in range(12)]
    with pytest.raises(ScalingError, match="db4:1: refused; and 7 more"):
        watch.check(options(probes, retries=0), False)


def test_check_mode_tries_once_runs_no_command_and_never_fails(monkeypatch):
    fake(monkeypatch, tcp=Script("refused"), command=lambda probe, seconds: pytest.fail("it ran"))
    probes = [{"type": "tcp", "host": "db1", "port": 1}, {"type": "command", "command": ["x"]}]
    result = watch.check(options(probes, successes=3), True).as_result(True)
    assert result["changed"] is False
    assert [(item["healthy"], item["attempts"]) for item in result["probes"]] == [(False, 1), (None, 0)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout": 0}, "timeout is 0; give seconds greater than 0"),
        ({"deadline": -1}, "deadline is -1; give seconds greater than 0"),
        ({"deadline": float("nan")}, "deadline is nan; give seconds greater than 0"),
        ({"interval": -0.5}, "interval is -0.5; give seconds from 0"),
        ({"successes": 0}, "successes is 0; give a whole number from 1"),
        ({"retries": -1}, "retries is -1; give a whole number from 0, or leave it out"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(given, message):
    with pytest.raises(ScalingError, match=message):
        watch.check(options([{"type": "tcp", "host": "db1", "port": 1}], **given), False)
