#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A replica set grows from one member to five: one task of mongodb_replica_set, a call of community.mongodb for each.

Both in turns on the same set, which is put back in between; new members begin with empty data directories.
"""

from __future__ import annotations

import typing as t

import lab
import mongodb_lab

MEMBERS = (*mongodb_lab.MEMBERS, "mongo4", "mongo5")
SIDES = {
    "`mongodb_replica_set`": lab.playbook(mongodb_lab.PLAYS / "grow.yml"),
    "`community.mongodb.mongodb_replicaset`": lab.playbook(lab.PEERS / "mongodb_grow.yml"),
}


def measure(command: t.Sequence[str]) -> dict[str, t.Any]:
    lab.check(lab.playbook(mongodb_lab.PLAYS / "shrink.yml"))
    mongodb_lab.wait_until_whole(MEMBERS[:1])
    found = lab.timed(command)
    mongodb_lab.wait_until_whole(MEMBERS)
    return found


def main() -> None:
    arguments = lab.arguments(__doc__)
    runs: dict[str, list[dict[str, t.Any]]] = {name: [] for name in SIDES}
    with mongodb_lab.hosts("growth", MEMBERS):
        members = [{"name": name} for name in MEMBERS]
        lab.check(mongodb_lab.ours("horizontal.scaling.site", mongodb_members=members))
        for _number in range(arguments.rounds):
            for name, command in SIDES.items():
                runs[name].append(measure(command))
                lab.say(f"{name}: {runs[name][-1]['seconds']} s")
    sides = {name: lab.median_run(found) for name, found in runs.items()}
    mine, peer = sides.values()
    ratio = round(mine["seconds"] / peer["seconds"], 3)
    lab.write({"benchmark": "mongodb_growth", "sides": sides, "ratio": ratio}, arguments.json)


if __name__ == "__main__":
    main()
