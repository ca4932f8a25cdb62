# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of an object is compared and shown: without what the server itself keeps in it, and without secrets."""

from __future__ import annotations

import copy

from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import MASK
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document

# The server's and the controllers' own notes.
OWN = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
NOTES = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")


def comparable(document: Document | None) -> Document | None:
    """An object without its status and without what the server itself keeps in it; None stays None."""
    if document is None:
        return None
    # Only what is taken away lies on the way that is copied: objects may be large.
    plain = {key: value for key, value in document.items() if key != "status"}
    metadata = {key: value for key, value in document["metadata"].items() if key not in OWN}
    if "annotations" in metadata:
        metadata["annotations"] = {key: value for key, value in metadata["annotations"].items() if key not in NOTES}
        if not metadata["annotations"]:
            del metadata["annotations"]
    plain["metadata"] = metadata
    return plain


def hidden(before: Document | None, after: Document | None) -> tuple[Document | None, Document | None]:
    """Both without the data of Secrets; that a value has changed is still to be seen."""
    return _masked(before, after, "before"), _masked(after, before, "after")


def _masked(document: Document | None, other: Document | None, when: str) -> Document | None:
    if document is None or document.get("kind") != "Secret":
        return document
    shown = copy.deepcopy(document)
    for part in ("data", "stringData"):
        values = shown.get(part) or {}
        others = (other or {}).get(part) or {}
        for name in values:
            same = name in others and others[name] == values[name]
            values[name] = MASK if same or name not in others else f"{MASK} ({when})"
    return shown
