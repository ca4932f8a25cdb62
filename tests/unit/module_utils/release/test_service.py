# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import tarfile

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.release.info import missing
from ansible_collections.horizontal.scaling.plugins.module_utils.release.service import Service
from ansible_collections.horizontal.scaling.plugins.module_utils.release.store import Store
from ansible_collections.horizontal.scaling.plugins.module_utils.release.unit import Unit


class Systemd:
    """A systemd with one unit that obeys at once; versions in ``broken`` crash."""

    def __init__(self, store, exists=True):
        self.store = store
        self.exists = exists
        self.active = ""
        self.enabled = False
        self.starts = 0
        self.broken = set()
        self.verbs = []

    def run(self, words, seconds):
        verb = words[1]
        if verb == "show":
            return 0, "".join(f"{name}={value}\n" for name, value in self.show().items())
        self.verbs.append(verb)
        if verb == "start":
            self.starts += 1
            self.active = self.store.current()
        elif verb == "stop":
            self.active = ""
        elif verb == "enable":
            self.enabled = True
        return 0, ""

    def show(self):
        broken = self.active in self.broken
        return {
            "LoadState": "loaded" if self.exists else "not-found",
            "ActiveState": "failed" if broken else "active" if self.active else "inactive",
            "SubState": "running",
            "MainPID": "0",
            "Type": "notify",
            "Result": "exit-code" if broken else "success",
            "ExecMainCode": "1",
            "ExecMainStatus": "1" if broken else "0",
            "ExecMainStartTimestampMonotonic": "0",
            "NRestarts": "0",
            "InvocationID": f"id-{self.starts}",
            "UnitFileState": "enabled" if self.enabled else "disabled",
            "NeedDaemonReload": "no",
            "TimeoutStopUSec": "30s",
        }


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "claims"))


@pytest.fixture
def systemd(store):
    return Systemd(store)


@pytest.fixture
def task(tmp_path, store, systemd):
    def run(version="", check_mode=False, **options):
        artifact = tmp_path / f"{version}.tar.gz"
        if version and not artifact.exists():
            with tarfile.open(str(artifact), "w:gz") as tar:
                tar.addfile(tarfile.TarInfo(f"file-of-{version}"), io.BytesIO())
        params = {
            "name": "claims",
            "version": version,
            "state": "running",
            "artifact": str(artifact),
            "artifact_remove": False,
            "checksum": "",
            "replace": False,
            "restart_on": [str(tmp_path / "environment")],
            "enabled": True,
            "stop_timeout": None,
            "start_timeout": 5,
            "settle": 0,
            "port": 0,
            "keep": 3,
        }
        params.update(options)
        unit = Unit("claims", systemd.run, lambda seconds: Deadline(seconds, sleep=lambda pause: None))
        return Service(params, store, unit).converge(check_mode)

    return run


def test_first_upgrade_back_and_again(task, systemd):
    predicted = task("1", check_mode=True)
    assert systemd.verbs == []
    first = task("1")
    assert first.changed
    assert first.after == predicted.after
    assert not task("1").changed
    upgrade = task("2")
    assert upgrade.values["previous_version"] == "1"
    assert upgrade.values["stop"]["result"] == "graceful"
    assert upgrade.values["restarted"]
    back = task("1", artifact=None)
    assert (back.values["version"], back.values["previous_version"], back.values["staged"]) == ("1", "2", False)
    assert systemd.starts == 3
    again = task("1")
    assert not again.changed
    assert again.values["stop"]["result"] == "not_stopped"
    assert again.values["previous_version"] == "2"


def test_changed_settings_restart_the_same_version(task, systemd, tmp_path):
    task("1")
    (tmp_path / "environment").write_text("A=1")
    assert task("1", check_mode=True).changed
    assert task("1").values["restarted"]
    assert not task("1").changed
    assert systemd.starts == 2


def test_a_version_that_does_not_run(task, systemd):
    systemd.broken = {"2"}
    task("1")
    with pytest.raises(
        ScalingError, match=r"Version 2 of claims does not run: .* the version before was 1\."
    ) as failed:
        task("2")
    assert failed.value.details["previous_version"] == "1"
    assert failed.value.details["stop"]["result"] == "graceful"
    back = task("1")
    assert systemd.active == "1"
    assert back.values["version"] == "1"


def test_a_unit_that_is_not_there_is_noticed_before_anything_is_done(task, systemd, store):
    systemd.exists = False
    assert task("1", check_mode=True).changed
    with pytest.raises(ScalingError, match="claims.service does not exist on this host; nothing was changed"):
        task("1")
    assert not store.root.exists()


def test_a_release_that_nobody_brought(task, store):
    task("1")
    with pytest.raises(ScalingError, match="no artifact was given; nothing was changed.*Releases on this host: 1"):
        task("2", artifact=None)


def test_check_mode_looks_past_an_artifact_that_is_on_its_way(task):
    outcome = task("1", check_mode=True, artifact="/nowhere/a.tar.gz", checksum="sha256:" + "a" * 64)
    assert outcome.after["releases"] == {"1": "sha256:" + "a" * 64}
    assert outcome.values["verified"] is False


def test_running_without_a_version_is_the_current_one(task, systemd):
    with pytest.raises(ScalingError, match="No version of claims is current"):
        task()
    task("1")
    systemd.active = ""
    assert task(artifact=None).values["version"] == "1"
    assert systemd.active == "1"


def test_the_artifact_goes_when_told(task, tmp_path):
    task("1", state="staged", artifact_remove=True)
    assert not (tmp_path / "1.tar.gz").exists()


def test_old_releases_go(task, store):
    for version in "1234":
        outcome = task(version, keep=1)
    assert outcome.values["removed"] == ["2"]
    assert sorted(store.releases()) == ["3", "4"]
    assert not task("4", keep=1).changed


def test_stop_and_absent(task, systemd, store):
    task("1")
    task("2")
    assert task(state="stopped").values["stop"]["result"] == "graceful"
    assert systemd.active == ""
    assert not task(state="stopped").changed
    assert task("1", state="absent").values["removed"] == ["1"]
    assert sorted(store.releases()) == ["2"]


def test_missing_packages():
    def dpkg(words, seconds):
        return 1, "python3-aiohttp installed\nlibc6:amd64 installed\ngone config-files\ndpkg-query: no packages found\n"

    needs = {"packages": ["python3-aiohttp", "libc6", "gone", "never"], "users": ["root", "no-such-user"], "groups": []}
    there = missing(needs, dpkg)
    assert there["packages"] == ["gone", "never"]
    assert there["users"] == ["no-such-user"]
    assert missing({}, dpkg) == {"packages": [], "users": [], "groups": []}
