#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clone a database: add_replica with its module postgresql_standby, and pg_basebackup alone with the same options.

In turns, from the same primary onto the same host, whose data directory is empty; the primary's files are in its memory
and everything is on disk before each. Ours ends when the replica streams, pg_basebackup when it has copied.
5 GB unless --gigabytes says otherwise; twice as much disk and 15 GB for WAL have to be free.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import statistics
import time

import lab

MEMBERS = ("db1", "db2")
DATA = "/var/lib/postgresql/15/main"
UNIT = "postgresql@15-main"
WANTED = {"postgresql_high_availability": "native", "postgresql_members": [{"name": name} for name in MEMBERS]}
WAY = "host=db1 port=5432 user=replicator passfile=/var/lib/postgresql/.pgpass sslmode=require application_name=db2"
PLAIN = f"/usr/lib/postgresql/15/bin/pg_basebackup -D {DATA} -X stream -c fast -S db2 -w -d".split() + [WAY]
ROW = 1024
# Random bytes in base64, a line for each 76 letters: nothing on the way makes them smaller.
FILL = f"""
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE TABLE IF NOT EXISTS filler (number bigint, content text);
INSERT INTO filler SELECT n, encode(gen_random_bytes({ROW * 3 // 4}), 'base64') FROM generate_series(1, {{rows}}) AS n;
"""


def ours(name: str, **values: str) -> list[str]:
    return [*lab.playbook(name), "-e", json.dumps({**WANTED, **values})]


def ask(question: str) -> str:
    """The primary's answer."""
    return lab.on("db1", "runuser", "-u", "postgres", "--", "psql", "-qXAtc", question).strip()


def size() -> int:
    """Bytes of all databases."""
    return int(ask("SELECT sum(pg_database_size(oid)) FROM pg_database"))


def fill(gigabytes: float) -> None:
    """Have so much in the database, a tenth at a time."""
    while (found := size()) < gigabytes * 1e9:
        lab.say(f"{found / 1e9:.1f} GB of {gigabytes} GB")
        # A page takes seven rows of that length.
        rows = int(min(gigabytes * 1e9 / 10, gigabytes * 1e9 - found) / (8192 / 7)) + 1
        for statement in FILL.format(rows=rows).strip().splitlines():
            ask(statement)
    ask("VACUUM (FREEZE, ANALYZE) filler")


def empty() -> None:
    """Take the replica away, and have both sides begin alike."""
    lab.on("db2", "systemctl", "stop", UNIT)
    lab.on("db2", "rm", "-rf", DATA)
    # The primary notices a moment later that the standby has gone.
    for _turn in range(100):
        if ask("SELECT count(*) FROM pg_replication_slots WHERE active") == "0":
            break
        time.sleep(0.1)
    ask("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    ask("CHECKPOINT")
    lab.on("db1", "sh", "-c", f"find {DATA}/base -type f -exec cat {{}} + >/dev/null; sync")


def by_hand() -> dict[str, float]:
    ask("SELECT pg_create_physical_replication_slot('db2')")
    began = time.monotonic()
    lab.on("db2", "runuser", "-u", "postgres", "--", *PLAIN)
    return {"`pg_basebackup` alone": time.monotonic() - began}


def by_playbook() -> dict[str, float]:
    run = lab.timed(ours("horizontal.scaling.add_replica", postgresql_member="db2"))
    if ask("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != "1":
        raise SystemExit("add_replica has ended, and the replica does not stream.")
    module = max(task["seconds"] for task in run["slowest"] if task["name"].endswith(": Stream from the primary"))
    return {"`postgresql_standby`, until it streams": module, "`add_replica`, the whole run": run["seconds"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, default=5, help="size of the database")
    arguments = parser.parse_args()
    # The database, its clone, and WAL on both sides.
    needed = 2 * arguments.gigabytes + 15
    free = shutil.disk_usage("/var/lib/containers").free / 1e9
    if free < needed:
        raise SystemExit(f"{free:.0f} GB are free; {needed:.0f} are needed, or a smaller --gigabytes.")
    runs: dict[str, list[float]] = {}
    with lab.hosts("clone", MEMBERS):
        lab.check(ours("horizontal.scaling.site"))
        empty()
        fill(arguments.gigabytes)
        for _number in range(arguments.rounds):
            for way in (by_hand, by_playbook):
                empty()
                for name, seconds in way().items():
                    runs.setdefault(name, []).append(round(seconds, 2))
                    lab.say(f"{name}: {seconds:.1f} s")
        copied = size()
    sides = {name: {"seconds": statistics.median(found), "runs_seconds": found} for name, found in runs.items()}
    peer = sides["`pg_basebackup` alone"]["seconds"]
    for side in sides.values():
        side["megabytes_per_second"] = round(copied / 1e6 / side["seconds"], 1)
        side["share"] = round(peer / side["seconds"], 3)
    figures = {"benchmark": "postgresql_clone", "bytes": copied, "rounds": arguments.rounds, "sides": sides}
    lab.write(figures, arguments.json)


if __name__ == "__main__":
    main()
