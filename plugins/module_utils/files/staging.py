# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A copy of a tree with its changes, for a validator to judge before anything is replaced."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import stat
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.command import Runner
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.files.changes import Change

LONGEST_REWRITTEN = 4 * 1024 * 1024  # bytes; configuration is smaller, data files need no rewriting


class Validator(t.NamedTuple):
    """What judges a copy.

    Args:
        words: the command; ``{root}`` stands for the copy.
        seconds: how long it may take.
        whole: it needs all of the root, not only what changes.
        run: starts it; replaced in unit tests.
    """

    words: list[str]
    seconds: float
    whole: bool
    run: Runner


def command_line(validate: t.Any) -> list[str]:
    """The option ``validate`` as arguments."""
    if not validate:
        return []
    words = shlex.split(validate) if isinstance(validate, str) else [str(word) for word in validate]
    if not any("{root}" in word for word in words):
        raise ScalingError(
            f"validate '{' '.join(words)}' does not say where the copy goes.", "Put {root} in place of the directory."
        )
    return words


def judge(root: Path, changes: list[Change], validator: Validator) -> None:
    """Let the validator judge a copy of ``root`` with ``changes`` made.

    Raises:
        ScalingError: with the validator's own message.
    """
    with _directory(root) as staged:
        if validator.whole and root.is_dir():
            _copy(root, staged, {change.path for change in changes})
        for change in changes:
            _make(root, staged, change)
        _redirect(root, staged)
        status, output = validator.run(
            [word.replace("{root}", str(staged)) for word in validator.words], validator.seconds
        )
    if status:
        output = output.replace(str(staged), str(root)).strip() or f"exit status {status}"
        for change in changes:
            output = change.hide(output)
        raise ScalingError(
            f"{validator.words[0]} refuses the new files below {root}; nothing was changed: {output}",
            validator_output=output,
        )


@contextlib.contextmanager
def _directory(root: Path) -> t.Iterator[Path]:
    """Beside the root, so that unchanged files can be linked instead of copied."""
    beside = root.parent if root.parent.is_dir() and os.access(str(root.parent), os.W_OK) else None
    try:
        staged = Path(tempfile.mkdtemp(prefix=f".{root.name}.staged-", dir=str(beside) if beside else None))
    except OSError as error:
        raise ScalingError(f"No staged copy of {root} can be made: {error.strerror}; nothing was changed.") from error
    try:
        if root.is_dir():
            staged.chmod(stat.S_IMODE(root.stat().st_mode) & 0o755 | 0o700)
        yield staged
    except OSError as error:
        raise ScalingError(
            f"The staged copy of {root} cannot be written: {error.strerror}; nothing was changed."
        ) from error
    finally:
        shutil.rmtree(str(staged), ignore_errors=True)


def clean(root: Path) -> None:
    """Remove the staged copies that a killed run left behind; the caller holds the lock of the root."""
    for stale in root.parent.glob(f".{root.name}.staged-*"):
        shutil.rmtree(str(stale), ignore_errors=True)


def _copy(source: Path, target: Path, skipped: set[str], below: str = "") -> None:
    for item in os.scandir(str(source)):
        path = f"{below}{item.name}"
        fresh = target / item.name
        mode = item.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            fresh.mkdir()
            _copy(Path(item.path), fresh, skipped, path + "/")
            shutil.copystat(item.path, str(fresh))
        elif stat.S_ISLNK(mode) and path not in skipped:
            fresh.symlink_to(os.readlink(item.path))
        elif stat.S_ISREG(mode) and path not in skipped:
            _link(item.path, str(fresh))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or links are forbidden
        shutil.copy2(source, target)


def _make(root: Path, staged: Path, change: Change) -> None:
    # A link on the way may name the real root: never write through one.
    parent = staged / (root / change.path).parent.resolve().relative_to(root)
    path = parent / Path(change.path).name
    node = change.after
    parent.mkdir(parents=True, exist_ok=True)
    if node.kind != "directory":
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    if node.kind == "absent":
        return
    if node.kind == "directory":
        path.mkdir(exist_ok=True)
    else:
        path.touch(0o600)
        path.write_bytes(node.content or b"")
    if isinstance(node.owner, int) and isinstance(node.group, int) and os.geteuid() == 0:
        os.chown(str(path), node.owner, node.group)
    path.chmod(node.mode or 0)


def _redirect(root: Path, staged: Path) -> None:
    """Files and links that name the root by its absolute path must mean the copy."""
    name = re.compile(re.escape(str(root).encode()) + rb"(?![\w.-])")
    for folder, folders, files in os.walk(str(staged)):
        for path in (Path(folder) / each for each in folders + files):
            if path.is_symlink():
                target = os.readlink(str(path)).encode()
                if name.match(target):
                    path.unlink()
                    path.symlink_to(name.sub(str(staged).encode(), target, count=1).decode())
            elif path.is_file() and path.stat().st_size <= LONGEST_REWRITTEN:
                _rewrite(path, name, str(staged).encode())


def _rewrite(path: Path, name: t.Pattern[bytes], staged: bytes) -> None:
    text = path.read_bytes()
    if b"\0" in text or not name.search(text):
        return
    kept = path.stat()
    path.unlink()  # it may be a link to the real file
    path.touch(0o600)
    path.write_bytes(name.sub(staged, text))
    if os.geteuid() == 0:
        os.chown(str(path), kept.st_uid, kept.st_gid)
    path.chmod(stat.S_IMODE(kept.st_mode))
