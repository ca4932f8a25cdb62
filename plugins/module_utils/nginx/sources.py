# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the upstreams are: one file each as the role writes them, or anywhere in a person's own configuration."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .tree import Tree
from .upstream import Upstream, parse_line


class Sources:
    """The upstreams of one configuration tree.

    Args:
        tree: the configuration.
        directory: of the role's upstream files, relative to the tree's root.
    """

    def __init__(self, tree: Tree, directory: str = "upstreams") -> None:
        self._tree = tree
        self._directory = tree.root / directory
        self._own: dict[str, Upstream] | None = None

    def of_role(self) -> list[Upstream]:
        """The upstreams of the role's files, by name."""
        files = sorted(self._directory.glob("*.conf")) if self._directory.is_dir() else []
        return [Upstream(path.stem, str(path), self._tree.read(path)) for path in files]

    def all(self) -> list[Upstream]:
        """All upstreams of the whole configuration, by name."""
        return [upstream for _, upstream in sorted(self._from_configuration().items())]

    def upstream(self, name: str) -> Upstream:
        """One upstream; raises ScalingError when there is none of that name."""
        path = self._directory / f"{name}.conf"
        if path.is_file():
            return Upstream(name, str(path), self._tree.read(path))
        own = self._from_configuration()
        if name not in own:
            known = ", ".join(sorted({*own, *(path.stem for path in self._directory.glob("*.conf"))})) or "none"
            raise ScalingError(
                f"{self._tree.config} has no upstream '{name}' (it has: {known}).",
                "Correct option 'backend', or apply the nginx role with that service.",
            )
        return own[name]

    def names(self, backend: str, server: str, state: str | None) -> list[str]:
        """The upstreams that a wanted state means; '*' is every upstream that has the server."""
        if backend != "*":
            return [backend]
        if state == "present":
            raise ScalingError(
                f"Server '{server}' cannot be added to backend '*'.", "Name the backend that should get it."
            )
        found = [upstream.name for upstream in self.of_role() or self.all() if server in upstream.servers]
        if not found and state != "absent":
            raise ScalingError(f"No upstream of {self._tree.config} has a server '{server}'.", "Correct option 'name'.")
        return found

    def _from_configuration(self) -> dict[str, Upstream]:
        if self._own is None:
            self._own = dict(self._parse())
        return self._own

    def _parse(self) -> t.Iterator[tuple[str, Upstream]]:
        try:
            import crossplane  # noqa: PLC0415
        except ImportError as error:
            raise ScalingError(
                f"Upstreams outside of {self._directory} are found with the Python package 'crossplane', "
                "which is not installed on this host.",
                "Install it (python3-crossplane or from PyPI), or correct option 'backend'.",
            ) from error
        payload = crossplane.parse(str(self._tree.config), check_ctx=False, check_args=False)
        for error in payload["errors"]:
            raise ScalingError(f"{error['file']} cannot be parsed: {error['error']}.")
        for part in payload["config"]:
            for block in _upstream_blocks(part["parsed"]):
                yield block["args"][0], self._block(part["file"], block)

    def _block(self, path: str, block: dict[str, t.Any]) -> Upstream:
        try:
            Path(path).resolve().relative_to(self._tree.root.resolve())
        except ValueError as error:
            raise ScalingError(
                f"Upstream '{block['args'][0]}' is in {path}, outside of {self._tree.root}.",
                "Only files below the directory of the configuration can be validated before they are replaced.",
            ) from error
        text = self._tree.read(Path(path))
        lines = text.splitlines()
        last = max((directive["line"] for directive in block["block"]), default=block["line"])
        upstream = Upstream(block["args"][0], path, text, (block["line"] - 1, last - 1))
        for directive in block["block"]:
            if directive["directive"] == "server" and parse_line(lines[directive["line"] - 1]) is None:
                upstream.add_fixed("server " + " ".join(directive["args"]) + ";", directive["line"])
        return upstream


def _upstream_blocks(directives: list[dict[str, t.Any]]) -> t.Iterator[dict[str, t.Any]]:
    for directive in directives:
        if directive["directive"] == "upstream":
            yield directive
        elif directive["directive"] in ("http", "stream"):
            yield from _upstream_blocks(directive["block"])
