#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack a few collections out of PyPI's ansible bundle: fetch_collections.py LIST TARGET."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import zipfile


def main(list_file: str, target: str) -> None:
    lines = [line.strip() for line in pathlib.Path(list_file).read_text(encoding="utf-8").splitlines()]
    bundle, *names = [line for line in lines if line and not line.startswith("#")]
    prefixes = tuple(f"ansible_collections/{name.replace('.', '/')}/" for name in names)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, bundle]
        subprocess.run(command, check=True)
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target, [entry for entry in archive.namelist() if entry.startswith(prefixes)])


if __name__ == "__main__":
    main(*sys.argv[1:])
