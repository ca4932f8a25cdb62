# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes without pods: cordoned, and their pods evicted as their disruption budgets let them.

https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import predicates
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import connect
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document, Identity, identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import Service, in_parallel

ROUND = 1.0  # seconds between two rounds of asking


def converge(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """Lead the nodes to what the module's options say; see its documentation."""
    service = Service(connect(params))
    keys = [Identity("v1", "Node", "", name) for name in params["nodes"]]
    nodes = in_parallel(service.read, keys)
    missing = [key.name for key, node in zip(keys, nodes) if node is None]
    if missing:
        raise ScalingError(f"The cluster has no node {', '.join(missing)}.", "`kubectl get nodes` names them.")
    before = {node["metadata"]["name"]: _state(node) for node in t.cast("list[Document]", nodes)}
    drained = params["state"] == "drained"
    leaving = _leaving(service, params) if drained else []
    cordon = params["state"] != "uncordoned"
    turned = [key for key, node in zip(keys, nodes) if bool(node["spec"].get("unschedulable")) != cordon]
    in_parallel(lambda key: service.patch(key, {"spec": {"unschedulable": cordon or None}}, check_mode), turned)
    evicted, seconds = leaving, 0.0
    if drained and not check_mode:
        try:
            evicted, seconds = _evict(service, leaving, params)
        except ScalingError:
            # What was schedulable before is again: a drain that gave up must not cost the cluster a node.
            in_parallel(lambda key: service.patch(key, {"spec": {"unschedulable": None}}, False), turned)
            raise
    names = [str(identity(pod)) for pod in evicted]
    after = {name: {"schedulable": not cordon} for name in before}
    for pod in leaving:
        before[pod["spec"]["nodeName"]].setdefault("pods", []).append(str(identity(pod)))
    return Outcome(before, after, "nodes", evicted=names, seconds=round(seconds, 3))


def _state(node: Document) -> dict[str, t.Any]:
    return {"schedulable": not node["spec"].get("unschedulable", False)}


def _pods(service: Service, node: str) -> list[Document]:
    answer = service.client.request("GET", "/api/v1/pods", {"fieldSelector": f"spec.nodeName={node}"})
    return [{"apiVersion": "v1", "kind": "Pod", **each} for each in answer["items"]]


def _by_uid(pods: list[Document]) -> dict[str, Document]:
    return {str(pod["metadata"]["uid"]): pod for pod in pods}


def _leaving(service: Service, params: dict[str, t.Any]) -> list[Document]:
    pods = [pod for found in in_parallel(lambda node: _pods(service, node), params["nodes"]) for pod in found]
    leaving = [pod for pod in pods if leaves(pod)]
    refused = [reason for pod in leaving for reason in [held(pod, params)] if reason]
    if refused:
        raise ScalingError(f"These pods cannot be evicted as told: {'; '.join(refused)}.", "Nothing was changed.")
    return leaving


def leaves(pod: Document) -> bool:
    """Whether a pod has to go: not if its node itself or a DaemonSet put it there, or if it has ended."""
    metadata = pod["metadata"]
    if "kubernetes.io/config.mirror" in (metadata.get("annotations") or {}):
        return False
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    return not any(
        each["kind"] == "DaemonSet" and each.get("controller") for each in metadata.get("ownerReferences") or []
    )


def held(pod: Document, params: dict[str, t.Any]) -> str:
    """What speaks against the eviction of a pod, in a few words with what allows it; empty if nothing does."""
    local = [each["name"] for each in pod["spec"].get("volumes") or [] if "emptyDir" in each]
    if local and not params["delete_local_data"]:
        return f"{identity(pod)} loses its local data ({', '.join(local)}), which delete_local_data allows"
    if not predicates.owner(pod) and not params["delete_unmanaged"]:
        return f"{identity(pod)} has no controller that would start it elsewhere, which delete_unmanaged allows"
    return ""


def _evict(service: Service, leaving: list[Document], params: dict[str, t.Any]) -> tuple[list[Document], float]:
    """Ask for all in turns until none is there: a budget that is used up now may not be in the next round."""
    deadline = Deadline(params["timeout"])
    waiting = _by_uid(leaving)
    evicted = dict(waiting)
    granted: set[str] = set()
    reasons: dict[str, str] = {}
    while True:
        asked = [uid for uid in waiting if uid not in granted]
        for uid, reason in zip(asked, in_parallel(service.evict, [waiting[each] for each in asked])):
            if reason:
                reasons[uid] = reason
            else:
                granted.add(uid)
        nodes = sorted({pod["spec"]["nodeName"] for pod in waiting.values()})
        there = {pod["metadata"]["uid"] for found in in_parallel(lambda n: _pods(service, n), nodes) for pod in found}
        waiting = {uid: pod for uid, pod in waiting.items() if uid in there}
        if not waiting:
            # A scheduler that had not heard of the cordon yet may have sent the node another one meanwhile.
            waiting = _by_uid(_leaving(service, params))
            evicted.update(waiting)
        if not waiting:
            return list(evicted.values()), deadline.elapsed
        if not deadline.remaining:
            left = [
                f"{identity(pod)} ({'it has not ended yet' if uid in granted else reasons.get(uid, 'not asked')})"
                for uid, pod in waiting.items()
            ]
            raise ScalingError(
                f"After {params['timeout']:g} s these pods are still there: {'; '.join(left)}.",
                "The nodes take pods again. Have more replicas, or a budget that lets them go, and run this again.",
            )
        deadline.sleep(ROUND if asked else 0.2)
