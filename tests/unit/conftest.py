# SPDX-License-Identifier: GPL-3.0-or-later
"""Make `ansible_collections.horizontal.scaling` importable from this checkout, as Ansible itself would."""

from __future__ import annotations

import os
import sys


def _collections_root() -> str:
    """The collections path that holds this checkout (ansible-test brings its own)."""
    return os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep)[0]


if "ansible_collections" not in sys.modules and _collections_root():
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder(paths=[_collections_root()])._install()
