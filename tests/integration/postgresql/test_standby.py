# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_standby against real servers: every way to become a standby, and what is refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ..running import until
from .conftest import program


def untouched(site, member, primary, **more):
    """Check mode changes neither member; returns its result."""
    before = member.fingerprint(), primary.fingerprint(), primary.sql("SELECT slot_name FROM pg_replication_slots")
    predicted = site.standby(member, primary, check=True, **more)
    assert (
        member.fingerprint(),
        primary.fingerprint(),
        primary.sql("SELECT slot_name FROM pg_replication_slots"),
    ) == before
    return predicted


def cycle(site, member, primary, action, **more):
    """Check, look, real, look, again; what check mode predicts must be what comes true."""
    predicted = untouched(site, member, primary, **more)
    assert predicted.get("changed") is True, predicted.get("msg", predicted)
    assert predicted["action"] == action, predicted
    real = site.standby(member, primary, **more)
    assert real.get("changed") is True, real.get("msg", real)
    assert (real["action"], real["diff"]) == (action, predicted["diff"])
    assert member.streams_from(primary)
    for check in (True, False):
        again = site.standby(member, primary, check=check, **more)
        assert again.get("changed") is False, again.get("msg", again)
        assert again["action"] == "none"
    return real


def test_an_empty_host_is_cloned(site):
    a = site.primary()
    a.fill(1, 1000)
    b = site.member("b")
    result = cycle(site, b, a, "clone")
    assert result["reason"] == "there is no data yet"
    assert b.numbers() == list(range(1, 1001))
    assert a.sql("SELECT slot_name, active FROM pg_replication_slots") == [("b", True)]
    assert not list(site.base.glob(".*.cloning"))


def test_a_stopped_standby_is_started(site):
    a, b, _ = site.trio()
    b.stop()
    a.fill(1, 10)
    assert cycle(site, b, a, "repoint")["discarded_bytes"] == 0
    until(lambda: b.numbers() == list(range(1, 11)))


def test_another_primary_of_the_same_history_is_followed_without_a_restart(site):
    a, b, c = site.trio()
    a.fill(1, 100)
    until(lambda: c.numbers() == b.numbers() == list(range(1, 101)))
    a.stop()
    b.sql("SELECT pg_promote()")
    b.fill(101, 200)
    started = c.one("SELECT pg_postmaster_start_time()")
    result = cycle(site, c, b, "repoint")
    assert result["timeline"] == 2
    assert c.one("SELECT pg_postmaster_start_time()") == started
    until(lambda: c.numbers() == list(range(1, 201)))


def test_a_cleanly_stopped_primary_follows_the_one_that_had_everything(site):
    a, b, c = site.trio()
    a.fill(1, 100)
    c.stop()
    a.stop()
    b.sql("SELECT pg_promote()")
    assert cycle(site, a, b, "repoint")["discarded_bytes"] == 0
    assert a.numbers() == list(range(1, 101))
    assert not a.sql("SELECT slot_name FROM pg_replication_slots")


def keep_no_wal(member):
    member.sql("ALTER SYSTEM SET wal_keep_size = 0")
    member.sql("SELECT pg_reload_conf()")


def diverge(site):
    """Two histories of one cluster, each with rows of its own; the former primary `a` still runs."""
    a, b, c = site.trio()
    c.stop()
    a.fill(1, 100)
    until(lambda: b.numbers() == list(range(1, 101)))
    b.sql("ALTER SYSTEM SET primary_conninfo = ''")
    b.sql("SELECT pg_reload_conf()")
    until(lambda: not b.sql("SELECT 1 FROM pg_stat_wal_receiver"))
    a.fill(101, 150)
    b.sql("SELECT pg_promote()")
    b.fill(1001, 1100)
    return a, b


def lost_rows(result):
    """What pg_waldump needs to show the WAL that was discarded: it begins where the name of the copy says."""
    begin = "/".join(result["kept_wal"].rsplit("-", 2)[1:])
    first = min(path.name for path in Path(result["kept_wal"]).iterdir())
    return ["-t", "1", "-s", begin, "-e", f"0/{int(begin.split('/')[1], 16) + result['discarded_bytes']:X}", first]


@pytest.mark.parametrize("how", ["running", "stopped", "killed"])
def test_a_former_primary_that_went_on_writing_is_rewound(site, how):
    a, b = diverge(site)
    {"running": lambda: None, "stopped": a.stop, "killed": a.kill}[how]()
    result = cycle(site, a, b, "rewind", keep_discarded=str(site.base / "discarded"))
    assert result["found"] == "diverged"
    assert result["discarded_bytes"] > 0
    kept = program("pg_waldump", "-p", result["kept_wal"], *lost_rows(result))
    assert kept.stdout.count("Heap") >= 50
    assert a.numbers() == [*range(1, 101), *range(1001, 1101)]


def test_where_rewinding_is_not_allowed_a_clone_needs_a_word(site):
    a, b = diverge(site)
    a.stop()
    before = a.fingerprint()
    refused = site.standby(a, b, rewind=False)
    assert refused["failed"]
    assert "The data directory is not replaced: it has WAL up to" in refused["msg"]
    assert "replace=diverged" in refused["msg"]
    assert a.fingerprint() == before
    assert cycle(site, a, b, "clone", rewind=False, replace="diverged")["discarded_bytes"] > 0
    assert a.numbers() == [*range(1, 101), *range(1001, 1101)]


def test_a_member_on_a_later_timeline_is_never_wiped(site):
    a, b = diverge(site)
    for check in (True, False):
        refused = site.standby(b, a, check=check, replace="stale")
        assert "it is on timeline 2, which a on timeline 1 never was on" in refused["msg"], refused
        assert refused["decision"]["data"] == "ahead"
    assert b.one("SELECT pg_is_in_recovery()") is False
    b.stop()
    refused = site.standby(b, a, replace="stale")
    assert "replace=diverged" in refused["msg"]
    b.start()
    assert b.numbers() == [*range(1, 101), *range(1001, 1101)]


def test_another_cluster_is_never_wiped(site):
    a, other = site.primary("a"), site.member("b")
    program("initdb", "-D", str(other.data), "--no-sync", "-A", "trust")
    before = other.fingerprint()
    for replace in ("stale", "diverged"):
        refused = site.standby(other, a, replace=replace)
        assert "it belongs to the cluster" in refused["msg"]
    assert other.fingerprint() == before
    assert cycle(site, other, a, "clone", replace="any")["found"] == "foreign"


def test_files_that_are_no_cluster_are_never_wiped(site):
    a, b = site.primary("a"), site.member("b")
    b.data.mkdir()
    (b.data / "precious").write_text("kept")
    assert "files that are no PostgreSQL cluster" in site.standby(b, a, replace="diverged")["msg"]
    assert (b.data / "precious").read_text() == "kept"


def test_a_standby_whose_wal_is_gone_is_cloned(site):
    a, b, _ = site.trio()
    b.stop()
    a.sql("SELECT pg_drop_replication_slot('b')")
    keep_no_wal(a)
    for first in (1, 50_001):
        a.fill(first, first + 49_999)
        a.sql("SELECT pg_switch_wal()")
        a.sql("CHECKPOINT")
    assert "replace=stale" in site.standby(b, a, replace="never")["msg"]
    result = cycle(site, b, a, "clone")
    assert result["found"] == "stale"
    assert "has WAL from" in result["reason"]
    assert len(b.numbers()) == 100_000


def test_a_clone_that_was_cut_off_is_begun_again(site):
    a, b = site.primary("a"), site.member("b")
    site.standby(b, a)
    b.stop()
    (b.data / "global" / "pg_control").unlink()
    (site.base / ".b.cloning").write_text("")
    assert cycle(site, b, a, "clone")["reason"] == "an earlier clone was cut off"


def test_a_wrong_password_ends_the_wait_with_the_log_line(site):
    a, b = site.primary("a"), site.member("b")
    site.standby(b, a)
    a.sql("ALTER ROLE replicator PASSWORD 'another'")
    b.stop()
    b.start()
    began = time.monotonic()
    failed = site.standby(b, a)
    assert 'password authentication failed for user "replicator"' in failed["msg"]
    assert time.monotonic() - began < 10


def test_the_log_line_of_a_stream_that_cannot_be(site):
    a, b, _ = site.trio()
    b.stop()
    a.sql("ALTER SYSTEM SET max_wal_senders = 20")
    a.sql("ALTER SYSTEM SET max_connections = 300")
    a.stop()
    a.start()
    a.fill(1, 10)
    b.start()
    until(lambda: b.one("SELECT pg_is_wal_replay_paused()"))
    failed = site.standby(b, a)
    assert failed.get("failed"), failed
    assert "insufficient parameter settings" in failed["msg"], failed["msg"]


def test_a_cascade(site):
    a, b, c = site.trio()
    assert cycle(site, c, b, "repoint")["action"] == "repoint"
    a.fill(1, 10)
    until(lambda: c.numbers() == list(range(1, 11)))


def test_a_member_is_not_its_own_primary(site):
    _, b, _ = site.trio()
    assert "b is this member itself" in site.standby(b, b)["msg"]


def test_what_keeps_pg_rewind_from_working_is_said_before_anything_changes(site):
    a, b = diverge(site)
    a.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    keep_no_wal(a)
    for _ in range(3):
        a.sql("SELECT pg_switch_wal()")
        a.sql("CHECKPOINT")
    a.stop()
    failed = site.standby(a, b)
    assert "pg_rewind failed" in failed.get("msg", ""), failed
    assert "replace=diverged" in failed["msg"]
    a.start()
    assert 150 in a.numbers()
