# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for a sharded cluster, from the states of a real one (MongoDB 6.0.5): steps, their order, what is refused."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import sharding_plan

from .sharded import EMPTY, RANGE, collection, messages, plan, recorded, shard, with_zone


def test_a_cluster_from_nothing():
    steps = plan(
        EMPTY,
        shards=[shard("a", zones=["north"]), shard("b", replica_set="other", hosts=["b1:2000", "B2"])],
        zones=[{"name": "north", "ranges": [RANGE]}],
        collections=[collection("claims.files"), collection("claims.patients", key={"number": "hashed"})],
        balancer=False,
        balancer_window="23:00-6:30",
    )
    assert [step.message for step in steps] == [
        "stop the balancer",
        "let the balancer work from 23:00 to 06:30 only",
        "add the shard a",
        "add the shard b",
        "put a into the zone north",
        "give claims.files from {_id: 0} to {_id: 100} to the zone north",
        "shard claims.files by _id: 1",
        "shard claims.patients by number: hashed",
    ]
    assert steps[3].arguments == {"name": "b", "connection": "other/b1:2000,b2:27017"}
    assert plan(steps[-1].state, shards=[shard("a", zones=["north"])], balancer_window="23:00-06:30") == []


def test_a_zone_goes_to_its_new_shard_before_it_leaves_the_former_one():
    assert messages(with_zone(recorded()), shards=[shard("a", zones=[]), shard("b", zones=["north"])]) == [
        "put b into the zone north",
        "take a out of the zone north",
    ]


def test_ranges_leave_before_others_come():
    longer = {**RANGE, "max": {"_id": 200}}
    assert messages(with_zone(recorded()), zones=[{"name": "north", "ranges": [longer]}]) == [
        "take claims.files from {_id: 0} to {_id: 100} from the zone north",
        "give claims.files from {_id: 0} to {_id: 200} to the zone north",
    ]


def test_a_shard_is_drained_and_its_databases_go_to_the_other_one():
    state = with_zone(recorded())
    (step,) = plan(state, shards=[shard("b", state="absent")])
    assert step.message == "drain b of 4 chunks, move claims to a, and remove it"
    assert sorted(step.state["shards"]) == ["a"]
    assert step.state["databases"] == {"claims": "a"}
    assert sum(step.state["chunks"]["a"].values()) == 10
    assert plan(step.state, shards=[shard("b", state="absent")]) == []


def test_a_drain_that_was_cut_off_goes_on():
    (step,) = plan(with_zone(recorded("sharded_draining")), shards=[shard("b", state="absent")])
    assert step.message.startswith("go on draining b of 4 chunks")


def test_databases_go_to_the_shard_that_is_named_or_has_the_fewest():
    state = recorded(databases={"claims": "b", "files": "a"})
    state["shards"]["c"] = dict(state["shards"]["a"], replica_set="c", zones=[])
    assert sharding_plan.target(state, ["b"], "") == "c"
    assert sharding_plan.target(state, ["b"], "a") == "a"
    state["shards"]["c"]["draining"] = True
    assert sharding_plan.target(state, ["b"], "") == "a"
    with pytest.raises(ScalingError, match="databases_to is c, which is no shard that stays. Accepted is one of a."):
        sharding_plan.target(state, ["b"], "c")


@pytest.mark.parametrize(
    ("state", "options", "reason"),
    [
        (EMPTY, {"collections": [collection("claims.files")]}, "there is no shard"),
        (EMPTY, {"shards": [shard("a")], "zones": [{"name": "n", "ranges": [RANGE]}]}, "no shard is in the zone n"),
        (recorded(), {"shards": [shard("a", state="absent"), shard("b", state="absent")]}, "No shard would be left"),
        (recorded(), {"shards": [shard("b", state="absent")], "balancer": False}, "the balancer is off"),
        (with_zone(recorded()), {"shards": [shard("a", state="absent")]}, "a is the only shard of the zone north"),
        (with_zone(recorded()), {"shards": [shard("a", zones=[])]}, "a is the only shard of the zone north"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(state, options, reason):
    with pytest.raises(ScalingError) as refused:
        plan(state, **options)
    assert reason in str(refused.value)


def test_a_balancer_that_is_held_is_started_again_and_one_that_was_off_stays_off():
    held = plan(recorded(), balancer_hold=True)
    assert [step.message for step in held] == ["stop the balancer for a while"]
    assert messages(held[0].state, balancer_hold=True) == []
    assert messages(held[0].state, balancer_hold=False) == ["start the balancer again"]
    off = recorded(balancer=False)
    assert messages(off, balancer_hold=True) == messages(off, balancer_hold=False) == []


def test_a_hold_that_was_cut_off_before_the_balancer_stopped_goes_on():
    assert messages(recorded(held=True), balancer_hold=True) == ["stop the balancer for a while"]
    assert messages(recorded(held=True), balancer_hold=False) == ["start the balancer again"]
    assert messages(recorded(held=True), balancer=True, balancer_hold=False) == ["start the balancer again"]
