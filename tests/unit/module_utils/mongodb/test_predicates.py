# SPDX-License-Identifier: GPL-3.0-or-later
"""What recorded documents of a real set mean."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import predicates

from .recorded import A, B, C, config, status


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("db1", "db1:27017"),
        ("DB1:27018", "db1:27018"),
        ("[2001:db8::1]:27018", "[2001:db8::1]:27018"),
        ("[2001:db8::1]", "[2001:db8::1]:27017"),
        ("192.0.2.1", "192.0.2.1:27017"),
    ],
)
def test_addresses_have_one_spelling(told, meant):
    assert predicates.address(told) == meant
    assert predicates.address(meant) == meant


def test_a_whole_set():
    seen = status()
    assert predicates.primary_of(seen) == A
    assert predicates.healthy(seen) == {A, B, C}
    assert [predicates.lag_seconds(seen, place) for place in (A, B, C)] == [0.0, 0.0, 0.0]
    assert (
        str(predicates.arithmetic(config(), predicates.healthy(seen))) == "3 votes, of which 3 answer and 2 are needed"
    )


def test_a_member_that_is_gone():
    seen = status(one_down=True)
    assert predicates.healthy(seen) == {A, B}
    assert predicates.lag_seconds(seen, C) is None
    assert predicates.arithmetic(config(), {A, B}).holds
    assert not predicates.arithmetic(config(), {A}).holds


def test_a_member_in_its_initial_sync_does_not_count():
    seen = status()
    seen["members"][2]["stateStr"] = "STARTUP2"
    assert predicates.healthy(seen) == {A, B}


def test_lag_is_counted_from_the_primary():
    seen = status()
    seen["members"][1]["optime"]["ts"][0] -= 12
    assert predicates.lag_seconds(seen, B) == 12.0


@pytest.mark.parametrize(("behind", "lag"), [(0, 0.0), (12, 12.0), (-12, 0.0)])
def test_lag_shows_in_the_clock_of_who_wrote_where_operations_have_one_time(behind, lag):
    seen = status()
    seen["members"][1]["lastAppliedWallTime"] -= behind
    assert predicates.lag_seconds(seen, B) == lag


@pytest.mark.parametrize("place", [0, 1])
def test_lag_is_that_of_operations_where_a_server_does_not_tell_the_clock(place):
    seen = status()
    seen["members"][1]["optime"]["ts"][0] -= 5
    seen["members"][1]["lastAppliedWallTime"] -= 12
    del seen["members"][place]["lastAppliedWallTime"]
    assert predicates.lag_seconds(seen, B) == 5.0


def failed(gates):
    return {each["name"]: each["message"] for each in gates if not each["passed"]}


def test_a_secondary_that_is_near_may_take_over():
    assert failed(predicates.gates(status(), config(), B, "", 10)) == {}


@pytest.mark.parametrize(
    ("changes", "gate", "words"),
    [
        ({"b": {"priority": 0.0}}, "electable", "has priority 0 and 1 votes"),
        ({"b": {"votes": 0, "priority": 0.0}}, "electable", "0 votes"),
        ({"c": {"priority": 2.0}}, "priority", f"{C} (2) would take over again"),
        ({"a": {"priority": 2.0}}, "priority", f"{A} (2) would take over again"),
    ],
)
def test_a_configuration_that_is_against_it(changes, gate, words):
    assert words in failed(predicates.gates(status(), config(**changes), B, "", 10))[gate]


def test_who_only_gives_the_role_up_may_take_it_again():
    assert failed(predicates.gates(status(), config(a={"priority": 2.0}), B, A, 10)) == {}


def test_a_secondary_that_lags():
    seen = status()
    seen["members"][1]["optime"]["ts"][0] -= 12
    assert failed(predicates.gates(seen, config(), B, "", 10)) == {"lag": f"{B} is 12 s behind; 10 s are accepted."}


def test_a_secondary_that_is_gone():
    missed = failed(predicates.gates(status(one_down=True), config(), C, "", 10))
    assert set(missed) == {"state", "lag"}


def test_the_best_candidate_has_the_highest_priority_then_the_newest_operations():
    seen = status()
    assert predicates.best_candidate(seen, config(), A) == B
    assert predicates.best_candidate(seen, config(c={"priority": 2.0}), A) == C
    seen["members"][1]["optime"]["ts"][0] -= 1
    assert predicates.best_candidate(seen, config(), A) == C
    assert predicates.best_candidate(seen, config(b={"priority": 0.0}, c={"votes": 0, "priority": 0.0}), A) == ""
    assert predicates.best_candidate(status(one_down=True), config(b={"priority": 0.0}), A) == ""


@pytest.mark.parametrize(
    ("message", "hopeless"),
    [
        ("", False),
        ("Error connecting to db4:27017 :: caused by :: Connection refused", False),
        ("replica set IDs do not match, ours: 1; remote node's: 2", True),
        ("Authentication failed.", True),
    ],
)
def test_what_no_waiting_helps(message, hopeless):
    assert bool(predicates.trouble({"lastHeartbeatMessage": message})) is hopeless


def test_another_key_is_told_by_a_field_alone():
    # As the primary sees a member with another keyfile.
    entry = {"health": 0.0, "stateStr": "(not reachable/healthy)", "lastHeartbeatMessage": "", "authenticated": False}
    assert "key" in predicates.trouble(entry)
