#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rolling restart of a replica set of three under a client that writes, by `update_database` and the plain way.

Both in turns on the same set. The client writes one document after the other, each acknowledged by a majority, with
retryable writes, and reads all of them back afterwards.
"""

from __future__ import annotations

import statistics
import typing as t

import lab
import mongodb_lab

SIDES = {
    "`update_database`": mongodb_lab.ours(
        "horizontal.scaling.update_database", database="mongodb", mongodb_restart=True
    ),
    "`serial: 1` and restart": lab.playbook(lab.PEERS / "mongodb_restart.yml"),
}


def measure(command: t.Sequence[str]) -> dict[str, t.Any]:
    """One restart of all members; its seconds, and what the client saw."""
    mongodb_lab.wait_until_whole(mongodb_lab.MEMBERS)
    with lab.writing(mongodb_lab.url(mongodb_lab.MEMBERS), f"--setenv={mongodb_lab.DRIVER}") as seen:
        seconds = lab.check(command)
        mongodb_lab.wait_until_whole(mongodb_lab.MEMBERS)
    return {
        "seconds": round(seconds, 1),
        "longest_pause": seen["longest_gap"],
        "paused": round(sum(seen["pauses"]), 2),
        "errors": len(seen["errors"]),
        "acknowledged": seen["acknowledged"],
        "missing": len(seen["missing"]),
    }


def summary(runs: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
    of = {key: [run[key] for run in runs] for key in runs[0]}
    return {
        "seconds_per_member": round(statistics.median(of["seconds"]) / len(mongodb_lab.MEMBERS), 1),
        "longest_pause": statistics.median(of["longest_pause"]),
        "longest_pause_of_all": max(of["longest_pause"]),
        "paused": statistics.median(of["paused"]),
        **{key: sum(of[key]) for key in ("errors", "acknowledged", "missing")},
        "runs": list(runs),
    }


def main() -> None:
    arguments = lab.arguments(__doc__)
    runs: dict[str, list[dict[str, t.Any]]] = {name: [] for name in SIDES}
    with mongodb_lab.hosts("restart", mongodb_lab.MEMBERS):
        lab.check(mongodb_lab.ours("horizontal.scaling.site"))
        for _number in range(arguments.rounds):
            for name, command in SIDES.items():
                runs[name].append(measure(command))
                lab.say(f"{name}: {runs[name][-1]}")
    sides = {name: summary(found) for name, found in runs.items()}
    lab.write({"benchmark": "mongodb_restart", "rounds": arguments.rounds, "sides": sides}, arguments.json)


if __name__ == "__main__":
    main()
