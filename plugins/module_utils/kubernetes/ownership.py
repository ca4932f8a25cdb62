# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether applying a document would change anything, from what the API server keeps about its field managers.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document

# Part of an object's identity, so nobody owns them.
UNOWNED = {(): {"apiVersion", "kind"}, ("metadata",): {"name", "namespace"}}


def applied(wanted: Document, there: Document, manager: str) -> bool:
    """Whether the manager has applied exactly these fields, and all still have these values.

    False where that cannot be told, as with values that the server writes in another way (`1000m` for `1`): applying
    then changes nothing, and only takes a request.
    """
    return any(
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and entry.get("apiVersion") == wanted["apiVersion"]
        and not entry.get("subresource")
        and _same(entry.get("fieldsV1") or {}, wanted, there, ())
        for entry in there["metadata"].get("managedFields") or []
    )


def _same(fields: Document, wanted: t.Any, there: t.Any, path: tuple[str, ...]) -> bool:
    """Whether the owned fields are those of `wanted`, with equal values; no fields below mean the whole value."""
    below = {name: each for name, each in fields.items() if name != "."}
    if not below and path:
        return wanted is not None and wanted == there
    if isinstance(wanted, dict) and isinstance(there, dict):
        names = set(wanted) - UNOWNED.get(path, set())
        return {f"f:{name}" for name in names} == set(below) and all(
            name in there and _same(below[f"f:{name}"], wanted[name], there[name], (*path, name)) for name in names
        )
    if isinstance(wanted, list) and isinstance(there, list) and len(below) == len(wanted):
        return _same_items(below, wanted, there, path)
    return False


def _same_items(fields: Document, wanted: list[t.Any], there: list[t.Any], path: tuple[str, ...]) -> bool:
    """The same for a list whose items are named by some of their fields (`k:`), or by their values (`v:`)."""
    places = []
    for name, below in fields.items():
        sort, _, text = name.partition(":")
        if sort not in ("k", "v"):
            return False
        mine, theirs = (_places(items, sort, json.loads(text)) for items in (wanted, there))
        if len(mine) != 1 or len(theirs) != 1:
            return False
        if sort == "k" and not _same(below, wanted[mine[0]], there[theirs[0]], (*path, name)):
            return False
        places.append((mine[0], theirs[0]))
    # Applying would put them in the order of `wanted`.
    return sorted(places) == sorted(places, key=lambda pair: pair[1])


def _places(items: list[t.Any], sort: str, key: t.Any) -> list[int]:
    """Where the items of this name are: those that have its fields, or its value."""
    if sort == "v":
        return [place for place, each in enumerate(items) if each == key]
    return [
        place
        for place, each in enumerate(items)
        if isinstance(each, dict) and all(each.get(name) == value for name, value in key.items())
    ]
