# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release of claims-service is, and what its process reads at its start."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile

import build_artifacts
import pytest
from claims_service import settings, storage


def test_a_release_has_the_same_bytes_every_time():
    assert build_artifacts.pack("1.0.0", "") == build_artifacts.pack("1.0.0", "")


def test_a_release_holds_what_the_service_needs():
    content = build_artifacts.pack("2.0.0-errors", "FAULT_ERROR_RATE=0.2\n")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
        assert archive.extractfile("VERSION").read() == b"2.0.0-errors\n"
        assert archive.getmember("bin/claims-service").mode == 0o755
        assert {member.mtime for member in archive} == {0}
    assert "faults.env" in names
    assert "claims_service/server.py" in names


def test_artifacts_come_with_their_checksums(tmp_path):
    build_artifacts.main(str(tmp_path))
    for version in build_artifacts.RELEASES:
        archive = tmp_path / f"claims-service-{version}.tar.gz"
        digest, name = (tmp_path / f"{archive.name}.sha256").read_text(encoding="utf-8").split()
        assert (digest, name) == (hashlib.sha256(archive.read_bytes()).hexdigest(), archive.name)


@pytest.fixture
def release(tmp_path):
    (tmp_path / "VERSION").write_text("1.2.3\n", encoding="utf-8")
    return tmp_path


def test_a_release_without_faults_behaves(release):
    read = settings.read(release, {})
    assert (read.version, read.port, read.storage, read.faults) == ("1.2.3", 8080, "memory", settings.Faults())


def test_a_release_brings_faults_and_the_environment_wins(release):
    (release / "faults.env").write_text("# why\n\nFAULT_UNHEALTHY=1\nFAULT_ERROR_RATE=0.2\n", encoding="utf-8")
    faults = settings.read(release, {"FAULT_ERROR_RATE": "0.5", "FAULT_IGNORE_SIGTERM": "yes"}).faults
    assert faults == settings.Faults(error_rate=0.5, unhealthy=True, ignore_sigterm=True)


def test_memory_keeps_the_newest():
    async def use() -> tuple:
        kept = storage.Memory(capacity=2)
        for number in range(3):
            await kept.add(str(number), {"id": str(number)})
        return await kept.get("0"), await kept.newest(9), await kept.newest(1)

    assert asyncio.run(use()) == (None, [{"id": "2"}, {"id": "1"}], [{"id": "2"}])
