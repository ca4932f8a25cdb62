# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.plan import (
    endpoint,
    plan,
    resolve,
    target_weight,
)


def server(path, state="ready", weight=100):
    backend, name = path.split("/")
    return {
        "balancer": "a",
        "backend": backend,
        "name": name,
        "state": state,
        "weight": weight,
        "initial_weight": 100,
        "address": "192.0.2.1",
        "port": 80,
    }


CURRENT = [
    server("b/one"),
    server("b/two", state="maint"),
    server("b/three", state="drain"),
    server("c/one", weight=50),
]


def made(wishes, version=(2, 6), drain_then="drain", algorithms=None, current=CURRENT):
    wanted = resolve(
        [dict(zip(("backend", "name"), path.split("/")), **w) for path, w in wishes], current, "a", ["empty"]
    )
    return plan(wanted, current, version, drain_then, algorithms)


@pytest.mark.parametrize(
    ("path", "wish", "drain_then", "commands", "after"),
    [
        ("b/one", {"state": "ready"}, "drain", [], "ready"),
        ("b/one", {"state": "drain"}, "drain", ["drain"], "drain"),
        ("b/one", {"state": "drain"}, "maint", ["drain", "maint"], "maint"),
        ("b/one", {"state": "maint"}, "drain", ["maint"], "maint"),
        ("b/two", {"state": "ready"}, "drain", ["ready"], "ready"),
        ("b/two", {"state": "drain"}, "drain", ["drain"], "drain"),
        ("b/two", {"state": "drain"}, "maint", [], "maint"),
        ("b/two", {"state": "maint"}, "maint", [], "maint"),
        ("b/three", {"state": "drain"}, "drain", [], "drain"),
        ("b/three", {"state": "drain"}, "maint", ["maint"], "maint"),
        ("b/three", {"state": "ready"}, "maint", ["ready"], "ready"),
        ("b/three", {"state": "present"}, "drain", [], "drain"),
        ("b/three", {}, "drain", [], "drain"),
    ],
)
def test_states(path, wish, drain_then, commands, after):
    work = made([(path, wish)], drain_then=drain_then)
    assert work.commands((2, 6)) == [f"set server {path} state {state}" for state in commands]
    assert work.after[path]["state"] == after
    assert work.changes is bool(commands)
    assert (work.before != work.after) is bool(commands)


def test_a_server_that_drains_already_is_waited_for_again():
    assert made([("b/three", {"state": "drain"})]).drain == [("b", "three")]
    assert made([("b/two", {"state": "drain"})], drain_then="maint").drain == []


def test_a_server_opens_with_its_new_weight_and_closes_before_it():
    assert made([("b/two", {"state": "ready", "weight": "50%"})]).first == [
        "set server b/two weight 50",
        "set server b/two state ready",
    ]
    assert made([("b/one", {"state": "maint", "port": 81})]).first == [
        "set server b/one state maint",
        "set server b/one addr 192.0.2.1 port 81",
    ]


def test_capacity_comes_back_before_other_capacity_goes():
    first = made([("b/one", {"state": "maint"}), ("b/two", {"state": "ready"})]).first
    assert first == ["set server b/two state ready", "set server b/one state maint"]


def test_the_star_means_every_backend_with_that_name():
    work = made([("*/one", {"state": "maint"})])
    assert sorted(work.after) == ["b/one", "c/one"]


def test_an_entry_for_another_balancer_is_left_out():
    entries = [dict(server("b/one"), state="maint", balancer="z")]
    assert resolve(entries, CURRENT, "a") == {}


def test_entries_of_one_server_add_up_unless_they_disagree():
    work = made([("*/one", {"state": "drain"}), ("b/one", {"weight": "10"})])
    assert work.after["b/one"]["weight"] == 10
    assert work.after["b/one"]["state"] == "drain"
    with pytest.raises(ScalingError, match="b/one is asked to have state drain and state ready"):
        made([("*/one", {"state": "drain"}), ("b/one", {"state": "ready"})])


def test_absent_drains_then_removes():
    work = made([("b/one", {"state": "absent"})])
    assert work.commands((2, 6)) == [
        "set server b/one state drain",
        "set server b/one state maint",
        "del server b/one",
    ]
    assert (work.drain, work.after) == ([("b", "one")], {})
    assert made([("b/two", {"state": "absent"})]).commands((2, 6)) == ["del server b/two"]
    assert made([("b/none", {"state": "absent"})]).changes is False
    assert made([("*/none", {"state": "absent"})]).changes is False


NEW = {"state": "present", "address": "192.0.2.9", "port": 8080}


def test_a_backend_without_servers_takes_its_first():
    assert "empty/new" in made([("empty/new", NEW)]).after


def test_present_adds_and_starts_behind_the_checks():
    work = made([("b/new", dict(NEW, weight="70", options=" inter 2s "))])
    assert work.first == [
        "add server b/new 192.0.2.9:8080 check weight 70 inter 2s",
        "enable health b/new",
        "set server b/new state drain",
        "set server b/new health down",
        "set server b/new state ready",
    ]
    assert work.after == {"b/new": {"state": "ready", "weight": 70, "address": "192.0.2.9", "port": 8080}}
    assert made([("b/new", dict(NEW, check=False))]).first == [
        "add server b/new 192.0.2.9:8080 weight 1",
        "set server b/new state ready",
    ]


@pytest.mark.parametrize(
    ("path", "wish", "message"),
    [
        ("b/nope", {"state": "ready"}, "Backend b of HAProxy at a has no server nope; there are one, three, two"),
        ("x/one", {"state": "ready"}, "HAProxy at a has no backend x; there are b, c, empty"),
        ("*/nope", {"state": "ready"}, "No backend of HAProxy at a has a server nope; there are one, three, two"),
        ("*/new", NEW, r"backend '\*' cannot be used to add new"),
        ("b/new", {"state": "present"}, "needs address and port"),
        ("b/new", dict(NEW, weight="50%"), "50% of b/new refers to nothing"),
        ("b/new", dict(NEW, options="inter 1s; shutdown"), "one line without"),
        ("b/new", dict(NEW, options="inter 1s\nquit"), "one line without"),
        ("b/new one", NEW, "name 'new one' is not one that HAProxy accepts"),
        ("x/new", NEW, "HAProxy at a has no backend x"),
        ("x/one", {"state": "absent"}, "HAProxy at a has no backend x"),
    ],
)
def test_impossible_wishes(path, wish, message):
    with pytest.raises(ScalingError, match=message):
        made([(path, wish)])


def test_static_round_robin_is_refused_in_time():
    with pytest.raises(ScalingError, match="static-rr, to which HAProxy adds no servers"):
        made([("b/new", NEW)], algorithms={"b": "static-rr"})
    with pytest.raises(ScalingError, match="static-rr, which accepts only weight 0 and the configured 100"):
        made([("b/one", {"weight": "50"})], algorithms={"b": "static-rr"})
    assert made([("b/one", {"weight": "0"})], algorithms={"b": "static-rr"}).first == ["set server b/one weight 0"]


def test_an_old_version_is_refused_before_anything():
    with pytest.raises(ScalingError, match="needs HAProxy 2.5"):
        made([("b/one", {"state": "absent"})], version=(2, 4))


def test_a_server_without_an_address_is_left_alone():
    unresolved = dict(server("b/one", state="maint"), address="", admin_mask=32, fqdn="app1.example")
    with pytest.raises(ScalingError, match=r"b/one has no IP address in HAProxy, since its host name app1\.example"):
        made([("b/one", {"address": "192.0.2.5"})], current=[unresolved])
    with pytest.raises(ScalingError, match=r"b/one cannot be ready: its host name app1\.example does not resolve"):
        made([("b/one", {"state": "ready"})], current=[unresolved])
    assert made([("b/one", {"state": "maint", "weight": "5"})], current=[unresolved]).changes


@pytest.mark.parametrize(
    ("weight", "initial", "target"),
    [("50%", 100, 50), ("33%", 10, 3), ("300%", 100, 256), ("0%", 100, 0), (0, 1, 0), ("256", 1, 256), (" 7 ", 1, 7)],
)
def test_weights(weight, initial, target):
    assert target_weight(weight, initial, "b/s", "") == target


@pytest.mark.parametrize("weight", ["257", "-1", "half", "", "50 %", "1.5", "%"])
def test_bad_weights_are_named(weight):
    with pytest.raises(ScalingError, match="of b/s is neither a number from 0 to 256 nor a percentage"):
        target_weight(weight, 100, "b/s", "")


def test_a_share_that_rounds_to_no_traffic_is_refused():
    with pytest.raises(ScalingError, match="50% of the configured 1 of b/s is 0"):
        target_weight("50%", 1, "b/s", "")


@pytest.mark.parametrize(("address", "text"), [("192.0.2.1", "192.0.2.1:80"), ("2001:db8::1", "[2001:db8::1]:80")])
def test_endpoints(address, text):
    assert endpoint(address, 80) == text
