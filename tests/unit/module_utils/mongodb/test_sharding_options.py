# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of mongodb_sharded_cluster are checked for themselves and against what a cluster cannot change."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import sharding_options

from .sharded import EMPTY, collection, plan, recorded, shard, told, with_zone


def test_bounds_are_completed_with_the_lowest_as_the_server_does():
    state = recorded()
    state["collections"]["claims.files"]["key"] = {"region": 1, "_id": 1}
    short = {"collection": "claims.files", "min": {"region": "n"}, "max": {"region": "o"}}
    (step,) = plan(with_zone(state, "other"), zones=[{"name": "other", "ranges": [short]}])[1:]
    assert step.arguments["min"] == {"region": "n", "_id": {"$minKey": 1}}
    assert plan(step.state, zones=[{"name": "other", "ranges": [short]}]) == []


@pytest.mark.parametrize(
    ("state", "options", "reason"),
    [
        (EMPTY, {"shards": [shard("a", hosts=[])]}, "a is to be added and has no hosts"),
        (EMPTY, {"shards": [shard("a"), shard("a")]}, "a stands there twice"),
        (EMPTY, {"collections": [collection("claims")]}, "'claims' is no namespace"),
        (EMPTY, {"collections": [collection("a.b", key={})]}, "has the key {}"),
        (EMPTY, {"collections": [collection("a.b", key={"x": -1})]}, "Accepted for a field are 1 and hashed"),
        (EMPTY, {"collections": [collection("a.b", key={"x": "hashed"}, unique=True)]}, "cannot be unique"),
        (EMPTY, {"collections": [collection("a.b", initial_chunks=4)]}, "initial_chunks and no hashed key"),
        (EMPTY, {"balancer_window": "23-6"}, "Accepted is always, or such as 23:00-06:00"),
        (EMPTY, {"balancer_window": "23:00-23:00"}, "balancer_window is '23:00-23:00'"),
        (EMPTY, {"balancer": True, "balancer_hold": True}, "balancer and balancer_hold are both true"),
        (recorded(), {"shards": [shard("a", replica_set="x")]}, "a is the replica set a, and x is wanted"),
        (recorded(), {"collections": [collection("claims.files", key={"x": 1})]}, "sharded by _id: 1, and x: 1"),
        (recorded(), {"collections": [collection("claims.files", unique=True)]}, "not unique"),
        (recorded("sharded_draining"), {"shards": [shard("b")]}, "b is being drained, and is wanted"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(state, options, reason):
    with pytest.raises(ScalingError) as refused:
        sharding_options.normalise(told(**options), state)
    assert reason in str(refused.value)
