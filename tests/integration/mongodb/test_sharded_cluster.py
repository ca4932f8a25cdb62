# SPDX-License-Identifier: GPL-3.0-or-later
"""mongodb_sharded_cluster against real config servers and shards: steps, what is refused, removals with data."""

from __future__ import annotations

import multiprocessing
import re
import time

import pytest

from ..running import run_module, until
from .conftest import LOGIN, SECRET, info, places

ZONES = [{"name": "north", "ranges": [{"collection": "claims.files", "min": {"region": "n"}, "max": {"region": "o"}}]}]
FILES = {"name": "claims.files", "key": {"region": 1, "number": 1}}
PATIENTS = {"name": "claims.patients", "key": {"number": "hashed"}, "initial_chunks": 4}


def cycle(cluster, **options):
    """Check, look, real, look, again; what check mode foretells must be what comes true."""
    before = cluster.fingerprint()
    foretold = cluster.run(check=True, **options)
    assert foretold.get("changed") is True, foretold
    assert cluster.fingerprint() == before
    real = cluster.run(**options)
    assert real.get("changed") is True, real
    assert (real["diff"], real["steps"]) == (foretold["diff"], foretold["steps"])
    for check in (True, False):
        again = cluster.run(check=check, **options)
        assert again.get("changed") is False, again
        assert again["steps"] == []
    assert SECRET not in str(real) + str(foretold)
    return real


def test_a_cluster_from_nothing_in_one_task(cluster):
    for name in ("a", "b"):
        cluster.start_set(name)
    shards = [cluster.shard("a", zones=["north"]), cluster.shard("b")]
    real = cycle(
        cluster, shards=shards, zones=ZONES, collections=[FILES, PATIENTS], balancer=True, balancer_window="23:00-6:00"
    )
    assert real["steps"] == [
        "let the balancer work from 23:00 to 06:00 only",
        "add the shard a",
        "add the shard b",
        "put a into the zone north",
        "give claims.files from {region: n, number: the lowest} to {region: o, number: the lowest} to the zone north",
        "shard claims.files by region: 1, number: 1",
        "shard claims.patients by number: hashed",
    ]
    assert cluster.shards_of("claims.patients") == {"a", "b"}
    config = cluster.primary("config").config
    assert config.settings.find_one({"_id": "balancer"})["activeWindow"] == {"start": "23:00", "stop": "06:00"}
    assert [each["tag"] for each in config.tags.find()] == ["north"]


def test_features_are_raised_for_the_whole_cluster_by_a_router(cluster):
    """A shard would take another version for itself alone."""
    router = cluster.parameters()["routers"]
    cluster.first_user("b")
    cluster.client.admin.command("setFeatureCompatibilityVersion", "5.0")
    asked = {
        "config is part of a sharded cluster (its config servers)": places(cluster.sets["config"]),
        "b is part of a sharded cluster (the shard b)": places(cluster.sets["b"]),
        f"{router[0]} is a router (mongos)": router,
    }
    for words, hosts in asked.items():
        for check in (True, False):
            wanted = {"hosts": hosts, "version": "6.0", **LOGIN}
            refused = run_module("mongodb_feature_compatibility", wanted, check)
            assert words in refused["msg"] and "by hand, through a router (mongos)" in refused["msg"], refused
    cluster.client.admin.command("setFeatureCompatibilityVersion", "6.0")
    for name in ("config", "b"):
        assert info(cluster.sets[name])["feature_compatibility_version"] == "6.0"


def test_zones_and_the_balancer_change(cluster):
    shards = [cluster.shard("a", zones=[]), cluster.shard("b", zones=["north", "south"])]
    other = [{"name": "north", "ranges": []}, {"name": "south", "ranges": ZONES[0]["ranges"]}]
    real = cycle(cluster, shards=shards, zones=other, balancer=False, balancer_window="always")
    assert real["steps"][:2] == ["stop the balancer", "let the balancer work at any time"]
    assert cycle(cluster, balancer=True)["steps"] == ["start the balancer"]
    cycle(cluster, zones=[{"name": "south"}], shards=[{"name": "b", "zones": []}])
    assert cluster.primary("config").config.tags.count_documents({}) == 0


def test_a_balancer_is_held_for_a_while(cluster):
    settings = cluster.primary("config").config.settings
    assert cycle(cluster, balancer_hold=True)["steps"] == ["stop the balancer for a while"]
    assert settings.find_one({"_id": "balancer"})["stopped"] is True
    assert cycle(cluster, balancer_hold=False)["steps"] == ["start the balancer again"]
    assert {"stopped": False, "mode": "full"}.items() <= settings.find_one({"_id": "balancer"}).items()
    cycle(cluster, balancer=False)
    for hold in (True, False):
        assert cluster.run(balancer_hold=hold).get("changed") is False
    assert settings.find_one({"_id": "balancer"})["stopped"] is True
    cycle(cluster, balancer=True)
    # Cut off between the note and the stop.
    settings.update_one({"_id": "balancer"}, {"$set": {"heldByHorizontalScaling": True}})
    cycle(cluster, balancer_hold=True)
    cycle(cluster, balancer_hold=False)
    assert "heldByHorizontalScaling" not in settings.find_one({"_id": "balancer"})


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"shards": [{"name": "a", "replica_set": "other"}]}, "shards: a is the replica set a, and other is wanted."),
        ({"shards": [{"name": "c"}]}, "shards: c is to be added and has no hosts."),
        ({"shards": [{"name": "c", "hosts": ["127.0.0.1:1"]}]}, "no member answers"),
        ({"shards": [{"name": each, "state": "absent"} for each in "ab"]}, "No shard would be left."),
        ({"shards": [{"name": "a", "state": "absent"}], "balancer": False}, "the balancer is off"),
        (
            {"collections": [{**FILES, "key": {"number": 1}}]},
            "sharded by region: 1, number: 1, and number: 1 is wanted",
        ),
        ({"collections": [{**FILES, "unique": True}]}, "the key of claims.files is not unique."),
        ({"balancer": True, "balancer_hold": True}, "balancer and balancer_hold are both true."),
        ({"zones": ZONES}, "no shard is in the zone north."),
        ({"user": "nobody"}, "Authentication failed"),
    ],
)
def test_what_is_refused_leaves_everything_alone(cluster, options, reason):
    before = cluster.fingerprint()
    for check in (True, False):
        refused = cluster.run(check=check, **options)
        assert refused.get("failed") and reason in refused["msg"], refused
    assert cluster.fingerprint() == before


def test_a_member_is_no_router(cluster):
    refused = run_module(
        "mongodb_sharded_cluster", dict(cluster.parameters(), routers=[cluster.sets["config"][0].place])
    )
    assert "is no router" in refused["msg"]


def test_another_router_is_asked_when_one_does_not_answer(cluster):
    options = cluster.parameters()
    found = cluster.run(check=True, routers=["127.0.0.1:1", *options["routers"]], balancer=True)
    assert found.get("changed") is False, found
    refused = cluster.run(routers=["127.0.0.1:1"], reach_timeout=0.1)
    assert "MongoDB 127.0.0.1:1 gives no answer" in refused["msg"]


def test_what_is_told_is_valid_input(cluster):
    config = cluster.sets["config"]
    info = [
        run_module("mongodb_cluster_info", cluster.parameters(hosts=[place], routers=None))
        for place in (cluster.parameters()["routers"][0], config[1].place)
    ]
    router, member = (each["sharding"] for each in info)
    assert info[0]["members"] == [] and len(info[1]["members"]) == 3 and info[1]["name"] == "config"
    assert [each.pop("bytes") for each in router["shards"]] == [0, 0]
    assert [each.pop("bytes") for each in member["shards"]] == [None, None]
    assert router == member
    assert {each["name"]: each["chunks"] for each in router["collections"]} == {
        "claims.files": 3,
        "claims.patients": 4,
    }
    assert sum(each["chunks"] for each in router["shards"]) == 7
    told = {name: router[name] for name in ("shards", "zones", "collections", "balancer", "balancer_window")}
    again = cluster.run(check=True, **told)
    assert again.get("changed") is False, again


def load(cluster, count=2000):
    """Numbered documents on the shards that own their ranges, and an unsharded collection beside them."""
    config = cluster.primary("config").config
    uuid = config.collections.find_one({"_id": "claims.files"})["uuid"]
    owners = [each["shard"] for each in config.chunks.find({"uuid": uuid}).sort("min")]
    assert len(owners) == 3
    for region, owner in zip("mno", owners):
        documents = [{"region": region, "number": number, "text": "x" * 500} for number in range(count // 4)]
        cluster.primary(owner).claims.files.insert_many(documents)
    primary = config.databases.find_one({"_id": "claims"})["primary"]
    cluster.primary(primary).claims.plain.insert_many([{"_id": number} for number in range(count // 4)])
    assert counts(cluster) == {"files": count * 3 // 4, "plain": count // 4}


def counts(cluster):
    return {name: cluster.count(f"claims.{name}") for name in ("files", "plain")}


def test_a_shard_comes_and_another_one_goes_with_data_in_it(cluster):
    load(cluster)
    before = counts(cluster)
    cluster.start_set("c", count=2)
    cycle(cluster, shards=[cluster.shard("c")])
    config = cluster.primary("config").config
    primary = config.databases.find_one({"_id": "claims"})["primary"]
    real = cycle(cluster, shards=[{"name": primary, "state": "absent"}], databases_to="c")
    assert real["steps"][0].endswith(", move claims to c, and remove it"), real["steps"]
    left = [each["chunks"] for each in real["progress"]]
    assert left == sorted(set(left), reverse=True) and left[0] > 1 and left[-1] == 0
    assert all(isinstance(each["bytes"], int) for each in real["progress"])
    assert real["progress"][0]["bytes"] > real["progress"][-1]["bytes"] == 0
    assert config.databases.find_one({"_id": "claims"})["primary"] == "c"
    assert counts(cluster) == before


def test_jumbo_chunks_are_named_and_the_next_run_goes_on(cluster):
    """The flag is set by hand: to drain a shard MongoDB moves chunks that are only big."""
    config = cluster.primary("config")
    before = counts(cluster)
    leaving = next(each["_id"] for each in config.config.shards.find() if each["_id"] != "c")
    uuid = config.config.collections.find_one({"_id": "claims.files"})["uuid"]
    chunk = config.config.chunks.find_one({"shard": leaving, "uuid": uuid})
    config.config.chunks.update_one({"_id": chunk["_id"]}, {"$set": {"jumbo": True}})
    config.admin.command("flushRouterConfig")
    gone = {"shards": [{"name": leaving, "state": "absent"}], "drain_timeout": 100}
    refused = cluster.run(**gone)
    assert refused.get("failed") and "too big to move is claims.files from " in refused["msg"], refused
    assert len(refused["progress"][-1]["jumbo"]) == 1
    wanted_back = cluster.run(shards=[cluster.shard(leaving)])
    assert f"{leaving} is being drained, and is wanted." in wanted_back["msg"]
    cluster.client.admin.command("clearJumboFlag", "claims.files", bounds=[chunk["min"], chunk["max"]])
    finished = cluster.run(**gone)
    assert finished.get("steps", [""])[0].startswith(f"go on draining {leaving}"), finished
    assert counts(cluster) == before


def test_a_timeout_tells_what_is_left(cluster):
    cluster.start_set("d")
    cycle(cluster, shards=[cluster.shard("d")])
    refused = cluster.run(shards=[{"name": "c", "state": "absent"}], drain_timeout=0.2)
    assert re.search(r"c is not drained after \d+ s: .* goes on from there", refused["msg"]), refused
    assert refused["progress"][0]["chunks"] > 1


def test_controllers_killed_at_any_instant_and_a_config_server_are_made_good_by_the_next_run(cluster):
    """The shard from before, whose drain has begun; everything is on it."""
    before = counts(cluster)
    gone = {"shards": [{"name": "c", "state": "absent"}], "drain_timeout": 100}
    for seconds in (0.05, 0.5, 2):
        child = multiprocessing.get_context("fork").Process(target=cluster.run, kwargs=gone, daemon=True)
        child.start()
        time.sleep(seconds)
        child.kill()
        child.join()
    cluster.sets["config"][0].kill()
    # What a move of the database leaves that was cut off by its servers' end: MongoDB 6.0 does not take it up again.
    cluster.primary("d").claims.plain.insert_one({"_id": -1})
    until(lambda: "drop them on that shard itself" in cluster.run(**gone).get("msg", ""), 100)
    cluster.primary("d").claims.plain.drop()
    until(lambda: not cluster.run(**gone).get("failed"), 100)
    for check in (True, False):
        assert cluster.run(check=check, **gone)["changed"] is False
    assert counts(cluster) == before
    assert [each["_id"] for each in cluster.primary("config").config.shards.find()] == ["d"]
