# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs of workloads: their state, revisions, pods, autoscaler and usage."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import predicates, quantity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import ApiError, connect
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document, Identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import Service, in_parallel

VERSION = "app.kubernetes.io/version"
READ = [
    *(("apps/v1", kind) for kind in (*predicates.WORKLOADS, "ReplicaSet", "ControllerRevision")),
    ("v1", "Pod"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("metrics.k8s.io/v1beta1", "PodMetrics"),
]


def converge(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """The module's result; it never changes anything."""
    service = Service(connect(params))
    namespace = params["namespace"]

    def listed(kind: tuple[str, str]) -> list[Document]:
        if service.resource(*kind) is None:
            return []  # the metrics API is not everywhere
        try:
            return service.list(Identity(*kind, namespace, ""))[0]
        except ApiError as error:
            if kind[1] == "PodMetrics" and error.status in (403, 404, 503):
                return []
            raise

    found = dict(zip((kind for _, kind in READ), in_parallel(listed, READ)))
    labels = {name: str(value) for name, value in params["labels"].items()}
    now = datetime.datetime.now(datetime.timezone.utc)
    workloads = [
        describe(each, found, now)
        for kind in predicates.WORKLOADS
        for each in found[kind]
        if params["name"] in (None, each["metadata"]["name"])
        and labels.items() <= (each["metadata"].get("labels") or {}).items()
    ]
    return Outcome(workloads=workloads)


def describe(workload: Document, found: dict[str, list[Document]], now: datetime.datetime) -> dict[str, t.Any]:
    """A workload with what belongs to it.

    Args:
        found: the namespace's objects by kind, as `READ` names them.
        now: aware of its time zone.
    """
    status, spec = workload.get("status") or {}, workload["spec"]
    kind, uid = workload["kind"], workload["metadata"]["uid"]
    newest = predicates.pods_of(workload, found["Pod"], found["ReplicaSet"])
    newest_set = predicates.newest_set(workload, found["ReplicaSet"])
    verdict = predicates.judge(workload, newest, now, replica_set=newest_set)
    owners = {uid} | {each["metadata"]["uid"] for each in found["ReplicaSet"] if predicates.owner(each) == uid}
    pods = [pod for pod in found["Pod"] if predicates.owner(pod) in owners]
    usage = {each["metadata"]["name"]: _usage(each) for each in found["PodMetrics"]}
    revisions = sorted((_revision(each) for each in _history(workload, found)), key=lambda each: -each["revision"])
    daemon = kind == "DaemonSet"
    return {
        "kind": kind,
        "name": workload["metadata"]["name"],
        "ready": verdict.ready,
        "reason": verdict.reason,
        "hopeless": verdict.hopeless,
        "replicas": {
            "wanted": status.get("desiredNumberScheduled", 0) if daemon else spec.get("replicas", 1),
            "updated": status.get("updatedNumberScheduled" if daemon else "updatedReplicas", 0),
            "available": status.get("numberAvailable" if daemon else "availableReplicas", 0),
            "all": status.get("currentNumberScheduled" if daemon else "replicas", 0),
        },
        "paused": bool(spec.get("paused")),
        "revision": revisions[0]["revision"] if revisions else 0,
        "revisions": revisions,
        "images": images(spec["template"]),
        "version": version(spec["template"]),
        "autoscaler": _autoscaler(workload, found["HorizontalPodAutoscaler"]),
        "pods": [_pod(pod, usage.get(pod["metadata"]["name"]), now) for pod in pods],
    }


def images(template: Document) -> list[str]:
    """The images of a pod template's containers, in their order."""
    return [each["image"] for each in template["spec"]["containers"]]


def version(template: Document) -> str:
    """The version that a pod template's label names, or else the tag of its first image; empty if there is neither."""
    labels = template["metadata"].get("labels") or {}
    return labels.get(VERSION) or images(template)[0].rpartition("/")[2].partition("@")[0].partition(":")[2]


def _history(workload: Document, found: dict[str, list[Document]]) -> list[Document]:
    kind = "ReplicaSet" if workload["kind"] == "Deployment" else "ControllerRevision"
    return [each for each in found[kind] if predicates.owner(each) == workload["metadata"]["uid"]]


def _revision(document: Document) -> dict[str, t.Any]:
    if document["kind"] == "ControllerRevision":
        template = document["data"]["spec"]["template"]
        number, counts = document["revision"], {"replicas": None, "available": None}
    else:
        template = document["spec"]["template"]
        status = document.get("status") or {}
        number = predicates.revision(document)
        counts = {"replicas": status.get("replicas", 0), "available": status.get("availableReplicas", 0)}
    return {
        "revision": number,
        "hash": predicates.pod_hash(document),
        "version": version(template),
        "images": images(template),
        **counts,
    }


def _pod(pod: Document, usage: dict[str, float] | None, now: datetime.datetime) -> dict[str, t.Any]:
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    trouble = predicates.pod_trouble(pod, now)
    leaving = bool(pod["metadata"].get("deletionTimestamp"))
    return {
        "name": pod["metadata"]["name"],
        "node": pod["spec"].get("nodeName", ""),
        "phase": "Terminating" if leaving else status.get("phase", "Pending"),
        "ready": predicates.conditions(pod).get("Ready", {}).get("status") == "True",
        "restarts": sum(each.get("restartCount", 0) for each in containers),
        "reason": trouble.reason if trouble else "",
        "revision": predicates.pod_hash(pod),
        "usage": usage,
    }


def _usage(metrics: Document) -> dict[str, float]:
    each = [container["usage"] for container in metrics.get("containers") or []]
    return {
        "cpu": round(sum(quantity.number(usage.get("cpu", "0")) for usage in each), 6),
        "memory": int(sum(quantity.number(usage.get("memory", "0")) for usage in each)),
    }


def _autoscaler(workload: Document, autoscalers: list[Document]) -> dict[str, t.Any] | None:
    for each in autoscalers:
        target = each["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (workload["kind"], workload["metadata"]["name"]):
            status = each.get("status") or {}
            return {
                "name": each["metadata"]["name"],
                "minimum": each["spec"].get("minReplicas", 1),
                "maximum": each["spec"]["maxReplicas"],
                "wanted": status.get("desiredReplicas", 0),
                "current": status.get("currentReplicas", 0),
                "conditions": {kind: found["status"] for kind, found in predicates.conditions(each).items()},
            }
    return None
