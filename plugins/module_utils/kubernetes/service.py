# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be asked of an API server: kinds, objects, server-side apply, deletion, logs. Raises ScalingError.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import concurrent.futures
import threading
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import (
    APPLY,
    MERGE,
    WORKERS,
    ApiError,
    Client,
)
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document, Identity, identity

MANAGER = "horizontal.scaling"
PAGE = 500
ACCOUNT_SECONDS = 20.0
Item, Result = t.TypeVar("Item"), t.TypeVar("Result")


class Resource(t.NamedTuple):
    """How the server calls a kind."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool


class Service:
    """The verbs.

    Args:
        client: the connection.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._groups: dict[str, dict[str, Resource]] = {}
        self._lock = threading.Lock()

    # Kinds

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """A kind, or None if the server does not know it (yet: what it does not know is asked again)."""
        with self._lock:
            known = self._groups.get(api_version, {})
        if kind not in known:
            known = self._kinds(api_version)
            with self._lock:
                self._groups[api_version] = known
        return known.get(kind)

    def _kinds(self, api_version: str) -> dict[str, Resource]:
        try:
            found = self.client.request("GET", _group_path(api_version))
        except ApiError as error:
            if error.status == 404:
                return {}
            raise
        return {
            each["kind"]: Resource(api_version, each["kind"], each["name"], each["namespaced"])
            for each in found.get("resources", [])
            if "/" not in each["name"]
        }

    def path(self, key: Identity, namespace_only: bool = False) -> str:
        """The path of an object, or of all objects of its kind in its namespace."""
        resource = self.resource(key.api_version, key.kind)
        if resource is None:
            raise unknown(key)
        space = f"/namespaces/{key.namespace}" if resource.namespaced and key.namespace else ""
        return f"{_group_path(key.api_version)}{space}/{resource.plural}" + ("" if namespace_only else f"/{key.name}")

    # Objects

    def read(self, key: Identity) -> Document | None:
        """An object; None if it is not there."""
        try:
            return self.client.request("GET", self.path(key))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, key: Identity, labels: str = "") -> tuple[list[Document], str]:
        """All objects of the kind and namespace of `key`, in pages, and the version of that list."""
        found: list[Document] = []
        query = {"limit": PAGE, **({"labelSelector": labels} if labels else {})}
        while True:
            answer = self.client.request("GET", self.path(key, namespace_only=True), query)
            for each in answer.get("items") or []:
                # Lists leave out what is the same for all.
                each.setdefault("apiVersion", key.api_version)
                each.setdefault("kind", key.kind)
                found.append(each)
            onward = (answer.get("metadata") or {}).get("continue")
            if not onward:
                return found, answer["metadata"].get("resourceVersion", "")
            query["continue"] = onward

    def apply(self, document: Document, manager: str, force: bool, check: bool) -> Document:
        """Server-side apply; with `check` the server computes the result and keeps nothing.

        Raises:
            ScalingError: a conflict, with the managers who own the fields; or what else the server refuses.
        """
        key = identity(document)
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        if check:
            query["dryRun"] = "All"
        deadline = Deadline(ACCOUNT_SECONDS)
        while True:
            try:
                return self.client.request("PATCH", self.path(key), query, document, APPLY)
            except ApiError as error:
                if error.status == 409 and query["force"] == "false" and _own_conflict(error, manager):
                    query["force"] = "true"
                    continue
                # A namespace that was made a moment ago gets its service account a moment later.
                if error.status == 403 and "error looking up service account" in error.reason and deadline.remaining:
                    deadline.sleep(0.2)
                    continue
                raise refused(key, error) from None

    def create(self, document: Document) -> Document:
        """Create an object; ApiError with status 409 when it is there."""
        return self._sent("POST", document, namespace_only=True)

    def replace(self, document: Document) -> Document:
        """Write an object as a whole; ApiError with status 409 when the server has another resourceVersion of it."""
        return self._sent("PUT", document)

    def _sent(self, method: str, document: Document, namespace_only: bool = False) -> Document:
        key = identity(document)
        try:
            return self.client.request(method, self.path(key, namespace_only), {"fieldManager": MANAGER}, document)
        except ApiError as error:
            raise refused(key, error) from None

    def patch(self, key: Identity, patch: t.Any, check: bool, content_type: str = MERGE) -> Document:
        """A patch of an object, as the content type says; a merge patch by default."""
        query = {"fieldManager": MANAGER, **({"dryRun": "All"} if check else {})}
        try:
            return self.client.request("PATCH", self.path(key), query, patch, content_type)
        except ApiError as error:
            raise refused(key, error) from None

    def evict(self, pod: Document) -> str:
        """Ask for the eviction of a pod; empty if it is granted or the pod is gone, else why it is not granted now."""
        key = identity(pod)
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": key.name, "namespace": key.namespace},
            "deleteOptions": {"preconditions": {"uid": pod["metadata"]["uid"]}},
        }
        try:
            self.client.request("POST", f"{self.path(key)}/eviction", None, body)
        except ApiError as error:
            if error.status == 429:
                causes = (error.document.get("details") or {}).get("causes") or []
                return str(causes[0]["message"] if causes else error.reason).rstrip(".")
            # Gone, or another one of its name, or going with its namespace.
            if error.status not in (404, 409) and "being terminated" not in error.reason:
                raise refused(key, error) from None
        return ""

    def delete(self, key: Identity, uid: str, check: bool) -> None:
        """Delete the object that was seen, and no other that has come to its name meanwhile."""
        body: Document = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        if check:
            body["dryRun"] = ["All"]  # in the body: a server that gets one does not look at the query
        try:
            self.client.request("DELETE", self.path(key), None, body)
        except ApiError as error:
            if error.status != 404:
                raise refused(key, error) from None

    # What tells more

    def log(self, namespace: str, pod: str, container: str, lines: int = 10) -> list[str]:
        """The last lines of a container: of the one that ended, if it has ended; none if there are none."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        for previous in ("true", "false"):
            query = {"tailLines": lines, "limitBytes": 16384, "previous": previous}
            try:
                text = self.client.text(path, {**query, **({"container": container} if container else {})})
            except ApiError:
                continue
            if text.strip():
                return [hide_assignments(line) for line in text.strip().splitlines()]
        return []

    def warning(self, namespace: str, pod: str) -> str:
        """The newest warning about a pod, such as what its readiness probe says; empty without one."""
        query = {"fieldSelector": f"involvedObject.name={pod},type=Warning"}
        try:
            events = self.client.request("GET", f"/api/v1/namespaces/{namespace}/events", query).get("items") or []
        except ApiError:
            return ""
        events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
        return hide_assignments(str(events[-1].get("message", "")).strip()) if events else ""


def _conflicts(error: ApiError) -> list[dict]:
    causes = (error.document.get("details") or {}).get("causes") or []
    return [each for each in causes if each.get("reason") == "FieldManagerConflict"]


def _own_conflict(error: ApiError, manager: str) -> bool:
    """Whether the only one who disagrees is the same manager by another way, such as a former undo."""
    conflicts = _conflicts(error)
    return bool(conflicts) and all(f'"{manager}"' in each.get("message", "") for each in conflicts)


def _group_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def unknown(key: Identity) -> ScalingError:
    return ScalingError(
        f"The cluster knows no kind {key.kind} of {key.api_version}, which {key} is.",
        "Correct apiVersion and kind, or install its CustomResourceDefinition first, or in the same task.",
    )


def refused(key: Identity, error: ApiError) -> ScalingError:
    """The error of an object that the server refuses."""
    conflicts = _conflicts(error)
    if conflicts:
        fields = "; ".join(f"{each.get('field')} ({each.get('message')})" for each in conflicts)
        return ApiError(
            f"{key} has fields that others manage: {fields}.",
            "Leave these fields out, so that they stay with their manager, or take them over by force_conflicts.",
            error.status,
            error.document,
        )
    if error.status == 404 and "namespaces" in error.reason:
        return ApiError(f"{key}: its namespace is not there.", "Create the namespace, in the same task or before.", 404)
    return ApiError(f"{key}: {error}", "", error.status, error.document)


def in_parallel(work: t.Callable[[Item], Result], items: t.Iterable[Item]) -> list[Result]:
    """The results of all, in their order. When some fail, all are tried, and one error names them."""
    things = list(items)
    if len(things) == 1:
        return [work(things[0])]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(work, each) for each in things]
    errors = [future.exception() for future in futures if future.exception()]
    for error in errors:
        if not isinstance(error, ScalingError):
            raise error
    if len(errors) == 1:
        raise t.cast(ScalingError, errors[0])
    if errors:
        texts = list(dict.fromkeys(str(error) for error in errors))
        shown = " ".join(texts[:5]) + (f" And {len(texts) - 5} more." if len(texts) > 5 else "")
        raise ScalingError(f"{len(errors)} of {len(things)} objects failed: {shown}", errors=texts)
    return [future.result() for future in futures]
