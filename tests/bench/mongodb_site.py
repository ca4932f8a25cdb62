#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""From three hosts that have MongoDB's binary to a replica set with TLS and users, and the same playbook again.

Our `site` and two ways with community.mongodb, in turns on the same hosts, which are put back in between.
"""

from __future__ import annotations

import typing as t

import lab
import mongodb_lab

SIDES = {
    "horizontal.scaling.site": mongodb_lab.ours("horizontal.scaling.site"),
    "community.mongodb, modules": lab.playbook(lab.PEERS / "mongodb_modules.yml"),
    "community.mongodb, role and modules": lab.playbook(lab.PEERS / "mongodb_roles.yml"),
}


def measure(command: t.Sequence[str]) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """A first run, seen to be one from the client, and a second run, which must change nothing."""
    lab.check(lab.playbook(mongodb_lab.PLAYS / "reset.yml"))
    first = lab.timed(command)
    mongodb_lab.wait_until_whole(mongodb_lab.MEMBERS)
    second = lab.timed(command)
    if second["changed"]:
        raise SystemExit(f"A second run changed {second['changed']} things; it must change nothing.")
    return first, second


def main() -> None:
    arguments = lab.arguments(__doc__)
    runs: dict[str, list[tuple[dict[str, t.Any], ...]]] = {name: [] for name in SIDES}
    with mongodb_lab.hosts("site", mongodb_lab.MEMBERS):
        for _number in range(arguments.rounds):
            for name, command in SIDES.items():
                runs[name].append(measure(command))
                lab.say(f"{name}: " + ", ".join(f"{run['seconds']} s, {run['tasks']} tasks" for run in runs[name][-1]))
    sides = {
        name: {which: lab.median_run([run[index] for run in found]) for index, which in enumerate(("first", "second"))}
        for name, found in runs.items()
    }
    mine, *peers = sides
    ratios = {
        peer: {
            which: round(sides[mine][which]["seconds"] / sides[peer][which]["seconds"], 3)
            for which in ("first", "second")
        }
        for peer in peers
    }
    lab.write({"benchmark": "mongodb_site", "sides": sides, "ratios": ratios}, arguments.json)


if __name__ == "__main__":
    main()
