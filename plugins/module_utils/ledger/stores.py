# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The back ends of the ledger, by the options of its modules."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import OPTIONS, connect
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import Service

from . import config_map_store, file_store
from .config_map_store import ConfigMapStore
from .file_store import FileStore

Store = t.Union[FileStore, ConfigMapStore]

WHERE: dict[str, t.Any] = {
    "path": {"type": "path", "default": "/var/lib/horizontal_scaling/rollouts"},
    "kubernetes": {"type": "dict", "options": {"namespace": {"type": "str", "required": True}, **OPTIONS}},
}


class Stores:
    """Where the records of all services are.

    Args:
        parameters: values of the options in ``WHERE``.
    """

    def __init__(self, parameters: t.Mapping[str, t.Any]) -> None:
        self._path = parameters["path"]
        given = parameters.get("kubernetes")
        self._namespace = given["namespace"] if given else ""
        self._cluster = Service(connect(given)) if given else None

    def of(self, service: str) -> Store:
        """The records of one service, whose name was checked."""
        if self._cluster:
            return ConfigMapStore(self._cluster, self._namespace, service)
        return FileStore(self._path, service)

    def services(self) -> list[str]:
        """Names of the services that have records."""
        if self._cluster:
            return config_map_store.services(self._cluster, self._namespace)
        return file_store.services(self._path)
