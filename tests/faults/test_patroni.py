# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of Patroni and etcd under faults, as docs/patroni.md and docs/guarantees.md promise."""

from __future__ import annotations

import time

import pytest

from .conftest import wait_for
from .database import Database, others


@pytest.fixture(scope="module")
def database() -> Database:
    return Database()


SERVER = "server=$(head -n 1 /var/lib/postgresql/*/main/postmaster.pid); kill -{} $server $(pgrep -P $server)"
STILL = {
    "all of it": "systemctl kill --signal={} patroni",
    "the server": SERVER,
    # What a watchdog is for: its server goes on, and clients reach it.
    "Patroni": "systemctl kill --kill-whom=main --signal={} patroni",
}


@pytest.mark.parametrize("part", STILL)
def test_a_primary_that_stands_still_is_replaced(database, part):
    now, _ = database.whole()
    with database.writing() as pooled, database.writing(f"host={now}", "direct") as direct:
        database.shell(now, STILL[part].format("STOP"))
        try:
            new, _ = database.whole(without=[now])
        finally:
            database.shell(now, STILL[part].format("CONT"))
        assert database.whole(not_any_more=now)[0] == new
    assert pooled["missing"] == []
    assert direct["missing"] == []


@pytest.mark.parametrize("hooks", [("input", "output"), ("input",)], ids=["cut off", "deaf"])
def test_a_primary_that_is_cut_off_keeps_nothing_to_itself(database, hooks):
    now, _ = database.whole()
    with database.writing() as pooled, database.writing(f"host={now}", "direct") as direct, database.watched() as split:
        # Clients reach it still.
        with database.cut_off(now, others(now), hooks):
            new, _ = database.whole(without=[now])
            wait_for(
                lambda: not database.answers(now, "primary") and database.primaries() == [new],
                f"{now} is a primary still",
            )
        assert database.whole(not_any_more=now)[0] == new
    # It may say so a moment longer than the other on a busy machine; what counts is that it acknowledges nothing.
    print(f"two primaries in {len(split)} looks")
    assert pooled["missing"] == []
    assert direct["missing"] == []


def test_a_synchronous_replica_that_is_cut_off_is_not_waited_for(database):
    now, awaited = database.whole()
    with database.writing() as seen, database.cut_off(awaited, [now]):
        assert database.whole(without=[awaited])[0] == now
    assert database.whole()[0] == now
    assert seen["missing"] == []


def test_etcd_loses_a_member(database):
    now, _ = database.whole()
    with database.writing() as seen:
        database.on(now, "systemctl", "stop", "etcd")
        time.sleep(25)
        database.on(now, "systemctl", "start", "--no-block", "etcd")
        assert database.whole()[0] == now
    assert seen["errors"] == []
    assert seen["missing"] == []


def test_a_full_disk(database):
    now, _ = database.whole()
    full = "/var/lib/postgresql/full"
    with database.writing() as seen:
        database.shell(now, f"fallocate -l $(df --output=avail -B1 /var/lib/postgresql | tail -n 1) {full}")
        try:
            # Its log is on another disk.
            told = "grep -q 'No space left on device' /var/log/postgresql/*.log && echo yes || echo no"
            wait_for(lambda: database.shell(now, told).strip() == "yes", "the disk is not full")
            time.sleep(10)
            # Patroni hands nothing over: the operator makes room, or switches over.
            assert database.primaries() == [now]
        finally:
            database.on(now, "rm", "-f", full)
        assert database.whole()[0] == now
        time.sleep(3)
    assert seen["missing"] == []
    assert any("No space left on device" in reason for _, reason in seen["errors"])
    # It went on once there was room.
    assert seen["errors"][-1][0] < seen["ended"] - 2
