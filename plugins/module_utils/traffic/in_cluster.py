# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What routers in a Kubernetes cluster share: one field of one object is the split, and others make it come true."""

from __future__ import annotations

import abc
import contextlib
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import STEPS, ApiError, connect
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.endpoints import SERVICE
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import Service

from .router import Router
from .split import NAMED, Document, Split, State

# Seconds that a refusal has to last until it counts: controllers may see a Service later than what refers to it.
REFUSED = 5.0


class Answer(t.NamedTuple):
    """What the cluster says about the field.

    Attributes:
        done: it is in force.
        reason: what is missing, in a few words.
        refused: it was looked at, and will not come into force.
    """

    done: bool
    reason: str = ""
    refused: bool = False


class InCluster(Router):
    """One service whose split is one field of an object.

    Attributes:
        key: the object.
        field: JSON pointer to the field.
    """

    field: tuple[str, ...]

    def __init__(self, parameters: Document, api_version: str, kind: str) -> None:
        super().__init__(parameters)
        self.key = Identity(api_version, kind, parameters["namespace"], parameters["service"])
        self._cluster = Service(connect(parameters))
        self._seconds = parameters["wait_timeout"]
        self._found: Document = {}

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Nothing is locked: a write names the value that was read, and the server refuses it when that has changed."""
        self._look()
        yield

    @abc.abstractmethod
    def value(self, split: Split) -> t.Any:
        """What the field has to be for a split."""

    @abc.abstractmethod
    def meant(self, document: Document) -> Split:
        """The split that an object as the server has it means."""

    @abc.abstractmethod
    def answer(self) -> Answer:
        """Whether what the object says is in force."""

    def refuse(self, state: State, split: Split) -> None:
        """Raises ScalingError for what the server would not take, or would take for something else."""
        if split == state.split:
            return
        meant = self.meant(self._write(self._value(), self.value(split), check=True))
        wanted, kept = split.view(), meant.view()
        other = [f"{name} {kept[name]} of {wanted[name]}" for name in wanted if kept[name] != wanted[name]]
        if other:
            raise ScalingError(
                f"The API server would make {', '.join(other)} in {self.key}.",
                "The definition of its kind in this cluster may be too old for that, or an admission changes it.",
            )

    def apply(self, state: State, split: Split) -> Document:
        """Write the field, and wait until it is in force; when it does not come to that, write what was there."""
        before, after = self._value(), self.value(split)
        if after != before:
            self._write(before, after)
        reason = self._wait()
        if reason:
            kept = self._put_back(after, before) if after != before else ""
            raise ScalingError(
                f"The split of service '{self._service}' did not come into force: {reason}.{kept}",
                f"See `kubectl --namespace {self.key.namespace} describe {self.key.kind.lower()} {self.key.name}`,"
                " correct it, and run this again.",
            )
        return {}

    def _put_back(self, after: t.Any, before: t.Any) -> str:
        try:
            self._write(after, before)
        except ScalingError as error:
            return f" What was there before could not be put back: {error}"
        return " What was there before has been put back."

    def _look(self) -> None:
        found = self._cluster.read(self.key)
        if found is None:
            raise ScalingError(f"{self.key} is not there.", "Apply it first.")
        self._found = found

    def _value(self) -> t.Any:
        value: t.Any = self._found
        for name in self.field:
            value = value.get(name) or {}
        return value

    def _write(self, before: t.Any, after: t.Any, check: bool = False) -> Document:
        """Replace the field if it is still what was read.

        Status may be written meanwhile, so the object's resourceVersion would say too often that it is not.
        """
        path = "/" + "/".join(self.field)
        steps = [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]
        try:
            return self._cluster.patch(self.key, steps, check, STEPS)
        except ApiError as error:
            if error.status == 422:  # said of a test that fails as well as of a value that is invalid
                self._look()
                if self._value() != before:
                    raise ScalingError(
                        f"{self.key} has been changed by somebody else meanwhile.", "Run this again."
                    ) from None
            raise

    def _wait(self) -> str:
        """Empty once the field is in force, else why it is not."""
        refused_since: list[float] = []
        deadline = Deadline(self._seconds)

        def ended(answer: Answer) -> bool:
            if not answer.refused:
                refused_since.clear()
            elif not refused_since:
                refused_since.append(deadline.elapsed)
            return answer.done or bool(refused_since and deadline.elapsed - refused_since[0] >= REFUSED)

        answer, in_time = deadline.wait_for(self.answer, ended, 0.1)
        if answer.done:
            return ""
        return answer.reason if in_time else f"{answer.reason}, after {self._seconds:g} s"

    def _slices(self, services: t.Iterable[str]) -> list[Document]:
        key = Identity("discovery.k8s.io/v1", "EndpointSlice", self.key.namespace, "")
        return self._cluster.list(key, f"{SERVICE} in ({','.join(sorted(services))})")[0]


def refuse_stickiness(split: Split, reason: str, hint: str) -> None:
    """Raises ScalingError where a client would have to keep its version by anything."""
    if split.sticky["by"] != "chance":
        name = f" {split.sticky['name']}" if split.sticky["by"] in NAMED else ""
        raise ScalingError(f"sticky: by is {split.sticky['by']}{name}, but {reason}.", hint)
