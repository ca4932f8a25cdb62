#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second run of a platform's playbook on six hosts: horizontal.scaling.site and one written by hand, in turns.

Each side has hosts of its own with the same image, converged by a first run; every measured run must change nothing.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import typing as t

import lab

HOSTS = ("lb1", "lb2", "app1", "app2", "app3", "app4")
SIDES = {"horizontal.scaling.site": "horizontal.scaling.site", "written by hand": lab.PEERS / "site.yml"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with lab.hosts("ours", HOSTS) as ours:
        first = {"horizontal.scaling.site": lab.check(lab.playbook(SIDES["horizontal.scaling.site"]))}
        with lab.hosts("peer", HOSTS) as theirs:
            # A fresh image has no package lists; a host that somebody writes a playbook for has.
            lab.check(["ansible", ",".join(HOSTS), "-i", lab.INVENTORY, "-m", "apt", "-a", "update_cache=true"])
            first["written by hand"] = lab.check(lab.playbook(SIDES["written by hand"]))
            labs = dict(zip(SIDES, (ours, theirs)))
            figures = measure(labs, arguments.rounds)
    for name, seconds in first.items():
        figures[name]["first_run_seconds"] = round(seconds, 1)
    mine, peer = (figures[name] for name in SIDES)
    values = {
        "ratio": round(mine["seconds"] / peer["seconds"], 3),
        "task_ratio": round(mine["tasks"] / peer["tasks"], 3),
        "target": 0.334,
    }
    lab.write({"benchmark": "second_run", "hosts": len(HOSTS), "sides": figures, **values}, arguments.json)


def measure(labs: dict[str, str], rounds: int) -> dict[str, t.Any]:
    """Second runs in turns, so that both sides meet the same machine."""
    runs: dict[str, list[dict[str, t.Any]]] = {name: [] for name in labs}
    kept = os.environ["LAB_NAME"]
    for number in range(rounds):
        for name, network in labs.items():
            os.environ["LAB_NAME"] = network
            found = lab.timed(lab.playbook(SIDES[name]))
            if found["changed"]:
                raise SystemExit(
                    f"Run {number + 2} of {name} changed {found['changed']} things; it must change nothing."
                )
            lab.say(f"{name}: {found['seconds']} s, {found['tasks']} tasks")
            runs[name].append(found)
    os.environ["LAB_NAME"] = kept
    return {name: lab.median_run(found) for name, found in runs.items()}


if __name__ == "__main__":
    main()
