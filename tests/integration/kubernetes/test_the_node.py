# SPDX-License-Identifier: GPL-3.0-or-later
"""kubernetes_drain against a real cluster of one node; after the tests of the service, whose pods it takes, too."""

from __future__ import annotations

import json
import typing as t

import pytest

from .conftest import apply, deployment, get, kubectl, run_module, until


@pytest.fixture
def node(namespace: str) -> t.Iterator[str]:
    """The only node, which takes pods again after the test."""
    name = json.loads(kubectl("get", "nodes", "--output=json"))["items"][0]["metadata"]["name"]
    # There is no other node that the scenario's service could go to, so its budget would hold its last pod for ever.
    kubectl("delete", "poddisruptionbudget", "--all", "--all-namespaces")
    yield name
    kubectl("uncordon", name)
    kubectl("--namespace", "kube-system", "rollout", "status", "deployment", "--timeout=120s")


def drain(node, check=False, **options):
    return run_module("kubernetes_drain", {"nodes": [node], "delete_local_data": True, **options}, check)


def test_a_node_is_drained_and_taken_into_use_again(namespace, node):
    apply(namespace, deployment(replicas=2))
    predicted = drain(node, check=True)
    assert len([name for name in predicted["evicted"] if namespace in name]) == 2
    assert get("deployment", "claims", namespace)["status"]["availableReplicas"] == 2
    done = drain(node, timeout=120)
    assert "failed" not in done, done["msg"]
    assert set(done["evicted"]) >= set(predicted["evicted"])
    pods = json.loads(kubectl("--namespace", namespace, "get", "pods", "--output=json"))["items"]
    assert all(not each["spec"].get("nodeName") for each in pods)
    assert not drain(node, timeout=120)["changed"]
    assert drain(node, state="uncordoned")["changed"]
    assert not drain(node, state="uncordoned")["changed"]
    until(lambda: get("deployment", "claims", namespace)["status"].get("availableReplicas") == 2)


def test_a_budget_is_respected_and_the_node_given_back_when_it_holds_to_the_end(namespace, node):
    apply(namespace, deployment())
    kubectl(
        "--namespace",
        namespace,
        "create",
        "poddisruptionbudget",
        "claims",
        "--selector=app=claims",
        "--min-available=1",
    )
    until(lambda: get("poddisruptionbudget", "claims", namespace)["status"].get("currentHealthy") == 1)
    failed = drain(node, timeout=10)
    assert failed["failed"]
    assert "disruption budget" in failed["msg"]
    assert f"{namespace}/claims" in failed["msg"]
    assert get("deployment", "claims", namespace)["status"]["availableReplicas"] == 1
    assert not json.loads(kubectl("get", "node", node, "--output=json"))["spec"].get("unschedulable")


def test_pods_that_would_be_lost_are_named_before_anything_is_done(namespace, node):
    kubectl("--namespace", namespace, "run", "alone", "--image=localhost/pause:lab", "--image-pull-policy=Never")
    until(lambda: get("pod", "alone", namespace)["spec"].get("nodeName"))
    refused = drain(node)
    assert f"{namespace}/alone has no controller" in refused["msg"]
    assert not json.loads(kubectl("get", "node", node, "--output=json"))["spec"].get("unschedulable")
