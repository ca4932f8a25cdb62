# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a set may go on by force, and what that gives up, from what a real survivor told (MongoDB 6.0.5)."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import forced, plan, predicates

from .recorded import A, B, C, D, config, member, status, two_down


def decide(wanted=(A,), give_up=(B, C), have=None, statuses=None, answering=None):
    have = have or config()
    statuses = {A: two_down()} if statuses is None else statuses
    target = plan.target(have, [member(each) if isinstance(each, str) else each for each in wanted], {})
    return forced.plan(statuses, set(statuses) if answering is None else answering, have, target, give_up)


def test_the_survivor_goes_on_alone():
    found = decide()
    assert found.survivor == A
    assert [each["host"] for each in found.config["members"]] == [A]
    assert "by force (1 votes, majority 1)" in found.message


def test_what_is_known_of_the_loss_is_told():
    lost = decide().loss
    assert (lost["survivor"], lost["last_applied"]) == (A, lost["last_committed"])
    assert [each["host"] for each in lost["members"]] == [B, C]
    assert all(each["last_heard"] > lost["last_applied"][:10] for each in lost["members"])
    assert not any(each["had_more"] for each in lost["members"])
    assert "nobody is known to have had more" in forced.in_words(lost)


def test_who_had_more_is_named():
    told = two_down()
    predicates.member_of(told, B)["lastAppliedWallTime"] += 5
    lost = decide(statuses={A: told}).loss
    assert [each["had_more"] for each in lost["members"]] == [True, False]
    assert f"{B} had more" in forced.in_words(lost)


def test_a_survivor_that_was_restarted_has_heard_nobody():
    told = two_down()
    for place in (B, C):
        entry = predicates.member_of(told, place)
        entry.update(lastHeartbeatRecv=0.0, lastAppliedWallTime=0.0)
    del told["optimes"]
    lost = decide(statuses={A: told}).loss
    assert [(each["last_heard"], each["last_applied"]) for each in lost["members"]] == [("", ""), ("", "")]
    assert lost["last_committed"] == ""
    assert "never since its start" in forced.in_words(lost)


def test_the_survivor_that_has_most_is_told():
    """Of five, three are gone."""
    have = config(5)
    ahead = two_down()
    predicates.member_of(ahead, A).update(name=D, optime={"t": 9, "ts": [1, 1]})
    found = decide((A, D), (B, C, "127.0.0.1:29005"), have, {A: two_down(), D: ahead})
    assert found.survivor == D
    assert [each["host"] for each in found.config["members"]] == [A, D]


def test_fields_that_the_survivor_is_given_let_it_become_the_primary():
    have = config(a={"priority": 0.0, "votes": 0, "hidden": True})
    with pytest.raises(ScalingError) as error:
        decide((A, member(D)), have=have)
    assert "there would be 0 votes" in str(error.value) or "nobody who is left" in str(error.value)
    found = decide((member(A, priority=1.0, votes=1, hidden=False),), have=have)
    assert found.config["members"][0]["votes"] == 1


def test_nothing_is_forced_when_those_who_are_given_up_are_no_members():
    assert decide((A,), (D,), config(1)) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"give_up": (C,), "wanted": (A, B)}, "there would be 2 votes, of which 1 answer and 2 are needed"),
        ({"wanted": (A, B)}, f"{B} stands in members and in give_up"),
        ({"answering": {A, C}}, f"{C} answers"),
        (
            {"statuses": {A: status(one_down=True)}, "give_up": (C,), "wanted": (A, B)},
            "there are 3 votes, of which 2 answer and 2 are needed",
        ),
    ],
)
def test_what_would_be_unsafe_is_refused(changes, words):
    with pytest.raises(ScalingError) as error:
        decide(**changes)
    assert words in str(error.value)
