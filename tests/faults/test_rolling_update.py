# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a rollout goes well, and when things go wrong: the outcomes that docs/operations.md promises."""

from __future__ import annotations

import os
import signal
import time

import pytest

HOSTS = ("app1", "app2", "app3", "app4")
HALF = {"rollout_batch_sizes": ["1", "50%"], "rollout_max_unavailable": "50%"}
UNWATCHED = {**HALF, "rollout_batch_sizes": ["50%"], "rollout_on_inconclusive": "continue", "rollout_watch": 0}


def test_a_rollout_under_load_loses_no_request(platform, tmp_path, failed_requests):
    _, new = platform.settle()
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version=new, **HALF)
        time.sleep(2)
    assert run.code == 0
    platform.all_serve(new)
    assert failed_requests() == 0
    assert platform.record()["state"] == "succeeded"


def test_deploying_again_changes_nothing(platform):
    version, _ = platform.settle()
    run = platform.run("deploy", rollout_version=version, **HALF)
    assert run.code == 0
    assert f"Every host of claims-service runs {version} and takes traffic." in run.output
    assert "changed=1" not in run.output


def test_check_mode_tells_the_plan_and_touches_nothing(platform):
    old, new = platform.settle()
    before = platform.record()["id"]
    command = [*platform.command("deploy", rollout_version=new, **HALF), "--check", "--diff"]
    platform.command = lambda *_, **__: command
    try:
        run = platform.run("deploy")
    finally:
        del platform.command
    assert run.code == 0
    assert f"batch 1 of 3: app1 ({old} -> {new})" in run.output
    platform.all_serve(old)
    assert platform.record()["id"] == before


def test_a_version_that_never_gets_healthy_is_taken_back(platform, tmp_path, failed_requests):
    old, _ = platform.settle()
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version="2.0.0-unhealthy", **HALF)
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
        run = platform.run("deploy", rollout_version="2.0.0-errors", **HALF)
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
    first = platform.start("deploy", rollout_version=new, rollout_on_inconclusive="continue", **HALF)
    wait_for_batch(platform, 1)
    second = platform.run("deploy", rollout_version="3.0.0", **HALF)
    assert second.code != 0
    assert "rollout_unfinished=resume" in second.output
    assert platform.record()["owner"] in second.output
    assert platform.finish(first).code == 0
    platform.all_serve(new)


def test_a_pause_from_elsewhere_takes_effect_between_batches(platform):
    old, new = platform.settle()
    process = platform.start("deploy", rollout_version=new, rollout_on_inconclusive="continue", **HALF)
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
    process = platform.start("deploy", rollout_version=new, rollout_on_inconclusive="continue", **HALF)
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
    refused = platform.run("deploy", rollout_version=new, **HALF)
    assert refused.code != 0
    assert "rollout_unfinished=resume" in refused.output
    resumed = platform.run("deploy", rollout_version=new, rollout_on_inconclusive="continue", **ways("resume"))
    assert resumed.code == 0
    platform.all_serve(new)


def test_a_killed_run_is_rolled_back_by_the_next(platform):
    old, new = platform.settle()
    kill_in_the_middle(platform, new)
    back = platform.run("deploy", rollout_version=new, rollout_on_inconclusive="continue", **ways("rollback"))
    assert back.code == 0
    platform.all_serve(old)
    assert platform.record()["state"] == "rolled_back"


def test_a_load_balancer_that_is_down_stops_the_rollout_before_it_starts(platform):
    old, new = platform.settle()
    before = platform.record()["id"]
    platform.on("lb2", "systemctl", "stop", "haproxy")
    try:
        run = platform.run("deploy", rollout_version=new, **HALF)
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
        process = platform.start("deploy", rollout_version=new, **HALF)
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
        run = platform.run("deploy", rollout_version=new, **HALF)
    assert run.code != 0
    assert "app3" in run.output
    assert "unreachable=1" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_host_that_vanishes_in_its_batch_is_left_out_and_named(platform, tmp_path, failed_requests):
    old, new = platform.settle()
    with platform.load(tmp_path):
        process = platform.start("deploy", rollout_version=new, **HALF)
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
        run = platform.run("deploy", rollout_version="3.0.0", **HALF)
    assert run.code != 0
    assert "No space left for the release in /opt/claims-service/releases" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_wrong_checksum_changes_nothing(platform):
    old, _ = platform.settle()
    before = platform.record()["id"]
    for host in HOSTS:
        platform.on(host, "rm", "-rf", "/opt/claims-service/releases/3.0.0")
    run = platform.run("deploy", rollout_version="3.0.0", service_checksum="sha256:" + "0" * 64, **HALF)
    assert run.code != 0
    assert "checksum" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_missing_artifact_changes_nothing(platform):
    old, _ = platform.settle()
    before = platform.record()["id"]
    run = platform.run("deploy", rollout_version="9.9.9", **HALF)
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
    return {"rollout_unfinished": unfinished, "rollout_force_take_over": True, **HALF}


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
    process = platform.start("deploy", rollout_version=version, rollout_on_inconclusive="continue", **HALF)
    wait_for_batch(platform, 1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert platform.record()["state"] == "running"
