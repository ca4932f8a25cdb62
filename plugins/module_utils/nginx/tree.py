# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A configuration tree: validated as a staged copy, then installed file by file, under a lock."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.lock import directory_lock

VALIDATION_SECONDS = 60
# Written before the first file is replaced and removed after the reload: a run that was cut off in between is noticed.
PENDING = ".reload_pending"
_EMERGENCY = re.compile(r"\[emerg\] (?:\d+#\d+: )?(.+)")


class Tree:
    """The directory of nginx.conf with all below it.

    Args:
        config: path of nginx.conf.
        binary: the program that validates.
    """

    def __init__(self, config: str, binary: str = "nginx") -> None:
        self.config = Path(config)
        self.root = self.config.parent
        self.binary = binary

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """One editor at a time on this host; config_tree takes the same lock."""
        with directory_lock(self.root):
            yield

    def read(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScalingError(f"{path} cannot be read: {error}.") from error

    def pending(self) -> bool:
        """Whether a run was cut off between replacing a file and the reload."""
        return (self.root / PENDING).exists()

    def mentions(self, path: str) -> bool:
        """Whether the role's configuration asks for this file."""
        needle = path.encode()
        files = [self.config, *(self.root / "services").glob("*.conf")]
        return bool(path) and any(needle in file.read_bytes() for file in files if file.is_file())

    def newer_than(self, moment: float) -> bool:
        """Whether anything below the root was replaced, added or removed after this time."""
        return any(path.lstat().st_mtime > moment for path in self.root.rglob("*") if path.name != PENDING)

    def validate(self, texts: dict[str, str]) -> None:
        """Let NGINX judge a copy of the tree with these files' new texts (absolute path -> text)."""
        with tempfile.TemporaryDirectory(prefix="nginx-staged-") as work:
            staged = Path(work) / "tree"
            shutil.copytree(str(self.root), str(staged), symlinks=True, ignore=_only_plain)
            for path, text in texts.items():
                (staged / Path(path).relative_to(self.root)).write_text(text, encoding="utf-8")
            self._redirect(staged)
            self._judge(staged)

    def _redirect(self, staged: Path) -> None:
        """A person's includes may be absolute; in the copy they must mean the copy."""
        absolute = re.compile(r"(\binclude\s+[\"']?)" + re.escape(str(self.root)) + "/")
        for path in staged.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            text = path.read_bytes()
            if b"include" in text and bytes(self.root) in text:
                decoded = text.decode("utf-8", "surrogateescape")
                path.write_bytes(absolute.sub(f"\\g<1>{staged}/", decoded).encode("utf-8", "surrogateescape"))

    def _judge(self, staged: Path) -> None:
        command = [self.binary, "-t", "-q", "-c", str(staged / self.config.name)]
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=VALIDATION_SECONDS, check=False
            )
        except FileNotFoundError as error:
            raise ScalingError(
                f"The program '{self.binary}' is not installed on this host.", "Apply the nginx role first."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise ScalingError(f"'{' '.join(command)}' did not end within {VALIDATION_SECONDS} s.") from error
        if done.returncode != 0:
            text = done.stdout.decode(errors="replace").replace(str(staged), str(self.root))
            message = "; ".join(_EMERGENCY.findall(text)) or text.strip()
            raise ScalingError(f"NGINX refuses the new configuration, and nothing was changed: {message}")

    def install(self, texts: dict[str, str]) -> None:
        """Replace files atomically, keeping owner and mode."""
        for name, text in texts.items():
            path = Path(name).resolve()
            kept = path.stat()
            handle, fresh = tempfile.mkstemp(prefix=".", suffix=".new", dir=str(path.parent))
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as out:
                    out.write(text)
                    out.flush()
                    os.fsync(out.fileno())
                os.chown(fresh, kept.st_uid, kept.st_gid)
                Path(fresh).chmod(stat.S_IMODE(kept.st_mode))
                Path(fresh).replace(path)
            except OSError as error:
                with contextlib.suppress(OSError):
                    Path(fresh).unlink()
                raise ScalingError(f"{path} cannot be written: {error.strerror}.") from error


def _only_plain(folder: str, names: list[str]) -> list[str]:
    """Sockets and pipes have no place in a copy."""
    return [name for name in names if not _copied(Path(folder) / name)]


def _copied(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
