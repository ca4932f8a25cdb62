# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import io
import os
import tarfile

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.release import archive
from ansible_collections.horizontal.scaling.plugins.module_utils.release.store import Store, check_version


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "claims"))


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(str(path), "w:gz") as tar:
        info = tarfile.TarInfo("bin/run")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"true"))
    return path


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_nothing_there(store):
    assert (store.current(), store.releases(), store.started(), store.version_of(1)) == ("", {}, {}, "")
    with store.locked():
        pass
    assert not store.root.exists()


def test_staged_switched_removed(store, artifact):
    checksum = store.stage("1.0", artifact, "")
    store.stage("2.0", artifact, checksum)
    assert store.releases()["2.0"]["checksum"] == checksum
    store.switch("1.0")
    store.switch("2.0")
    assert store.current() == "2.0"
    assert os.readlink(str(store.root / "current")) == "releases/2.0"
    store.remove("1.0")
    assert sorted(store.releases()) == ["2.0"]
    assert listing(store.root) == [
        "current",
        "releases",
        "releases/2.0",
        "releases/2.0/.release.json",
        "releases/2.0/bin",
        "releases/2.0/bin/run",
    ]


def test_nothing_appears_when_the_checksum_is_wrong(store, artifact):
    with pytest.raises(ScalingError, match="is wanted"):
        store.stage("1.0", artifact, "sha256:" + "0" * 64)
    assert not store.root.exists()


def test_nothing_is_left_when_the_disk_is_full(store, artifact, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive, "_write", full)
    with pytest.raises(ScalingError, match=r"\d+ bytes needed, \d+ free; nothing was changed"):
        store.stage("1.0", artifact, "")
    assert listing(store.root) == ["releases"]


def test_half_of_a_release_never_has_its_name(store, artifact, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "_take_name", killed)
    with pytest.raises(KeyboardInterrupt):
        store.stage("1.0", artifact, "")
    assert store.releases() == {}


def test_what_a_killed_run_left_goes_with_the_next_one(store, artifact):
    store.stage("1.0", artifact, "")
    (store.root / "releases/.2.0.tmp/bin").mkdir(parents=True)
    # Killed between the two renames of a replacement: the former release comes back.
    (store.root / "releases/1.0").rename(store.root / "releases/.1.0.old.tmp")
    store.stage("3.0", artifact, "")
    assert sorted(store.releases()) == ["1.0", "3.0"]
    assert not (store.root / "releases/.2.0.tmp").exists()


def test_a_release_is_replaced(store, artifact):
    store.stage("1.0", artifact, "")
    (store.root / "releases/1.0/changed").write_text("x")
    store.stage("1.0", artifact, "")
    assert not (store.root / "releases/1.0/changed").exists()


def test_a_current_that_is_no_link_is_left_alone(store):
    (store.root / "current").mkdir(parents=True)
    with pytest.raises(ScalingError, match="is not a symbolic link"):
        store.current()


def test_an_unreadable_note_counts_as_none(store):
    store.create()
    (store.root / ".started.json").write_text("{half")
    assert store.started() == {}
    store.remember(version="1.0")
    assert store.started() == {"version": "1.0"}


@pytest.mark.parametrize("version", ["", ".hidden", "a/b", "..", "1 0", "-1", "a\n"])
def test_versions_that_are_no_name_of_a_directory(version):
    with pytest.raises(ScalingError, match="version '(?s:.*)' is not accepted"):
        check_version(version)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0-rc.1", "2024-01-01", "v1", "1.0+build~1"])
def test_versions(version):
    assert check_version(version) == version
