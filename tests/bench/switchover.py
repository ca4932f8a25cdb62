#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long clients of PostgreSQL wait while the primary changes, and what they lose; three ways, one after the other.

Three members and a client that writes one row after the other on its own host. The playbook `switchover` leads clients
through PgBouncer. Those of the peers know all members (target_session_attrs=read-write): `patronictl switchover` of a
Patroni with its defaults, and a script that stops the primary and promotes a standby.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import time
import typing as t

import lab

MEMBERS = ("db1", "db2", "db3")
LOGIN = "user=claims password=claims-in-the-lab dbname=claims"
OURS = f"host=pool1 port=6432 sslmode=require {LOGIN}"
ALL = f"host={','.join(MEMBERS)} target_session_attrs=read-write {LOGIN}"
SCENARIO = lab.ROOT / "molecule/pgbouncer"


def on(host: str, *words: str, name: str = "") -> str:
    """Run a command on a host of the lab; its output."""
    command = ["podman", "exec", f"{name or os.environ['LAB_NAME']}-{host}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def writing(url: str) -> t.Iterator[dict[str, t.Any]]:
    """A client that writes as long as the block; afterwards the dictionary has what it saw."""
    seen: dict[str, t.Any] = {}
    on("load1", "systemd-run", "--unit=writer", "/root/writer.py", url, "/root/written.json")
    time.sleep(2)
    yield seen
    time.sleep(2)
    on("load1", "systemctl", "stop", "writer")
    seen.update(json.loads(on("load1", "cat", "/root/written.json")))


def have_client() -> None:
    lab.check(["ansible", "load1", "-i", lab.INVENTORY, "-m", "apt", "-a", "name=python3-psycopg update_cache=true"])
    writer = f"src={SCENARIO}/../postgresql/files/writer.py dest=/root/writer.py mode=0755"
    lab.check(["ansible", "load1", "-i", lab.INVENTORY, "-m", "copy", "-a", writer])


def by_playbook(wanted: str) -> None:
    lab.check(
        [*lab.playbook("horizontal.scaling.switchover", postgresql_new_primary=wanted), "-e", f"@{SCENARIO}/lab.yml"]
    )


def by_script(wanted: str) -> None:
    """Stop, promote; the others are led back without hurry."""
    former = next(name for name in MEMBERS[:2] if name != wanted)
    on(former, "systemctl", "stop", "postgresql@15-main")
    on(wanted, "runuser", "-u", "postgres", "--", "psql", "-c", "SELECT pg_promote()")
    others = ",".join(name for name in MEMBERS if name != wanted)
    lab.check([*lab.playbook("horizontal.scaling.rejoin", postgresql_member=others), "-e", f"@{SCENARIO}/lab.yml"])


def by_patronictl(wanted: str) -> None:
    config = ["patronictl", "-c", "/etc/patroni/config.yml"]
    leader = next(
        row["Member"] for row in json.loads(on("db1", *config, "list", "-f", "json")) if row["Role"] == "Leader"
    )
    if leader != wanted:
        word = "--leader" if "--leader" in on("db1", *config, "switchover", "--help") else "--master"
        on("db1", *config, "switchover", "claims", word, leader, "--candidate", wanted, "--force")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        rows = json.loads(on("db1", *config, "list", "-f", "json"))
        if sum(row["State"] in ("running", "streaming") for row in rows) == len(MEMBERS):
            return
        time.sleep(1)
    raise SystemExit("Patroni's members did not come back.")


def measure(way: t.Callable[[str], None], url: str, count: int) -> dict[str, t.Any]:
    """Change the primary there and back, so many times, under a client; what it saw of each."""
    begins = []
    with writing(url) as seen:
        for number in range(count):
            begins.append(time.time())
            way(MEMBERS[(number + 1) % 2])
            time.sleep(1)
            lab.say(f"{way.__name__} {number + 1} of {count}")
    ends = [*begins[1:], float("inf")]
    pauses = [
        max((gap for end, gap in seen["pauses"] if begin <= end < until), default=0.05)
        for begin, until in zip(begins, ends)
    ]
    ordered = sorted(pauses)
    return {
        "switchovers": count,
        "pause_p50": round(ordered[len(ordered) // 2], 3),
        "pause_p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 3),
        "pause_max": round(ordered[-1], 3),
        "errors": len(seen["errors"]),
        "acknowledged": seen["acknowledged"],
        "missing": len(seen["missing"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    parser.add_argument("--count", type=int, default=10, help="switchovers of each way")
    arguments = parser.parse_args()
    sides = {}
    with lab.hosts("switchover", (*MEMBERS, "pool1", "load1")):
        have_client()
        lab.check(["ansible-playbook", "-i", lab.INVENTORY, "-e", f"@{SCENARIO}/lab.yml", f"{SCENARIO}/prepare.yml"])
        lab.check(["ansible-playbook", "-i", lab.INVENTORY, "-e", f"@{SCENARIO}/lab.yml", f"{SCENARIO}/converge.yml"])
        sides["horizontal.scaling.switchover"] = measure(by_playbook, OURS, arguments.count)
        sides["stop and promote"] = measure(by_script, ALL, arguments.count)
    with lab.hosts("switchover", (*MEMBERS, "load1")):
        have_client()
        lab.check(lab.playbook(lab.PEERS / "patroni.yml"))
        by_patronictl("db1")
        sides["patronictl switchover"] = measure(by_patronictl, ALL, arguments.count)
    mine = sides["horizontal.scaling.switchover"]
    ratios = {name: round(mine["pause_p50"] / side["pause_p50"], 2) for name, side in sides.items()}
    lab.write({"benchmark": "switchover", "sides": sides, "ratios": ratios}, arguments.json)


if __name__ == "__main__":
    main()
