# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Kubernetes Service as a router: its selector chooses the one version that gets all requests, by a label of pods.

https://kubernetes.io/docs/concepts/services-networking/service/
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import endpoints, predicates
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Identity, selected

from .in_cluster import Answer, InCluster, refuse_stickiness
from .split import BY_CHANCE, WHOLE, Document, Split, State


class Kubernetes(InCluster):
    """One Service."""

    field = ("spec", "selector")

    def __init__(self, parameters: Document) -> None:
        super().__init__(parameters, "v1", "Service")
        self._label = parameters["version_label"]
        self._versions: dict[str, int] = {}

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Nothing is locked, as with all routers in a cluster; but the Service has to choose a version."""
        with super().locked():
            selector = self._value()
            if self._label not in selector or len(selector) == 1:
                raise ScalingError(
                    f"{self.key} does not choose a version: its selector has "
                    f"{', '.join(sorted(selector)) or 'no labels'}.",
                    f"Give it {self._label}, and beside that labels which all versions of the service have.",
                )
            yield

    def read(self) -> State:
        """The selector, and who takes requests by it."""
        self._look()
        self._versions = versions_of(self._value(), self._label, self._pods())
        return State(self.meant(self._found), self._versions, settled=self.answer().done)

    def refuse(self, state: State, split: Split) -> None:
        """Raises ScalingError for what a selector cannot do."""
        instead = "Use the router gateway_api, or a load balancer before the cluster."
        if sorted(split.weights.values())[-1:] != [WHOLE]:
            shares = ", ".join(f"{version} {share}" for version, share in sorted(split.weights.items()))
            raise ScalingError(f"weights: {shares}, but a Service leads all requests to one version.", instead)
        if split.match:
            raise ScalingError("match: a Service does not look into requests.", instead)
        if split.mirror:
            raise ScalingError("mirror: a Service does not copy requests.", instead)
        refuse_stickiness(
            split,
            "a Service has one version for everybody",
            "Leave sticky out; sessionAffinity of the Service binds clients to pods.",
        )
        super().refuse(state, split)

    def value(self, split: Split) -> Document:
        chosen = [version for version, share in split.weights.items() if share == WHOLE]
        return {**self._value(), self._label: chosen[0]}

    def meant(self, document: Document) -> Split:
        chosen = document["spec"]["selector"][self._label]
        weights = {**dict.fromkeys(self._versions, 0), chosen: WHOLE}
        return Split(weights, [], dict(BY_CHANCE), {})

    def answer(self) -> Answer:
        self._look()
        pods = self._pods()
        return followed(self._value(), self._label, pods, endpoints.ready(self._slices([self.key.name]), self.key.name))

    def _pods(self) -> list[Document]:
        common = {name: value for name, value in self._value().items() if name != self._label}
        labels = ",".join([*(f"{name}={value}" for name, value in sorted(common.items())), self._label])
        return self._cluster.list(Identity("v1", "Pod", self.key.namespace, ""), labels)[0]


def versions_of(selector: t.Mapping[str, str], label: str, pods: t.Iterable[Document]) -> dict[str, int]:
    """Version to its number of pods that would take requests: those that have all other labels of the selector."""
    found = {selector[label]: 0}
    for pod in _of(selector, label, pods):
        version = pod["metadata"]["labels"][label]
        takes = predicates.conditions(pod).get("Ready", {}).get("status") == "True"
        found[version] = found.get(version, 0) + (takes and not pod["metadata"].get("deletionTimestamp"))
    return found


def followed(selector: t.Mapping[str, str], label: str, pods: t.Iterable[Document], ready: set[str]) -> Answer:
    """Whether the endpoints are those of the version that the selector chooses.

    Args:
        ready: names of pods that take the Service's requests. One that is not among `pods` came or went meanwhile, and
            says nothing.
    """
    pods = list(pods)
    versions = {pod["metadata"]["name"]: pod["metadata"]["labels"][label] for pod in _of(selector, label, pods)}
    others = sorted(name for name in ready if versions.get(name, selector[label]) != selector[label])
    if others:
        return Answer(False, f"EndpointSlices still have pods of another version ({', '.join(others[:3])})")
    if not ready and versions_of(selector, label, pods)[selector[label]]:
        return Answer(False, f"EndpointSlices have no pod of version {selector[label]} yet")
    return Answer(True)


def _of(selector: t.Mapping[str, str], label: str, pods: t.Iterable[Document]) -> list[Document]:
    common = {name: value for name, value in selector.items() if name != label}
    found = [pod for pod in pods if selected(pod["metadata"].get("labels"), common)]
    return [pod for pod in found if label in pod["metadata"]["labels"]]
