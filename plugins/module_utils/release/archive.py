# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts: their checksums, and unpacking that cannot write outside the release."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import typing as t
from pathlib import Path, PurePosixPath

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

DIGITS = {"sha256": 64, "sha512": 128}
BLOCK = 1024 * 1024
MARGIN = 1024 * 1024  # bytes that directories and the marker may take


def parse_checksum(value: str) -> str:
    """A checksum in its plain form, ``algorithm:hex``; empty stays empty."""
    if not value:
        return ""
    algorithm, _, digits = value.strip().lower().partition(":")
    if algorithm not in DIGITS or not re.match(rf"^[0-9a-f]{{{DIGITS.get(algorithm, 0)}}}\Z", digits):
        raise ScalingError(
            f"checksum '{value}' is not accepted:", "give sha256: or sha512: and the hexadecimal digits."
        )
    return f"{algorithm}:{digits}"


def checksum_of(path: Path, algorithm: str) -> str:
    """The checksum of a file, ``algorithm:hex``."""
    digest = hashlib.new(algorithm)
    try:
        with path.open("rb") as source:
            for block in iter(lambda: source.read(BLOCK), b""):
                digest.update(block)
    except FileNotFoundError as error:
        raise ScalingError(f"Artifact {path} does not exist on this host; nothing was changed.") from error
    except OSError as error:
        raise ScalingError(f"Artifact {path} cannot be read: {error.strerror}; nothing was changed.") from error
    return f"{algorithm}:{digest.hexdigest()}"


def verify(path: Path, wanted: str) -> str:
    """The artifact's checksum; refused when another one is wanted."""
    actual = checksum_of(path, wanted.split(":", maxsplit=1)[0] if wanted else "sha256")
    if wanted and actual != wanted:
        raise ScalingError(
            f"Artifact {path} has the checksum {actual}, but {wanted} is wanted; nothing was changed.",
            "Fetch the artifact again, or correct the checksum.",
        )
    return actual


def unpack(artifact: Path, target: Path) -> None:
    """Unpack into a directory that exists and is empty.

    All belongs to the user that runs this; others may read it; nobody else may write.
    """
    try:
        with tarfile.open(str(artifact)) as archive:
            members = archive.getmembers()
            check(members, artifact)
            room(target, sum(member.size for member in members if member.isreg()))
            for member in members:
                _extract(archive, member, target)
    except tarfile.TarError as error:
        raise ScalingError(
            f"Artifact {artifact} is not a complete tar archive: {error}; nothing was changed."
        ) from error
    except EOFError as error:
        raise ScalingError(f"Artifact {artifact} is cut off; nothing was changed.") from error


def room(target: Path, needed: int) -> None:
    """Refuse to begin what cannot fit."""
    free = shutil.disk_usage(str(target)).free
    if needed + MARGIN > free:
        raise full(target, needed + MARGIN, free)


def full(target: Path, needed: int, free: int) -> ScalingError:
    return ScalingError(
        f"No space left for the release in {target.parent}: {needed} bytes needed, {free} free; nothing was changed.",
        "Free some space, for instance with a smaller keep.",
        needed_bytes=needed,
        free_bytes=free,
    )


def check(members: list[tarfile.TarInfo], artifact: Path) -> None:
    """Refuse members that could write outside the release, or that are no files."""
    links: set[PurePosixPath] = set()
    for member in members:
        path = PurePosixPath(member.name)
        reason = ""
        if path.is_absolute() or ".." in path.parts:
            reason = "leads out of the release"
        elif any(parent in links for parent in (path, *path.parents)):
            reason = "lies behind a link of the same archive"
        elif member.issym() or member.islnk():
            reason = _bad_link(member, path)
            links.add(path)
        elif not (member.isreg() or member.isdir()):
            reason = "is neither a file, nor a directory, nor a link"
        if reason:
            raise ScalingError(f"Artifact {artifact} is refused: its member '{member.name}' {reason}.")


def _bad_link(member: tarfile.TarInfo, path: PurePosixPath) -> str:
    target = PurePosixPath(member.linkname)
    if target.is_absolute():
        return f"links to the absolute path {target}"
    depth = len(path.parent.parts) if member.issym() else 0
    for part in target.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return f"links to {target} outside the release"
    return ""


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    path = target / member.name
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        return
    _parents(path.parent, target)
    if member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        os.link(str(target / member.linkname), str(path))
    else:
        _write(t.cast(t.IO[bytes], archive.extractfile(member)), path, 0o755 if member.mode & 0o111 else 0o644)


def _parents(folder: Path, target: Path) -> None:
    if folder != target and not folder.is_dir():
        _parents(folder.parent, target)
        folder.mkdir()
        folder.chmod(0o755)


def _write(source: t.IO[bytes], path: Path, mode: int) -> None:
    with path.open("xb") as out:
        shutil.copyfileobj(source, out, BLOCK)
        out.flush()
        os.fsync(out.fileno())
    path.chmod(mode)
