# SPDX-License-Identifier: GPL-3.0-or-later
"""kubernetes_rollout against a real cluster."""

from __future__ import annotations

import json

from .conftest import apply, deployment, get, kubectl, run_module

IMAGE = "localhost/claims-service"


def rollout(namespace, check=False, **options):
    return run_module(
        "kubernetes_rollout", {"namespace": namespace, "name": "claims", "timeout": 120, **options}, check
    )


def image(namespace, kind="deployment"):
    return get(kind, "claims", namespace)["spec"]["template"]["spec"]["containers"][0]["image"]


def test_undo_goes_back_to_any_revision_and_apply_goes_on_from_there(namespace):
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        apply(namespace, deployment(image=f"{IMAGE}:{version}"))
    assert rollout(namespace, undo_to=1, check=True)["changed"]
    assert image(namespace) == f"{IMAGE}:3.0.0"
    assert rollout(namespace, undo_to=1)["changed"]
    assert image(namespace) == f"{IMAGE}:1.0.0"
    assert get("deployment", "claims", namespace)["status"]["availableReplicas"] == 1
    assert rollout(namespace, undo_to=0)["changed"]
    assert image(namespace) == f"{IMAGE}:3.0.0"
    unknown = rollout(namespace, undo_to=77)
    assert "no revision 77" in unknown["msg"]
    # The fields that the undo wrote are still ours, and one that only the former version had goes with the next.
    apply(namespace, deployment(image=f"{IMAGE}:1.0.0", env=[{"name": "ONLY", "value": "before"}]))
    apply(namespace, deployment(image=f"{IMAGE}:2.0.0"))
    assert rollout(namespace, undo_to=0)["changed"]
    assert get("deployment", "claims", namespace)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert apply(namespace, deployment(image=f"{IMAGE}:3.0.0"))["changed"]
    assert "env" not in get("deployment", "claims", namespace)["spec"]["template"]["spec"]["containers"][0]
    assert apply(namespace, deployment(image=f"{IMAGE}:2.0.0"))["changed"]
    assert image(namespace) == f"{IMAGE}:2.0.0"


def test_a_rollout_is_paused_and_resumed(namespace):
    apply(namespace, deployment())
    assert rollout(namespace, paused=True)["paused"]
    assert not rollout(namespace, paused=True)["changed"]
    blocked = apply(namespace, deployment(image=f"{IMAGE}:2.0.0"))
    assert "it is paused" in blocked["msg"]
    assert "paused=false" in rollout(namespace, restart=True)["msg"]
    assert rollout(namespace, paused=False)["changed"]
    pods = json.loads(kubectl("--namespace", namespace, "get", "pods", "--output=json"))["items"]
    running = [each for each in pods if not each["metadata"].get("deletionTimestamp")]
    assert [each["spec"]["containers"][0]["image"] for each in running] == [f"{IMAGE}:2.0.0"]


def test_it_scales_and_restarts(namespace):
    apply(namespace, deployment())
    assert rollout(namespace, replicas=2)["replicas"] == 2
    assert not rollout(namespace, replicas=2)["changed"]
    before = get("deployment", "claims", namespace)["metadata"]["generation"]
    assert rollout(namespace, restart=True)["changed"]
    assert get("deployment", "claims", namespace)["metadata"]["generation"] > before
    assert "is not there" in run_module("kubernetes_rollout", {"namespace": namespace, "name": "no-such"})["msg"]


def test_a_stateful_set_goes_back(namespace):
    spec = deployment()["spec"]

    def wanted(version):
        template = json.loads(json.dumps(spec["template"]))
        template["spec"]["containers"][0]["image"] = f"{IMAGE}:{version}"
        more = {"serviceName": "claims", "replicas": 1, "selector": spec["selector"], "template": template}
        return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "claims"}, "spec": more}

    apply(namespace, wanted("1.0.0"))
    apply(namespace, wanted("2.0.0"))
    assert rollout(namespace, kind="StatefulSet", undo_to=0)["changed"]
    assert image(namespace, "statefulset") == f"{IMAGE}:1.0.0"
    assert "cannot be paused" in rollout(namespace, kind="StatefulSet", paused=True)["msg"]
