# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a sharded cluster, from the states of a real one (MongoDB 6.0.5)."""

from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import sharding, sharding_options

from .sharded import EMPTY, RANGE, collection, plan, recorded, shard, told


def test_what_is_told_of_a_cluster_leads_to_no_step():
    state = recorded()
    shown = sharding.overview(state, {"a": 10})
    assert [(each["name"], each["chunks"], each["bytes"]) for each in shown["shards"]] == [("a", 6, 10), ("b", 4, None)]
    assert {each["name"]: each["chunks"] for each in shown["collections"]} == {
        "claims.files": 3,
        "claims.patients": 6,
    }
    assert shown["shards"][1]["databases"] == ["claims"]
    shards = [shard(each["name"], zones=each["zones"]) for each in shown["shards"]]
    collections = [collection(each["name"], key=each["key"]) for each in shown["collections"]]
    assert plan(state, shards=shards, zones=shown["zones"], collections=collections, balancer=True) == []


def test_a_shard_that_is_drained_is_told():
    shown = sharding.view(recorded("sharded_draining"), sharding_options.normalise(told(), EMPTY))["shards"]
    assert shown["b"]["draining"] and "draining" not in shown["a"]


def test_why_chunks_stay():
    state = recorded()
    assert sharding.stuck(state, "b") == ""
    assert sharding.stuck(dict(state, balancer=False), "b") == "the balancer is off"
    state["collections"]["claims.patients"]["balanced"] = False
    assert sharding.stuck(state, "b") == "balancing is disabled for claims.patients"
    state["jumbo"] = [{"shard": "b", **RANGE}]
    assert sharding.jumbo_of(state, "b") == ["claims.files from {_id: 0} to {_id: 100}"]
    assert sharding.jumbo_of(state, "a") == []
