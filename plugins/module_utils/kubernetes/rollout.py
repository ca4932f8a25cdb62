# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A workload's rollout: paused or not, restarted, undone to a revision, scaled; and waited for."""

from __future__ import annotations

import copy
import datetime
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import diff, predicates
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import (
    STEPS,
    STRATEGIC,
    ApiError,
    connect,
)
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document, Identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import MANAGER, Service
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.wait import Waiter

OWNED_SECONDS = 20.0
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
    if document is not before and not check_mode:
        _take(service, key, document)
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


def _take(service: Service, key: Identity, document: Document) -> None:
    """Write who owns the fields; again while controllers write the object meanwhile."""
    current: Document | None = document
    deadline = Deadline(OWNED_SECONDS)
    while current is not None:
        owners = owned(current)
        if owners is None:
            return
        metadata = {"resourceVersion": current["metadata"]["resourceVersion"], "managedFields": owners}
        try:
            service.patch(key, {"metadata": metadata}, False)
            return
        except ApiError as error:
            if error.status != 409 or not deadline.remaining:
                raise
        current = service.read(key)


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
    undo = params["undo_to"] is not None or bool(params["undo_to_hash"])
    if undo:
        patches += _undo(workload, _wanted(workload, history, params["undo_to"], params["undo_to_hash"]), history)
    if params["restart"]:
        note = {RESTARTED: now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        wanted["template"] = {"metadata": {"annotations": note}}
    if wanted:
        patches.append(({"spec": wanted}, STRATEGIC))
    if spec.get("paused") and params["paused"] is not False and (params["restart"] or undo):
        raise ScalingError(
            f"{kind} {workload['metadata']['name']} is paused, so nothing would be rolled out.",
            "Resume it: paused=false.",
        )
    return patches


def _wanted(workload: Document, history: list[Document], revision: int | None, pod_hash: str | None) -> Document:
    """The revision to go back to."""
    own = sorted(of(workload, history), key=number)
    if pod_hash:
        found = [each for each in own if predicates.pod_hash(each) == pod_hash]
    elif revision:
        found = [each for each in own if number(each) == revision]
    else:
        found = own[-2:-1]
    if not found:
        have = ", ".join(predicates.pod_hash(each) if pod_hash else str(number(each)) for each in own) or "none"
        raise ScalingError(
            f"{workload['metadata']['name']} has no revision {pod_hash or revision or 'to go back to'}; it has {have}.",
            "Name one of these, or apply the wanted version.",
        )
    return found[0]


def _undo(workload: Document, revision: Document, history: list[Document]) -> list[tuple[t.Any, str]]:
    if number(revision) == newest(workload, history):
        return []
    if workload["kind"] != "Deployment":
        return [(revision["data"], STRATEGIC)]
    template = copy.deepcopy(revision["spec"]["template"])
    template["metadata"].get("labels", {}).pop("pod-template-hash", None)
    if template == workload["spec"]["template"]:
        return []
    return [([{"op": "replace", "path": "/spec/template", "value": template}], STEPS)]


def owned(document: Document) -> list[dict[str, t.Any]] | None:
    """The owners of the document's fields, as they have to be so that an apply takes away what an undo brought.

    An undo is an update, and what an update has set stays although nobody applies it any more. So fields of the pod
    template that this manager has updated become fields that it has applied, as `kubectl apply --server-side` does with
    those of its older way. None if there are none.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply-to-server-side-apply
    """
    entries = copy.deepcopy(document["metadata"].get("managedFields") or [])
    own = [each for each in entries if each.get("manager") == MANAGER and not each.get("subresource")]
    applied = next((each for each in own if each.get("operation") == "Apply"), None)
    updated = next((each for each in own if each.get("operation") == "Update"), None)
    if not applied or not updated:
        return None
    fields = updated["fieldsV1"].get("f:spec", {}).pop("f:template", None)
    if fields is None:
        return None
    template = applied["fieldsV1"].setdefault("f:spec", {}).setdefault("f:template", {})
    _merge(template, fields)
    if not updated["fieldsV1"].get("f:spec"):
        updated["fieldsV1"].pop("f:spec", None)
    return [each for each in entries if each["fieldsV1"]]


def _merge(into: dict[str, t.Any], other: dict[str, t.Any]) -> None:
    for name, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into.setdefault(name, value)
