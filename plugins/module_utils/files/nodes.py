# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted below a directory, and what is there: plain values that can be compared."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
import typing as t
from pathlib import Path, PurePosixPath

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

DEFAULT_MODES = {"file": 0o644, "directory": 0o755}


class Node(t.NamedTuple):
    """A path as it is or should be. A wanted owner that the host does not know yet stays a name."""

    kind: str  # absent, file, directory, link or other
    content: bytes | None = None
    mode: int | None = None
    owner: int | str | None = None
    group: int | str | None = None
    target: str = ""


ABSENT = Node("absent")


class Entry(t.NamedTuple):
    """One wanted path, relative to the root."""

    path: str
    node: Node
    sensitive: bool


def relative(path: str, option: str) -> str:
    """The path in its plain form; refused when it could point outside the root."""
    pure = PurePosixPath(path)
    if not path or "\0" in path or pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ScalingError(
            f"{option} '{path}' is not accepted:", "give a path relative to the root and without '..' in it."
        )
    return str(pure)


def wanted(files: list[dict[str, t.Any]], strict: bool) -> list[Entry]:
    """The option ``files`` as entries.

    Args:
        strict: unknown owners and groups are errors (outside check mode).
    """
    entries: dict[str, Entry] = {}
    for number, item in enumerate(files):
        option = f"files[{number}]"
        path = relative(item["path"], f"{option}.path")
        if path in entries:
            raise ScalingError(f"{option}.path '{path}' is listed twice.", "List every path once.")
        entries[path] = Entry(path, _node(item, option, strict), bool(item.get("sensitive")))
    _refuse_nested(entries)
    return list(entries.values())


def _refuse_nested(entries: dict[str, Entry]) -> None:
    for path, entry in entries.items():
        for parent in PurePosixPath(path).parents:
            above = entries.get(str(parent))
            if above and above.node.kind == "file" and entry.node.kind != "absent":
                raise ScalingError(f"'{above.path}' is wanted as a file, yet '{path}' lies below it.", "Remove one.")


def _node(item: dict[str, t.Any], option: str, strict: bool) -> Node:
    state = item.get("state") or "file"
    content = item.get("content")
    if state == "file" and content is None:
        raise ScalingError(f"{option} ('{item['path']}') has no content.", "Give content, or state: absent.")
    if state != "file" and content is not None:
        raise ScalingError(f"{option} ('{item['path']}') has content and state {state}.", "Give one of the two.")
    if state == "absent":
        return ABSENT
    return Node(
        state,
        content.encode("utf-8", "surrogateescape") if state == "file" else None,
        _mode(item.get("mode"), state, option),
        _identity(item.get("owner"), f"{option}.owner", strict, lambda name: pwd.getpwnam(name).pw_uid),
        _identity(item.get("group"), f"{option}.group", strict, lambda name: grp.getgrnam(name).gr_gid),
    )


def _mode(value: str | None, state: str, option: str) -> int:
    if value in (None, ""):
        return DEFAULT_MODES[state]
    if not re.match(r"^0?[0-7]{3,4}\Z", str(value)):
        raise ScalingError(f"{option}.mode '{value}' is not a file mode.", "Give it in octal and quoted, as '0644'.")
    return int(str(value), 8)


def _identity(value: str | None, option: str, strict: bool, look_up: t.Callable[[str], int]) -> int | str:
    if value in (None, ""):
        return os.geteuid() if option.endswith("owner") else os.getegid()
    if str(value).isdigit():
        return int(str(value))
    try:
        return look_up(str(value))
    except KeyError:
        if strict:
            raise ScalingError(f"{option} '{value}' does not exist on this host.", "Create it first.") from None
        return str(value)


def found(path: Path) -> Node:
    """What is at a path; a symbolic link is not followed."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except OSError as error:
        raise ScalingError(f"{path} cannot be looked at: {error.strerror}.") from error
    mode, owner, group = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    if stat.S_ISLNK(status.st_mode):
        return Node("link", None, mode, owner, group, os.readlink(str(path)))
    if stat.S_ISDIR(status.st_mode):
        return Node("directory", None, mode, owner, group)
    if not stat.S_ISREG(status.st_mode):
        return Node("other", None, mode, owner, group)
    try:
        return Node("file", path.read_bytes(), mode, owner, group)
    except OSError as error:
        raise ScalingError(f"{path} cannot be read: {error.strerror}.") from error
