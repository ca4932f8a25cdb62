# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout import record as records
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout import requests
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.plan import make_plan

HOSTS = [{"name": f"app{n}", "version": "1.0.0", "running": True, "in_rotation": True} for n in (1, 2, 3)]
PLAN = make_plan("claims", "2.0.0", HOSTS, batch_sizes=["1"])
TOKEN = "1-abc"


def at(seconds):
    return records.timestamp(1_800_000_000 + seconds)


def begun():
    return records.begin(PLAN, "claims", "ops@laptop", at(0), token=TOKEN, rollout_id="20270115T080000Z-0001")


def step(record, batch, phase, second=1, **more):
    return records.advance(record, dict({"token": TOKEN, "batch": batch, "phase": phase}, **more), at(second))


def through(record, *steps):
    for batch, phase in steps:
        record, verdict = step(record, batch, phase)
        assert verdict == "go"
    return record


def states(record):
    return [batch["state"] for batch in record["batches"]]


def test_times_are_rfc_3339_in_utc_with_milliseconds():
    assert records.timestamp(1_800_000_000.1234) == "2027-01-15T08:00:00.123Z"
    assert records.seconds_between(at(0), at(61.5)) == 61.5


def test_begin():
    record = begun()
    assert (record["state"], record["from"], record["version"], record["fence"]) == ("running", "1.0.0", "2.0.0", 1)
    assert states(record) == ["pending"] * 3
    assert "token" not in records.public(record)
    assert TOKEN not in str(records.summary(record))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (None, "plan is missing; give the plan that rollout_plan returned"),
        ({}, "plan is missing"),
        (dict(PLAN, service="other"), "plan is for service 'other', not 'claims'; give the plan"),
        (dict(PLAN, batches=[]), "plan has no version or no batches, so there is nothing to roll out"),
        (dict(PLAN, version=""), "plan has no version or no batches"),
        (dict(PLAN, batches=[{"number": 2, "hosts": ["app1"]}]), "plan's batch 1 lacks its number or its hosts"),
        (dict(PLAN, batches=["app1"]), "plan's batch 1 lacks its number or its hosts"),
    ],
)
def test_begin_refuses_what_is_no_plan(plan, message):
    with pytest.raises(ScalingError, match=message):
        records.begin(plan, "claims", "ops@laptop", at(0), token=TOKEN, rollout_id="x")


@pytest.mark.parametrize("owner", ["", None, "two words", "a\nb", "x" * 201])
def test_an_owner_is_one_word(owner):
    with pytest.raises(ScalingError, match="give who acts, without spaces, as user@controller"):
        records.begin(PLAN, "claims", owner, at(0), token=TOKEN, rollout_id="x")


def test_the_way_forward():
    record = through(begun(), (1, "draining"), (1, "replacing"), (1, "done"), (2, "draining"))
    assert states(record) == ["done", "active", "pending"]
    assert list(record["batches"][0]["phases"]) == ["draining", "replacing", "done"]
    assert records.position(record) == "batch 2 of 3 (draining)"
    assert [event["what"] for event in record["events"]][-2:] == ["batch 1 done", "batch 2 draining"]


def test_a_step_taken_twice_changes_nothing():
    record, _verdict = step(begun(), 1, "draining", evidence={"sessions": 3})
    assert step(record, 1, "draining", second=9, evidence={"sessions": 3})[0] is record
    assert step(record, 1, "draining", second=9, evidence={"sessions": 4})[0] is not record


def test_evidence_is_kept_and_added_to():
    record, _verdict = step(begun(), 1, "draining", evidence={"sessions": 3})
    record, _verdict = step(record, 1, "done", evidence={"verdict": "success"})
    assert record["batches"][0]["evidence"] == {"sessions": 3, "verdict": "success"}


def test_a_failed_batch_is_taken_back_and_the_finished_ones_follow():
    record = through(begun(), (1, "draining"), (1, "done"), (2, "draining"), (2, "replacing"), (2, "taken_back"))
    assert states(record) == ["done", "taken_back", "pending"]
    record = through(record, (1, "draining"), (1, "replacing"), (1, "done"))
    assert states(record) == ["taken_back", "taken_back", "pending"]
    assert record["direction"] == "back"
    first = record["batches"][0]
    assert list(first["phases"]) == ["draining", "done"]
    assert list(first["phases_back"]) == ["draining", "replacing", "done"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch": 4}, "batch is 4; rollout 20270115T080000Z-0001 has the batches 1 to 3"),
        ({"batch": 0}, "batch is 0"),
        ({"batch": None}, "batch is None"),
        ({"phase": ""}, "phase is ''; give a word of small letters, digits and _, such as draining"),
        ({"phase": "Draining!"}, "phase is 'Draining!'"),
        ({"phase": None}, "phase is 'None'"),
        ({"token": ""}, "token is empty; give the token that action begin or take_over returned"),
    ],
)
def test_advance_refuses_in_a_sentence(given, message):
    with pytest.raises(ScalingError, match=message):
        records.advance(begun(), dict({"token": TOKEN, "batch": 1, "phase": "draining"}, **given), at(1))


def test_a_second_begin_is_refused_with_holder_time_place_and_ways_on():
    record = through(begun(), (1, "draining"))
    with pytest.raises(ScalingError) as error:
        records.allow(record, "begin", "claims")
    said = str(error.value)
    for part in ("ops@laptop", record["started"], "batch 1 of 3 (draining)", "=resume", "=rollback"):
        assert part in said
    assert error.value.details["holder"]["owner"] == "ops@laptop"


@pytest.mark.parametrize("action", ["advance", "pause", "resume", "abort", "take_over"])
def test_finished_and_unknown_rollouts_take_no_action(action):
    with pytest.raises(ScalingError, match="has no open rollout to .*: there was none yet"):
        records.allow(None, action, "claims")
    ended = records.finish(begun(), TOKEN, "failed", "", at(5))
    with pytest.raises(ScalingError, match="ended as failed at 2027-01-15T08:00:05.000Z"):
        records.allow(ended, action, "claims")


def test_the_table_of_states_is_whole():
    assert set(records.TRANSITIONS) == {"none", *records.OPEN, *records.OUTCOMES}
    reached = {state for actions in records.TRANSITIONS.values() for states in actions.values() for state in states}
    assert reached == {*records.OPEN, *records.OUTCOMES}
    for outcome in records.OUTCOMES:
        records.allow(records.finish(begun(), TOKEN, "failed", "", at(1)), "begin", "claims")
        assert "advance" not in records.TRANSITIONS[outcome]


def paused_request():
    return requests.pause(through(begun(), (1, "draining"), (1, "done")), "oncall@desk", "slow password=x1", at(5))


def test_a_pause_holds_the_next_batch_only():
    record = requests.pause(through(begun(), (1, "draining")), "oncall@desk", "", at(2))
    assert record["state"] == "running"
    record, verdict = step(record, 1, "replacing", 3)
    assert verdict == "go"
    record, verdict = step(record, 1, "done", 4)
    held, verdict = step(record, 2, "draining", 5)
    assert (verdict, held["state"], held["waiting"], states(held)[1]) == ("wait", "paused", at(5), "pending")


def test_a_request_is_no_sign_of_life_and_holds_no_secret():
    record = paused_request()
    assert record["updated"] == at(1)
    assert record["requests"]["pause"] == {"by": "oncall@desk", "time": at(5), "reason": "slow password=********"}
    assert requests.pause(record, "oncall@desk", "", at(6)) is record


def test_resume_lets_a_waiting_run_go_on():
    held, _verdict = step(paused_request(), 2, "draining", 6)
    resumed = requests.resume(held, "oncall@desk", at(7))
    assert (resumed["state"], resumed["requests"]) == ("running", {})
    assert step(resumed, 2, "draining", 8)[1] == "go"
    assert requests.resume(resumed, "oncall@desk", at(9)) is resumed


@pytest.mark.parametrize("silent", [True, False])
def test_resume_and_abort_say_when_nobody_waits(silent):
    held, _verdict = step(paused_request(), 2, "draining", 6)
    if not silent:
        held = records.give_up_waiting(held, TOKEN, at(7))
    with pytest.raises(ScalingError, match="no run is waiting. Deploy again with rollout_unfinished=resume"):
        requests.resume(held, "oncall@desk", at(30))
    with pytest.raises(ScalingError, match="no run would go back. Deploy again with rollout_unfinished=rollback"):
        requests.abort(held, "oncall@desk", "", at(30))


def test_a_run_may_pause_itself():
    record = requests.stop_here(through(begun(), (1, "draining")), TOKEN, "cannot tell", at(3))
    assert (record["state"], record["reason"], record["waiting"]) == ("paused", "cannot tell", "")
    assert requests.stop_here(record, TOKEN, "", at(4)) is record
    with pytest.raises(ScalingError, match="token is not the one"):
        requests.stop_here(begun(), "1-other", "", at(4))


def test_an_abort_stops_the_next_batch_and_nothing_on_the_way_back():
    record = requests.abort(through(begun(), (1, "draining"), (1, "done")), "oncall@desk", "wrong day", at(5))
    assert requests.abort(record, "oncall@desk", "", at(6)) is record
    stopped, verdict = step(record, 2, "draining", 7)
    assert (verdict, stopped["direction"]) == ("aborted", "back")
    assert stopped["reason"] == "aborted by oncall@desk: wrong day"
    assert step(stopped, 2, "draining", 8)[1] == "aborted"
    assert step(stopped, 1, "draining", 9)[1] == "go"


@pytest.mark.parametrize("ask", [requests.pause, requests.abort])
def test_what_would_come_too_late_is_refused(ask):
    last = through(begun(), (1, "draining"), (1, "done"), (2, "draining"), (2, "done"), (3, "draining"))
    with pytest.raises(ScalingError, match=r"too late to .* at batch 3 of 3 \(draining\).* rollback goes back then"):
        ask(last, "oncall@desk", "", at(9))
    back = through(begun(), (1, "draining"), (1, "done"), (1, "draining"))
    assert back["direction"] == "back"
    with pytest.raises(ScalingError, match="goes back, and nothing holds that"):
        ask(back, "oncall@desk", "", at(9))


def test_a_pause_does_not_hold_the_way_back():
    record = through(begun(), (1, "draining"), (1, "done"), (2, "draining"))
    record = requests.pause(record, "oncall@desk", "", at(2))
    record = through(record, (2, "taken_back"))
    assert step(record, 1, "draining", 3)[1] == "go"


@pytest.mark.parametrize("outcome", ["failed", "rolled_back", "aborted"])
def test_finish(outcome):
    record = records.finish(begun(), TOKEN, outcome, "token=abcdef was wrong", at(9))
    assert (record["state"], record["finished"], record["reason"]) == (outcome, at(9), "token=******** was wrong")
    assert records.finish(record, TOKEN, outcome, "", at(10)) is record
    with pytest.raises(ScalingError, match=f"outcome is 'succeeded', but rollout .* ended as {outcome} already"):
        records.finish(record, TOKEN, "succeeded", "", at(10))


def test_success_needs_all_batches():
    with pytest.raises(ScalingError, match="these batches are not done: 1, 2, 3"):
        records.finish(begun(), TOKEN, "succeeded", "", at(9))
    record = through(begun(), *[(number, phase) for number in (1, 2, 3) for phase in ("draining", "done")])
    assert records.finish(record, TOKEN, "succeeded", "", at(9))["state"] == "succeeded"


@pytest.mark.parametrize("outcome", ["done", "", None])
def test_an_unknown_outcome_is_refused(outcome):
    with pytest.raises(ScalingError, match="give succeeded, failed, rolled_back or aborted"):
        records.finish(begun(), TOKEN, outcome, "", at(9))


def test_take_over_fences_the_old_run_off():
    record = records.take_over(through(begun(), (1, "draining")), "b@desk", "2-def", at(100), quiet=60)
    assert (record["owner"], record["fence"], record["direction"]) == ("b@desk", 2, "forward")
    for refused in (
        lambda: step(record, 1, "replacing"),
        lambda: records.finish(record, TOKEN, "failed", "", at(101)),
        lambda: requests.stop_here(record, TOKEN, "", at(101)),
    ):
        with pytest.raises(ScalingError, match="b@desk holds it since .* must stop and leave the hosts") as error:
            refused()
        assert error.value.details["requested"] == "fenced"
    assert step(record, 1, "draining", 102, token="2-def")[0]["batches"][0]["phases"] == {"draining": at(102)}


def test_take_over_of_a_run_that_may_be_alive_needs_force():
    record = through(begun(), (1, "draining"))
    with pytest.raises(ScalingError, match="made its last step 40 s ago.*quiet for 60 s, or set force_take_over"):
        records.take_over(record, "b@desk", "2-def", at(41), quiet=60)
    assert records.take_over(record, "b@desk", "2-def", at(41), quiet=60, force=True)["fence"] == 2


def test_take_over_of_a_clock_that_went_back_needs_force():
    with pytest.raises(ScalingError, match="made its last step 0 s ago"):
        records.take_over(through(begun(), (1, "draining")), "b@desk", "2-def", at(-500), quiet=60)


def test_take_over_of_a_run_that_gave_up_needs_no_waiting_and_drops_requests():
    held, _verdict = step(paused_request(), 2, "draining", 6)
    with pytest.raises(ScalingError, match="may be alive"):
        records.take_over(held, "b@desk", "2-def", at(7), quiet=60)
    record = records.take_over(
        records.give_up_waiting(held, TOKEN, at(7)), "b@desk", "2-def", at(7), quiet=60, direction="back"
    )
    assert (record["requests"], record["state"], record["direction"]) == ({}, "running", "back")


def test_nothing_is_changed_in_place():
    record = through(begun(), (1, "draining"), (1, "done"))
    kept = copy.deepcopy(record)
    step(record, 2, "draining", 3, evidence={"a": 1})
    requests.pause(record, "b@desk", "", at(3))
    requests.abort(record, "b@desk", "", at(3))
    records.take_over(record, "b@desk", "2-def", at(99), quiet=60)
    records.finish(record, TOKEN, "failed", "", at(99))
    assert record == kept
