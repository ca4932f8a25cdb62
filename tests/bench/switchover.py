#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a client of PostgreSQL waits while the primary changes, and what it loses; four ways, one after the other.

Three members and a client that writes one row after the other on a host of its own. The playbook `switchover` leads it
through PgBouncer, natively and under Patroni, with synchronous replication. The peers' client knows all members
(target_session_attrs=read-write): a script that stops the primary of the same native cluster and promotes a standby,
and `patronictl switchover` of a Patroni with its defaults.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time
import typing as t

import lab

MEMBERS = ("db1", "db2", "db3")
LOGIN = "user=claims password=claims-in-the-lab dbname=claims"
OURS = f"host=pool1 port=6432 sslmode=require {LOGIN}"
ALL = f"host={','.join(MEMBERS)} target_session_attrs=read-write {LOGIN}"
SCENARIO = lab.ROOT / "molecule/postgresql_patroni"
WRITER = lab.ROOT / "molecule/postgresql/files/writer.py"
PROMOTE = lab.PEERS / "promote.sh"
NATIVE = {"postgresql_high_availability": "native"}
CTL = ("patronictl", "-c", "/etc/patroni/config.yml")
# What the writer calls a pause.
SHORTEST = 0.05
Change = t.Callable[[str, str], object]


def have_client() -> None:
    lab.check(["ansible", lab.CLIENT, "-i", lab.INVENTORY, "-m", "apt", "-a", "name=python3-psycopg update_cache=true"])
    copied = f"src={WRITER} dest=/root/writer.py mode=0755"
    lab.check(["ansible", lab.CLIENT, "-i", lab.INVENTORY, "-m", "copy", "-a", copied])


def ask(host: str, question: str) -> str:
    """A member's answer over its own socket."""
    return lab.on(host, "runuser", "-u", "postgres", "--", "psql", "-XAtc", question).strip()


def primary() -> str:
    return next(name for name in MEMBERS if ask(name, "SELECT pg_is_in_recovery()") == "f")


def successor(leader: str) -> str:
    """A replica that commits wait for, or one of those that they do not."""
    return ask(leader, "SELECT application_name FROM pg_stat_replication ORDER BY sync_state = 'async', 1 LIMIT 1")


def wait_until_whole(leader: str) -> None:
    deadline = time.monotonic() + 60
    while ask(leader, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != "2":
        if time.monotonic() > deadline:
            raise SystemExit(f"{leader} has no two replicas after 60 s.")
        time.sleep(0.5)


def playbook(name: str | pathlib.Path, **values: str) -> list[str]:
    """A playbook of ours with the scenario's variables, and others over them."""
    return [*lab.playbook(name), "-e", f"@{SCENARIO}/lab.yml", "-e", json.dumps(values)]


def by_playbook(**values: str) -> Change:
    """Our way, with variables for one mode."""
    return lambda _former, wanted: lab.check(
        playbook("horizontal.scaling.switchover", postgresql_new_primary=wanted, **values)
    )


def by_script(former: str, wanted: str) -> None:
    other = next(name for name in MEMBERS if name not in (former, wanted))
    lab.check([str(PROMOTE), former, wanted, other])


def by_patronictl(former: str, wanted: str) -> None:
    word = "--leader" if "--leader" in lab.on("db1", *CTL, "switchover", "--help") else "--master"
    lab.on("db1", *CTL, "switchover", "claims", word, former, "--candidate", wanted, "--force")


def measure(name: str, change: Change, url: str, count: int) -> dict[str, t.Any]:
    """Change the primary so many times, under a client; what it saw of each."""
    begins = []
    wait_until_whole(primary())
    with lab.writing(url) as seen:
        for number in range(count):
            former = primary()
            wanted = successor(former)
            begins.append(time.time())
            change(former, wanted)
            wait_until_whole(wanted)
            lab.say(f"{name}: {number + 1} of {count}")
    ends = [*begins[1:], float("inf")]
    pauses = sorted(
        max((gap for end, gap in seen["pauses"] if begin <= end < until), default=SHORTEST)
        for begin, until in zip(begins, ends)
    )
    return {
        "switchovers": count,
        "pauses": [round(pause, 3) for pause in pauses],
        "pause_p50": round(pauses[len(pauses) // 2], 3),
        "pause_p99": round(pauses[min(len(pauses) - 1, int(0.99 * len(pauses)))], 3),
        "pause_max": round(pauses[-1], 3),
        "errors": len(seen["errors"]),
        "acknowledged": seen["acknowledged"],
        "missing": len(seen["missing"]),
    }


def cluster(**values: str) -> None:
    """The scenario's cluster with its pooler, in one mode."""
    have_client()
    for name in ("prepare", "converge"):
        directory = SCENARIO.with_name("pgbouncer") if name == "prepare" else SCENARIO
        lab.check(playbook(directory / f"{name}.yml", **values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    parser.add_argument("--count", type=int, default=10, help="switchovers of each way")
    arguments = parser.parse_args()
    sides: dict[str, t.Any] = {}

    def run(name: str, change: Change, url: str) -> None:
        sides[name] = measure(name, change, url, arguments.count)
        lab.say(json.dumps(sides[name]))

    with lab.hosts("switchover", (*MEMBERS, "pool1", lab.CLIENT)):
        cluster(**NATIVE)
        run("`switchover`, native", by_playbook(**NATIVE), OURS)
        run("a script that stops and promotes", by_script, ALL)
    with lab.hosts("switchover", (*MEMBERS, "pool1", lab.CLIENT)):
        cluster()
        run("`switchover`, Patroni", by_playbook(), OURS)
    with lab.hosts("switchover", (*MEMBERS, lab.CLIENT)):
        have_client()
        lab.check(lab.playbook(lab.PEERS / "patroni.yml"))
        run("`patronictl switchover`", by_patronictl, ALL)
    lab.write({"benchmark": "switchover", "sides": sides}, arguments.json)


if __name__ == "__main__":
    main()
