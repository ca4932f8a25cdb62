# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import time

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.amounts import hosts_of
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.plan import describe, make_plan


def host(name, version="1.0.0", running=True, in_rotation=True, group=""):
    return {"name": name, "version": version, "running": running, "in_rotation": in_rotation, "group": group}


def hosts(count, **more):
    return [host(f"app{number}", **more) for number in range(1, count + 1)]


def batches(known, **options):
    options.setdefault("max_unavailable", "100%")
    return [batch["hosts"] for batch in make_plan("claims", "2.0.0", known, **options)["batches"]]


def sizes(known, **options):
    return [len(batch) for batch in batches(known, **options)]


@pytest.mark.parametrize(
    ("value", "total", "expected"),
    [("3", 10, 3), (3, 10, 3), ("25%", 10, 2), ("1%", 10, 1), ("100%", 7, 7), (" 50% ", 9, 4), ("12", 4, 12)],
)
def test_amounts_follow_serial(value, total, expected):
    assert hosts_of("batch_sizes", value, total) == expected


@pytest.mark.parametrize("value", ["", "0", "0%", "-1", "1.5", "101%", "half", "25 %", None, True, "1e3", "٣"])
def test_amounts_refuse_with_what_would_be_accepted(value):
    with pytest.raises(ScalingError, match="batch_sizes is .* give a count from 1 such as '2', or a percentage"):
        hosts_of("batch_sizes", value, 10)


def test_the_last_batch_size_repeats():
    assert sizes(hosts(10), batch_sizes=["1", "2", "30%"]) == [1, 2, 3, 3, 1]


def test_max_unavailable_caps_a_batch():
    assert sizes(hosts(10), batch_sizes=["100%"], max_unavailable="25%") == [2, 2, 2, 2, 2]


def test_hosts_that_are_out_come_first_and_count_as_unavailable():
    known = [*hosts(4), host("app5", in_rotation=False), host("app6", running=False)]
    assert batches(known, batch_sizes=["1", "100%"], max_unavailable="2") == [
        ["app5"],
        ["app6", "app1"],
        ["app2", "app3"],
        ["app4"],
    ]


def test_more_hosts_out_than_allowed_are_brought_back_before_others_leave():
    known = [*hosts(2), *[host(f"down{number}", running=False) for number in range(3)]]
    assert batches(known, batch_sizes=["2"], max_unavailable="1") == [["down0", "down1"], ["down2"], ["app1"], ["app2"]]


def test_a_service_is_never_emptied():
    assert sizes(hosts(3), batch_sizes=["100%"]) == [2, 1]


def test_a_batch_takes_hosts_of_different_groups():
    known = [host(f"a{number}", group="a") for number in range(4)] + [
        host(f"b{number}", group="b") for number in range(4)
    ]
    assert [{name[0] for name in batch} for batch in batches(known, batch_sizes=["2"])] == [{"a", "b"}] * 4


def test_a_group_keeps_a_host_that_serves():
    known = [host("a1", group="a"), host("a2", group="a"), host("b1", group="b"), host("b2", group="b")]
    assert batches(known, batch_sizes=["4"]) == [["a1", "b1"], ["a2", "b2"]]


def test_a_group_with_a_host_out_is_repaired_before_the_other_leaves():
    known = [host("a1", group="a"), host("a2", group="a", running=False), *hosts(6)]
    first, second = batches(known, batch_sizes=["3"])[:2]
    assert "a2" in first
    assert "a1" not in first
    assert "a1" in second


def test_a_lonely_host_is_refused_unless_allowed():
    known = [host("a1", group="a"), *hosts(3, group="b")]
    with pytest.raises(ScalingError, match=r"allow_empty_group is false, but a1 \(a\) serves its group alone"):
        batches(known)
    assert batches(known, allow_empty_group=True, batch_sizes=["1"])[0]


def test_a_lonely_host_that_is_out_needs_no_permission():
    assert batches([host("a1", group="a", in_rotation=False), *hosts(2, group="b")], batch_sizes=["1"])[0] == ["a1"]


def test_a_single_host_needs_permission():
    with pytest.raises(ScalingError, match="app1"):
        batches(hosts(1))
    assert batches(hosts(1), allow_empty_group=True) == [["app1"]]


def test_hosts_with_the_version_are_skipped_only_when_they_serve():
    known = [
        host("new", version="2.0.0"),
        host("waiting", version="2.0.0", in_rotation=False),
        host("stopped", version="2.0.0", running=False),
        host("old"),
    ]
    plan = make_plan("claims", "2.0.0", known, max_unavailable="50%")
    assert plan["skipped"] == [{"host": "new", "reason": "runs 2.0.0 and takes traffic"}]
    assert set(plan["order"]) == {"waiting", "stopped", "old"}
    assert plan["back"] == {"waiting": "2.0.0", "stopped": "2.0.0", "old": "1.0.0"}
    assert plan["from"] == "1.0.0"


def test_a_host_with_a_pending_restart_is_replaced_by_its_own_version():
    known = [host("app1", "2.0.0"), {**host("app2", "2.0.0"), "restart_pending": True}]
    plan = make_plan("claims", "2.0.0", known, max_unavailable="100%")
    assert plan["order"] == ["app2"]
    assert plan["back"] == {"app2": "2.0.0"}
    assert [entry["host"] for entry in plan["skipped"]] == ["app1"]


def test_nothing_to_do():
    plan = make_plan("claims", "1.0.0", hosts(3))
    assert (plan["batches"], plan["order"], plan["back"], plan["from"]) == ([], [], {}, "")
    assert describe(plan) == []


def test_spares_come_in_first_stand_in_and_leave_last():
    plan = make_plan(
        "claims",
        "2.0.0",
        hosts(2),
        max_unavailable="0",
        max_surge="1",
        batch_sizes=["100%"],
        spare_hosts=[host("spare1", version="", running=False, in_rotation=False), host("spare2")],
    )
    assert [(batch["kind"], batch["hosts"]) for batch in plan["batches"]] == [
        ("surge", ["spare1"]),
        ("replace", ["app1"]),
        ("replace", ["app2"]),
    ]
    assert plan["release"] == ["spare1"]
    assert describe(plan) == [
        "batch 1 of 3: spare spare1 (none -> 2.0.0)",
        "batch 2 of 3: app1 (1.0.0 -> 2.0.0)",
        "batch 3 of 3: app2 (1.0.0 -> 2.0.0)",
        "release spare spare1: drain",
        f"hash of this plan: {plan['hash']}",
    ]


def test_a_spare_makes_room_for_a_single_host():
    plan = make_plan("claims", "2.0.0", hosts(1), max_surge="1", spare_hosts=[host("spare", running=False)])
    assert plan["order"] == ["spare", "app1"]


def test_the_hash_follows_the_world():
    seen = make_plan("claims", "2.0.0", hosts(4))["hash"]
    assert make_plan("claims", "2.0.0", hosts(4), expected_hash=seen)["hash"] == seen
    changed = hosts(4)
    changed[2]["in_rotation"] = False
    with pytest.raises(ScalingError, match=f"expected_hash is '{seen}', but what is there now has the hash") as error:
        make_plan("claims", "2.0.0", changed, expected_hash=seen)
    assert error.value.details["hash"] == make_plan("claims", "2.0.0", changed)["hash"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"service": "../etc"}, "service is '../etc'; give a name"),
        ({"service": "claims\n"}, "give a name"),
        ({"service": ""}, "service is ''; give a name"),
        ({"version": "2.0 0"}, "version is '2.0 0'; give a version"),
        ({"strategy": "canary"}, "strategy is 'canary'; give rolling"),
        ({"hosts": []}, "hosts is an empty list; give at least one"),
        ({"hosts": [host("")]}, r"hosts\[0\] has the name ''; give the host's name"),
        ({"hosts": [host("a"), host("a")]}, "hosts and spare_hosts name a more than once"),
        ({"spare_hosts": [host("app1")]}, "hosts and spare_hosts name app1 more than once"),
        ({"batch_sizes": []}, "batch_sizes is an empty list; give counts or percentages"),
        ({"batch_sizes": ["1", "0"]}, "batch_sizes is '0'; give a count from 1"),
        ({"max_unavailable": "all"}, "max_unavailable is 'all'; give a count from 0"),
        ({"max_unavailable": "0"}, "max_unavailable is '0', so that no host may leave the rotation; give at least 1"),
        ({"max_surge": "-1"}, "max_surge is '-1'; give a count from 0"),
        ({"max_surge": "1"}, "max_surge is 1, but spare_hosts is an empty list; name the hosts"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(options, message):
    given = dict({"service": "claims", "version": "2.0.0", "hosts": hosts(4)}, **options)
    with pytest.raises(ScalingError, match=message):
        make_plan(**given)


def random_world(source):
    groups = source.choice([[""], ["a", "b"], ["a", "b", "c", "d"]])
    known = [
        host(
            f"app{number}",
            version=source.choice(["1.0.0", "2.0.0", "0.9.0"]),
            running=source.random() < 0.9,
            in_rotation=source.random() < 0.9,
            group=source.choice(groups),
        )
        for number in range(source.randint(1, 30))
    ]
    surge = source.randint(0, 3)
    spares = [host(f"spare{number}", running=False, in_rotation=False) for number in range(surge)]
    options = {
        "batch_sizes": source.choice([["1"], ["1", "50%"], ["100%"], ["2", "3"], ["10%", "25%"]]),
        "max_unavailable": source.choice(["1", "2", "25%", "50%", "100%"]),
        "max_surge": str(surge),
        "spare_hosts": spares,
        "allow_empty_group": True,
    }
    return known, options


@pytest.mark.parametrize("seed", range(400))
def test_invariants_hold_for_any_input(seed):
    known, options = random_world(random.Random(seed))
    plan = make_plan("claims", "2.0.0", known, **options)
    replaced = [batch["hosts"] for batch in plan["batches"] if batch["kind"] == "replace"]
    planned = [name for batch in replaced for name in batch]
    skipped = [skip["host"] for skip in plan["skipped"]]
    assert sorted(planned + skipped) == sorted(item["name"] for item in known), "every host exactly once"
    simulate(known, replaced, options, len(plan["release"]))


def simulate(known, replaced, options, spares):
    """Walk through the batches as a rollout would, and look at what still serves."""
    serving = {item["name"] for item in known if item["running"] and item["in_rotation"]}
    members = {}
    for item in known:
        members.setdefault(item["group"], set()).add(item["name"])
    if spares:
        members.setdefault("", set()).update(f"spare{number}" for number in range(spares))
        serving |= {f"spare{number}" for number in range(spares)}
    everybody = set().union(*members.values())
    limit = hosts_of("max_unavailable", options["max_unavailable"], len(known)) + spares
    for place, batch in enumerate(replaced):
        size = options["batch_sizes"][min(place, len(options["batch_sizes"]) - 1)]
        assert 0 < len(batch) <= hosts_of("batch_sizes", size, len(known))
        left = serving - set(batch)
        if left != serving:
            assert len(everybody) - len(left) <= limit, "max_unavailable"
        for group, names in members.items():
            if names & serving and len(names) > 1:
                assert names & left, f"group {group} was emptied"
        if len(everybody) > 1 and serving:
            assert left, "the service was emptied"
        serving = left | set(batch)
    assert serving == everybody


@pytest.mark.parametrize("groups", [1, 100, 5000])
def test_ten_thousand_hosts_in_under_a_second(groups):
    known = [host(f"app{number}", group=f"g{number % groups}") for number in range(10_000)]
    began = time.process_time()
    plan = make_plan("claims", "2.0.0", known, batch_sizes=["1"])
    assert len(plan["batches"]) == 10_000
    assert time.process_time() - began < 1
