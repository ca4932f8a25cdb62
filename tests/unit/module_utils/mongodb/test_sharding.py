# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for a sharded cluster, from the states of a real one (MongoDB 6.0.5): steps, their order, what is refused."""

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core import deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import router, sharded_cluster, sharding

from .recorded import FIXTURES

EMPTY = {
    **{"shards": {}, "databases": {}, "collections": {}, "ranges": [], "chunks": {}, "jumbo": []},
    **{"balancer": True, "held": False, "window": "always"},
}
RANGE = {"collection": "claims.files", "min": {"_id": 0}, "max": {"_id": 100}}


def recorded(name="sharded", **changes):
    """The cluster with two shards, of which b is the primary of the database; or b being drained."""
    return {**json.loads((FIXTURES / f"{name}_6.0.json").read_text()), "held": False, "window": "always", **changes}


def shard(name, **options):
    return {"name": name, "replica_set": "", "hosts": [f"{name}1"], "zones": None, "state": "present", **options}


def collection(name, **options):
    plain = {"unique": False, "initial_chunks": 0, "presplit_hashed_zones": False}
    return {"name": name, "key": {"_id": 1}, **plain, **options}


def told(**options):
    nothing = {"shards": [], "zones": [], "collections": [], "balancer": None, "balancer_hold": None}
    return {**nothing, "balancer_window": "", "databases_to": "", **options}


def plan(state, **options):
    return sharding.steps_to(state, sharding.normalise(told(**options), state))


def messages(state, **options):
    return [step.message for step in plan(state, **options)]


def with_zone(state, zone="north", name="a", others=()):
    made = copy.deepcopy(state)
    made["ranges"] = [{"zone": zone, **RANGE}]
    for each in made["shards"].values():
        each["zones"] = []
    for each in (name, *others):
        made["shards"][each]["zones"] = [zone]
    return made


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


def test_bounds_are_completed_with_the_lowest_as_the_server_does():
    state = recorded()
    state["collections"]["claims.files"]["key"] = {"region": 1, "_id": 1}
    short = {"collection": "claims.files", "min": {"region": "n"}, "max": {"region": "o"}}
    (step,) = plan(with_zone(state, "other"), zones=[{"name": "other", "ranges": [short]}])[1:]
    assert step.arguments["min"] == {"region": "n", "_id": {"$minKey": 1}}
    assert plan(step.state, zones=[{"name": "other", "ranges": [short]}]) == []


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
    assert sharding.view(recorded("sharded_draining"), sharding.normalise(told(), EMPTY))["shards"]["b"]["draining"]


def test_databases_go_to_the_shard_that_is_named_or_has_the_fewest():
    state = recorded(databases={"claims": "b", "files": "a"})
    state["shards"]["c"] = dict(state["shards"]["a"], replica_set="c", zones=[])
    assert sharding.target(state, ["b"], "") == "c"
    assert sharding.target(state, ["b"], "a") == "a"
    state["shards"]["c"]["draining"] = True
    assert sharding.target(state, ["b"], "") == "a"
    with pytest.raises(ScalingError, match="databases_to is c, which is no shard that stays. Accepted is one of a."):
        sharding.target(state, ["b"], "c")


@pytest.mark.parametrize(
    ("state", "options", "reason"),
    [
        (EMPTY, {"shards": [shard("a", hosts=[])]}, "a is to be added and has no hosts"),
        (EMPTY, {"shards": [shard("a"), shard("a")]}, "a stands there twice"),
        (EMPTY, {"collections": [collection("claims.files")]}, "there is no shard"),
        (EMPTY, {"collections": [collection("claims")]}, "'claims' is no namespace"),
        (EMPTY, {"collections": [collection("a.b", key={})]}, "has the key {}"),
        (EMPTY, {"collections": [collection("a.b", key={"x": -1})]}, "Accepted for a field are 1 and hashed"),
        (EMPTY, {"collections": [collection("a.b", key={"x": "hashed"}, unique=True)]}, "cannot be unique"),
        (EMPTY, {"collections": [collection("a.b", initial_chunks=4)]}, "initial_chunks and no hashed key"),
        (EMPTY, {"balancer_window": "23-6"}, "Accepted is always, or such as 23:00-06:00"),
        (EMPTY, {"balancer_window": "23:00-23:00"}, "balancer_window is '23:00-23:00'"),
        (EMPTY, {"shards": [shard("a")], "zones": [{"name": "n", "ranges": [RANGE]}]}, "no shard is in the zone n"),
        (recorded(), {"shards": [shard("a", replica_set="x")]}, "a is the replica set a, and x is wanted"),
        (recorded(), {"collections": [collection("claims.files", key={"x": 1})]}, "sharded by _id: 1, and x: 1"),
        (recorded(), {"collections": [collection("claims.files", unique=True)]}, "not unique"),
        (recorded(), {"shards": [shard("a", state="absent"), shard("b", state="absent")]}, "No shard would be left"),
        (recorded(), {"shards": [shard("b", state="absent")], "balancer": False}, "the balancer is off"),
        (with_zone(recorded()), {"shards": [shard("a", state="absent")]}, "a is the only shard of the zone north"),
        (with_zone(recorded()), {"shards": [shard("a", zones=[])]}, "a is the only shard of the zone north"),
        (recorded("sharded_draining"), {"shards": [shard("b")]}, "b is being drained, and is wanted"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(state, options, reason):
    with pytest.raises(ScalingError) as refused:
        plan(state, **options)
    assert reason in str(refused.value)


def test_why_chunks_stay():
    state = recorded()
    assert sharding.stuck(state, "b") == ""
    assert sharding.stuck(dict(state, balancer=False), "b") == "the balancer is off"
    state["collections"]["claims.patients"]["balanced"] = False
    assert sharding.stuck(state, "b") == "balancing is disabled for claims.patients"
    state["jumbo"] = [{"shard": "b", **RANGE}]
    assert sharding.jumbo_of(state, "b") == ["claims.files from {_id: 0} to {_id: 100}"]
    assert sharding.jumbo_of(state, "a") == []


class Removal(sharded_cluster.Run):
    """A run whose cluster answers what was recorded of one."""

    def __init__(self, monkeypatch, answers, state):
        self.params = {"drain_timeout": 60, "databases_to": ""}
        self.routers, self.steps, self.progress, self.moved = None, [], [], []
        monkeypatch.setattr(router, "remove_shard", lambda _routers, _name: answers.pop(0))
        monkeypatch.setattr(router, "read", lambda _routers: copy.deepcopy(state))
        never = {"sleep": lambda _seconds: None}
        monkeypatch.setattr(sharded_cluster, "Deadline", lambda seconds: deadline.Deadline(seconds, **never))
        rounds = iter(range(10, 90))
        self._idle_since = (-1, 0)
        monkeypatch.setattr(router, "balancer_rounds", lambda _routers: next(rounds))
        monkeypatch.setattr(router, "owned_bytes", lambda _routers: {"b": 7})
        monkeypatch.setattr(router, "move_primary", lambda _routers, *words: self.moved.append(words) or True)


def answers(*counts):
    both = json.loads((FIXTURES / "remove_shard_6.0.json").read_text())
    ongoing = [
        dict(both["ongoing"], remaining={"chunks": count, "dbs": 1, "jumboChunks": jumbo}) for count, jumbo in counts
    ]
    return [both["started"], *ongoing, {"state": "completed"}]


def test_databases_move_once_the_chunks_are_gone(monkeypatch):
    run = Removal(monkeypatch, answers((2, 0), (2, 0), (0, 0)), recorded("sharded_draining"))
    run._drain("b", ["b"])
    assert run.moved == [("claims", "a")]
    assert [(each["chunks"], each["databases"], each["bytes"]) for each in run.progress] == [(2, 1, 7), (0, 1, 7)]


def test_a_drain_stops_early_when_only_jumbo_chunks_are_left(monkeypatch):
    state = recorded("sharded_draining", jumbo=[{"shard": "b", **RANGE}])
    run = Removal(monkeypatch, answers((2, 1), (1, 1), (1, 1)), state)
    with pytest.raises(ScalingError, match="b keeps 1 chunks: too big to move is claims.files from") as refused:
        run._drain("b", ["b"])
    assert [each["chunks"] for each in refused.value.details["progress"]] == [2, 1]
    assert run.moved == []


def test_a_drain_stops_early_when_a_jumbo_chunk_holds_others_up(monkeypatch):
    state = recorded("sharded_draining", jumbo=[{"shard": "b", **RANGE}])
    run = Removal(monkeypatch, answers((4, 1), *[(3, 1)] * 9), state)
    with pytest.raises(ScalingError, match="b keeps 3 chunks: too big to move is claims.files from"):
        run._drain("b", ["b"])


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
