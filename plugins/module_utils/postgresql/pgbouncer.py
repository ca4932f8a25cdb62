# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module pgbouncer does on the pooler's own host: where databases lead, whether clients are held back."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from .account import Account
from .client import library
from .pooler import CONSOLE, Database, Pooler
from .predicates import Document

_INCLUDE = re.compile(r"^\s*%include\s+(\S+)\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^\s*(\"(?:[^\"]|\"\")+\"|[^\s=;\[#]+)\s*=\s*(.*)$")
_KEYWORD = re.compile(r"(\w+)\s*=\s*('(?:[^']|'')*'|\S+)")


def converge(params: Document, check_mode: bool) -> Outcome:
    """Entry point of pgbouncer; raises ScalingError. Clients that it could not hold back in time go on."""
    library()
    pooler = Pooler(
        {"host": params["socket_directory"], "port": params["port"], "user": CONSOLE},
        Account(params["owner"]),
        5,
        params["databases"],
    )
    try:
        return _converge(params, pooler, check_mode)
    finally:
        pooler.close()


def _converge(params: Document, pooler: Pooler, check_mode: bool) -> Outcome:
    config = Path(params["config_file"])
    before = _state(config, pooler.databases())
    places = _places(params["include"])
    if params["databases"]:
        places = {name: place for name, place in places.items() if name in params["databases"]}
    after = wanted(before, params["include"], params["state"], places)
    if before != after and not check_mode:
        deadline = Deadline(params["timeout"])
        try:
            if params["state"] == "paused":
                pooler.pause(deadline)
            if params["include"]:
                _write(config, f"%include {params['include']}\n")
                pooler.configure(str(config))
        except ScalingError:
            for name, entry in before["databases"].items():
                # What was held back by somebody else before stays so.
                if not entry["paused"]:
                    pooler.resume([name])
            raise
        if params["state"] == "running":
            pooler.resume()
        found = _state(config, pooler.databases())
        if found != after:
            raise ScalingError(
                f"The pooler at {pooler.place} is not in the wanted state: it has {found}.",
                "Its log has the reason.",
            )
    return Outcome(before, after, "pgbouncer", **after)


def wanted(before: Document, include: str, state: str | None, places: dict[str, tuple[str, int]]) -> Document:
    """The state after a change, computed from the one before; pure.

    Args:
        include: the configuration that is to be included; empty leaves it.
        places: host and port of each database there.
    """
    databases = {}
    for name in places or before["databases"]:
        entry = before["databases"].get(name, {"host": "", "port": 5432, "paused": False})
        host, port = places.get(name, (entry["host"], entry["port"]))
        databases[name] = {
            "host": host,
            "port": port,
            "paused": entry["paused"] if state is None else state == "paused",
        }
    return {"include": include or before["include"], "databases": databases}


def places_of(text: str) -> dict[str, tuple[str, int]]:
    """Host and port of each entry in the section databases of a configuration; `*` is not among them."""
    found, inside = {}, False
    for line in text.splitlines():
        if line.strip().startswith("["):
            inside = line.strip() == "[databases]"
            continue
        match = _ENTRY.match(line)
        if inside and match and match.group(1) != "*":
            words = {key: value.strip("'").replace("''", "'") for key, value in _KEYWORD.findall(match.group(2))}
            name = match.group(1).strip('"').replace('""', '"')
            found[name] = (words.get("host", ""), int(words.get("port", 5432)))
    return found


def _places(path: str) -> dict[str, tuple[str, int]]:
    if not path:
        return {}
    try:
        return places_of(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ScalingError(f"include: {path} cannot be read ({error.strerror}).", "Run the role pgbouncer.") from error


def _state(config: Path, databases: list[Database]) -> Document:
    try:
        found = _INCLUDE.findall(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScalingError(
            f"config_file: {config} cannot be read ({error.strerror}).", "Name the one that it starts with."
        ) from error
    return {
        "include": found[0] if found else "",
        "databases": {each.name: {"host": each.host, "port": each.port, "paused": each.paused} for each in databases},
    }


def _write(path: Path, text: str) -> None:
    """Replace a file at once, with its owner and mode."""
    if path.read_text(encoding="utf-8") == text:
        return
    there = path.stat()
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w", encoding="utf-8") as stream:
            os.fchown(stream.fileno(), there.st_uid, there.st_gid)
            os.fchmod(stream.fileno(), there.st_mode & 0o7777)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except OSError as error:
        raise ScalingError(f"config_file: {path} cannot be written ({error.strerror}).") from error
