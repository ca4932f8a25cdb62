# SPDX-License-Identifier: GPL-3.0-or-later
"""What was recorded from Kubernetes 1.37, behind the verbs that modules use."""

from __future__ import annotations

import copy
import json
import types
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import identity

FIXTURES = Path(__file__).parent / "fixtures"


def documents(name: str) -> list[dict[str, t.Any]]:
    """The objects of a namespace at one moment."""
    return json.loads((FIXTURES / f"{name}.json").read_text())


class Cluster:
    """Reads come from the recording; writes are kept, and change nothing."""

    def __init__(self, *found: dict[str, t.Any]) -> None:
        self.objects = {identity(each): each for each in found}
        self.writes: list[tuple[t.Any, ...]] = []
        self.client = types.SimpleNamespace(request=self._request)

    def __call__(self, _client: t.Any) -> Cluster:
        return self

    def resource(self, api_version: str, kind: str) -> t.Any:
        return types.SimpleNamespace(namespaced=kind not in ("Namespace", "Node"))

    def read(self, key: t.Any) -> dict[str, t.Any] | None:
        return copy.deepcopy(self.objects.get(key))

    def list(self, key: t.Any, labels: str = "") -> tuple[list[dict[str, t.Any]], str]:
        return [each for other, each in self.objects.items() if other[:3] == key[:3]], "1"

    def apply(self, document: dict[str, t.Any], manager: str, force: bool, check: bool) -> dict[str, t.Any]:
        self.writes.append(("apply", str(identity(document)), check))
        return document

    def patch(self, key: t.Any, patch: t.Any, check: bool, content_type: str = "") -> dict[str, t.Any]:
        self.writes.append(("patch", str(key), check))
        return copy.deepcopy(self.objects[key])

    def delete(self, key: t.Any, uid: str, check: bool) -> None:
        self.writes.append(("delete", str(key), check))

    def _request(self, method: str, path: str, query: dict[str, str]) -> dict[str, t.Any]:
        node = query["fieldSelector"].rpartition("=")[2]
        return {"items": [each for each in self.objects.values() if each["spec"].get("nodeName") == node]}
