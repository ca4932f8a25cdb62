# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects as documents: where they come from, what identifies them, in which order they go in."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

Document = t.Dict[str, t.Any]

# What others stand on goes first. A kind that is not named here, of whatever group, is in between.
FIRST = [
    {"Namespace", "PriorityClass", "StorageClass", "RuntimeClass"},
    {"CustomResourceDefinition"},
    {
        "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ResourceQuota", "LimitRange",
        "NetworkPolicy", "ConfigMap", "Secret", "PersistentVolume", "PersistentVolumeClaim",
    },
]  # fmt: skip
# These act upon all that comes later.
LAST = {
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicyBinding",
    "APIService",
}


class Identity(t.NamedTuple):
    """What names an object in a cluster. A namespace is empty for objects without one."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def identity(document: Document) -> Identity:
    metadata = document["metadata"]
    return Identity(document["apiVersion"], document["kind"], metadata.get("namespace") or "", metadata["name"])


def phase(kind: str) -> int:
    """The place of a kind in the order of creation; what is deleted goes the other way."""
    for number, kinds in enumerate(FIRST):
        if kind in kinds:
            return number
    return len(FIRST) + (kind in LAST)


def load(definitions: t.Any, paths: list[str]) -> list[Document]:
    """All documents of a list (or of YAML text) and of files or folders, lists of objects unpacked.

    Raises:
        ScalingError: a file cannot be read, something is no Kubernetes object, or is there twice.
    """
    sources = [("definitions", each) for each in _documents(definitions, "definitions")]
    for path in _files(paths):
        try:
            text = pathlib.Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScalingError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
        sources += [(path, each) for each in _documents(text, path)]
    found: dict[Identity, str] = {}
    documents = []
    for source, document in sources:
        for each in _unpacked(document):
            key = _checked(each, source)
            if key in found:
                raise ScalingError(f"{key} is wanted twice, in {found[key]} and in {source}.", "Take one away.")
            found[key] = source
            documents.append(each)
    return documents


def _files(paths: list[str]) -> list[str]:
    found = []
    for path in paths:
        if pathlib.Path(path).is_dir():
            inside = sorted(pathlib.Path(path).iterdir())
            found += [str(each) for each in inside if each.suffix in (".yml", ".yaml", ".json")]
        else:
            found.append(path)
    return found


def _documents(content: t.Any, source: str) -> list[t.Any]:
    if isinstance(content, str):
        import yaml

        try:
            return list(yaml.load_all(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        except yaml.YAMLError as error:
            raise ScalingError(f"{source} is not YAML: {' '.join(str(error).split())}.") from None
    if isinstance(content, list):
        return [each for item in content for each in (_documents(item, source) if isinstance(item, str) else [item])]
    return [content] if content else []


def _unpacked(document: t.Any) -> list[t.Any]:
    if document is None:
        return []  # nothing between two lines of dashes
    if (
        isinstance(document, dict)
        and isinstance(document.get("items"), list)
        and str(document.get("kind")).endswith("List")
    ):
        return document["items"]
    return [document]


def _checked(document: t.Any, source: str) -> Identity:
    if not isinstance(document, dict) or not document.get("apiVersion") or not document.get("kind"):
        raise ScalingError(f"{source} has something that is no Kubernetes object: apiVersion or kind is missing.")
    name = (document.get("metadata") or {}).get("name")
    if not name or not isinstance(name, str):
        raise ScalingError(
            f"A {document['kind']} in {source} has no metadata.name.",
            "Objects are kept as they are wanted, so each needs a name of its own; generateName gives none.",
        )
    return identity(document)


def selected(labels: dict[str, str] | None, selector: dict[str, str]) -> bool:
    """Whether labels have all of a selector's."""
    return all((labels or {}).get(name) == value for name, value in selector.items())
