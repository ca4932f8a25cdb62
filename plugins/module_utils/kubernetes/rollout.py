# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A workload's rollout: paused or not, restarted, undone to a revision, scaled; and waited for."""

from __future__ import annotations

import copy
import datetime
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import diff, predicates
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import STEPS, STRATEGIC, connect
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document, Identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import Service
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.wait import Waiter

RESTARTED = "kubectl.kubernetes.io/restartedAt"  # kubectl's own, so that both tell the same


def converge(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """Lead the workload to what the module's options say; see its documentation."""
    service = Service(connect(params))
    key = Identity("apps/v1", params["kind"], params["namespace"], params["name"])
    before = service.read(key)
    if before is None:
        raise ScalingError(f"{key} is not there.", "Apply it first.")
    kind = "ReplicaSet" if key.kind == "Deployment" else "ControllerRevision"
    history = service.list(Identity("apps/v1", kind, key.namespace, ""))[0]
    document = before
    for patch, content_type in changes(before, history, params, datetime.datetime.now(datetime.timezone.utc)):
        document = service.patch(key, patch, check_mode, content_type)
    waited = 0.0
    if params["wait"] and not check_mode and not document["spec"].get("paused"):
        waited = Waiter(service, {key: None}).until_ready(params["timeout"])
        document = service.read(key) or document
    return Outcome(
        diff.comparable(before),
        diff.comparable(document),
        str(key),
        revision=newest(document, history),
        replicas=document["spec"].get("replicas"),
        paused=bool(document["spec"].get("paused")),
        waited=round(waited, 3),
    )


def newest(workload: Document, history: list[Document]) -> int:
    """The revision that is wanted now; 0 if there is none yet."""
    return max((number(each) for each in of(workload, history)), default=0)


def of(workload: Document, history: list[Document]) -> list[Document]:
    """A workload's own revisions."""
    return [each for each in history if predicates.owner(each) == workload["metadata"]["uid"]]


def number(revision: Document) -> int:
    return revision["revision"] if revision["kind"] == "ControllerRevision" else predicates.revision(revision)


def changes(
    workload: Document, history: list[Document], params: dict[str, t.Any], now: datetime.datetime
) -> list[tuple[t.Any, str]]:
    """The patches that lead there, with their content types; none if it is there.

    Raises:
        ScalingError: it cannot be led there.
    """
    kind, spec = workload["kind"], workload["spec"]
    patches: list[tuple[t.Any, str]] = []
    wanted: Document = {}
    if params["paused"] is not None:
        if kind != "Deployment":
            raise ScalingError(f"A {kind} cannot be paused.", "Use its updateStrategy: a partition, or OnDelete.")
        if bool(spec.get("paused")) != params["paused"]:
            wanted["paused"] = params["paused"]
    if params["replicas"] is not None:
        if kind == "DaemonSet":
            raise ScalingError("A DaemonSet has no replicas: it has a pod on each node.", "Leave replicas out.")
        if spec.get("replicas", 1) != params["replicas"]:
            wanted["replicas"] = params["replicas"]
    if params["undo_to"] is not None:
        patches += _undo(workload, history, params["undo_to"])
    if params["restart"]:
        note = {RESTARTED: now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        wanted["template"] = {"metadata": {"annotations": note}}
    if wanted:
        patches.append(({"spec": wanted}, STRATEGIC))
    if spec.get("paused") and params["paused"] is not False and (params["restart"] or params["undo_to"] is not None):
        raise ScalingError(
            f"{kind} {workload['metadata']['name']} is paused, so nothing would be rolled out.",
            "Resume it: paused=false.",
        )
    return patches


def _undo(workload: Document, history: list[Document], revision: int) -> list[tuple[t.Any, str]]:
    own = sorted(of(workload, history), key=number)
    if revision == 0 and len(own) > 1:
        revision = number(own[-2])
    found = [each for each in own if number(each) == revision]
    if not found:
        have = ", ".join(str(number(each)) for each in own) or "none"
        raise ScalingError(
            f"{workload['metadata']['name']} has no revision {revision or 'to go back to'}; it has {have}.",
            "Name one of these, or apply the wanted version.",
        )
    if found[0] is own[-1]:
        return []
    if workload["kind"] != "Deployment":
        return [(found[0]["data"], STRATEGIC)]
    template = copy.deepcopy(found[0]["spec"]["template"])
    template["metadata"].get("labels", {}).pop("pod-template-hash", None)
    if template == workload["spec"]["template"]:
        return []
    return [([{"op": "replace", "path": "/spec/template", "value": template}], STEPS)]
