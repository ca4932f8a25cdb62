# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of what the members say, when they do not say the same."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import client, cluster

from .recorded import A, B, C, config, status


def reading(hellos=None, statuses=None, errors=None, refusals=None, clocks=None):
    return cluster.Reading(hellos or {}, statuses or {}, errors or {}, refusals or {}, clocks or {})


def hello(primary=False, name="rs"):
    return {"setName": name, "isWritablePrimary": primary}


def test_a_former_primary_that_does_not_know_yet_is_none():
    cut_off, elected = dict(status(), term=3), dict(status(), term=4)
    found = reading({A: hello(True), B: hello(True), C: hello()}, {A: cut_off, B: elected, C: cut_off})
    assert found.primary == B
    assert found.status is elected


def test_without_a_primary_the_latest_term_tells():
    old, new = dict(status(), term=3), dict(status(), term=4)
    found = reading({A: hello(), B: hello()}, {A: old, B: new})
    assert found.primary == ""
    assert found.status is new
    assert reading().status == {}


def test_members_of_two_sets_are_named():
    with pytest.raises(ScalingError) as error:
        _name = reading({A: hello(name="claims"), B: hello(name="patients"), C: {"isreplicaset": True}}).name
    assert f"{A} to claims, {B} to patients" in str(error.value)


def test_a_wrong_password_is_told_from_members_that_are_away():
    wrong = reading({A: hello()}, refusals={A: client.AUTHENTICATION_FAILED})
    with pytest.raises(ScalingError) as error:
        cluster.check_login(wrong, "manager")
    assert f"'manager' is refused by {A}" in str(error.value)
    cluster.check_login(reading(errors={A: "no answer"}), "manager")
    cluster.check_login(reading({A: hello()}, {A: status()}, refusals={B: client.AUTHENTICATION_FAILED}), "manager")


def test_without_a_primary_the_arithmetic_is_told():
    told = status(one_down=True)
    told["members"][0].update(stateStr="SECONDARY")
    text = str(cluster.no_primary(reading({A: hello()}, {A: told}), 60))
    assert f"{C} is (not reachable/healthy)" in text
    assert "Of 3 votes a majority takes 2; 2 members answer each other." in text
    assert "MongoDB gives no answer" in str(cluster.no_primary(reading(errors={A: "MongoDB gives no answer"}), 60))


def test_a_member_that_is_away_has_its_reason():
    shown = cluster.topology(reading({A: hello(True), B: hello()}, {A: status(one_down=True)}), config())
    assert [(each["host"], each["reachable"], each["healthy"]) for each in shown] == [
        (A, True, True),
        (B, True, True),
        (C, False, False),
    ]
    assert "Connection refused" in shown[2]["reason"]
    assert shown[2]["lag_seconds"] is None


def test_a_clock_that_is_wrong_is_told_wherever_that_is_asked():
    for asked_from in (0.0, 3600.0):
        clocks = {A: 0.01 - asked_from, B: 3600.02 - asked_from, C: 0.0 - asked_from}
        shown = cluster.topology(reading({A: hello(True)}, {A: status()}, clocks=clocks), config())
        assert [each["clock_seconds"] for each in shown] == [0.0, 3600.0, 0.0]
    shown = cluster.topology(reading({A: hello(True)}, {A: status()}, clocks={A: 5.0, B: 5.0}), config())
    assert [each["clock_seconds"] for each in shown] == [0.0, 0.0, None]
