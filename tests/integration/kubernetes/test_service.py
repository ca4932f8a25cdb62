# SPDX-License-Identifier: GPL-3.0-or-later
"""The service that the scenario installed: the same by kubectl, changed under load, and by bad releases not at all."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from .conftest import get, kubectl, run_module, until

ROOT = Path(__file__).resolve().parents[3]
SPACE, NAME = "healthcare-claims", "claims-service"
RATE = 50
LONGEST = 1800  # seconds after which a load ends by itself
CLAIM = (ROOT / "tests/load/claim.json").read_text()
pytestmark = pytest.mark.skipif(not os.environ.get("HS_STATE"), reason="needs the lab")


def converge(version: str, *words: str) -> subprocess.CompletedProcess:
    command = [
        "ansible-playbook",
        str(ROOT / "molecule/kubernetes/converge.yml"),
        "-e",
        f"claims_version={version}",
        *words,
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def serving() -> str:
    """The version that answers, asked through the Service."""
    path = f"/api/v1/namespaces/{SPACE}/services/{NAME}:http/proxy/version"
    return json.loads(kubectl("get", "--raw", path))["version"]


def load(name: str, target: str, *options: str) -> dict[str, t.Any]:
    """A pod that sends requests at a constant rate through the Service, and then tells how they went."""
    attack = f"vegeta attack -format=json -rate={RATE}/s -duration={LONGEST}s -timeout=10s {' '.join(options)}"
    script = f"printf '%s\\n' \"$TARGET\" | {attack} | vegeta report -type=json"
    secure = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "load-generator"}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "load",
                    "image": "localhost/load-generator:lab",
                    "imagePullPolicy": "Never",
                    "command": ["sh", "-c", script],
                    "env": [{"name": "TARGET", "value": target}],
                    "securityContext": secure,
                }
            ],
        },
    }


@pytest.fixture
def loads() -> t.Iterator[t.Callable[[], dict[str, dict]]]:
    """Two loads, until their reports are asked for: claims on kept connections, and reads on a new connection each."""
    import base64

    host = f"http://{NAME}.{SPACE}.svc.cluster.local:8080"
    body = base64.b64encode(CLAIM.encode()).decode()
    post = {"method": "POST", "url": f"{host}/claims", "body": body, "header": {"Content-Type": ["application/json"]}}
    pods = [
        load("load-kept", json.dumps(post)),
        load("load-new", json.dumps({"method": "GET", "url": f"{host}/claims?count=1"}), "-keepalive=false"),
    ]
    names = [pod["metadata"]["name"] for pod in pods]
    kubectl("--namespace", SPACE, "delete", "pod", "--ignore-not-found", *names)
    started = run_module("kubernetes_apply", {"definitions": pods, "namespace": SPACE})
    assert "failed" not in started, started.get("msg")

    def reports() -> dict[str, dict]:
        for name in names:
            assert get("pod", name, SPACE)["status"]["phase"] == "Running", "the load ended by itself"
            # The attack is older than its report.
            kubectl("--namespace", SPACE, "exec", name, "--", "pkill", "--signal=INT", "--oldest", "--exact", "vegeta")
        until(lambda: all(get("pod", name, SPACE)["status"]["phase"] == "Succeeded" for name in names))
        return {name: json.loads(kubectl("--namespace", SPACE, "logs", name)) for name in names}

    yield reports
    kubectl("--namespace", SPACE, "delete", "pod", "--ignore-not-found", *names)


def test_the_files_are_the_same_objects():
    folder = Path(os.environ["HS_STATE"], "manifests")
    words = ["diff", "--server-side", "--field-manager=horizontal.scaling", "-f", str(folder)]
    done = subprocess.run(["kubectl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    kubectl("apply", "--server-side", "--field-manager=horizontal.scaling", "-f", str(folder))
    kubectl("--namespace", SPACE, "rollout", "status", f"deployment/{NAME}", "--timeout=120s")
    again = converge("1.0.0")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "changed=0" in again.stdout


def test_the_autoscaler_keeps_the_least_number_of_pods():
    def workload() -> dict[str, t.Any]:
        return run_module("kubernetes_workload_info", {"namespace": SPACE, "name": NAME})["workloads"][0]

    until(lambda: workload()["replicas"]["available"] == 2)
    assert workload()["autoscaler"]["minimum"] == 2


def test_versions_change_or_fail_to_without_a_failed_request(loads):
    """There, versions that do not work and change nothing, and back; all under the same two loads."""
    done = converge("2.0.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert serving() == "2.0.0"
    for version, words in {
        "2.0.0-no-such": "ErrImageNeverPull",
        "2.0.0-crashes": "crashes on start again and again",
    }.items():
        failed = converge(version, "-e", "kubernetes_service_wait_timeout=120")
        assert failed.returncode != 0
        assert words in failed.stdout + failed.stderr, failed.stdout
        assert serving() == "2.0.0"
    done = converge("1.0.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert serving() == "1.0.0"
    for name, report in loads().items():
        print(name, report["requests"], report["status_codes"], report["latencies"])
        assert report["requests"] > RATE, name
        assert report["success"] == 1, (name, report["status_codes"], report["errors"])


def test_input_that_cannot_work_is_refused_in_one_sentence():
    refused = converge("1.0.0", "-e", "kubernetes_service_port=0")
    assert refused.returncode != 0
    assert "kubernetes_service_port 0 is out of range" in refused.stdout + refused.stderr


def test_the_secret_is_in_no_output():
    changed = converge(
        "1.0.0", "-e", "{service_credentials: {database_password: another-of-nobody}}", "--diff", "--check", "-v"
    )
    assert changed.returncode == 0
    assert "changed=" in changed.stdout
    for word in ("another-of-nobody", "YW5vdGhlci1vZi1ub2JvZHk", "not-a-secret-of-anybody"):
        assert word not in changed.stdout
