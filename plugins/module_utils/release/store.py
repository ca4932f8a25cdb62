# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directory of a service: releases side by side, the link to the current one, what was started last."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import time
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.lock import directory_lock
from ansible_collections.horizontal.scaling.plugins.module_utils.release import archive

VERSION = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}\Z")
MARKER = ".release.json"


def check_version(version: str) -> str:
    if not VERSION.match(version):
        raise ScalingError(
            f"version '{version}' is not accepted:",
            "letters, digits and . _ + ~ - make a version, a letter or digit first.",
        )
    return version


class Store:
    """Releases below ``root``: ``releases/<version>``, ``current`` -> one of them, ``.started.json``.

    A release appears under its name only when it is complete and on disk.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(root)
        self._releases = self.root / "releases"
        self._current = self.root / "current"
        self._started = self.root / ".started.json"

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """One editor at a time; without the directory there is nothing to edit."""
        if not self.root.is_dir():
            yield
            return
        with directory_lock(self.root):
            yield

    def create(self) -> None:
        try:
            self._releases.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ScalingError(f"{self._releases} cannot be made: {error.strerror}.") from error

    def releases(self) -> dict[str, dict[str, t.Any]]:
        """Every release that is complete, with its marker (``checksum``, ``staged``)."""
        found = {}
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self._releases.iterdir()):
                if path.is_dir() and not path.name.startswith("."):
                    found[path.name] = _read(path / MARKER)
        return found

    def current(self) -> str:
        """The version that ``current`` leads to; empty without one."""
        try:
            return Path(os.readlink(str(self._current))).name
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise ScalingError(
                f"{self._current} is not a symbolic link.", "Move it away; this module makes it."
            ) from error

    def version_of(self, pid: int) -> str:
        """The version whose directory a process works in; empty when it works elsewhere."""
        try:
            place = Path(os.readlink(f"/proc/{pid}/cwd"))
            return place.relative_to(self._releases.resolve()).parts[0]
        except (OSError, ValueError, IndexError):
            return ""

    def stage(self, version: str, artifact: Path, checksum: str) -> str:
        """Unpack an artifact beside the releases and give it its name when it is complete. Returns the checksum."""
        actual = archive.verify(artifact, checksum)
        self.create()
        self._clean()
        temporary = self._releases / f".{version}.tmp"
        try:
            temporary.mkdir(mode=0o755)
            temporary.chmod(0o755)
            archive.unpack(artifact, temporary)
            _write(temporary / MARKER, {"version": version, "checksum": actual, "staged": round(time.time(), 3)})
            for folder, _, _ in os.walk(str(temporary)):
                _sync(Path(folder))
            self._take_name(temporary, version)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                usage = shutil.disk_usage(str(self._releases))
                raise archive.full(temporary, artifact.stat().st_size, usage.free) from error
            raise ScalingError(
                f"Release {version} cannot be written to {self._releases}: {error}; nothing was changed."
            ) from error
        finally:
            shutil.rmtree(str(temporary), ignore_errors=True)
        return actual

    def _take_name(self, temporary: Path, version: str) -> None:
        final = self._releases / version
        if final.exists():
            retired = self._releases / f".{version}.old.tmp"
            final.rename(retired)
            temporary.rename(final)
            shutil.rmtree(str(retired), ignore_errors=True)
        else:
            temporary.rename(final)
        _sync(self._releases)

    def _clean(self) -> None:
        """What a killed run left behind; the caller holds the lock."""
        for path in self._releases.glob(".*.tmp"):
            version = path.name[1 : -len(".old.tmp")]
            if path.name.endswith(".old.tmp") and not (self._releases / version).exists():
                path.rename(self._releases / version)
            else:
                shutil.rmtree(str(path), ignore_errors=True)

    def switch(self, version: str) -> None:
        """Let ``current`` lead to a release, atomically."""
        fresh = self.root / ".current.tmp"
        try:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            fresh.symlink_to(Path("releases") / version)
            fresh.replace(self._current)
            _sync(self.root)
        except OSError as error:
            raise ScalingError(f"{self._current} cannot be switched to {version}: {error.strerror}.") from error

    def remove(self, version: str) -> None:
        """Delete a release; under another name first, so that half of one is never seen."""
        retired = self._releases / f".{version}.tmp"
        try:
            (self._releases / version).rename(retired)
            shutil.rmtree(str(retired))
        except OSError as error:
            raise ScalingError(f"Release {version} cannot be deleted: {error}.") from error

    def started(self) -> dict[str, t.Any]:
        """What the last start through this class left: ``version``, ``previous``, ``invocation``, ``fingerprint``."""
        return _read(self._started)

    def remember(self, **values: t.Any) -> None:
        _write(self._started, values)


def _read(path: Path) -> dict[str, t.Any]:
    """A small JSON document; an unreadable one counts as missing, since all of it can be found out again."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write(path: Path, values: dict[str, t.Any]) -> None:
    fresh = path.with_name(f".{path.name}.tmp")
    with fresh.open("w", encoding="utf-8") as out:
        json.dump(values, out, sort_keys=True)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def _sync(folder: Path) -> None:
    handle = os.open(str(folder), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
