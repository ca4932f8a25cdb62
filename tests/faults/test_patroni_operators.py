# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of a cluster of Patroni and etcd: cut off in every phase, two at once, and what Patroni leaves to them."""

from __future__ import annotations

import time

import pytest

from .conftest import wait_for
from .database import Database, others


@pytest.fixture(scope="module")
def database() -> Database:
    return Database()


@pytest.mark.parametrize("phase", ["begun", "held_back", "stopped", "promoted"])
def test_a_controller_that_is_killed(database, phase):
    now, wanted = database.whole()
    with database.writing() as seen, database.watched() as split:
        run = database.start("switchover", postgresql_new_primary=wanted)
        said = database.script(now, "kill_switchover.sh", phase, wanted)
        database.kill(run)
        assert said.split()[-1] == "killed", said

        def finished() -> bool:
            again = database.run("switchover", postgresql_new_primary=wanted)
            # Patroni goes on by itself meanwhile, with nobody as the primary for a moment.
            assert again.code == 0 or "Wait for it" in again.output or "streams" in again.output, again.output[-3000:]
            if again.code:
                database.whole()
            return again.code == 0

        wait_for(finished, "the switchover is not finished by running it again")
        assert database.whole()[0] == wanted
    assert split == []
    assert seen["errors"] == []
    assert seen["missing"] == []


def test_two_switchovers_at_once(database):
    _, wanted = database.whole()
    with database.writing() as seen:
        runs = [database.start("switchover", postgresql_new_primary=wanted) for _ in range(2)]
        ended = [database.finish(run) for run in runs]
        assert database.whole()[0] == wanted
    assert 0 in [run.code for run in ended]
    for run in ended:
        assert run.code == 0 or "Another change of roles is under way" in run.output
    assert seen["errors"] == []
    assert seen["missing"] == []


def test_a_replica_without_its_data_is_led_back(database):
    now, _ = database.whole()
    lost = others(now)[0]
    database.shell(
        lost, "systemctl stop patroni; rm /var/lib/postgresql/*/main/global/pg_control; systemctl start patroni"
    )
    run = database.run("rejoin", postgresql_member=lost)
    assert run.code == 0
    assert database.whole()[0] == now


def test_a_failover_that_patroni_does_not_make(database):
    now, awaited = database.whole()
    third = next(name for name in others(now) if name != awaited)
    with database.writing() as seen:
        pass
    wait_for(
        lambda: database.sql(third, "SELECT pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn()") == "t", "it lags"
    )
    gone = "systemctl kill --signal=KILL patroni; systemctl stop patroni"
    try:
        for process in [database.begin(host, gone) for host in (now, awaited)]:
            process.wait()
        wait_for(lambda: database.leader(third) == "", "the lock does not run out")
        # It may not have what was acknowledged, so Patroni leaves it alone.
        time.sleep(7)
        assert database.primaries() == []
        refused = database.run("failover", postgresql_new_primary=third)
        assert refused.code != 0
        assert "accept_unknown_loss" in refused.output
        allowed = {"postgresql_accept_unknown_loss": True, "postgresql_max_loss_bytes": 1048576}
        run = database.run("failover", postgresql_new_primary=third, **allowed)
        assert run.code == 0
        assert database.primaries() == [third]
    finally:
        for host in (now, awaited):
            database.on(host, "systemctl", "start", "patroni")
    assert database.whole()[0] == third
    with database.writing() as after:
        pass
    assert after["missing"] == []
    assert after["acknowledged"] > 100
    assert seen["missing"] == []
