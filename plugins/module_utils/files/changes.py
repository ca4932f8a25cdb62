# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The difference between what is and what is wanted, as values, and how a person sees it."""

from __future__ import annotations

import grp
import pwd
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_text
from ansible_collections.horizontal.scaling.plugins.module_utils.files.nodes import ABSENT, Entry, Node, found, relative

HIDDEN = "(sensitive content, not shown)\n"


class Change(t.NamedTuple):
    """One path below the root that is not as wanted."""

    path: str
    before: Node
    after: Node
    sensitive: bool

    def hide(self, text: str) -> str:
        """The text without what must stay secret of this file."""
        if not self.sensitive:
            return text
        return hide_text(text, (self.after.content or b"").decode(errors="replace"))


def inside(root: Path, path: str) -> Path:
    """The real place of a path below the root; refused when a link on the way leads out of it."""
    place = root / path
    parent = Path(place.parent.resolve()) if place.parent.exists() else place.parent
    if root != parent and root not in parent.parents:
        raise ScalingError(
            f"'{path}' leads out of {root} to {parent} by a symbolic link.", "Remove the link, or choose another root."
        )
    return place


def compute(root: Path, entries: list[Entry], prune: list[str]) -> list[Change]:
    """What has to change, in the order of installation: directories and files, then what goes."""
    listed = {entry.path for entry in entries}
    changes = []
    for entry in entries:
        before = found(inside(root, entry.path))
        _refuse_other(root, entry, before)
        if before != entry.node:
            changes.append(Change(entry.path, before, entry.node, entry.sensitive))
    for path in _pruned(root, prune, listed):
        changes.append(Change(path, found(root / path), ABSENT, True))
    return sorted(changes, key=_order)


def _order(change: Change) -> tuple[int, str]:
    if change.after.kind == "absent":
        return 3, change.path
    if change.after.kind == "directory":
        return 0, change.path
    return (1 if change.before.kind == "absent" else 2), change.path


def _refuse_other(root: Path, entry: Entry, before: Node) -> None:
    """Only files, links and directories of the wanted kind are touched."""
    fits = before.kind in ("absent", "file", "link")
    if entry.node.kind == "directory":
        fits = before.kind in ("absent", "directory")
    if not fits:
        what = "a directory" if before.kind == "directory" else f"a {before.kind}, not a file"
        if entry.node.kind == "directory":
            what = f"a {before.kind}, not a directory"
        raise ScalingError(
            f"{root / entry.path} is {what}; it is left alone.", "Remove it by hand or list another path."
        )


def _pruned(root: Path, patterns: list[str], listed: set[str]) -> list[str]:
    """Files and links below the root that match a pattern and are not listed. Hidden ones need a pattern with a dot."""
    gone = set()
    for pattern in patterns:
        plain = relative(pattern, "prune")
        for place in root.glob(plain):
            path = str(place.relative_to(root))
            hidden = place.name.startswith(".") and not plain.split("/")[-1].startswith(".")
            if path not in listed and not hidden and (place.is_symlink() or place.is_file()):
                inside(root, path)
                gone.add(path)
    return sorted(gone)


def diffs(root: Path, changes: list[Change]) -> list[dict[str, str]]:
    """One diff a file, and one more where mode or owner change."""
    result = []
    for change in changes:
        header = str(root / change.path)
        before, after = _text(change.before), _text(change.after)
        if change.sensitive and before != after:
            before, after = before and HIDDEN, after and HIDDEN.replace("content", "new content")
        if before != after:
            result.append({"before": before, "after": after, "before_header": header, "after_header": header})
        before, after = _rights(change.before), _rights(change.after)
        if before != after and "absent" not in (change.before.kind, change.after.kind):
            header += " (mode and owner)"
            result.append({"before": before, "after": after, "before_header": header, "after_header": header})
    return result


def _text(node: Node) -> str:
    if node.kind == "file":
        return (node.content or b"").decode(errors="replace") or "(empty file)\n"
    if node.kind == "link":
        return f"(symbolic link to {node.target})\n"
    return {"absent": "", "directory": "(directory)\n"}.get(node.kind, f"({node.kind})\n")


def _rights(node: Node) -> str:
    if node.mode is None:
        return ""
    return f"mode: {node.mode:04o}\nowner: {_name(node.owner, _user)}\ngroup: {_name(node.group, _group)}\n"


def _user(number: int) -> str:
    return pwd.getpwuid(number).pw_name


def _group(number: int) -> str:
    return grp.getgrgid(number).gr_name


def _name(value: int | str | None, look_up: t.Callable[[int], str]) -> str:
    try:
        return look_up(value) if isinstance(value, int) else str(value)
    except KeyError:
        return str(value)
