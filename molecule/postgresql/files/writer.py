#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes numbered rows to whoever is the primary until it is told to end, then reads all of them back.

    writer.py CONNINFO RESULT [TABLE]

INTERVAL in its environment: seconds between two of them. The result, as JSON: how many rows were acknowledged, which
are missing, errors, the longest time without a row, and all such times above PAUSE; errors and pauses with the time of
the clock at their end, and when it ended itself.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psycopg

CONNINFO, RESULT, TABLE = [*sys.argv[1:], "numbers"][:3]
INTERVAL = float(os.environ.get("INTERVAL", "0.025"))
PAUSE = 0.05
state = {"run": True}


def end(*_arguments):
    state["run"] = False


def connect():
    # A pooler gives every transaction another server connection, which knows no prepared statement.
    return psycopg.connect(CONNINFO, autocommit=True, connect_timeout=2, prepare_threshold=None)


def main():
    signal.signal(signal.SIGTERM, end)
    acknowledged, errors, gaps, number, last = [], [], [], 0, time.monotonic()
    clock = time.time() - time.monotonic()
    with connect() as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (n bigint PRIMARY KEY)")
        number = connection.execute(f"SELECT coalesce(max(n), 0) FROM {TABLE}").fetchone()[0]
    while state["run"]:
        try:
            with connect() as connection:
                while state["run"]:
                    number += 1
                    connection.execute(f"INSERT INTO {TABLE} VALUES (%s)", (number,))
                    acknowledged.append(number)
                    now = time.monotonic()
                    gaps.append((clock + now, now - last))
                    last = now
                    time.sleep(INTERVAL)
        except psycopg.Error as error:
            errors.append((time.time(), str(error).splitlines()[0]))
            time.sleep(0.02)
    with connect() as connection:
        there = {row[0] for row in connection.execute(f"SELECT n FROM {TABLE}")}
    with Path(RESULT).open("w", encoding="utf-8") as stream:
        missing = [number for number in acknowledged if number not in there]
        result = {"acknowledged": len(acknowledged), "missing": missing, "errors": errors}
        result["ended"] = time.time()
        result["longest_gap"] = max(seconds for _, seconds in gaps)
        result["pauses"] = [gap for gap in gaps if gap[1] > PAUSE]
        json.dump(result, stream)


if __name__ == "__main__":
    main()
