# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of rollouts with the example inventory against the real cluster, under load where versions change."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import typing as t
from pathlib import Path

import pytest

from .conftest import run_module, until
from .test_service import NAME, RATE, SPACE, loads, serving

ROOT = Path(__file__).resolve().parents[3]
INVENTORY = ROOT / "inventories/kubernetes"
# What the lab has otherwise than the example: images on the node instead of a registry, less room, less time.
LAB = {
    "kubernetes_service_image": "localhost/claims-service:{{ service_version }}",
    "kubernetes_service_image_pull_policy": "Never",
    "kubernetes_service_image_pull_secrets": [],
    "kubernetes_service_requests": {"cpu": "20m", "memory": "48Mi", "storage": "16Mi"},
    "kubernetes_service_limits": {"cpu": "500m", "memory": "256Mi", "storage": "1Gi"},
    "kubernetes_service_clients": [{"service": "load-generator"}],
    "kubernetes_service_wait_timeout": 120,
    "rollout_watch": 4,
    "rollout_watch_interval": 2,
}
__all__ = ["loads"]
pytestmark = pytest.mark.skipif(not os.environ.get("HS_STATE"), reason="needs the lab")


def command(playbook: str, **variables: t.Any) -> list[str]:
    given = json.dumps({**LAB, "rollout_service": NAME, **variables})
    return ["ansible-playbook", str(ROOT / f"playbooks/{playbook}.yml"), "-i", str(INVENTORY), "-e", given]


def play(playbook: str, *words: str, **variables: t.Any) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*command(playbook, **variables), *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def deploy(version: str, *words: str, **variables: t.Any) -> subprocess.CompletedProcess:
    return play("deploy", *words, rollout_version=version, **variables)


def ledger() -> dict[str, t.Any]:
    return run_module("rollout_info", {"service": NAME, "kubernetes": {"namespace": SPACE}})


def latest() -> dict[str, t.Any]:
    found = ledger()
    return next(iter(found["current"] + found["history"]), {"id": ""})


def well(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def badly(done: subprocess.CompletedProcess) -> str:
    assert done.returncode != 0, done.stdout
    return " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def first() -> None:
    """Version 1.0.0 runs, and no rollout is open."""
    if ledger()["current"]:
        deploy("1.0.0", rollout_unfinished="rollback", rollout_force_take_over=True)
    workload = next(iter(run_module("kubernetes_workload_info", {"namespace": SPACE, "name": NAME})["workloads"]), {})
    if not (workload.get("ready") and workload["version"] == "1.0.0"):
        well(deploy("1.0.0"))
    assert serving() == "1.0.0"


def test_a_plan_is_shown_and_nothing_is_touched(first):
    seen = latest()["id"]
    shown = well(deploy("2.0.0", "--check", "--diff"))
    assert f"batch 1 of 1: {NAME} (1.0.0 -> 2.0.0)" in shown
    assert re.search(r"(?m)^\+ +image: localhost/claims-service:2\.0\.0$", shown)
    assert latest()["id"] == seen
    assert serving() == "1.0.0"


def test_there_and_back_and_a_version_that_never_gets_healthy_without_a_failed_request(first, loads):
    well(deploy("2.0.0"))
    assert serving() == "2.0.0"
    record = latest()
    assert (record["state"], record["from"], record["version"]) == ("succeeded", "1.0.0", "2.0.0")
    assert record["batches"][0]["evidence"]["verdict"] == "success"
    assert "changed=0" in well(deploy("2.0.0"))
    assert "changed=0" in well(play("site"))

    said = badly(deploy("2.0.0-unhealthy", kubernetes_service_wait_timeout=30))
    assert "was not ready within 30 s: " in said
    assert "container claims-service" in said
    assert "Startup probe failed" in said
    assert "The version before was put back" in said
    assert serving() == "2.0.0"
    record = latest()
    assert (record["state"], record["batches"][0]["state"]) == ("failed", "taken_back")
    workload = run_module("kubernetes_workload_info", {"namespace": SPACE, "name": NAME})["workloads"][0]
    assert workload["ready"], workload["reason"]
    assert workload["version"] == "2.0.0"

    well(play("rollback"))
    assert serving() == "1.0.0"
    shown = well(play("show_rollouts"))
    assert "2.0.0-unhealthy" in shown
    assert "failed" in shown
    for name, report in loads().items():
        print(name, report["requests"], report["status_codes"], report["latencies"])
        assert report["requests"] > RATE, name
        assert report["success"] == 1, (name, report["status_codes"], report["errors"])


def cut_off(phase: str, version: str, **variables: t.Any) -> None:
    """Start a rollout, and kill its controller with all that it has started once the ledger says the phase."""
    words = command("deploy", rollout_version=version, **variables)
    seen = latest()["id"]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )

    def there() -> bool:
        assert process.poll() is None, "the rollout ended before it was cut off"
        record = latest()
        return record["id"] != seen and record["batches"][0]["phase"] == phase

    until(there)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_killed_controller_leaves_what_the_next_run_finishes_or_takes_back(first):
    cut_off("replacing", "2.0.0")
    said = badly(deploy("2.0.0"))
    assert "is running since" in said
    assert "rollout_unfinished=resume" in said
    said = badly(deploy("2.0.0", rollout_unfinished="resume"))
    assert "that run may be alive" in said
    well(deploy("2.0.0", rollout_unfinished="resume", rollout_force_take_over=True))
    assert serving() == "2.0.0"
    assert latest()["state"] == "succeeded"

    cut_off("verifying", "1.0.0", rollout_watch=600)
    well(deploy("1.0.0", rollout_unfinished="rollback", rollout_force_take_over=True))
    assert serving() == "2.0.0"
    assert latest()["state"] == "rolled_back"


def test_of_two_operators_at_once_one_rolls_out_and_the_other_is_told_who(first):
    runs = [
        subprocess.Popen(
            command("deploy", rollout_version=version, rollout_owner=owner),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for owner, version in (("ann@desk", "2.0.0"), ("bob@laptop", "3.0.0"))
    ]
    texts = [" ".join(run.communicate(timeout=600)[0].split()) for run in runs]
    codes = [run.returncode for run in runs]
    assert sorted(bool(code) for code in codes) == [False, True], texts
    winner = codes.index(0)
    record = latest()
    assert record["owner"] == ("ann@desk", "bob@laptop")[winner]
    assert serving() == ("2.0.0", "3.0.0")[winner]
    assert record["owner"] in texts[1 - winner]


def test_another_one_pauses_a_rollout_before_it_begins_and_calls_it_off(first):
    plan = {
        "service": NAME,
        "version": "2.0.0",
        "batches": [{"number": 1, "kind": "replace", "hosts": [NAME]}],
        "back": {NAME: "1.0.0"},
        "release": [],
        "revision": "",
    }
    there = {"service": NAME, "kubernetes": {"namespace": SPACE}}
    opened = run_module("rollout", {**there, "action": "begin", "plan": plan, "owner": "ann@desk"})
    well(play("control_rollout", rollout_action="pause", rollout_owner="bob@laptop", rollout_reason="lunch"))
    step = {**there, "action": "advance", "token": opened["token"], "batch": 1, "phase": "draining"}
    held = run_module("rollout", {**step, "pause_timeout": 1})
    assert "bob@laptop asked for it (lunch)" in held["msg"]
    assert held["requested"] == "paused"
    well(deploy("2.0.0", rollout_unfinished="rollback"))
    assert latest()["state"] == "rolled_back"
    assert serving() == "1.0.0"


def test_input_that_cannot_work_is_refused_in_one_sentence():
    seen = latest()["id"]
    assert "2.0.0+b1' cannot be a label" in badly(deploy("2.0.0+b1"))
    assert latest()["id"] == seen
    assert "has no hosts 'no-such'" in badly(deploy("2.0.0", rollout_hosts="no-such"))
