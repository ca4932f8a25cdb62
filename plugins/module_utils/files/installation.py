# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of a tree made as one: every file replaced atomically, all put back when one of them fails."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.files.changes import Change
from ansible_collections.horizontal.scaling.plugins.module_utils.files.nodes import Node

NEW, OLD = ".config_tree-new", ".config_tree-old"
CONTEXT = "security.selinux"


class Installation:
    """One run over the changes of a root. The caller holds the lock of the root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: list[Path] = []  # directories, outermost first
        self._written: list[Path] = []  # new files under their temporary names
        self._done: list[Change] = []
        self._replaced = 0
        self._modes: list[tuple[Path, Node]] = []

    def make(self, changes: list[Change]) -> None:
        """Write everything under temporary names first: a full disk is noticed before anything is replaced."""
        try:
            for change in changes:
                self._prepare(change)
            for change in changes:
                self._replace(change)
        except OSError as error:
            kept = self._put_back()
            raise ScalingError(self._failure(error, changes, kept)) from error
        for change in self._done:
            with contextlib.suppress(OSError):
                _hidden(self._root / change.path, OLD).unlink()
        self._sync({(self._root / change.path).parent for change in changes})

    def _prepare(self, change: Change) -> None:
        path = self._root / change.path
        if change.after.kind == "absent":
            return
        self._directories(path.parent)
        if change.after.kind == "directory":
            if change.before.kind == "absent":
                path.mkdir(mode=0o700)
                self._made.append(path)
            else:
                self._modes.append((path, change.before))
            _give(path, change.after)
            return
        fresh = _hidden(path, NEW)
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        handle = os.open(str(fresh), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._written.append(fresh)
        with os.fdopen(handle, "wb") as out:
            out.write(change.after.content or b"")
            out.flush()
            os.fsync(out.fileno())
        _give(fresh, change.after)
        _keep_context(path, fresh)

    def _directories(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            path.mkdir(mode=0o755)
            path.chmod(0o755)
            self._made.append(path)

    def _replace(self, change: Change) -> None:
        path = self._root / change.path
        if change.after.kind == "directory":
            return
        if change.before.kind != "absent":
            _keep(path, _hidden(path, OLD))
        self._done.append(change)
        if change.after.kind == "absent":
            path.unlink()
        else:
            _hidden(path, NEW).replace(path)
        self._replaced += 1

    def _put_back(self) -> list[str]:
        """Everything as it was; the paths for which that was impossible."""
        lost = []
        for change in reversed(self._done):
            path = self._root / change.path
            try:
                if change.before.kind == "absent":
                    path.unlink()
                else:
                    _hidden(path, OLD).replace(path)
                    # Renaming a link over its own file does nothing: that one was not replaced yet.
                    _hidden(path, OLD).unlink()
            except FileNotFoundError:
                continue  # it failed before this one was replaced
            except OSError:
                lost.append(str(path))
        for path in self._written:
            with contextlib.suppress(OSError):
                path.unlink()
        for path, node in self._modes:
            with contextlib.suppress(OSError):
                _give(path, node)
        for path in reversed(self._made):
            with contextlib.suppress(OSError):
                path.rmdir()
        return lost

    def _failure(self, error: OSError, changes: list[Change], lost: list[str]) -> str:
        place = error.filename or self._root
        place = str(place).replace(NEW, "").replace(OLD, "")
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            needed = sum(len(change.after.content or b"") for change in changes)
            reason += f" ({needed} bytes needed, {shutil.disk_usage(str(_existing(self._root))).free} free)"
        if lost:
            return (
                f"{place} cannot be written: {reason}. These files could not be put back: {', '.join(lost)}; "
                f"their former contents lie beside them with the ending {OLD}."
            )
        after = "nothing was replaced"
        if self._replaced:
            after = f"what was replaced before it was put back ({self._replaced} of {len(changes)})"
        return f"{place} cannot be written: {reason}; {after}."

    @staticmethod
    def _sync(folders: t.Iterable[Path]) -> None:
        for folder in folders:
            with contextlib.suppress(OSError):
                handle = os.open(str(folder), os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)


def recover(root: Path, paths: t.Iterable[str]) -> None:
    """Remove what a killed run left beside these paths; the caller holds the lock of the root."""
    for path in paths:
        for ending in (NEW, OLD):
            with contextlib.suppress(OSError):
                _hidden(root / path, ending).unlink()


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _hidden(path: Path, ending: str) -> Path:
    """A name in the same directory that no product loads: globs and directories of certificates skip dot files."""
    return path.with_name(f".{path.name}{ending}")


def _keep(path: Path, old: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        old.unlink()
    try:
        os.link(str(path), str(old), follow_symlinks=False)
    except OSError:
        shutil.copy2(str(path), str(old), follow_symlinks=False)


def _give(path: Path, node: Node) -> None:
    if isinstance(node.owner, int) and isinstance(node.group, int):
        status = path.stat()
        if (status.st_uid, status.st_gid) != (node.owner, node.group):
            os.chown(str(path), node.owner, node.group)
    path.chmod(node.mode or 0)


def _keep_context(path: Path, fresh: Path) -> None:
    """A replaced file keeps its SELinux context; a new one has its directory's."""
    if not hasattr(os, "getxattr") or path.is_symlink():
        return
    with contextlib.suppress(OSError):
        os.setxattr(str(fresh), CONTEXT, os.getxattr(str(path), CONTEXT))
