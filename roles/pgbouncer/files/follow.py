#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leads PgBouncer to the primary that a cluster with automatic failover has chosen.

    follow.py CONFIGURATION

The configuration, JSON: `console` (keywords of libpq), `port` (where members tell their role), and `members`: for each
name its `host`, the `file` to be read while it is the primary, and the `place` (host and port) of the databases then.
Nothing is done unless exactly one member says that it is the primary, and says so again right before.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg.rows import dict_row

INTERVAL_S = 0.5
PATIENCE_S = 1.0
Member = t.Dict[str, t.Any]


def is_primary(member: Member, port: int) -> bool:
    """Whether a member says so; silence is no."""
    connection = http.client.HTTPConnection(member["host"], port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/primary")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def astray(databases: t.Iterable[t.Mapping[str, t.Any]], names: t.Container[str], place: t.Sequence[t.Any]) -> bool:
    """Whether one of the named databases, out of SHOW DATABASES, is elsewhere."""
    return any([row["host"], int(row["port"])] != list(place) for row in databases if row["name"] in names)


class Follower:
    """Asks the members, and leads the pooler."""

    def __init__(self, configuration: t.Mapping[str, t.Any]) -> None:
        self._configuration = configuration
        self._members: dict[str, Member] = configuration["members"]
        self._pool = ThreadPoolExecutor(len(self._members))

    def look(self) -> None:
        """One round; raises psycopg.Error when the pooler does not answer."""
        port = self._configuration["port"]
        said = self._pool.map(lambda member: is_primary(member, port), self._members.values())
        primaries = [name for name, yes in zip(self._members, said) if yes]
        if len(primaries) != 1:
            return
        member = self._members[primaries[0]]
        with psycopg.connect(
            **self._configuration["console"], autocommit=True, prepare_threshold=None, row_factory=dict_row
        ) as console:
            rows = console.execute("SHOW DATABASES").fetchall()
            if astray(rows, self._configuration["databases"], member["place"]) and is_primary(member, port):
                console.execute(f"SET conffile = '{member['file']}'")
                console.execute("RELOAD")
                print(f"{primaries[0]} is the primary: led there", flush=True)


def main(path: str) -> None:
    follower = Follower(json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
    while True:
        began = time.monotonic()
        try:
            follower.look()
        except psycopg.Error as error:
            print(f"The pooler does not answer: {' '.join(str(error).split())}", flush=True)
            time.sleep(PATIENCE_S)
        time.sleep(max(0.0, INTERVAL_S - (time.monotonic() - began)))


if __name__ == "__main__":
    main(sys.argv[1])
