#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack releases of claims-service, good and bad ones, the same bytes every time: build_artifacts.py FOLDER."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pathlib
import sys
import tarfile

SOURCE = pathlib.Path(__file__).resolve().parent / "claims_service"
RELEASES = {
    "1.0.0": "",
    "2.0.0": "",
    "3.0.0": "",
    "2.0.0-unhealthy": "FAULT_UNHEALTHY=1\n",
    "2.0.0-errors": "FAULT_ERROR_RATE=0.2\n",
    "2.0.0-crashes": "FAULT_CRASH_ON_START=1\n",
    "2.0.0-ignores-sigterm": "FAULT_IGNORE_SIGTERM=1\n",
}


def pack(version: str, faults: str) -> bytes:
    """A release as a gzip'd tar without times and owners, so that equal content gives equal bytes."""
    entries = {"VERSION": (f"{version}\n".encode(), 0o644)}
    if faults:
        entries["faults.env"] = (faults.encode(), 0o644)
    for path in [SOURCE / "bin/claims-service", *SOURCE.glob("claims_service/*.py")]:
        mode = 0o755 if path.parent.name == "bin" else 0o644
        entries[path.relative_to(SOURCE).as_posix()] = (path.read_bytes(), mode)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, (content, mode) in sorted(entries.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def main(folder: str) -> None:
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for version, faults in RELEASES.items():
        content = pack(version, faults)
        name = f"claims-service-{version}.tar.gz"
        fresh = target / f".{name}.{os.getpid()}"  # another scenario may be reading it
        fresh.write_bytes(content)
        fresh.replace(target / name)
        (target / f"{name}.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  {name}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
