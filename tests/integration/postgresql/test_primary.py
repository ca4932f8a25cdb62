# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_primary and postgresql_cluster_info against real servers: switchovers and failovers under writes."""

from __future__ import annotations

import os
import signal

import psycopg
import pytest

from ..running import until


def info(site, **more):
    return site.cluster("postgresql_cluster_info", owner=site.owner, **more)


def others(site, member):
    return [each for each in site.members.values() if each is not member]


def settled(site, primary):
    """One primary, and all others stream from it."""
    assert info(site)["primaries"] == [primary.name]
    assert primary.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == [
        (len(site.members) - 1,)
    ]
    for standby in others(site, primary):
        assert standby.streams_from(primary)
        assert standby.sql("SELECT slot_name FROM pg_replication_slots") == []
    assert primary.sql("SELECT slot_name FROM pg_replication_slots WHERE active ORDER BY 1") == [
        (each.name,) for each in others(site, primary)
    ]


def test_a_switchover_loses_no_acknowledged_row(site, writer):
    a, b, c = site.trio()
    load = writer([a, b, c])
    before = {each.name: each.fingerprint() for each in site.members.values()}
    predicted = site.switch(a, b, check=True)
    assert predicted.get("changed") is True, predicted.get("msg", predicted)
    assert {each.name: each.fingerprint() for each in site.members.values()} == before
    real = site.switch(a, b)
    assert real.get("changed") is True, real.get("msg", real)
    assert real["diff"] == predicted["diff"]
    settled(site, b)
    until(lambda: len(load.gaps) and b.one("SELECT count(*) FROM pg_stat_activity WHERE usename = 'admin'") > 0)
    load.stop()
    assert set(load.acknowledged) <= set(b.numbers())
    assert len(load.acknowledged) > 50
    assert real["pause_seconds"] < 2
    print(real["pause_seconds"], real["phases"], max(load.gaps))
    for check in (True, False):
        again = site.switch(a, b, check=check)
        assert again.get("changed") is False, again.get("msg", again)


def test_there_and_back_again(site, writer):
    a, b, c = site.trio()
    load = writer([a, b, c])
    for now, wanted in ((a, b), (b, c), (c, a)):
        result = site.switch(now, wanted)
        assert result.get("changed") is True, result.get("msg", result)
        settled(site, wanted)
    load.stop()
    assert set(load.acknowledged) <= set(a.numbers())


def test_gates_that_are_closed_leave_everything_alone(site):
    a, b, c = site.trio()
    c.stop()
    b.sql("SELECT pg_wal_replay_pause()")
    a.fill(1, 20_000)
    transaction = a.connect()
    transaction.execute("BEGIN")
    transaction.execute("SELECT 1")
    until(lambda: a.one("SELECT max(clock_timestamp() - xact_start) > interval '1.2 s' FROM pg_stat_activity") is True)
    for check in (True, False):
        refused = site.switch(a, b, check=check, max_lag_bytes=1000, max_transaction_seconds=1)
        closed = {gate["name"] for gate in refused["gates"] if not gate["passed"]}
        assert closed == {"replicas_stream", "lag", "transactions", "replay"}, refused["msg"]
        assert "c does not answer" in refused["msg"]
        assert "[lag] b is" in refused["msg"]
    assert a.one("SELECT pg_is_in_recovery()") is False
    b.sql("SELECT pg_wal_replay_resume()")
    result = site.switch(a, b, ignore_gates=["replicas_stream"], max_transaction_seconds=60)
    assert result.get("changed") is True, result.get("msg", result)
    assert b.one("SELECT pg_is_in_recovery()") is False


def test_a_failure_before_the_promotion_puts_everything_back(site, writer):
    a, b, c = site.trio()
    load = writer([a, b, c])
    os.kill(b.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'")[0][0], signal.SIGSTOP)
    try:
        failed = site.switch(a, b, catch_up_timeout=1)
    finally:
        os.kill(b.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'")[0][0], signal.SIGCONT)
    assert "b has replayed up to" in failed["msg"], failed["msg"]
    assert "Everything was put back: a is the primary again." in failed["msg"]
    assert info(site)["primary"] == "a"
    number = len(load.acknowledged)
    until(lambda: len(load.acknowledged) > number + 10)
    load.stop()
    assert set(load.acknowledged) <= set(a.numbers())
    assert b.sql("SELECT slot_name FROM pg_replication_slots") == []
    until(lambda: site.switch(a, b).get("changed") is True)
    settled(site, b)


@pytest.mark.parametrize("told", [False, True])
def test_a_switchover_that_was_cut_off_is_finished(site, told):
    a, b, _ = site.trio()
    a.fill(1, 10)
    a.stop()
    if told:
        (a.data / "standby.signal").touch()
    predicted = site.switch(a, b, check=True)
    result = site.switch(a, b)
    assert result.get("resumed") is True, result.get("msg", result)
    assert result["diff"] == predicted["diff"]
    settled(site, b)
    assert b.numbers() == list(range(1, 11))


def test_a_switchover_that_was_cut_off_after_the_promotion_is_finished(site):
    a, b, _ = site.trio()
    a.stop()
    (a.data / "standby.signal").touch()
    b.sql("SELECT pg_promote()")
    predicted = site.switch(a, b, check=True)
    result = site.switch(a, b)
    assert result.get("changed") is True, result.get("msg", result)
    assert result["diff"] == predicted["diff"]
    settled(site, b)


def test_a_second_operator_is_refused(site):
    a, b, _ = site.trio()
    with b.connect() as other:
        other.execute("SELECT pg_advisory_lock(26739, 28775)")
        refused = site.switch(a, b)
    assert "Another change of roles is under way: admin from 127.0.0.1" in refused["msg"]
    assert a.one("SELECT pg_is_in_recovery()") is False


def test_a_failover_of_a_killed_primary(site, writer):
    a, b, c = site.trio()
    load = writer([a, b, c])
    a.kill()
    refused = site.switch(None, None, mode="unplanned")
    assert "[loss] At least" in refused["msg"], refused["msg"]
    predicted = site.switch(a, None, mode="unplanned", max_loss_bytes=1 << 20, check=True)
    assert predicted.get("changed") is True, predicted.get("msg", predicted)
    assert predicted["loss"]["exact"] is True
    assert b.one("SELECT pg_is_in_recovery()") is True
    real = site.switch(a, None, mode="unplanned", max_loss_bytes=1 << 20)
    assert real.get("changed") is True, real.get("msg", real)
    assert real["diff"] == predicted["diff"]
    assert real["former_primary"] == "a"
    new = site.members[real["primary"]]
    third = b if new is c else c
    assert third.streams_from(new)
    until(lambda: new.one("SELECT count(*) FROM pg_stat_activity WHERE usename = 'admin'") > 1)
    load.stop()
    if real["loss"]["bytes"] == 0:
        assert set(load.acknowledged) <= set(new.numbers())
    again = site.switch(None, None, mode="unplanned")
    assert again.get("changed") is False, again.get("msg", again)
    # The former primary cannot come back writable, and is led back.
    a.start()
    assert a.one("SELECT pg_is_in_recovery()") is True
    back = site.standby(a, new)
    assert back.get("changed") is True, back.get("msg", back)
    settled(site, new)


def test_a_failover_from_elsewhere_needs_proof(site):
    a, b, c = site.trio()
    alive = {"mode": "unplanned", "accept_unknown_loss": True}
    assert "a is the primary and answers" in site.switch(None, b, **alive)["msg"]
    os.kill(a.pid, signal.SIGSTOP)
    try:
        frozen = site.switch(None, b, timeout=1, **alive)
        assert "[former_primary_gone]" in frozen["msg"], frozen["msg"]
        assert "still streams from a, which is alive" in frozen["msg"]
        unfenced = site.switch(None, b, timeout=1, fence_command=["false"], **alive)
        assert "fence_command ended with status 1" in unfenced["msg"]
        assert b.one("SELECT pg_is_in_recovery()") is True
        predicted = site.switch(
            None, b, timeout=1, fence_command=["touch", str(site.base / "fenced")], check=True, **alive
        )
        assert predicted.get("changed") is True, predicted.get("msg", predicted)
        assert not (site.base / "fenced").exists()
    finally:
        os.kill(a.pid, signal.SIGCONT)
    a.kill()
    real = site.switch(None, b, **alive)
    assert real.get("changed") is True, real.get("msg", real)
    assert any("refuses connections" in gate["message"] for gate in real["gates"])
    assert c.streams_from(b)


def test_a_failover_keeps_to_its_limit(site):
    a, b, c = site.trio()
    for each in (b, c):
        each.sql("ALTER SYSTEM SET primary_slot_name = ''")
        each.sql("SELECT pg_reload_conf()")
        each.stop()
    a.fill(1, 5000)
    a.kill()
    b.start()
    c.start()
    refused = site.switch(a, b, mode="unplanned", max_loss_bytes=1000)
    assert refused["loss"]["bytes"] > 1000, refused["msg"]
    assert refused["loss"]["exact"] is True
    assert "max_loss_bytes is 1000" in refused["msg"]
    assert b.one("SELECT pg_is_in_recovery()") is True
    assert site.switch(a, b, mode="unplanned", max_loss_bytes=1 << 30).get("changed") is True


def test_two_primaries_are_named(site):
    a, b, _ = site.trio()
    b.sql("SELECT pg_promote()")
    split = site.switch(a, b)
    assert "a and b are primaries at the same time" in split["msg"]


def test_what_info_returns(site):
    a, b, c = site.trio()
    a.fill(1, 10)
    c.stop()
    for check in (True, False):
        found = info(site, check=check)
        assert (found["primary"], found["changed"]) == ("a", False)
        shown = {each["name"]: each for each in found["members"]}
        assert shown["a"]["role"] == "primary"
        assert shown["b"]["upstream"] == "a"
        assert shown["b"]["sync_state"] == "async"
        assert shown["c"]["role"] == "down"
        assert "Connection refused" in shown["c"]["reason"]
        slots = {slot["name"]: slot for slot in shown["a"]["slots"]}
        assert slots["b"]["active"] is True
        assert slots["c"]["active"] is False
        assert slots["c"]["retained"] >= 0
    again = info(site, members=found["members"])
    assert again.get("primary") == "a", again
    broken = info(site, passfile="/nonexistent")
    assert broken["primaries"] == []
    assert all("no password supplied" in each["reason"] for each in broken["members"] if each["name"] != "c")


def test_a_frozen_replica_keeps_writes_away_for_no_longer_than_allowed(site, writer):
    a, b, c = site.trio()
    load = writer([a, b, c])
    receiver = c.one("SELECT pid FROM pg_stat_wal_receiver")
    os.kill(receiver, signal.SIGSTOP)
    try:
        failed = site.switch(a, b, stop_timeout=1)
    finally:
        os.kill(receiver, signal.SIGCONT)
    assert "did not shut down within 1." in failed["msg"], failed["msg"]
    assert "a is the primary again" in failed["msg"]
    number = len(load.acknowledged)
    until(lambda: len(load.acknowledged) > number + 10)
    load.stop()
    assert max(load.gaps) < 5
    assert set(load.acknowledged) <= set(a.numbers())


def test_the_data_of_another_member_are_not_taken_for_the_primary_s(site):
    a, b, c = site.trio()
    server = site.server(c)
    place = {name: server[name] for name in ("data_directory", "config_file", "log_file")}
    refused = site.switch(a, b, **place)
    assert "is not what the primary a runs on" in refused["msg"], refused["msg"]
    a.kill()
    c.stop()
    refused = site.switch(a, b, mode="unplanned", max_loss_bytes=1 << 30, **place)
    assert "are not those of the former primary a" in refused["msg"], refused["msg"]
    assert b.one("SELECT pg_is_in_recovery()") is True


def test_a_raised_setting_comes_to_all_with_the_switchover(site):
    a, b, c = site.trio()
    for each in (a, b, c):
        each.configure(max_connections="150")
    for each in (b, c):
        each.stop()
        each.start()
        until(lambda each=each: each.streams_from(a), ignore=psycopg.Error)
    assert a.one("SHOW max_connections") != "150"
    result = site.switch(a, b)
    assert result.get("changed") is True, result.get("msg", result)
    settled(site, b)
    assert [each.one("SHOW max_connections") for each in (a, b, c)] == ["150"] * 3


def test_a_cascade_stays_one(site, writer):
    a, b, c = site.trio()
    d = site.member("d")
    assert site.standby(d, b).get("action") == "clone"
    load = writer([a, b, c, d])
    # Once its upstream has been the primary, it is a standby like the others.
    for now, wanted, upstream in ((a, c, "b"), (c, b, "b"), (b, a, "a")):
        predicted = site.switch(now, wanted, check=True)
        result = site.switch(now, wanted)
        assert result.get("changed") is True, result.get("msg", result)
        assert result["diff"] == predicted["diff"]
        upstreams = {each["name"]: each["upstream"] for each in result["members"]}
        expected = {name: "" if name == wanted.name else wanted.name for name in "abc"}
        assert upstreams == {**expected, "d": upstream}
        slots = {each["name"] for each in result["members"] if "d" in {slot["name"] for slot in each["slots"]}}
        assert slots == {upstream}
    load.stop()
    until(lambda: set(load.acknowledged) <= set(d.numbers()))
