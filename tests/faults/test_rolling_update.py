# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a rollout goes well, and when things go wrong: the outcomes that docs/operations.md promises."""

from __future__ import annotations

import os
import signal
import time

HALF = {"rollout_batch_sizes": ["1", "50%"], "rollout_max_unavailable": "50%"}


def test_a_rollout_under_load_loses_no_request(platform, tmp_path, failed_requests):
    platform.at("1.0.0")
    plan = platform.run("deploy", rollout_version="2.0.0", **HALF)
    assert plan.code == 0
    platform.all_serve("2.0.0")
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version="3.0.0", **HALF)
        time.sleep(2)
    assert run.code == 0
    platform.all_serve("3.0.0")
    assert failed_requests() == 0
    assert platform.record()["state"] == "succeeded"


def test_deploying_again_changes_nothing(platform):
    platform.at("3.0.0")
    run = platform.run("deploy", rollout_version="3.0.0", **HALF)
    assert run.code == 0
    assert "Every host of claims-service runs 3.0.0 and takes traffic." in run.output
    assert "changed=1" not in run.output


def test_check_mode_tells_the_plan_and_touches_nothing(platform):
    platform.at("3.0.0")
    before = platform.record()["id"]
    command = [*platform.command("deploy", rollout_version="1.0.0", **HALF), "--check", "--diff"]
    platform.command = lambda *_, **__: command
    try:
        run = platform.run("deploy")
    finally:
        del platform.command
    assert run.code == 0
    assert "batch 1 of 3: app1 (3.0.0 -> 1.0.0)" in run.output
    platform.all_serve("3.0.0")
    assert platform.record()["id"] == before


def test_a_version_that_never_gets_healthy_is_taken_back(platform, tmp_path, failed_requests):
    platform.at("1.0.0")
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version="2.0.0-unhealthy", **HALF)
        time.sleep(2)
    assert run.code != 0
    assert "claims-service on app1" in run.output
    assert "503" in run.output
    platform.all_serve("1.0.0")
    assert failed_requests() == 0
    assert platform.record()["state"] == "failed"


def test_a_version_that_fails_requests_is_noticed_and_taken_back(platform, tmp_path, failed_requests):
    platform.at("1.0.0")
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version="2.0.0-errors", **HALF)
        time.sleep(2)
    assert run.code != 0
    assert "error_rate" in run.output
    platform.all_serve("1.0.0")
    # One host of four answered 20 % of its share with 500 until the watch saw it.
    assert 0 < failed_requests() < 200


def test_a_service_that_ignores_its_stop_is_killed_and_said_so(platform):
    platform.at("1.0.0")
    run = platform.run(
        "deploy", rollout_version="2.0.0-ignores-sigterm", rollout_on_inconclusive="continue", rollout_watch=0, **HALF
    )
    assert run.code == 0
    run = platform.run("deploy", rollout_version="1.0.0", rollout_on_inconclusive="continue", rollout_watch=0, **HALF)
    assert run.code == 0
    assert "was killed" in run.output
    platform.all_serve("1.0.0")


def test_a_second_operator_is_refused_and_told_who_holds_it(platform):
    platform.at("1.0.0")
    first = platform.start("deploy", rollout_version="2.0.0", rollout_on_inconclusive="continue", **HALF)
    wait_for_batch(platform, 1)
    second = platform.run("deploy", rollout_version="3.0.0", **HALF)
    assert second.code != 0
    assert "rollout_unfinished=resume" in second.output
    assert platform.record()["owner"] in second.output
    assert platform.finish(first).code == 0
    platform.all_serve("2.0.0")


def test_a_killed_run_is_resumed_by_the_next(platform):
    platform.at("1.0.0")
    kill_in_the_middle(platform, "2.0.0")
    refused = platform.run("deploy", rollout_version="2.0.0", **HALF)
    assert refused.code != 0
    assert "rollout_unfinished=resume" in refused.output
    resumed = platform.run("deploy", rollout_version="2.0.0", rollout_on_inconclusive="continue", **ways("resume"))
    assert resumed.code == 0
    platform.all_serve("2.0.0")


def test_a_killed_run_is_rolled_back_by_the_next(platform):
    platform.at("1.0.0")
    kill_in_the_middle(platform, "2.0.0")
    back = platform.run("deploy", rollout_version="2.0.0", rollout_on_inconclusive="continue", **ways("rollback"))
    assert back.code == 0
    platform.all_serve("1.0.0")
    assert platform.record()["state"] == "rolled_back"


def test_a_load_balancer_that_is_down_stops_the_rollout_before_it_starts(platform):
    platform.at("1.0.0")
    before = platform.record()["id"]
    platform.on("lb2", "systemctl", "stop", "haproxy")
    try:
        run = platform.run("deploy", rollout_version="2.0.0", **HALF)
    finally:
        platform.on("lb2", "systemctl", "start", "haproxy")
    assert run.code != 0
    assert "Load balancer lb2 does not answer" in run.output
    assert platform.record()["id"] == before
    time.sleep(3)
    platform.all_serve("1.0.0")


def test_a_missing_artifact_changes_nothing(platform):
    platform.at("1.0.0")
    before = platform.record()["id"]
    run = platform.run("deploy", rollout_version="9.9.9", **HALF)
    assert run.code != 0
    assert "claims-service-9.9.9.tar.gz" in run.output
    assert platform.record()["id"] == before
    platform.all_serve("1.0.0")


def test_rollback_goes_back_to_the_version_before(platform):
    platform.at("1.0.0")
    deployed = platform.run(
        "deploy", rollout_version="2.0.0", rollout_on_inconclusive="continue", rollout_watch=0, **HALF
    )
    assert deployed.code == 0
    run = platform.run("rollback", rollout_on_inconclusive="continue", rollout_watch=0, **HALF)
    assert run.code == 0
    platform.all_serve("1.0.0")


def test_bad_input_is_one_clear_sentence(platform):
    run = platform.run("deploy", rollout_version="not a version")
    assert run.code != 0
    assert "rollout_version is 'not a version'; give a version" in run.output


def ways(unfinished: str) -> dict:
    return {"rollout_unfinished": unfinished, "rollout_force_take_over": True, **HALF}


def wait_for_batch(platform, number: int) -> None:
    """Until the batch is being replaced: drained, and not yet back."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        record = platform.record()
        batches = record.get("batches", [])
        if record["state"] == "running" and len(batches) >= number and batches[number - 1].get("phase") == "replacing":
            return
        time.sleep(0.5)
    raise AssertionError("the batch did not begin")


def kill_in_the_middle(platform, version: str) -> None:
    process = platform.start("deploy", rollout_version=version, rollout_on_inconclusive="continue", **HALF)
    wait_for_batch(platform, 1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert platform.record()["state"] == "running"
