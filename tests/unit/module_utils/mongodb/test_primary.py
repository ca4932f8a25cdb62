# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refused handover says to do next, and who is led away from a member that goes."""

from __future__ import annotations

import types

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import cluster, primary

from .recorded import A, B, C, config, status


def refused(seen, wanted, **changes):
    reading = cluster.Reading({A: {"isWritablePrimary": True}}, {A: seen}, {}, {}, {})
    with pytest.raises(ScalingError) as error:
        primary.check(reading, config(**changes), primary.Wish(wanted, "", [A, B, C], 10))
    return str(error.value)


def test_who_may_have_been_started_this_moment_is_waited_for():
    told = refused(status(one_down=True), C)
    assert f"{C} does not take over from {A}: {C} is (not reachable/healthy)." in told
    assert "catches up by itself: run this again once show_clusters tells" in told


def test_what_does_not_pass_by_itself_is_to_be_put_right():
    for told in (refused(status(), C, c={"priority": 0}), refused(status(one_down=True), C, b={"priority": 9})):
        assert "put that right, or choose another member" in told


class Members:
    """A set that replicates as `sources` tells; who is told to change has done so when it is read again."""

    def __init__(self, sources: dict[str, str], leading: str = A) -> None:
        self.sources, self.leading, self.told = sources, leading, []
        self.clients = {place: types.SimpleNamespace(command=self._command(place)) for place in (A, B, C)}

    def _command(self, place):
        def command(name, argument, **_fields):
            self.told.append((name, place, argument))
            if name == "replSetSyncFrom":
                self.sources[place] = argument

        return command

    def read(self) -> cluster.Reading:
        statuses = {place: {**status(), "syncSourceHost": self.sources.get(place, "")} for place in (A, B, C)}
        hellos = {self.leading: {"isWritablePrimary": True}} if self.leading else {}
        return cluster.Reading(hellos, statuses, {}, {}, {})


def test_who_replicates_from_a_member_that_goes_is_led_to_the_primary():
    members = Members({B: C, C: A})
    primary.lead_away(members, A, C)
    assert members.told == [("replSetSyncFrom", B, A), ("appendOplogNote", A, 1)]


def test_the_primary_itself_and_those_of_another_source_are_left_alone():
    members = Members({A: C, B: A, C: B})
    primary.lead_away(members, A, C)
    assert members.told == []


def test_without_a_primary_nobody_is_led(monkeypatch):
    monkeypatch.setattr(primary, "CHANGE", 0)
    members = Members({B: C}, leading="")
    primary.lead_away(members, A, C)
    assert members.told == []
