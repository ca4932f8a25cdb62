#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes when each backup of a stanza ended, for the textfile collector of Prometheus' node exporter.

metrics.py STANZA FILE
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def metrics(stanza: str, document: list) -> str:
    """The newest backup of each repository and type; a stanza without one says 0 for its repositories."""
    newest: dict[tuple[int, str], dict] = {}
    state = [
        "# HELP pgbackrest_repository_ok Whether the repository has a backup and answers.",
        "# TYPE pgbackrest_repository_ok gauge",
    ]
    for entry in document:
        for repository in entry.get("repo", []):
            good = int(repository["status"]["code"] == 0)
            state.append(f'pgbackrest_repository_ok{{stanza="{stanza}",repository="{repository["key"]}"}} {good}')
        for backup in entry.get("backup", []):
            if not backup.get("error"):
                newest[(backup["database"]["repo-key"], backup["type"])] = backup
    lines = []
    for name, text, value in (
        ("backup_completed_timestamp_seconds", "When the newest backup ended.", lambda each: each["timestamp"]["stop"]),
        (
            "backup_duration_seconds",
            "How long it took.",
            lambda each: each["timestamp"]["stop"] - each["timestamp"]["start"],
        ),
        (
            "backup_repository_bytes",
            "What it takes in the repository.",
            lambda each: each["info"]["repository"].get("delta", 0),
        ),
    ):
        lines += [f"# HELP pgbackrest_{name} {text}", f"# TYPE pgbackrest_{name} gauge"]
        for (key, kind), backup in sorted(newest.items()):
            lines.append(f'pgbackrest_{name}{{stanza="{stanza}",repository="{key}",type="{kind}"}} {value(backup)}')
    return "\n".join(lines + state) + "\n"


if __name__ == "__main__":
    command = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    command += ["pgbackrest", f"--stanza={sys.argv[1]}", "--output=json", "info"]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    target = Path(sys.argv[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.{os.getpid()}")
    new.write_text(metrics(sys.argv[1], found), encoding="utf-8")
    new.chmod(0o644)
    new.replace(target)
