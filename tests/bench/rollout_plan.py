#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time of rollout_plan for 10, 1,000 and 10,000 hosts, as JSON: planning alone, and the whole module as a process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROOT = Path(os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[0])
sys.path.insert(0, str(ROOT))

from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.plan import make_plan  # noqa: E402

REPEATS = 5
BATCHES = {"one by one": ["1"], "1, then 10%": ["1", "10%"]}


def hosts(count: int) -> list[dict[str, t.Any]]:
    """Hosts in ten groups; every hundredth is out of rotation, every fiftieth runs the version already."""
    return [
        {
            "name": f"app{number}",
            "version": "2.0.0" if number % 50 == 49 else "1.0.0",
            "running": True,
            "in_rotation": number % 100 != 0,
            "group": f"zone{number % 10}" if count >= 100 else "",
        }
        for number in range(count)
    ]


def seconds(action: t.Callable[[], t.Any]) -> float:
    """Median of a few runs."""
    taken = []
    for _repeat in range(REPEATS):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken), 4)


def as_module(options: dict[str, t.Any]) -> None:
    """The module in a process of its own, as Ansible runs it on a host."""
    subprocess.run(
        [sys.executable, "-m", "ansible_collections.horizontal.scaling.plugins.modules.rollout_plan"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def main() -> None:
    figures = []
    for count in (10, 1_000, 10_000):
        known = hosts(count)
        for name, sizes in BATCHES.items():
            options: dict[str, t.Any] = {"service": "claims-service", "version": "2.0.0", "hosts": known}
            options.update(batch_sizes=sizes, max_unavailable="25%")
            plan = make_plan(**options)
            figures.append(
                {
                    "hosts": count,
                    "batch_sizes": name,
                    "batches": len(plan["batches"]),
                    "plan_seconds": seconds(lambda options=options: make_plan(**options)),
                    "module_seconds": seconds(lambda options=options: as_module(options)),
                }
            )
    json.dump({"benchmark": "rollout_plan", "repeats": REPEATS, "figures": figures}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
