# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a rollout goes well, and when things go wrong: the outcomes that docs/operations.md promises."""

from __future__ import annotations

import datetime
import os
import re
import signal
import time

import pytest

from .conftest import AT_ONCE, HOSTS, REQUESTS, SERVICE, TWO_BATCHES, UNWATCHED, ways


def test_a_rollout_under_load_loses_no_request_and_another_changes_nothing(platform, tmp_path, failed_requests):
    _, new = platform.settle()
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version=new, rollout_watch=3, rollout_watch_interval=5, **TWO_BATCHES)
        time.sleep(2)
    assert run.code == 0
    assert "Could not match supplied host pattern" not in run.output
    platform.all_serve(new)
    assert failed_requests() == 0
    record = platform.record()
    assert record["state"] == "succeeded"
    # Also a watch that is shorter than its interval looks once.
    assert [batch["evidence"]["verdict"] for batch in record["batches"]] == ["success"] * 2
    again = platform.run("deploy", rollout_version=new, **TWO_BATCHES)
    assert again.code == 0
    assert f"Every host of {SERVICE} runs {new} and takes traffic." in again.output
    assert not re.search(r"changed=[1-9]", again.output)
    assert platform.record()["id"] == record["id"]


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
    record = platform.record()
    assert record["state"] == "failed"
    assert [batch["phase"] for batch in record["batches"]] == ["taken_back", ""]


def test_a_version_that_fails_requests_is_noticed_and_taken_back(platform, tmp_path, failed_requests):
    old, _ = platform.settle()
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version="2.0.0-errors", rollout_watch=4, **TWO_BATCHES)
        time.sleep(2)
    assert run.code != 0
    record = platform.record()
    for told in (run.output, record["reason"]):
        assert re.search(r"error_rate.* app1, [0-9]+ of [0-9]+ failed", told), told
    platform.all_serve(old)
    # One host of three answered 20 % of its share with 500 until the watch saw it.
    batch = record["batches"][0]
    began, ended = (
        datetime.datetime.fromisoformat(batch[times][phase].removesuffix("Z"))
        for times, phase in (("phases", "verifying"), ("phases_back", "taken_back"))
    )
    assert 0 < failed_requests() < (ended - began).total_seconds() * REQUESTS / len(HOSTS) * 0.2 * 1.5 + 5


def test_a_service_that_ignores_its_stop_is_killed_and_said_so(platform, tmp_path, failed_requests):
    old, _ = platform.settle()
    run = platform.run("deploy", rollout_version="2.0.0-ignores-sigterm", **AT_ONCE)
    assert run.code == 0
    with platform.load(tmp_path):
        run = platform.run("deploy", rollout_version=old, **TWO_BATCHES, **UNWATCHED)
        time.sleep(2)
    assert run.code == 0
    assert "was killed" in run.output
    platform.all_serve(old)
    assert failed_requests() == 0


def test_a_second_operator_is_refused_and_told_who_holds_it_and_another_service_is_not_blocked(platform):
    _, new = platform.settle()
    plan = {"service": "another", "version": "2", "from": "1", "release": [], "back": {"x": "1"}, "order": ["x"]}
    plan["batches"] = [{"number": 1, "kind": "replace", "hosts": ["x"]}]
    opened = platform.tell_ledger({"service": "another", "action": "begin", "owner": "test@lab", "plan": plan})
    try:
        first = platform.start("deploy", rollout_version=new, rollout_on_inconclusive="continue", **TWO_BATCHES)
        platform.wait_for_batch(1)
        second = platform.run("deploy", rollout_version="3.0.0", **TWO_BATCHES)
        assert second.code != 0
        assert "rollout_unfinished=resume" in second.output
        assert platform.record()["owner"] in second.output
        assert platform.finish(first).code == 0
    finally:
        end = {"action": "finish", "token": opened["token"], "outcome": "aborted"}
        platform.tell_ledger({"service": "another", **end})
    platform.all_serve(new)


def test_a_pause_from_elsewhere_takes_effect_between_batches(platform):
    old, new = platform.settle()
    process = platform.start("deploy", rollout_version=new, rollout_on_inconclusive="continue", **TWO_BATCHES)
    platform.wait_for_batch(1)
    assert platform.run("control_rollout", rollout_action="pause").code == 0
    platform.wait_for_record("paused")
    assert platform.versions() == {"app1": new, "app2": old, "app3": old}
    assert platform.all_up()
    assert platform.run("control_rollout", rollout_action="resume").code == 0
    assert platform.finish(process).code == 0
    platform.all_serve(new)


def test_an_abort_from_elsewhere_takes_the_finished_batches_back(platform):
    old, new = platform.settle()
    process = platform.start("deploy", rollout_version=new, rollout_on_inconclusive="continue", **TWO_BATCHES)
    platform.wait_for_batch(1)
    assert platform.run("control_rollout", rollout_action="abort").code == 0
    run = platform.finish(process)
    assert run.code != 0
    assert "as was asked for" in run.output
    assert platform.record()["state"] == "aborted"
    platform.all_serve(old)


def test_a_killed_run_is_resumed_by_the_next(platform, tmp_path, failed_requests):
    _, new = platform.settle()
    with platform.load(tmp_path):
        kill_in_the_middle(platform, new)
        held = platform.run("restore_host", host_name="app1")
        refused = platform.run("deploy", rollout_version=new, **TWO_BATCHES)
        alive = platform.run("deploy", rollout_version=new, rollout_unfinished="resume", **TWO_BATCHES)
        other = platform.run("deploy", rollout_version="9.0.0", **ways("resume"))
        resumed = platform.run("deploy", rollout_version=new, **ways("resume"))
        time.sleep(2)
    assert held.code != 0
    assert "is replacing app1" in held.output
    assert refused.code != 0
    assert "rollout_unfinished=resume" in refused.output
    assert alive.code != 0
    assert "so that run may be alive" in alive.output
    assert other.code != 0
    assert f"Resume it with rollout_version={new}" in other.output
    assert resumed.code == 0
    platform.all_serve(new)
    assert failed_requests() == 0


def test_a_killed_run_is_rolled_back_by_the_next(platform, tmp_path, failed_requests):
    old, new = platform.settle()
    with platform.load(tmp_path):
        kill_in_the_middle(platform, new)
        back = platform.run("deploy", rollout_version=new, **ways("rollback"))
        time.sleep(2)
    assert back.code == 0
    platform.all_serve(old)
    assert platform.record()["state"] == "rolled_back"
    assert failed_requests() == 0


def test_a_run_killed_while_it_drains_is_resumed(platform):
    _, new = platform.settle()
    with platform.downloading(30):
        kill_in_the_middle(platform, new, "draining")
        resumed = platform.run("deploy", rollout_version=new, rollout_on_inconclusive="continue", **ways("resume"))
    assert resumed.code == 0
    platform.all_serve(new)


def test_a_run_killed_while_it_watches_is_rolled_back(platform):
    old, new = platform.settle()
    kill_in_the_middle(platform, new, "verifying", rollout_watch=10)
    back = platform.run("deploy", rollout_version=new, **ways("rollback"))
    assert back.code == 0
    platform.all_serve(old)


def test_a_late_failure_takes_the_finished_batches_back(platform, tmp_path, failed_requests):
    old, new = platform.settle()
    folder = f"/run/systemd/system/{SERVICE}.service.d"
    late = f"ExecStartPre=/bin/sh -c '! readlink /opt/{SERVICE}/current | grep -q {new}'"
    write = f'mkdir -p {folder}; printf "[Service]\\n%s\\n" "$1" >{folder}/late.conf; systemctl daemon-reload'
    platform.on("app3", "sh", "-c", write, "-", late)
    try:
        with platform.load(tmp_path):
            run = platform.run("deploy", rollout_version=new, **TWO_BATCHES)
            time.sleep(2)
    finally:
        platform.on("app3", "sh", "-c", f"rm {folder}/late.conf; systemctl daemon-reload")
    assert run.code != 0
    assert "app3" in run.output
    platform.all_serve(old)
    assert failed_requests() == 0
    record = platform.record()
    assert record["state"] == "failed"
    assert [batch["phase"] for batch in record["batches"]] == ["taken_back"] * 2


@pytest.mark.parametrize(("unfinished", "state"), [("rollback", "rolled_back"), ("resume", "succeeded")])
def test_a_run_cut_off_before_its_first_batch_or_after_its_last_is_closed(platform, unfinished, state):
    old, _ = platform.settle()
    plan = {"service": SERVICE, "version": old, "from": old, "release": [], "back": {"app1": old}, "order": ["app1"]}
    plan["batches"] = [{"number": 1, "kind": "replace", "hosts": ["app1"]}]
    phases = ("draining", "replacing", "verifying", "done") if unfinished == "resume" else ()
    steps = [{"action": "advance", "batch": 1, "phase": phase} for phase in phases]
    platform.tell_ledger({"action": "begin", "owner": "test@lab", "plan": plan}, *steps)
    run = platform.run("deploy", rollout_version=old, **ways(unfinished))
    assert run.code == 0
    assert f"had nothing left to do; it is closed: {state}" in run.output
    assert platform.record()["state"] == state
    platform.all_serve(old)


def test_a_ledger_that_goes_away_in_the_middle_leaves_no_host_out(platform):
    old, new = platform.settle()
    process = platform.start("deploy", rollout_version=new, **TWO_BATCHES)
    platform.wait_for_batch(1)
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
    assert platform.run("site", limit="claims_service", service_environment=environment).code == 0
    check = ["sh", "-c", "tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value claims-service)/environ"]
    assert environment["GREETING"] not in platform.on("app1", *check)
    run = platform.run("deploy", rollout_version=version, **AT_ONCE)
    assert run.code == 0
    assert all(environment["GREETING"] in platform.on(host, *check) for host in HOSTS)
    again = platform.run("deploy", rollout_version=version, **AT_ONCE)
    assert f"Every host of {SERVICE} runs {version} and takes traffic." in again.output


def test_a_batch_never_empties_a_failure_domain(platform):
    _, new = platform.settle()
    alone = {"rollout_group": "{{ 'zone_b' if inventory_hostname == 'app3' else 'zone_a' }}"}
    refused = platform.run("deploy", rollout_version=new, **alone, **TWO_BATCHES)
    assert refused.code != 0
    assert "zone_b" in refused.output
    assert "app3" in refused.output


def kill_in_the_middle(platform, version: str, phase: str = "replacing", **more) -> None:
    options = {"rollout_on_inconclusive": "continue", **TWO_BATCHES, **more}
    process = platform.start("deploy", rollout_version=version, **options)
    platform.wait_for_batch(1, phase)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert platform.record()["state"] == "running"
