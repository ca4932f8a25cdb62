# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way from one configuration to another is a chain of steps of which none could lose a majority."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import plan, predicates

from .recorded import A, B, C, D, E, config, member

ALL = {A, B, C, D, E}


def walk(have, wanted, alive=frozenset(ALL), primary=A, settings=None):
    """All steps to what is wanted, and the configurations in between; a hand-over makes the first heir the primary."""
    target = plan.target(have, wanted, settings or {})
    steps, configs = [], [have]
    while (step := plan.next_step(configs[-1], target, alive, primary)) is not None:
        steps.append(step)
        assert len(steps) < 30, [each.message for each in steps]
        if step.config is None:
            primary = next(each for each in step.places if each in alive)
        else:
            configs.append(step.config)
    return steps, configs


def voters(document):
    return {place for place, count in predicates.votes(document).items() if count}


def test_nothing_to_do():
    assert walk(config(), [member(A), member(B), member(C)])[0] == []


def test_a_host_without_a_port_is_the_same_member():
    have = config()
    for entry, host in zip(have["members"], ("db1:27017", "db2:27017", "DB3:27017")):
        entry["host"] = host
    told = [member("db1"), member("db2:27017"), member("db3")]
    assert walk(have, told, {"db1:27017", "db2:27017", "db3:27017"}, "db1:27017")[0] == []


def test_members_join_together_and_vote_one_by_one():
    steps, configs = walk(config(), [member(place) for place in (A, B, C, D, E)])
    assert [step.action for step in steps] == ["prepare", "give_vote", "give_vote"]
    assert [len(voters(each)) for each in configs] == [3, 3, 4, 5]
    newcomers = [each for each in configs[1]["members"] if each["host"] in (D, E)]
    assert [(each["votes"], each["priority"]) for each in newcomers] == [(0, 0.0), (0, 0.0)]
    assert len({each["_id"] for each in configs[-1]["members"]}) == 5


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize(
    "wanted", [list(each) for size in (1, 2, 3, 5) for each in itertools.combinations("ABCDE", size)]
)
def test_from_any_set_to_any_other_no_step_moves_more_than_one_vote(count, wanted):
    places = [globals()[letter] for letter in wanted]
    steps, configs = walk(config(count), [member(place) for place in places])
    assert {predicates.address(each["host"]) for each in configs[-1]["members"]} == set(places)
    for before, after in itertools.pairwise(configs):
        assert len(voters(before) ^ voters(after)) <= 1
        assert after["version"] == before["version"] + 1
        assert "term" not in after
    assert [step.action for step in steps].count("hand_over") == (0 if A in places else 1)


def test_a_primary_that_leaves_hands_over_after_others_have_come():
    steps, _configs = walk(config(), [member(B), member(C), member(D)])
    assert [step.action for step in steps] == ["prepare", "give_vote", "hand_over", "remove"]
    assert A not in steps[2].places


def test_a_primary_that_may_be_none_any_more_hands_over_first():
    steps, configs = walk(config(), [member(A, priority=0.0), member(B), member(C)])
    assert [step.action for step in steps] == ["hand_over", "prepare"]
    assert configs[-1]["members"][0]["priority"] == 0.0


def test_who_is_gone_leaves_before_others():
    steps, _configs = walk(config(5), [member(A), member(B), member(C)], alive={A, B, C, D}, primary=A)
    assert [step.places for step in steps] == [[E], [D]]


def test_a_lost_member_is_replaced():
    steps, _configs = walk(config(), [member(A), member(B), member(D)], alive={A, B, D})
    assert [step.action for step in steps] == ["prepare", "remove", "give_vote"]


def test_a_step_that_would_lose_the_majority_is_refused_with_the_arithmetic():
    with pytest.raises(ScalingError) as error:
        walk(config(5), [member(A), member(B), member(D), member(E)], alive={A, B, C})
    assert "4 votes, of which 2 answer and 3 are needed" in str(error.value)
    assert D in str(error.value)


def test_a_set_without_a_majority_is_not_changed():
    with pytest.raises(ScalingError) as error:
        walk(config(), [member(A), member(B)], alive={A})
    assert "there are 3 votes, of which 1 answer and 2 are needed" in str(error.value)


def test_fields_that_are_not_named_stay():
    have = config(b={"tags": {"place": "north"}, "hidden": True, "priority": 0.0, "somethingNew": 7})
    steps, configs = walk(
        have, [member(A, priority=2.0), member(B), member(C)], settings={"electionTimeoutMillis": 5000}
    )
    assert [step.action for step in steps] == ["prepare"]
    after = configs[-1]
    assert after["members"][1] == have["members"][1]
    assert after["settings"] == {**have["settings"], "electionTimeoutMillis": 5000}
    assert after["members"][0]["priority"] == 2.0


def test_an_arbiter_has_nothing_to_sync():
    steps, configs = walk(config(2), [member(A), member(B), member(C, arbiter=True)])
    assert [step.action for step in steps] == ["add_arbiter"]
    assert configs[-1]["members"][2]["priority"] == 0.0


def test_what_hidden_and_delayed_members_demand_is_given():
    _steps, configs = walk(config(), [member(A), member(B), member(C), member(D, hidden=True, delay=3600)])
    last = configs[-1]["members"][3]
    assert (last["priority"], last["votes"], last["secondaryDelaySecs"], last["hidden"]) == (0.0, 1, 3600, True)


def test_more_than_seven_votes_are_not_passed_on_the_way():
    places = [f"db{number}:27017" for number in range(8)]
    have = config()
    have["members"] = [dict(have["members"][0], _id=number, host=place) for number, place in enumerate(places[:7])]
    steps, configs = walk(have, [member(place) for place in places[1:]], set(places), places[1])
    assert max(len(voters(each)) for each in configs) == 7
    assert [step.action for step in steps] == ["prepare", "remove", "give_vote"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([member(A), member("127.0.0.1:29001")], "stands there twice"),
        ([member(f"db{number}") for number in range(8)], "8 members have votes, MongoDB allows 7"),
        ([member(A, priority=0.0)], "nobody could become the primary"),
        ([member(A), member(B, votes=0, priority=1.0)], "has no vote and has priority 1"),
        ([member(A), member(B, hidden=True)], "is hidden and has priority 1"),
        ([member(A), member(B, delay=60)], "is delayed and has priority 1"),
        ([member(A), member(B, votes=2)], "has 2 votes"),
        ([member(A), member(B, arbiter=True)], "cannot become an arbiter"),
    ],
)
def test_what_mongodb_would_refuse_is_refused_before(wanted, words):
    with pytest.raises(ScalingError) as error:
        plan.target(config(), wanted, {})
    assert words in str(error.value)


def test_a_set_begins_with_one_member():
    empty = {"_id": "rs", "version": 0, "members": [], "settings": {}}
    wanted = plan.target(empty, [member(A), member(B, priority=3.0)], {})
    assert [each["host"] for each in plan.initial("rs", wanted, B, {})["members"]] == [B]
    assert plan.initial("rs", wanted, B, {})["members"][0]["_id"] == 0


def test_a_set_does_not_begin_with_a_member_that_cannot_lead():
    empty = {"_id": "rs", "version": 0, "members": [], "settings": {}}
    wanted = plan.target(empty, [member(A), member(B, priority=0.0)], {})
    with pytest.raises(ScalingError):
        plan.initial("rs", wanted, B, {})


def test_a_view_shows_only_settings_that_are_spoken_of():
    assert plan.view(config(), {"electionTimeoutMillis": 1})["settings"] == {"electionTimeoutMillis": 10000}
    assert plan.view(config(), {})["settings"] == {}
