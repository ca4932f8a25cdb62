# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring the files below one directory into their wanted state in one go."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.command import Runner, installed, run_bounded
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.lock import directory_lock
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.files import staging
from ansible_collections.horizontal.scaling.plugins.module_utils.files.changes import Change, compute, diffs
from ansible_collections.horizontal.scaling.plugins.module_utils.files.installation import Installation, recover
from ansible_collections.horizontal.scaling.plugins.module_utils.files.nodes import wanted


class TreeOutcome(Outcome):
    """An outcome whose diff has one part a file."""

    def __init__(self, root: Path, changes: list[Change], **values: t.Any) -> None:
        before = {change.path: change.before for change in changes}
        after = {change.path: change.after for change in changes}
        super().__init__(before, after, str(root), **values)
        self._parts = diffs(root, changes)

    def as_result(self, with_diff: bool) -> dict[str, t.Any]:
        result = super().as_result(with_diff=False)
        if with_diff and self.changed:
            result["diff"] = self._parts
        return result


def converge(params: dict[str, t.Any], check_mode: bool, run: Runner = run_bounded) -> TreeOutcome:
    """Compare, validate on a copy, install.

    Args:
        params: the options of config_tree.
        run: starts the validator; replaced in unit tests.
    """
    root = _root(params["root"])
    entries = wanted(params["files"], strict=not check_mode)
    validator = staging.Validator(
        staging.command_line(params["validate"]), params["validate_timeout"], params["stage"] == "tree", run
    )
    with _locked(root, make=not check_mode and any(entry.node.kind != "absent" for entry in entries)) as made:
        try:
            staging.clean(root)
            changes = compute(root, entries, params["prune"])
            validated = bool(changes and validator.words) and _validate(root, changes, validator, check_mode)
            if changes and not check_mode:
                recover(root, [entry.path for entry in entries])
                Installation(root).make(changes)
        except ScalingError:
            _remove(made)
            raise
    return TreeOutcome(
        root, changes, changed_paths=[str(root / change.path) for change in changes], validated=validated
    )


def _root(value: str) -> Path:
    root = Path(value)
    if not root.is_absolute():
        raise ScalingError(f"root '{value}' is not an absolute path.", "Give one, as /etc/haproxy.")
    if root.exists() and not root.is_dir():
        raise ScalingError(f"root '{value}' is not a directory.", "Give a directory, as /etc/haproxy.")
    return Path(root.resolve())


def _validate(root: Path, changes: list[Change], validator: staging.Validator, check_mode: bool) -> bool:
    """Whether the validator has judged; on a first run in check mode it may not be installed yet."""
    if not installed(validator.words[0]):
        if check_mode:
            return False
        raise ScalingError(
            f"The validator '{validator.words[0]}' is not installed on this host; nothing was changed.",
            "Install the product before its configuration.",
        )
    staging.judge(root, changes, validator)
    return True


@contextlib.contextmanager
def _locked(root: Path, make: bool) -> t.Iterator[list[Path]]:
    """One editor of a root at a time; gives the directories that had to be made."""
    made = _made(root) if make else []
    if not root.is_dir():
        yield made
        return
    with directory_lock(root):
        yield made


def _made(root: Path) -> list[Path]:
    missing = []
    while not root.is_dir():
        missing.append(root)
        root = root.parent
    try:
        for path in reversed(missing):
            path.mkdir(mode=0o755)
            path.chmod(0o755)
    except OSError as error:
        raise ScalingError(f"Directory {path} cannot be made: {error.strerror}; nothing was changed.") from error
    return missing


def _remove(made: list[Path]) -> None:
    for path in made:
        with contextlib.suppress(OSError):
            path.rmdir()
