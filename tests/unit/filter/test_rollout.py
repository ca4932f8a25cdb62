# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.filter import rollout

PLAN = {
    "version": "2.0.0",
    "batches": [
        {"number": 1, "kind": "surge", "hosts": ["app1"]},
        {"number": 2, "kind": "replace", "hosts": ["app2", "app3"]},
    ],
    "back": {"app1": "1.0.0", "app2": "1.0.0", "app3": "0.9.0"},
}
RUNNING = {"app1": {"version": "1.0.0", "running": True}}


def server(balancer, state):
    return {"balancer": balancer, "name": "app1", "state": state}


def test_a_host_is_in_rotation_only_when_every_balancer_says_ready():
    both = [server("lb1", "ready"), server("lb2", "ready")]
    one = [server("lb1", "ready"), server("lb2", "maint")]
    assert rollout.rollout_hosts(["app1"], RUNNING, both)[0]["in_rotation"] is True
    assert rollout.rollout_hosts(["app1"], RUNNING, one)[0]["in_rotation"] is False


def test_a_host_that_no_balancer_knows_is_not_in_rotation():
    assert rollout.rollout_hosts(["app1"], RUNNING, [])[0]["in_rotation"] is False
    assert rollout.rollout_hosts(["app1"], RUNNING, [], balanced=False)[0]["in_rotation"] is True


def test_hosts_carry_their_failure_domain_and_a_pending_restart():
    running = {"app1": {**RUNNING["app1"], "restart_pending": True}, "app2": RUNNING["app1"]}
    one, two = rollout.rollout_hosts(["app1", "app2"], running, [], groups={"app1": "zone_a"})
    assert (one["group"], one["restart_pending"]) == ("zone_a", True)
    assert (two["group"], two["restart_pending"]) == ("", False)


def test_who_refuses_is_not_silent():
    results = [
        {"item": "lb1", "servers": []},
        {"item": "lb2", "msg": "HAProxy at … refused 'set weight …'"},
        {"item": "lb3", "unreachable": True},
        {"item": "lb4", "msg": "… does not answer: Connection refused.", "balancer": "/run/haproxy/admin.sock"},
        {"item": "lb5", "msg": "Timed out", "timedout": {"period": 30}},
    ]
    assert rollout.silent_balancers(results) == ["lb3", "lb4", "lb5"]


def test_files_of_a_balancer_that_does_not_run_are_no_answer():
    results = [
        {"item": "lb1", "servers": [], "process": {"running": True}},
        {"item": "lb2", "servers": [], "process": {"running": False}},
        {"item": "lb3", "servers": [], "running": False},
        {"item": "lb4", "servers": [], "process": [{"balancer": "/run/haproxy/admin.sock"}]},
    ]
    answers = rollout.balancer_answers(results)
    assert [answer["item"] for answer in answers if "servers" in answer] == ["lb1", "lb4"]
    assert rollout.silent_balancers(answers) == ["lb2", "lb3"]


def test_only_sessions_that_were_left_were_cut():
    results = [
        {"item": "lb1", "remaining_sessions": {"claims/app1": 3, "claims/app2": 0}},
        {"item": "lb2", "remaining_sessions": {"app1": 0}},
        {"item": "lb3", "unreachable": True},
    ]
    assert rollout.cut_sessions(results) == {"lb1": {"claims/app1": 3}}


def test_batches_are_led_by_their_conductor():
    lines = rollout.lined_up(PLAN["batches"], PLAN, "forward")
    assert [line["name"] for line in lines] == ["batch-1-of-2", "app1", "batch-2-of-2", "app2", "app3"]
    assert lines[2]["batch"]["versions"] == {"app2": "2.0.0", "app3": "2.0.0"}
    assert "batch" not in lines[1]
    assert [lines[place]["batch"]["kind"] for place in (0, 2)] == ["surge", "replace"]


def test_the_way_back_gives_every_host_its_own_version():
    (conductor, *_) = rollout.lined_up(PLAN["batches"][1:], PLAN, "back")
    assert conductor["name"] == "undo-batch-2-of-2"
    assert conductor["batch"]["versions"] == {"app2": "1.0.0", "app3": "0.9.0"}


def test_serial_counts_the_conductor():
    hostvars = {"batch-1": {"rollout_batch": {"hosts": ["app1", "app2"]}}}
    assert rollout.batch_sizes(["batch-1"], hostvars) == [3]
    assert rollout.batch_sizes([], hostvars) == [1]


def test_servers_carry_their_address_or_their_name():
    hostvars = {"app1": {"ansible_host": "192.0.2.21"}, "app2": {}}
    assert rollout.balanced_servers(["app1", "app2"], hostvars) == [
        {"name": "app1", "address": "192.0.2.21"},
        {"name": "app2", "address": "app2"},
    ]
    assert rollout.balanced_servers(["app1"]) == [{"name": "app1", "address": "app1"}]


def test_servers_of_two_balancers_are_told_apart():
    sample = {"balancer": "/run/haproxy/admin.sock", "backend": "claims", "name": "app1", "requests": 3}
    results = [
        {"item": "lb1", "servers": [sample, {**sample, "backend": "other"}]},
        {"item": "lb2", "unreachable": True},
        {"item": "lb3", "servers": [sample]},
    ]
    assert [server["balancer"] for server in rollout.routed_servers(results, "claims")] == ["lb1", "lb3"]


def test_every_expression_becomes_a_check():
    assert rollout.gate_checks(["error_rate < 5%"], "20") == [
        {"name": "error_rate < 5%", "expression": "error_rate < 5%", "min_samples": 20}
    ]


def test_pods_that_became_worse_are_told_and_those_that_came_or_went_are_not():
    def pod(name, ready=True, restarts=0, phase="Running", reason=""):
        return {"name": name, "ready": ready, "restarts": restarts, "phase": phase, "reason": reason}

    before = [pod("a"), pod("b"), pod("c"), pod("d"), pod("e", restarts=1)]
    now = [
        pod("a", ready=False, reason="pod a, container claims runs, but is not ready"),
        pod("b", restarts=1),
        pod("c", ready=False, phase="Terminating"),
        pod("e", restarts=1),
        pod("new", ready=False),
    ]
    assert rollout.pods_in_trouble(now, before) == [
        "pod a, container claims runs, but is not ready",
        "pod b was started again: it is ready now",
    ]
    assert rollout.pods_in_trouble(before, before) == []


def test_a_rollout_is_at_a_host_only_while_its_batch_is_active():
    batches = [{"state": "done", "hosts": ["app1"]}, {"state": "active", "hosts": ["app2", "app3"]}]
    record = {"id": "a", "batches": [*batches, {"state": "pending", "hosts": ["app4"]}]}
    assert [rollout.rollouts_at([record], host) for host in ("app1", "app3", "app4")] == [[], [record], []]


def test_all_filters_are_offered():
    assert set(rollout.FilterModule().filters()) == {
        "rollout_hosts",
        "routed_servers",
        "balancer_answers",
        "silent_balancers",
        "cut_sessions",
        "wanted_servers",
        "balanced_servers",
        "lined_up",
        "rollouts_at",
        "pods_in_trouble",
        "batch_sizes",
        "gate_checks",
    }
    assert rollout.wanted_servers(["app1"], "claims", "drain") == [
        {"backend": "claims", "name": "app1", "state": "drain"}
    ]
