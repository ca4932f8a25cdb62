# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""NGINX as a router: an upstream for each version, chosen by split_clients in a file that is replaced and reloaded.

NGINX tells nobody what it runs with. What is in force is the file, unless a reload is due.
"""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.process import Process
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.service import Service
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.sources import Sources
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.split_file import location, parse, render
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.tree import Tree

from . import described
from .router import Router
from .split import Document, Split, State, in_order


class Nginx(Router):
    """One service behind the NGINX of this host."""

    def __init__(self, parameters: Document) -> None:
        super().__init__(parameters)
        self._parameters = parameters
        self._tree = Tree(parameters["config"], parameters["binary"])
        self._process = Process(parameters["pid_file"])
        self._sources = Sources(self._tree)
        self._folder = self._tree.root / "splits"
        self._leaving: set[int] = set()

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """No other editor of the configuration meanwhile."""
        if not self._file("conf").is_file():
            raise ScalingError(
                f"NGINX at {self._tree.config} does not split service '{self._service}'.",
                "Give the service 'split' and its servers a 'version' in nginx_services, and apply the role nginx.",
            )
        with self._tree.locked():
            yield

    def read(self) -> State:
        """From the files that the process has read."""
        prefix = self._service + "."
        versions = {
            upstream.name[len(prefix) :]: sum(
                server.state == "ready" and server.weight > 0 for server in upstream.servers.values()
            )
            for upstream in self._sources.of_role()
            if upstream.name.startswith(prefix)
        }
        found = parse(self._tree.read(self._file("conf")))
        split = Split(
            {**dict.fromkeys(versions, 0), **found["weights"]},
            in_order(found["match"]),
            found["sticky"],
            found["mirror"],
        )
        return State(split, versions, settled=not self._tree.pending())

    def refuse(self, state: State, split: Split) -> None:
        """Raises ScalingError for what NGINX cannot do."""
        names = [(rule["by"], rule["name"]) for rule in split.match] + [(split.sticky["by"], split.sticky["name"])]
        for by, name in names:
            if by == "cookie" and "-" in name:
                raise ScalingError(
                    f"NGINX cannot read the cookie '{name}', since its name has a -.",
                    "Give it letters, digits and _ only, or use another router.",
                )

    def apply(self, state: State, split: Split) -> Document:
        """Validate the new files on a copy, install them and reload."""
        now = {str(self._file(kind)): self._tree.read(self._file(kind)) for kind in ("conf", "location")}
        found = parse(now[str(self._file("conf"))])
        texts = {
            str(self._file("conf")): render(self._service, found["header"], found["configured"], split.view()),
            str(self._file("location")): location(self._service, found["header"], split.view()),
        }
        texts = {path: text for path, text in texts.items() if text != now[path]}
        service = Service(
            self._tree,
            self._process,
            self._sources,
            error_log=self._parameters["error_log"],
            closing=self._parameters["closing_file"],
        )
        self._leaving = service.replace(texts, self._parameters["settle"])
        return {"files": sorted(texts), "reloaded": bool(self._leaving)}

    def finish(self) -> Document:
        """Wait until the workers have gone that know the split of before."""

        def left() -> list[int]:
            return [
                worker.pid for worker in self._process.workers(self._process.master()) if worker.pid in self._leaving
            ]

        old, _ = Deadline(self._parameters["drain_timeout"]).wait_for(left, lambda pids: not pids, 0.05, 0.5)
        return {"remaining_workers": old}

    def _file(self, kind: str) -> Path:
        return self._folder / f"{self._service}.{kind}"


def described_files(service: t.Mapping[str, t.Any], there: t.Mapping[str, str], header: str) -> list[Document]:
    """Files of the split in a service's data, as path and content.

    Args:
        there: text of the file that the host has, by service. What was set at run time is kept as long as the data
            are the same.
        header: comment lines.
    """
    split = described.split_of(service)
    configured = described.configured(split)
    found = parse(there.get(service["name"], ""))
    if found["configured"] == configured:
        split = Split(
            {**dict.fromkeys(split.weights, 0), **found["weights"]},
            in_order(found["match"]),
            found["sticky"],
            found["mirror"],
        )
    name = service["name"]
    header = (
        f"{header.strip()}\n# Written by traffic_split as well; what it has set lasts until what is configured changes."
    )
    return [
        {"path": f"splits/{name}.conf", "content": render(name, header, configured, split.view())},
        {"path": f"splits/{name}.location", "content": location(name, header, split.view())},
    ]
