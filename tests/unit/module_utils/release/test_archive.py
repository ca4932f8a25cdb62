# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.release import archive


def member(name, content=b"", mode=0o644, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, len(content)
    info.uid = info.gid = 1234
    return info, content


def pack(path, *members):
    with tarfile.open(str(path), "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def unpacked(tmp_path, *members):
    target = tmp_path / "release"
    target.mkdir()
    archive.unpack(pack(tmp_path / "a.tar.gz", *members), target)
    return target


def test_files_directories_and_links(tmp_path):
    target = unpacked(
        tmp_path,
        member("bin", kind=tarfile.DIRTYPE, mode=0o700),
        member("bin/run", b"#!/bin/sh\n", 0o6775),
        member("./lib/deep/data.txt", b"data", 0o600),
        member("lib/run", kind=tarfile.SYMTYPE, link="../bin/run"),
        member("bin/hard", kind=tarfile.LNKTYPE, link="bin/run"),
    )
    assert (target / "lib/run").read_bytes() == b"#!/bin/sh\n"
    assert (target / "bin/hard").stat().st_ino == (target / "bin/run").stat().st_ino
    modes = {
        name: (target / name).stat().st_mode & 0o7777 for name in ("bin", "bin/run", "lib/deep", "lib/deep/data.txt")
    }
    assert modes == {"bin": 0o755, "bin/run": 0o755, "lib/deep": 0o755, "lib/deep/data.txt": 0o644}


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("/etc/passwd", b"x")], "leads out"),
        ([member("a/../../x", b"x")], "leads out"),
        ([member("x", kind=tarfile.SYMTYPE, link="/etc")], "absolute path"),
        ([member("a/x", kind=tarfile.SYMTYPE, link="../../etc")], "outside the release"),
        ([member("x", kind=tarfile.LNKTYPE, link="../../etc/shadow")], "outside the release"),
        ([member("way", kind=tarfile.SYMTYPE, link="a"), member("way/file", b"x")], "behind a link"),
        ([member("way", kind=tarfile.SYMTYPE, link="a"), member("./way", b"x")], "behind a link"),
        ([member("null", kind=tarfile.CHRTYPE)], "neither a file"),
        ([member("pipe", kind=tarfile.FIFOTYPE)], "neither a file"),
    ],
)
def test_members_that_could_do_harm_are_refused_and_nothing_is_written(tmp_path, members, reason):
    with pytest.raises(ScalingError, match=reason):
        unpacked(tmp_path, member("good", b"x"), *members)
    assert list((tmp_path / "release").iterdir()) == []


@pytest.mark.parametrize("damage", [lambda data: b"no archive", lambda data: data[: len(data) // 2]])
def test_damaged_artifacts_are_refused(tmp_path, damage):
    path = pack(tmp_path / "a.tar.gz", member("file", bytes(range(256)) * 400))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ScalingError, match="archive|cut off"):
        archive.unpack(path, tmp_path)


def test_what_cannot_fit_is_not_begun(tmp_path, monkeypatch):
    class Usage:
        free = 2 * 1024 * 1024

    monkeypatch.setattr(archive.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(ScalingError, match="4194304 bytes needed, 2097152 free; nothing was changed") as failed:
        unpacked(tmp_path, member("big", bytes(3 * 1024 * 1024)))
    assert failed.value.details == {"needed_bytes": 4194304, "free_bytes": 2097152}


def test_a_wrong_checksum_names_both(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"content")
    actual = "sha256:" + hashlib.sha256(b"content").hexdigest()
    wanted = "sha256:" + "0" * 64
    assert archive.verify(path, "") == actual
    assert archive.verify(path, actual) == actual
    with pytest.raises(ScalingError, match=f"{actual}, but {wanted} is wanted; nothing was changed"):
        archive.verify(path, wanted)


def test_a_missing_artifact(tmp_path):
    with pytest.raises(ScalingError, match="does not exist on this host; nothing was changed"):
        archive.verify(tmp_path / "none", "")


@pytest.mark.parametrize("value", ["md5:" + "0" * 32, "0" * 64, "sha256:12", "sha256:" + "g" * 64, "sha256"])
def test_checksums_that_are_none(value):
    with pytest.raises(ScalingError, match="checksum '.*' is not accepted"):
        archive.parse_checksum(value)


def test_checksums_are_normalised():
    assert archive.parse_checksum(" SHA256:" + "A" * 64) == "sha256:" + "a" * 64
