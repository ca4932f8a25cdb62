# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records in files of a local file system: one directory a service.

``current.json`` is the latest rollout, open or finished; ``history/<id>.json`` are those before it. Every change is
one rename, so that a reader, or whoever comes after a crash, finds the old record or the new one. Changes exclude
each other by a lock on ``.lock``, which the kernel gives back when a process dies.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .document import TooNew, Unreadable, decode, encode

FILE_MODE = 0o640
DIRECTORY_MODE = 0o750
LOCK_TIMEOUT = 30.0  # seconds; a change takes milliseconds
CURRENT = "current.json"
CORRUPT = CURRENT + ".corrupt-"
DISCARDED = CURRENT + ".discarded-"


class FileStore:
    """The records of one service.

    Args:
        path: directory of the ledger.
        service: name of the service, already checked to be a plain file name.
    """

    def __init__(self, path: str, service: str) -> None:
        self.service = service
        self.directory = Path(path) / service
        self.current = self.directory / CURRENT
        self.history = self.directory / "history"

    def exists(self) -> bool:
        """Whether there may be records."""
        return self.directory.is_dir()

    def read(self) -> dict[str, t.Any] | None:
        """The latest record, or None when there is none.

        Raises:
            Unreadable: the file is no whole record.
            ScalingError: the file cannot be read, or is of a later version.
        """
        return _read(self.current)

    def past(self) -> tuple[list[dict[str, t.Any]], list[tuple[Path, str]]]:
        """Earlier records, newest first, and the files among them that cannot be read, with the reason."""
        records, broken = [], []
        for path in sorted(_files(self.history, "*.json"), reverse=True):
            try:
                record = _read(path)
            except Unreadable as error:
                broken.append((path, str(error)))
            else:
                records.extend([record] if record else [])
        return records, broken

    def corrupt(self) -> list[Path]:
        """Records that were set aside and that nobody has looked at yet."""
        return sorted(_files(self.directory, CORRUPT + "*"))

    def signature(self) -> tuple[int, int]:
        """Changes with every write of the latest record."""
        try:
            found = self.current.stat()
        except OSError:
            return (0, 0)
        return (found.st_ino, found.st_mtime_ns)

    def create(self) -> None:
        """Make the directories."""
        with _explained(f"create the ledger in {self.directory}"):
            for directory in [*reversed(self.history.parents), self.history]:
                if not directory.exists():
                    with contextlib.suppress(FileExistsError):
                        directory.mkdir(DIRECTORY_MODE)
                    _sync_directory(directory.parent)

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Exclude every other change of this service's records; other services are not held up."""
        with _explained(f"lock the ledger in {self.directory}"):
            handle = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            _free, done = Deadline(LOCK_TIMEOUT).wait_for(lambda: _try_lock(handle), bool, interval=0.02, slowest=0.2)
            if not done:
                raise ScalingError(
                    f"The ledger in {self.directory} is locked by another process for {LOCK_TIMEOUT:.0f} s.",
                    f"Look at it with 'fuser -v {self.directory / '.lock'}'.",
                )
            yield
        finally:
            os.close(handle)

    def write(self, record: t.Mapping[str, t.Any]) -> None:
        """Make this the latest record; to be called under the lock."""
        with _explained(f"write {self.current}"):
            _replace(self.current, encode(record))

    def archive(self, record: t.Mapping[str, t.Any], keep: int) -> None:
        """Copy a finished record to the history and remove what is older than the newest ``keep``."""
        with _explained(f"write to {self.history}"):
            _replace(self.history / f"{record['id']}.json", encode(record))
            for path in sorted(_files(self.history, "*.json"), reverse=True)[keep:]:
                path.unlink()

    def set_aside(self) -> Path:
        """Keep an unreadable latest record under another name; to be called under the lock."""
        return self._rename(self.current, CORRUPT + time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))

    def discard_corrupt(self) -> list[Path]:
        """Mark the records that were set aside as looked at; the files stay."""
        return [self._rename(path, DISCARDED + path.name[len(CORRUPT) :]) for path in self.corrupt()]

    def _rename(self, path: Path, name: str) -> Path:
        target, number = self.directory / name, 1
        while target.exists():
            target, number = self.directory / f"{name}-{number}", number + 1
        with _explained(f"rename {path}"):
            path.rename(target)
            _sync_directory(self.directory)
        return target


def services(path: str) -> list[str]:
    """Names of the services that the ledger knows."""
    with _explained(f"read the ledger in {path}"):
        try:
            return sorted(
                entry.name for entry in os.scandir(path) if entry.is_dir() and (Path(entry) / ".lock").exists()
            )
        except FileNotFoundError:
            return []


def _files(directory: Path, pattern: str) -> list[Path]:
    with _explained(f"read {directory}"):
        return list(directory.glob(pattern)) if directory.is_dir() else []


def _read(path: Path) -> dict[str, t.Any] | None:
    with _explained(f"read {path}"):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        return decode(content)
    except TooNew as error:
        raise ScalingError(f"{path} was written by another version of the collection: {error}.") from error


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
            return False
        raise ScalingError(f"Cannot lock the ledger: {error.strerror}.", "It needs a local file system.") from error
    return True


def _replace(path: Path, content: bytes) -> None:
    """Old or new, also when the process or the machine dies in between."""
    fresh = path.with_name(f".{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(stream.fileno(), stat.S_IMODE(FILE_MODE))
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _explained(what: str) -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ScalingError(
            f"Cannot {what}: {error.strerror or error}.",
            "The ledger's path must be a directory of a local file system that this user may write to.",
        ) from error
