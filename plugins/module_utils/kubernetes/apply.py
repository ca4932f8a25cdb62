# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many objects in one go: read, applied in their order, what is no longer wanted pruned, and waited for."""

from __future__ import annotations

import collections
import copy
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import diff, objects, ownership, predicates
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import ApiError, connect
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document, Identity, identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import Service, in_parallel, unknown
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.wait import Condition, Waiter

# Kinds that are pruned when none are named.
PRUNED = [
    "apps/v1/Deployment",
    "apps/v1/StatefulSet",
    "apps/v1/DaemonSet",
    "batch/v1/CronJob",
    "batch/v1/Job",
    "autoscaling/v2/HorizontalPodAutoscaler",
    "policy/v1/PodDisruptionBudget",
    "networking.k8s.io/v1/Ingress",
    "networking.k8s.io/v1/NetworkPolicy",
    "v1/Service",
    "v1/ConfigMap",
    "v1/Secret",
    "v1/ServiceAccount",
    "rbac.authorization.k8s.io/v1/RoleBinding",
    "rbac.authorization.k8s.io/v1/Role",
]
# From so many objects of a kind and namespace on, listing all of them is quicker than asking for each.
LISTED = 8


def converge(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """Lead the objects to what the module's options say; see its documentation."""
    wanted = objects.load(params["definitions"], params["files"])
    selector = _selector(params["prune"], wanted)
    run = Run(Service(connect(params)), params, check_mode)
    wanted = run.placed(wanted)
    if params["state"] == "absent":
        run.remove([identity(each) for each in wanted])
    else:
        run.put(wanted)
        if params["prune"]:
            run.prune({identity(each) for each in wanted}, params["prune"], selector)
    waited = 0.0
    if params["wait"] and not check_mode:
        waited = run.wait(wanted if params["state"] == "present" else [])
    return run.outcome(waited)


def _selector(prune: dict[str, t.Any] | None, wanted: list[Document]) -> dict[str, str]:
    """The labels by which objects are pruned.

    Raises:
        ScalingError: no wanted object has them, so that none would ever be pruned.
    """
    if not prune:
        return {}
    labels = {name: str(value) for name, value in prune["labels"].items()}
    if not labels:
        raise ScalingError("prune.labels is empty, which would be everything.", "Name the labels of these objects.")
    if wanted and not any(objects.selected(each["metadata"].get("labels"), labels) for each in wanted):
        words = ",".join(f"{name}={value}" for name, value in labels.items())
        raise ScalingError(f"None of the objects has the labels {words} by which is pruned.", "Give them these labels.")
    return labels


class Run:
    """One run of the module: what was there before and after, by identity."""

    def __init__(self, service: Service, params: dict[str, t.Any], check_mode: bool) -> None:
        self._service = service
        self._params = params
        self._check = check_mode
        self.before: dict[Identity, Document | None] = {}
        self.after: dict[Identity, Document | None] = {}
        self._deleted: dict[Identity, str] = {}

    def placed(self, wanted: list[Document]) -> list[Document]:
        """The documents with the namespace that applies, and none where the kind has none."""
        defined = {
            (f"{each['spec'].get('group')}/{version.get('name')}", each["spec"].get("names", {}).get("kind")): each
            for each in wanted
            if each["kind"] == "CustomResourceDefinition" and isinstance(each.get("spec"), dict)
            for version in each["spec"].get("versions") or []
        }
        placed = []
        for each in wanted:
            key = identity(each)
            resource = self._service.resource(key.api_version, key.kind)
            definition = defined.get((key.api_version, key.kind))
            if resource is None and definition is None and self._params["state"] == "present":
                raise unknown(key)
            namespaced = (
                resource.namespaced
                if resource
                else bool(definition) and definition["spec"].get("scope") == "Namespaced"
            )
            document = {**each, "metadata": dict(each["metadata"])}
            if not namespaced:
                document["metadata"].pop("namespace", None)
            elif not key.namespace:
                document["metadata"]["namespace"] = self._params["namespace"]
            placed.append(document)
        for key, times in collections.Counter(map(identity, placed)).items():
            if times > 1:
                raise ScalingError(f"{key} is wanted twice, once without its namespace.", "Take one away.")
        return placed

    def read(self, keys: list[Identity]) -> dict[Identity, Document | None]:
        """Objects as they are; many of one kind and namespace by a list."""
        groups: dict[Identity, list[Identity]] = {}
        for key in keys:
            if self._service.resource(key.api_version, key.kind):
                groups.setdefault(key._replace(name=""), []).append(key)
        found: dict[Identity, Document | None] = dict.fromkeys(keys)
        singles: list[Identity] = []

        def listed(group: Identity) -> list[Document] | None:
            try:
                return self._service.list(group)[0]
            except ApiError as error:
                if error.status == 403:
                    return None  # each of them may be allowed all the same
                raise

        large = [group for group, members in groups.items() if len(members) >= LISTED]
        for group, documents in zip(large, in_parallel(listed, large)):
            if documents is None:
                singles += groups[group]
                continue
            there = {identity(each): each for each in documents}
            found.update({key: there.get(key) for key in groups[group]})
        singles += [key for group, members in groups.items() if group not in large for key in members]
        found.update(zip(singles, in_parallel(self._service.read, singles)))
        return found

    def put(self, wanted: list[Document]) -> None:
        """Apply all, phase after phase; the kinds that a definition brings once it is established."""
        self.before.update(self.read([identity(each) for each in wanted]))
        new_namespaces = {key.name for key, before in self.before.items() if key.kind == "Namespace" and before is None}

        def applied(document: Document) -> Document:
            key = identity(document)
            there, manager = self.before.get(key), self._params["field_manager"]
            if there and ownership.applied(document, there, manager):
                return there
            if self._check and (
                key.namespace in new_namespaces or not self._service.resource(key.api_version, key.kind)
            ):
                # The server cannot be asked what it would make of it: what it stands in is not there yet.
                return copy.deepcopy(document)
            return self._service.apply(document, manager, self._params["force_conflicts"], self._check)

        phases = sorted({objects.phase(each["kind"]) for each in wanted})
        for phase in phases:
            now = [each for each in wanted if objects.phase(each["kind"]) == phase]
            for document, result in zip(now, in_parallel(applied, now)):
                self.after[identity(document)] = result
            definitions = [identity(each) for each in now if each["kind"] == "CustomResourceDefinition"]
            if definitions and not self._check:
                self._wait_for(dict.fromkeys(definitions))
                self._wait_until_known(wanted)

    def _wait_until_known(self, wanted: list[Document]) -> None:
        """A kind whose definition is established may not be among what the server offers yet."""

        def missing() -> list[Identity]:
            keys = [identity(each) for each in wanted]
            return [key for key in keys if not self._service.resource(key.api_version, key.kind)]

        left, ok = Deadline(self._params["timeout"]).wait_for(missing, lambda found: not found, 0.1)
        if not ok:
            raise unknown(left[0])

    def prune(self, wanted: set[Identity], prune: dict[str, t.Any], labels: dict[str, str]) -> None:
        """Delete what has the labels and this field manager, and is not wanted any more."""
        spaces = prune["namespaces"] or sorted({key.namespace for key in wanted if key.namespace})
        kinds = prune["kinds"] or PRUNED
        words = ",".join(f"{name}={value}" for name, value in labels.items())
        places = []
        for kind in kinds:
            version, _, name = kind.rpartition("/")
            resource = self._service.resource(version, name)
            if resource is None and prune["kinds"]:
                raise unknown(Identity(version, name, "", "to be pruned"))
            if resource is not None:
                places += [Identity(version, name, space, "") for space in (spaces if resource.namespaced else [""])]
        unwanted = [
            each
            for documents in in_parallel(lambda place: self._service.list(place, words)[0], places)
            for each in documents
            if identity(each) not in wanted and self._ours(each) and not each["metadata"].get("ownerReferences")
        ]
        self._delete(unwanted)

    def _ours(self, document: Document) -> bool:
        entries = document["metadata"].get("managedFields") or []
        return any(
            each.get("manager") == self._params["field_manager"] and each.get("operation") == "Apply"
            for each in entries
        )

    def remove(self, keys: list[Identity]) -> None:
        self._delete([each for each in self.read(keys).values() if each is not None])

    def _delete(self, documents: list[Document]) -> None:
        """The last that were made go first; of what a namespace takes with it nothing is left to be done."""
        for phase in sorted({objects.phase(each["kind"]) for each in documents}, reverse=True):
            now = [each for each in documents if objects.phase(each["kind"]) == phase]
            for each in now:
                key = identity(each)
                self.before[key], self.after[key] = each, None
                self._deleted[key] = each["metadata"]["uid"]
            in_parallel(lambda each: self._service.delete(identity(each), each["metadata"]["uid"], self._check), now)

    def wait(self, wanted: list[Document]) -> float:
        """Until all that is wanted is ready, and all that was deleted is gone."""
        named: dict[Identity, Condition | None] = {}
        for each in wanted:
            key = identity(each)
            for condition in self._params["conditions"]:
                if condition["kind"] == key.kind and condition["name"] in (None, key.name):
                    named[key] = (condition["type"], condition["status"])
            if predicates.awaited(key.kind) or "Ready" in predicates.conditions(self.after[key] or {"status": {}}):
                named.setdefault(key, None)
        # What the answer to its own change says already needs no watch.
        return self._wait_for({key: condition for key, condition in named.items() if not self._settled(key, condition)})

    def _settled(self, key: Identity, condition: Condition | None) -> bool:
        return (
            condition is None
            and key.kind in ("Service", "Namespace")
            and predicates.KINDS[key.kind](t.cast(Document, self.after[key])).ready
        )

    def _wait_for(self, named: dict[Identity, Condition | None]) -> float:
        deadline = Deadline(self._params["timeout"])
        if named:
            Waiter(self._service, named).until_ready(deadline.remaining)

        def left() -> list[Identity]:
            keys = list(self._deleted)
            found = in_parallel(self._service.read, keys)
            return [
                key
                for key, each in zip(keys, found)
                if each is not None and each["metadata"]["uid"] == self._deleted[key]
            ]

        if self._deleted:
            stuck, gone = deadline.wait_for(left, lambda keys: not keys, 0.05)
            if not gone:
                raise ScalingError(
                    f"{', '.join(map(str, stuck[:5]))}: deleted, but not gone after {self._params['timeout']:g} s.",
                    "Look for its metadata.finalizers, and for the controller that should take them away.",
                )
        return deadline.elapsed

    def outcome(self, waited: float) -> Outcome:
        """What changed, with the documents of what did; secrets hidden."""
        before: dict[str, t.Any] = {}
        after: dict[str, t.Any] = {}
        changes = []
        for key in sorted(self.after, key=lambda key: (objects.phase(key.kind), key)):
            was, will = diff.comparable(self.before.get(key)), diff.comparable(self.after[key])
            change = "unchanged"
            if was != will:
                change = "created" if was is None else "deleted" if will is None else "updated"
                was, will = diff.hidden(was, will)
                name = f"{key} ({key.api_version})"
                before.update({name: was} if was is not None else {})
                after.update({name: will} if will is not None else {})
            changes.append({**key._asdict(), "change": change})
        counts = {
            change: sum(each["change"] == change for each in changes)
            for change in ("created", "updated", "deleted", "unchanged")
        }
        return Outcome(before, after, "objects", objects=changes, counts=counts, waited=round(waited, 3))
