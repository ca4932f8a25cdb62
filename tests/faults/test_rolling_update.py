# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a rollout goes well, and when things go wrong: the outcomes that docs/operations.md promises."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

SERVICE = "claims-service"
HOSTS = ("app1", "app2", "app3", "app4")
TWO_BATCHES = {"rollout_batch_sizes": ["1", "75%"], "rollout_max_unavailable": "75%"}
UNWATCHED = {**TWO_BATCHES, "rollout_batch_sizes": ["50%"], "rollout_on_inconclusive": "continue", "rollout_watch": 0}


def test_a_rollout_under_load_loses_no_request(platform, tmp_path, failed_requests):
    _, new = platform.settle()
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version=new, rollout_watch=3, rollout_watch_interval=5, **TWO_BATCHES)
        time.sleep(2)
    assert run.code == 0
    platform.all_serve(new)
    assert failed_requests() == 0
    record = platform.record()
    assert record["state"] == "succeeded"
    # Also a watch that is shorter than its interval looks once.
    assert [batch["evidence"]["verdict"] for batch in record["batches"]] == ["success"] * 2


def test_deploying_again_changes_nothing(platform):
    version, _ = platform.settle()
    run = platform.run("deploy", rollout_version=version, **TWO_BATCHES)
    assert run.code == 0
    assert f"Every host of claims-service runs {version} and takes traffic." in run.output
    assert not re.search(r"changed=[1-9]", run.output)


def test_check_mode_tells_the_plan_and_touches_nothing(platform):
    old, new = platform.settle()
    before = platform.record()["id"]
    command = [*platform.command("deploy", rollout_version=new, **TWO_BATCHES), "--check", "--diff"]
    platform.command = lambda *_, **__: command
    try:
        run = platform.run("deploy")
    finally:
        del platform.command
    assert run.code == 0
    assert f"batch 1 of 2: app1 ({old} -> {new})" in run.output
    platform.all_serve(old)
    assert platform.record()["id"] == before


def test_a_version_that_never_gets_healthy_is_taken_back(platform, tmp_path, failed_requests):
    old, _ = platform.settle()
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version="2.0.0-unhealthy", **TWO_BATCHES)
        time.sleep(2)
    assert run.code != 0
    assert "claims-service on app1" in run.output
    assert "503" in run.output
    platform.all_serve(old)
    assert failed_requests() == 0
    assert platform.record()["state"] == "failed"


def test_a_version_that_fails_requests_is_noticed_and_taken_back(platform, tmp_path, failed_requests):
    old, _ = platform.settle()
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version="2.0.0-errors", **TWO_BATCHES)
        time.sleep(2)
    assert run.code != 0
    assert "error_rate" in run.output
    platform.all_serve(old)
    # One host of four answered 20 % of its share with 500 until the watch saw it.
    assert 0 < failed_requests() < 200


def test_a_service_that_ignores_its_stop_is_killed_and_said_so(platform):
    old, _ = platform.settle()
    run = platform.run("deploy", rollout_version="2.0.0-ignores-sigterm", **UNWATCHED)
    assert run.code == 0
    run = platform.run("deploy", rollout_version=old, **UNWATCHED)
    assert run.code == 0
    assert "was killed" in run.output
    platform.all_serve(old)


def test_a_second_operator_is_refused_and_told_who_holds_it(platform):
    _, new = platform.settle()
    first = platform.start("deploy", rollout_version=new, rollout_on_inconclusive="continue", **TWO_BATCHES)
    wait_for_batch(platform, 1)
    second = platform.run("deploy", rollout_version="3.0.0", **TWO_BATCHES)
    assert second.code != 0
    assert "rollout_unfinished=resume" in second.output
    assert platform.record()["owner"] in second.output
    assert platform.finish(first).code == 0
    platform.all_serve(new)


def test_a_pause_from_elsewhere_takes_effect_between_batches(platform):
    old, new = platform.settle()
    process = platform.start("deploy", rollout_version=new, rollout_on_inconclusive="continue", **TWO_BATCHES)
    wait_for_batch(platform, 1)
    assert platform.run("control_rollout", rollout_action="pause").code == 0
    wait_for(lambda: platform.record()["state"] == "paused", "the rollout did not pause")
    assert platform.versions() == {"app1": new, "app2": old, "app3": old, "app4": old}
    assert platform.all_up()
    assert platform.run("control_rollout", rollout_action="resume").code == 0
    assert platform.finish(process).code == 0
    platform.all_serve(new)


def test_an_abort_from_elsewhere_takes_the_finished_batches_back(platform):
    old, new = platform.settle()
    process = platform.start("deploy", rollout_version=new, rollout_on_inconclusive="continue", **TWO_BATCHES)
    wait_for_batch(platform, 1)
    assert platform.run("control_rollout", rollout_action="abort").code == 0
    run = platform.finish(process)
    assert run.code != 0
    assert "as was asked for" in run.output
    assert platform.record()["state"] == "aborted"
    platform.all_serve(old)


def test_a_killed_run_is_resumed_by_the_next(platform):
    _, new = platform.settle()
    kill_in_the_middle(platform, new)
    refused = platform.run("deploy", rollout_version=new, **TWO_BATCHES)
    assert refused.code != 0
    assert "rollout_unfinished=resume" in refused.output
    alive = platform.run("deploy", rollout_version=new, rollout_unfinished="resume", **TWO_BATCHES)
    assert alive.code != 0
    assert "so that run may be alive" in alive.output
    other = platform.run("deploy", rollout_version="9.0.0", **ways("resume"))
    assert other.code != 0
    assert f"Resume it with rollout_version={new}" in other.output
    resumed = platform.run("deploy", rollout_version=new, rollout_on_inconclusive="continue", **ways("resume"))
    assert resumed.code == 0
    platform.all_serve(new)


def test_a_killed_run_is_rolled_back_by_the_next(platform):
    old, new = platform.settle()
    kill_in_the_middle(platform, new)
    # There is no traffic to judge by, which holds no way back.
    back = platform.run("deploy", rollout_version=new, **ways("rollback"))
    assert back.code == 0
    platform.all_serve(old)
    assert platform.record()["state"] == "rolled_back"


@pytest.mark.parametrize(("unfinished", "state"), [("rollback", "rolled_back"), ("resume", "succeeded")])
def test_a_run_cut_off_before_its_first_batch_or_after_its_last_is_closed(platform, unfinished, state):
    old, _ = platform.settle()
    plan = {"service": SERVICE, "version": old, "from": old, "release": [], "back": {"app1": old}, "order": ["app1"]}
    plan["batches"] = [{"number": 1, "kind": "replace", "hosts": ["app1"]}]
    opened = platform.tell_ledger(action="begin", owner="test@lab", plan=plan)
    if unfinished == "resume":
        for phase in ("draining", "replacing", "verifying", "done"):
            platform.tell_ledger(action="advance", token=opened["token"], batch=1, phase=phase)
    run = platform.run("deploy", rollout_version=old, **ways(unfinished))
    assert run.code == 0
    assert f"had nothing left to do; it is closed: {state}" in run.output
    assert platform.record()["state"] == state
    platform.all_serve(old)


def test_a_ledger_that_goes_away_in_the_middle_leaves_no_host_out(platform):
    old, new = platform.settle()
    process = platform.start("deploy", rollout_version=new, **TWO_BATCHES)
    wait_for_batch(platform, 1)
    with platform.off_the_network("load1"):
        run = platform.finish(process)
        assert run.code != 0
        assert "The ledger's host load1 does not answer any more" in run.output
        platform.all_serve(old)
    assert platform.record()["state"] == "running"
    back = platform.run("deploy", rollout_version=new, **ways("rollback"))
    assert back.code == 0
    assert platform.record()["state"] == "rolled_back"
    platform.all_serve(old)


def test_settings_that_wait_for_a_restart_are_rolled_out(platform):
    version, _ = platform.settle()
    environment = {"PORT": "8080", "SHUTDOWN_TIMEOUT_S": "20", "GREETING": f"at {time.time():.0f}"}
    assert platform.run("site", service_environment=environment).code == 0
    check = ["sh", "-c", "tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value claims-service)/environ"]
    assert environment["GREETING"] not in platform.on("app1", *check)
    run = platform.run("deploy", rollout_version=version, **UNWATCHED)
    assert run.code == 0
    assert all(environment["GREETING"] in platform.on(host, *check) for host in HOSTS)
    again = platform.run("deploy", rollout_version=version, **UNWATCHED)
    assert f"Every host of {SERVICE} runs {version} and takes traffic." in again.output


def test_a_batch_never_empties_a_failure_domain(platform):
    _, new = platform.settle()
    alone = {"rollout_group": "{{ 'zone_b' if inventory_hostname == 'app4' else 'zone_a' }}"}
    refused = platform.run("deploy", rollout_version=new, **alone, **TWO_BATCHES)
    assert refused.code != 0
    assert "zone_b" in refused.output
    assert "app4" in refused.output


def test_a_load_balancer_that_is_down_stops_the_rollout_before_it_starts(platform):
    old, new = platform.settle()
    before = platform.record()["id"]
    platform.on("lb2", "systemctl", "stop", "haproxy")
    try:
        run = platform.run("deploy", rollout_version=new, **TWO_BATCHES)
    finally:
        platform.on("lb2", "systemctl", "start", "haproxy")
    assert run.code != 0
    assert "Load balancer lb2 does not answer" in run.output
    assert platform.record()["id"] == before
    time.sleep(3)
    platform.all_serve(old)


def test_a_load_balancer_that_dies_in_the_middle_pauses_the_rollout(platform, tmp_path, failed_requests):
    _, new = platform.settle()
    holder = platform.address_holder()
    with platform.load(tmp_path):
        process = platform.start("deploy", rollout_version=new, **TWO_BATCHES)
        wait_for_batch(platform, 1)
        with platform.off_the_network(holder):
            run = platform.finish(process)
            assert platform.holds_the_address(other(holder))
    assert run.code != 0
    assert f"Load balancer {holder} does not answer any more" in run.output
    assert "The rollout is paused; go on with rollout_unfinished=resume" in run.output
    assert platform.record()["state"] == "paused"
    # Those that were open to it; vegeta holds one connection for each request in flight.
    assert failed_requests() <= 60
    resumed = platform.run("deploy", rollout_version=new, rollout_on_inconclusive="continue", **ways("resume"))
    assert resumed.code == 0
    platform.all_serve(new)


def test_the_address_does_not_move_back(platform):
    holder = platform.address_holder()
    with platform.off_the_network(holder):
        assert platform.holds_the_address(other(holder))
    time.sleep(5)
    assert platform.address_holder() == other(holder)


def test_an_unreachable_host_changes_nothing(platform):
    old, new = platform.settle()
    before = platform.record()["id"]
    with platform.off_the_network("app3"):
        run = platform.run("deploy", rollout_version=new, **TWO_BATCHES)
    assert run.code != 0
    assert "app3" in run.output
    assert "unreachable=1" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_host_that_vanishes_in_its_batch_is_left_out_and_named(platform, tmp_path, failed_requests):
    old, new = platform.settle()
    with platform.load(tmp_path):
        process = platform.start("deploy", rollout_version=new, **TWO_BATCHES)
        wait_for_batch(platform, 1)
        with platform.off_the_network("app1"):
            run = platform.finish(process)
    assert run.code != 0
    assert "app1: cannot be reached" in run.output
    assert "Out of rotation: app1" in run.output
    assert platform.record()["state"] == "failed"
    assert platform.versions() | {"app1": ""} == {"app1": "", "app2": old, "app3": old, "app4": old}
    assert failed_requests() == 0


def test_a_full_disk_changes_nothing(platform):
    old, _ = platform.settle()
    before = platform.record()["id"]
    platform.on("app3", "rm", "-rf", "/opt/claims-service/releases/3.0.0")
    with platform.full_disk("app3"):
        run = platform.run("deploy", rollout_version="3.0.0", **TWO_BATCHES)
    assert run.code != 0
    assert "No space left for the release in /opt/claims-service/releases" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_wrong_checksum_changes_nothing(platform):
    old, _ = platform.settle()
    before = platform.record()["id"]
    for host in HOSTS:
        platform.on(host, "rm", "-rf", "/opt/claims-service/releases/3.0.0")
    run = platform.run("deploy", rollout_version="3.0.0", service_checksum="sha256:" + "0" * 64, **TWO_BATCHES)
    assert run.code != 0
    assert "checksum" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_missing_artifact_changes_nothing(platform):
    old, _ = platform.settle()
    before = platform.record()["id"]
    run = platform.run("deploy", rollout_version="9.9.9", **TWO_BATCHES)
    assert run.code != 0
    assert "claims-service-9.9.9.tar.gz" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_spare_host_stands_in_and_leaves(platform):
    _, new = platform.settle()
    drained = platform.run("drain_host", host_name="app4")
    assert drained.code == 0
    run = platform.run(
        "deploy",
        rollout_version=new,
        **{**UNWATCHED, "rollout_max_unavailable": "0", "rollout_max_surge": "1", "rollout_spare_hosts": ["app4"]},
    )
    assert run.code == 0, run.output[-3000:]
    assert platform.versions() == dict.fromkeys(HOSTS, new)
    rotation = platform.rotation()
    assert rotation.pop("app4") == {"maint, MAINT"}
    assert rotation == dict.fromkeys(("app1", "app2", "app3"), {"UP"})
    assert platform.run("restore_host", host_name="app4").code == 0
    platform.all_serve(new)


def test_rollback_goes_back_to_the_version_before(platform):
    old, new = platform.settle()
    deployed = platform.run("deploy", rollout_version=new, **UNWATCHED)
    assert deployed.code == 0
    run = platform.run("rollback", **UNWATCHED)
    assert run.code == 0
    platform.all_serve(old)


@pytest.mark.parametrize(
    ("option", "value", "accepted"),
    [
        ("rollout_version", "not a version", "give a version"),
        ("rollout_service", "claims/service", "give the name of a service"),
        ("rollout_strategy", "big_bang", "must be one of: rolling, got: big_bang"),
        ("rollout_watch", "soon", "unable to convert to int"),
        ("rollout_watch", -1, "give seconds"),
        ("rollout_drain_timeout", 0, "give seconds"),
        ("rollout_health_successes", 0, "give a number"),
        ("rollout_health_path", "health", "give a path that begins with /"),
        ("rollout_allow_empty_group", "perhaps", "is not a valid boolean"),
        ("rollout_batch_sizes", ["2x"], "give a count from 1"),
        ("rollout_max_unavailable", "0", "at least 1"),
        ("rollout_gate", ["error_rate << 5"], "error_rate << 5"),
        ("rollout_load_balancers", ["lb9"], "give host names of the inventory"),
        ("rollout_ledger_host", "load9", "must be a host of the inventory"),
        ("rollout_load_balancers", [], "set rollout_unbalanced=true"),
        ("rollout_max_surge", "some", "give a count from 0"),
        ("rollout_spare_hosts", ["app9"], "which are no hosts of the service"),
        ("rollout_watch_interval", 0, "give seconds, at least 1"),
        ("rollout_health_deadline", 0, "give seconds, at least 1"),
        ("rollout_gate_minimum", -1, "give a number of requests"),
        ("rollout_pause_timeout", -1, "give seconds, 0 or more"),
        ("rollout_ledger_history", 0, "give a number of rollouts"),
        ("rollout_on_inconclusive", "stop", "must be one of:"),
        ("rollout_load_balancer_type", "apache", "must be one of:"),
        ("rollout_unfinished", "ignore", "must be one of: refuse, resume, rollback, got: ignore"),
    ],
)
def test_bad_input_is_one_clear_sentence(platform, option, value, accepted):
    run = platform.run("deploy", **{"rollout_version": "9.0.0", "rollout_hosts": "claims_service", option: value})
    assert run.code != 0
    assert option.removeprefix("rollout_") in run.output
    assert accepted in run.output


def other(balancer: str) -> str:
    return {"lb1": "lb2", "lb2": "lb1"}[balancer]


def ways(unfinished: str) -> dict:
    return {"rollout_unfinished": unfinished, "rollout_force_take_over": True, **TWO_BATCHES}


def wait_for_batch(platform, number: int) -> None:
    """Until the batch is being replaced: drained, and not yet back."""

    def begun() -> bool:
        record = platform.record()
        batches = record.get("batches", [])
        return record["state"] == "running" and batches[number - 1].get("phase") == "replacing"

    wait_for(begun, "the batch did not begin")


def wait_for(happened, otherwise: str) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.5)


def kill_in_the_middle(platform, version: str) -> None:
    process = platform.start("deploy", rollout_version=version, rollout_on_inconclusive="continue", **TWO_BATCHES)
    wait_for_batch(platform, 1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert platform.record()["state"] == "running"
