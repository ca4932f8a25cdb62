# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for objects by watches: noticed at once, stopped at once when it can no longer come true, with the reason.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import datetime
import json
import queue
import threading
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import predicates
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import ApiError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document, Identity, identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import Service

LOOK_AGAIN = 1.0  # seconds; some things become hopeless by time alone
QUIET = 30.0  # seconds without an event, after which a watch is opened anew

Condition = t.Tuple[str, str]


class Watch(threading.Thread):
    """Lists and watches the objects of a kind in a namespace; puts what it sees into a queue: identity, object or None.

    Args:
        name: of the only object to be watched; empty for all.
        needed: whether it is an error if it may not be watched.
    """

    def __init__(self, service: Service, key: Identity, needed: bool, sink: queue.Queue) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._key = key
        self._needed = needed
        self._sink = sink
        self._seen: set[Identity] = set()
        self._answer: t.Any = None
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self._follow(self._list())
            except ApiError as error:
                if error.status in (401, 403) or (error.status == 0 and self.ended.is_set()):
                    if self._needed and not self.ended.is_set():
                        self._sink.put(error)
                    return
                self.ended.wait(0.5)  # gone for a moment, or its history is
            except Exception:  # a connection that breaks off within an event does so in many ways
                self.ended.wait(0.5)

    def stop(self) -> None:
        self.ended.set()

    def _list(self) -> str:
        query = self._query()
        answer = self._service.client.request("GET", self._service.path(self._key, namespace_only=True), query)
        found = set()
        for each in answer.get("items") or []:
            found.add(self._put(each))
        for lost in self._seen - found:
            self._sink.put((lost, None))
        self._seen = found
        return answer["metadata"]["resourceVersion"]

    def _query(self) -> dict[str, t.Any]:
        return {"fieldSelector": f"metadata.name={self._key.name}"} if self._key.name else {}

    def _put(self, document: Document) -> Identity:
        document.setdefault("apiVersion", self._key.api_version)
        document.setdefault("kind", self._key.kind)
        key = identity(document)
        self._sink.put((key, document))
        return key

    def _follow(self, version: str) -> None:
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": int(QUIET), **self._query()}
        path = self._service.path(self._key, namespace_only=True)
        answer = self._service.client.stream(path, query, QUIET + 5)
        try:
            rest = b""
            for chunk in answer.stream(65536, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    if not self._take(json.loads(line)):
                        return
                if self.ended.is_set():
                    return
        finally:
            answer.close()

    def _take(self, event: dict) -> bool:
        if event["type"] == "ERROR":
            return False  # its history is gone: list again
        if event["type"] == "DELETED":
            key = identity({"apiVersion": self._key.api_version, "kind": self._key.kind, **event["object"]})
            self._seen.discard(key)
            self._sink.put((key, None))
        elif event["type"] != "BOOKMARK":
            self._seen.add(self._put(event["object"]))
        return True


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class Waiter:
    """Waits for objects.

    Args:
        service: the cluster.
        wanted: identities; a condition (type and status) instead of what is known of the kind, or None.
    """

    def __init__(self, service: Service, wanted: dict[Identity, Condition | None]) -> None:
        self._service = service
        self._wanted = wanted
        self._known: dict[Identity, Document] = {}
        self._sink: queue.Queue = queue.Queue()

    def until_ready(self, seconds: float) -> float:
        """Seconds that it took.

        Raises:
            ScalingError: it did not come true in time, or cannot any more; with the reason and a pod's last lines.
        """
        deadline = Deadline(seconds)
        pending = set(self._wanted)
        self._watch_all(self._needs())
        try:
            dirty = self._receive(deadline)
            while pending:
                for key in sorted(pending & dirty):
                    verdict = self._judge(key)
                    if verdict and verdict.ready:
                        pending.discard(key)
                    elif verdict and verdict.hopeless:
                        raise self._failure(key, verdict, "cannot become ready")
                if pending and not deadline.remaining:
                    raise self._late(pending, seconds)
                if pending:
                    dirty = self._receive(deadline)
            return deadline.elapsed
        finally:
            for watch in self._watches:
                watch.stop()

    def _needs(self) -> dict[Identity, bool]:
        """What has to be watched, by the kind and namespace of its key; whether that must be allowed."""
        groups: dict[tuple, list[str]] = {}
        for key in self._wanted:
            groups.setdefault((key.api_version, key.kind, key.namespace), []).append(key.name)
        needs = {Identity(*group, names[0] if len(names) == 1 else ""): True for group, names in groups.items()}
        for key in self._wanted:
            if key.kind in predicates.WORKLOADS:
                needs.setdefault(Identity("v1", "Pod", key.namespace, ""), False)
            if key.kind == "Deployment":
                needs.setdefault(Identity("apps/v1", "ReplicaSet", key.namespace, ""), False)
        return needs

    def _watch_all(self, needs: dict[Identity, bool]) -> None:
        self._watches = [Watch(self._service, key, needed, self._sink) for key, needed in needs.items()]
        for watch in self._watches:
            watch.start()

    def _receive(self, deadline: Deadline) -> set[Identity]:
        """Take all that has come; the wanted objects that it may concern. Without news, all of them once a second."""
        try:
            events = [self._sink.get(timeout=min(LOOK_AGAIN, deadline.remaining) or 0.01)]
        except queue.Empty:
            return set(self._wanted)
        while not self._sink.empty():
            events.append(self._sink.get())
        dirty: set[Identity] = set()
        for event in events:
            if isinstance(event, ScalingError):
                raise event
            key, document = event
            if document is None:
                gone = self._known.pop(key, None)
                if gone is not None and key in self._wanted:
                    raise ScalingError(f"{key} was deleted by somebody while its readiness was awaited.")
            else:
                self._known[key] = document
            if key in self._wanted:
                dirty.add(key)
            elif key.kind in ("Pod", "ReplicaSet"):
                dirty |= {
                    each
                    for each in self._wanted
                    if each.namespace == key.namespace and each.kind in predicates.WORKLOADS
                }
        return dirty

    def _judge(self, key: Identity) -> predicates.Verdict | None:
        document = self._known.get(key)
        if document is None:
            return None
        pods: list[Document] = []
        newest: Document | None = None
        if key.kind in predicates.WORKLOADS:
            near = [each for other, each in self._known.items() if other.namespace == key.namespace]
            sets = [each for each in near if each["kind"] == "ReplicaSet"]
            pods = predicates.pods_of(document, [each for each in near if each["kind"] == "Pod"], sets)
            newest = predicates.newest_set(document, sets)
        elif key.kind == "Pod":
            pods = [document]
        return predicates.judge(document, pods, _now(), self._wanted[key], newest)

    def _failure(self, key: Identity, verdict: predicates.Verdict, what: str) -> ScalingError:
        details: dict[str, t.Any] = {"object": key._asdict(), "reason": verdict.reason}
        text = f"{key} {what}: {verdict.reason}."
        look = f"kubectl --namespace {key.namespace or 'default'} describe {key.kind.lower()} {key.name}"
        if verdict.pod:
            look = f"kubectl --namespace {key.namespace} describe pod {verdict.pod}"
            warning = self._service.warning(key.namespace, verdict.pod)
            if warning and warning.rstrip(".") not in text:
                text += f" Its last event: {warning.rstrip('.')}."
            lines = self._service.log(key.namespace, verdict.pod, verdict.container)
            details.update(pod=verdict.pod, log=lines)
            if lines:
                text += f" Its last words: {' | '.join(lines[-3:])}"
        return ScalingError(
            text, f"See `{look}`; correct it, and run this again. What served before still does.", **details
        )

    def _late(self, pending: set[Identity], seconds: float) -> ScalingError:
        reasons = {key: self._judge(key) or predicates.Verdict(False, "it is not there") for key in sorted(pending)}
        # One with a pod that can be asked says most.
        first = next((key for key, verdict in reasons.items() if verdict.pod), sorted(pending)[0])
        others = [f"{key}: {verdict.reason}" for key, verdict in reasons.items() if key != first]
        error = self._failure(first, reasons[first], f"was not ready within {round(seconds, 1):g} s")
        if others:
            more = f" And {len(others)} more: {'; '.join(others[:5])}."
            return ScalingError(f"{error}{more}", **error.details)
        return error
