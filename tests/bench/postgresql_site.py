#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""From three bare hosts to a primary and two streaming standbys, and the same playbook again: our site and one by hand.

In turns, on fresh hosts each time, which have fetched the packages and not installed them.
"""

from __future__ import annotations

import json
import typing as t

import lab

MEMBERS = ("db1", "db2", "db3")
FETCH = "apt-get update -qq && apt-get install -y -qq --download-only postgresql-15 python3-psycopg python3-psycopg2"
WANTED = {
    "postgresql_high_availability": "native",
    "postgresql_users": [{"name": "claims", "password": "claims-in-the-lab"}],
    "postgresql_databases": [{"name": "claims", "owner": "claims"}],
}
SIDES = {
    "horizontal.scaling.site": [*lab.playbook("horizontal.scaling.site"), "-e", json.dumps(WANTED)],
    "written by hand": lab.playbook(lab.PEERS / "postgresql.yml"),
}
# What both have to come to, asked of the primary.
STATE = """
SELECT (SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)
        JOIN pg_replication_slots ON active_pid = pid WHERE state = 'streaming' AND ssl),
       current_setting('data_checksums'),
       (SELECT count(*) FROM pg_authid WHERE rolname IN ('replicator', 'claims') AND rolpassword ~ '^SCRAM-SHA-256'),
       (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'claims')
"""


def see_whole(name: str) -> None:
    """See that two standbys stream by TLS through slots, with checksums, SCRAM and the database, by enabled units."""
    found = lab.on("db1", "runuser", "-u", "postgres", "--", "psql", "-XAtc", STATE).strip()
    if found != "2|on|2|claims":
        raise SystemExit(f"{name} came to {found}.")
    for member in MEMBERS:
        lab.on(member, "systemctl", "is-enabled", "postgresql@15-main")


def measure(name: str) -> dict[str, dict[str, t.Any]]:
    """A first run on fresh hosts, and a second one, which must change nothing."""
    with lab.hosts("site", MEMBERS):
        lab.check(["ansible", "postgresql", "-i", lab.INVENTORY, "-m", "shell", "-a", FETCH])
        found = {which: lab.timed(SIDES[name]) for which in ("first", "second")}
        see_whole(name)
    if found["second"]["changed"]:
        raise SystemExit(f"The second run of {name} changed {found['second']['changed']} things.")
    return found


def main() -> None:
    arguments = lab.arguments(__doc__)
    runs: dict[str, list[dict[str, t.Any]]] = {name: [] for name in SIDES}
    for _number in range(arguments.rounds):
        for name in SIDES:
            runs[name].append(measure(name))
            said = [f"{which} run {run['seconds']} s, {run['tasks']} tasks" for which, run in runs[name][-1].items()]
            lab.say(f"{name}: {', '.join(said)}")
    sides = {
        name: {which: lab.median_run([run[which] for run in found]) for which in ("first", "second")}
        for name, found in runs.items()
    }
    mine, peer = sides.values()
    ratios = {which: round(mine[which]["seconds"] / peer[which]["seconds"], 3) for which in mine}
    lab.write({"benchmark": "postgresql_site", "sides": sides, "ratios": ratios}, arguments.json)


if __name__ == "__main__":
    main()
