# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records in a Kubernetes cluster: one ConfigMap a service.

Key ``current.json`` is the latest rollout, open or finished; ``history-<id>.json`` are those before it. Every change is
one write of the whole object, which the API server refuses when somebody else wrote it meanwhile (``resourceVersion``).
So there is the old state or the new one, and nothing is left locked by a process that was killed.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

import contextlib
import copy
import re
import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import ApiError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document, Identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import Service

from .document import Overtaken, TooNew, Unreadable, decode, encode

PREFIX = "rollouts-"
LABELS = {"app.kubernetes.io/managed-by": "horizontal.scaling", "app.kubernetes.io/component": "rollout-ledger"}
CURRENT = "current.json"
PAST = "history-"
CORRUPT = CURRENT + ".corrupt-"
DISCARDED = CURRENT + ".discarded-"
LARGEST = 900_000  # bytes; an object may have 1 MiB, and one record more has to fit
NAME = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\Z")


class ConfigMapStore:
    """The records of one service.

    Args:
        cluster: the API server.
        namespace: where the ConfigMap is; made with the first record if it is not there.
        service: name of the service.
    """

    def __init__(self, cluster: Service, namespace: str, service: str) -> None:
        if not NAME.match(service):
            raise ScalingError(
                f"service is '{service}', which cannot be part of an object's name in Kubernetes.",
                "Give it small letters, digits, '-' and '.', such as claims-service.",
            )
        self.service = service
        self._cluster = cluster
        self._key = Identity("v1", "ConfigMap", namespace, PREFIX + service)
        self._held: Document | None = None

    @property
    def current(self) -> str:
        """Where the latest record is."""
        return self._name(CURRENT)

    def exists(self) -> bool:
        """Whether there may be records."""
        return True

    def read(self) -> dict[str, t.Any] | None:
        """The latest record, or None when there is none.

        Raises:
            Unreadable: it is no whole record.
            ScalingError: the cluster cannot be asked, or the record is of a later version.
        """
        return self._decoded(CURRENT, self._data().get(CURRENT))

    def past(self) -> tuple[list[dict[str, t.Any]], list[tuple[str, str]]]:
        """Earlier records, newest first, and the keys among them that cannot be read, with the reason."""
        records, broken = [], []
        data = self._data()
        for key in _past(data):
            try:
                record = self._decoded(key, data[key])
            except Unreadable as error:
                broken.append((self._name(key), str(error)))
            else:
                records.extend([record] if record else [])
        return records, broken

    def corrupt(self) -> list[str]:
        """Records that were set aside and that nobody has looked at yet."""
        return [self._name(key) for key in sorted(self._data()) if key.startswith(CORRUPT)]

    def signature(self) -> str:
        """Changes with every write."""
        found = self._cluster.read(self._key)
        return found["metadata"]["resourceVersion"] if found else ""

    def create(self) -> None:
        """Nothing has to be there before the first write."""

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """See one state, until it is written; the write fails when somebody else has changed it."""
        found = self._cluster.read(self._key)
        self._held = found or {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._key.name, "namespace": self._key.namespace, "labels": dict(LABELS)},
        }
        self._held["data"] = dict(self._held.get("data") or {})
        try:
            yield
        finally:
            self._held = None

    def write(self, record: t.Mapping[str, t.Any]) -> None:
        """Make this the latest record, together with what was archived; to be called under the lock.

        Raises:
            Overtaken: somebody else has written since.
        """
        data = self._locked()["data"]
        data[CURRENT] = encode(record).decode()
        self._shrink(data)
        self._commit(dict(record))

    def archive(self, record: t.Mapping[str, t.Any], keep: int) -> None:
        """Have a finished record in the history, of which the newest ``keep`` stay; the next write makes it last."""
        data = self._locked()["data"]
        data[f"{PAST}{record['id']}.json"] = encode(record).decode()
        for key in _past(data)[keep:]:
            del data[key]

    def set_aside(self) -> str:
        """Keep an unreadable latest record under another name; to be called under the lock."""
        data = self._locked()["data"]
        key = CORRUPT + time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        data[key] = data.pop(CURRENT)
        self._commit(None)
        return self._name(key)

    def discard_corrupt(self) -> list[str]:
        """Mark the records that were set aside as looked at; the next write makes it last."""
        data, renamed = self._locked()["data"], []
        for key in [key for key in sorted(data) if key.startswith(CORRUPT)]:
            target = DISCARDED + key[len(CORRUPT) :]
            data[target] = data.pop(key)
            renamed.append(self._name(target))
        return renamed

    def _locked(self) -> Document:
        if self._held is None:
            raise RuntimeError("a change of the ledger outside of its lock")
        return self._held

    def _data(self) -> dict[str, str]:
        found = self._held or self._cluster.read(self._key) or {}
        return found.get("data") or {}

    def _name(self, key: str) -> str:
        return f"{self._key}, key {key}"

    def _decoded(self, key: str, text: str | None) -> dict[str, t.Any] | None:
        if text is None:
            return None
        try:
            return decode(text.encode())
        except TooNew as error:
            raise ScalingError(
                f"{self._name(key)} was written by another version of the collection: {error}."
            ) from error

    @staticmethod
    def _shrink(data: dict[str, str]) -> None:
        """Let the oldest of the history go while the object would be too large."""
        for key in reversed(_past(data)):
            if sum(len(text.encode()) for text in data.values()) <= LARGEST:
                return
            del data[key]

    def _commit(self, record: dict[str, t.Any] | None) -> None:
        document = copy.deepcopy(self._locked())
        try:
            if document["metadata"].get("resourceVersion"):
                self._cluster.replace(document)
            else:
                self._cluster.create(document)
        except ApiError as error:
            if error.status == 409 or (error.status == 404 and "resourceVersion" in document["metadata"]):
                raise Overtaken(record) from None
            if error.status != 404:
                raise
            # The first record of a namespace that the service itself will have applied a moment later.
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._key.namespace}}
            with contextlib.suppress(Overtaken):
                self._make(space)
            self._make(document)

    def _make(self, document: Document) -> None:
        try:
            self._cluster.create(document)
        except ApiError as error:
            if error.status == 409:
                raise Overtaken(None) from None
            raise


def services(cluster: Service, namespace: str) -> list[str]:
    """Names of the services that the ledger knows."""
    labels = ",".join(f"{name}={value}" for name, value in LABELS.items())
    found = cluster.list(Identity("v1", "ConfigMap", namespace, ""), labels)[0]
    names = [each["metadata"]["name"] for each in found]
    return sorted(name[len(PREFIX) :] for name in names if name.startswith(PREFIX))


def _past(data: t.Iterable[str]) -> list[str]:
    """Keys of the history, newest first."""
    return sorted((key for key in data if key.startswith(PAST)), reverse=True)
