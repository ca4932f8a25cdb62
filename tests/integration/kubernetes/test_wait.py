# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot become ready is noticed, with its reason, and what served before goes on serving."""

from __future__ import annotations

import time

import pytest

from .conftest import apply, deployment, get, kubectl, run_module, until


def available(namespace, name="claims"):
    return get("deployment", name, namespace)["status"].get("availableReplicas", 0)


def test_it_is_ready_when_it_says_so(namespace):
    result = apply(namespace, deployment(replicas=2))
    assert result["counts"]["created"] == 1
    assert available(namespace) == 2
    found = run_module("kubernetes_workload_info", {"namespace": namespace, "name": "claims"})["workloads"][0]
    assert (found["ready"], found["revision"], len(found["pods"])) == (True, 1, 2)
    assert found["replicas"] == {"wanted": 2, "updated": 2, "available": 2, "all": 2}
    assert all(pod["ready"] and pod["node"] for pod in found["pods"])


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"image": "localhost/claims-service:no-such"}, "ErrImageNeverPull"),
        ({"image": "localhost/claims-service:2.0.0-crashes"}, "crashes on start again and again"),
        ({"env": [{"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "no-such", "key": "a"}}}]}, "no-such"),
        ({"resources": {"requests": {"cpu": "1000"}}}, "fits on no node"),
    ],
    ids=["image", "crash", "configuration", "room"],
)
def test_it_stops_at_once_with_the_reason(namespace, bad, words):
    apply(namespace, deployment())
    began = time.monotonic()
    failed = apply(namespace, deployment(**bad), timeout=300)
    assert failed["failed"]
    assert words in failed["msg"]
    assert time.monotonic() - began < 150
    assert available(namespace) == 1
    if "crashes" in str(bad):
        assert any("crashed" in line for line in failed["log"])
    info = run_module("kubernetes_workload_info", {"namespace": namespace})["workloads"][0]
    assert not info["ready"]
    assert ("exit code 3" if "crashes" in words else words) in str(info)
    # And the next run puts it right.
    assert "failed" not in apply(namespace, deployment())
    assert available(namespace) == 1


def test_a_readiness_that_never_comes_ends_with_what_the_probe_says(namespace):
    apply(namespace, deployment())
    failed = apply(namespace, deployment(image="localhost/claims-service:2.0.0-unhealthy"), timeout=8)
    assert "was not ready within 8 s" in failed["msg"]
    assert "Readiness probe failed" in failed["msg"]
    assert available(namespace) == 1


def test_a_progress_deadline_ends_it_earlier(namespace):
    wanted = deployment(image="localhost/claims-service:2.0.0-unhealthy")
    wanted["spec"]["progressDeadlineSeconds"] = 5
    failed = apply(namespace, wanted, timeout=300)
    assert "progressDeadlineSeconds" in failed["msg"]


def test_a_quota_and_an_admission_that_refuse_pods_are_named(namespace):
    apply(namespace, deployment())
    kubectl("--namespace", namespace, "create", "quota", "few", "--hard=pods=1")
    until(lambda: (get("quota", "few", namespace).get("status") or {}).get("used"))
    failed = apply(namespace, deployment(env=[{"name": "A", "value": "1"}]), timeout=300)
    assert "exceeded quota: few" in failed["msg"]
    assert available(namespace) == 1
    kubectl("--namespace", namespace, "delete", "quota", "few")
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    failed = apply(namespace, deployment(env=[{"name": "A", "value": "2"}]), timeout=300)
    assert "violates PodSecurity" in failed["msg"]
    assert available(namespace) == 1


def test_a_job_that_fails_and_one_that_completes(namespace):
    def job(name, command):
        spec = {
            "restartPolicy": "Never",
            "containers": [{"name": "a", "image": "localhost/load-generator:lab", "command": command}],
        }
        spec["containers"][0]["imagePullPolicy"] = "Never"
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"spec": spec}},
        }

    assert "failed" not in apply(namespace, job("good", ["true"]))
    assert "BackoffLimitExceeded" in apply(namespace, job("bad", ["false"]))["msg"]


def test_a_stateful_set_and_a_daemon_set(namespace):
    pods = deployment()["spec"]["template"]
    pods["spec"]["terminationGracePeriodSeconds"] = 1
    selector = {"matchLabels": {"app": "claims"}}
    wanted = [
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": "claims"},
            "spec": {"selector": selector, "template": pods, **more},
        }
        for kind, more in {"StatefulSet": {"serviceName": "claims", "replicas": 2}, "DaemonSet": {}}.items()
    ]
    assert apply(namespace, *wanted)["counts"]["created"] == 2
    assert get("statefulset", "claims", namespace)["status"]["readyReplicas"] == 2
    assert get("daemonset", "claims", namespace)["status"]["numberAvailable"] == 1
    bad = [{**each, "spec": {**each["spec"], "template": {**pods, "spec": {**pods["spec"]}}}} for each in wanted]
    for each in bad:
        container = {**pods["spec"]["containers"][0], "image": "localhost/claims-service:no-such"}
        each["spec"]["template"]["spec"]["containers"] = [container]
        failed = apply(namespace, each)
        assert "ErrImageNeverPull" in failed["msg"]
