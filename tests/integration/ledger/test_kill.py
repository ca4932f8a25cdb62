# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left after kill -9, and among many processes at once."""

from __future__ import annotations

import json
import os
import random
import signal
import time

from .conftest import Ledger, forked, kill_writes, killed

KILLS = 200


def test_a_killed_write_leaves_the_old_record_or_the_new_one(ledger):
    kill_writes(ledger, KILLS, seed=20, longest=0.03)


def test_a_killed_rollout_is_never_lost_nor_doubled(ledger):
    """Begin and finish in a loop; what was acknowledged is there once, and the next run goes on at once."""
    source = random.Random(21)
    finished = []

    def loop(acknowledge):
        while True:
            token = ledger.act("begin")["token"]
            identity = ledger.act("finish", token=token, outcome="failed")["rollout"]["id"]
            acknowledge(identity)

    for _kill in range(KILLS // 4):
        finished += killed(*forked(loop), after=source.uniform(0, 0.05))
        shown = ledger.info()
        assert shown["corrupt"] == []
        known = [record["id"] for record in shown["current"] + shown["history"]]
        assert len(known) == len(set(known))
        assert set(finished[-20:]) <= set(known)
        if shown["current"]:
            token = ledger.act("take_over", force_take_over=True)["token"]
            ledger.act("finish", token=token, outcome="rolled_back")


def test_the_lock_of_a_killed_process_is_free_at_once(ledger):
    from ansible_collections.horizontal.scaling.plugins.module_utils.ledger.file_store import FileStore

    ledger.act("begin")

    def hold(acknowledge):
        with FileStore(str(ledger.path), "claims").locked():
            acknowledge("locked")
            time.sleep(60)

    pid, reader = forked(hold)
    assert os.read(reader, 10)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    began = time.monotonic()
    assert ledger.act("pause")["changed"]
    assert time.monotonic() - began < 1


def test_of_many_operators_one_begins(ledger):
    processes = [ledger.start("begin", owner=f"ops@host{number}") for number in range(6)]
    other = ledger.start("begin", service="members", plan=dict(ledger.plan, service="members"))
    results = [Ledger.result(process) for process in processes]
    assert sum("token" in result for result in results) == 1
    refused = [result for result in results if result.get("failed")]
    assert len(refused) == 5
    (holder,) = {result["holder"]["owner"] for result in refused}
    assert all(f"held by {holder} since" in result["msg"] for result in refused)
    assert "token" in Ledger.result(other)


def test_pause_resume_and_abort_from_another_process(ledger):
    token = ledger.act("begin")["token"]
    Ledger.result(ledger.start("pause", owner="oncall@desk"))
    run = ledger.start("advance", token=token, batch=1, phase="draining", pause_timeout=30)
    ends = time.monotonic() + 20
    while not ledger.info()["current"][0]["waiting"] and time.monotonic() < ends:
        time.sleep(0.02)
    assert run.poll() is None
    Ledger.result(ledger.start("resume", owner="oncall@desk"))
    assert Ledger.result(run)["rollout"]["batches"][0]["state"] == "active"
    Ledger.result(ledger.start("abort", owner="oncall@desk", reason="wrong version"))
    stopped = Ledger.result(ledger.start("advance", token=token, batch=2, phase="draining"))
    assert (stopped["failed"], stopped["requested"]) == (True, "aborted")
    assert token not in json.dumps(stopped)


def test_a_killed_controller_is_followed_by_another(ledger):
    """The run dies while it waits; a later one takes over, and the old one's token is worth nothing."""
    token = ledger.act("begin")["token"]
    ledger.act("advance", token=token, batch=1, phase="draining")
    early = Ledger.result(ledger.start("take_over", owner="b@desk"))
    assert "may be alive" in early["msg"]
    late = Ledger.result(ledger.start("take_over", owner="b@desk", take_over_after=0))
    assert late["rollout"]["batches"][0]["state"] == "active"
    old = Ledger.result(ledger.start("advance", token=token, batch=1, phase="replacing"))
    assert (old["failed"], old["requested"]) == (True, "fenced")
    new = Ledger.result(ledger.start("advance", token=late["token"], batch=1, phase="replacing"))
    assert new["changed"]
