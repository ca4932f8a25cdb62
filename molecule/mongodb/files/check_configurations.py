#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads every configuration that a member has had from its log, and fails where a change moved more than one vote."""

import json
import sys
from pathlib import Path

found = {}
for line in Path(sys.argv[1]).read_text(encoding="utf-8").split("\n"):
    if '"msg":"New replica set config in use"' in line:
        config = json.loads(line)["attr"]["config"]
        found[config["version"]] = {each["host"] for each in config["members"] if each["votes"]}
versions = sorted(found)
unsafe = [
    f"version {version}: {sorted(found[before])} became {sorted(found[version])}"
    for before, version in zip(versions, versions[1:])
    if len(found[before] ^ found[version]) > 1
]
sizes = [len(found[version]) for version in versions]
print(json.dumps({"versions": versions, "votes": sizes, "unsafe": unsafe}))
sys.exit(1 if unsafe or max(sizes) < 5 else 0)
