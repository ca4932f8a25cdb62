# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql import predicates
from ansible_collections.horizontal.scaling.tests.unit.module_utils.postgresql.recorded import reading, text


@pytest.mark.parametrize(
    ("lsn", "number"), [("0/0", 0), ("0/B006D8", 0xB006D8), ("1/0", 1 << 32), ("2A/FFFFFFFF", 0x2AFFFFFFFF)]
)
def test_positions(lsn, number):
    assert predicates.parse_lsn(lsn) == number
    assert predicates.format_lsn(number) == lsn


@pytest.mark.parametrize("lsn", [None, "", "0", "0/", "0/G", "0/1 ", "x0/1"])
def test_what_is_no_position_is_none(lsn):
    assert predicates.parse_lsn(lsn) == 0


def test_the_control_file_of_a_primary_that_was_shut_down():
    control = predicates.parse_control(text("control_primary_15.txt"))
    assert control == {
        "system_identifier": "7711517227795492027",
        "state": "shut down",
        "checkpoint": 0xB03DC8,
        "redo": 0xB03DC8,
        "timeline": 2,
        "recovery_end": 0,
        "recovery_timeline": 0,
        "segment_size": 1 << 20,
        "checksums": True,
        "log_hints": False,
    }
    assert predicates.was_shut_down(control)
    assert predicates.can_rewind(control)
    assert not predicates.can_rewind(dict(control, checksums=False))
    assert predicates.can_rewind(dict(control, checksums=False, log_hints=True))


@pytest.mark.parametrize(
    ("name", "timeline", "end"), [("control_standby_15.txt", 2, 0xB00868), ("control_in_recovery_15.txt", 1, 0xB00660)]
)
def test_the_control_file_of_a_standby(name, timeline, end):
    control = predicates.parse_control(text(name))
    assert not predicates.was_shut_down(control)
    assert (control["recovery_timeline"], control["recovery_end"]) == (timeline, end)


def test_a_timeline_history():
    history = predicates.parse_history(text("history_15.txt") + "# comment\n2\t1/A0\tno recovery target specified\n")
    assert history == [(1, 0xB006D8), (2, 0x1000000A0)]
    assert predicates.fork_of(history, 2) == 0x1000000A0
    assert predicates.fork_of(history, 3) is None


@pytest.mark.parametrize("size", [1 << 20, 16 << 20, 1 << 30])
@pytest.mark.parametrize("position", [0, 0xB006D8, 0x2A_FFFF_FFFF, 0x100_0000_0000])
def test_wal_files_by_position(size, position):
    name = predicates.segment_name(3, position, size)
    assert name.startswith("00000003")
    assert predicates.segment_start(name, size) <= position < predicates.segment_start(name, size) + size


def test_the_names_of_wal_files():
    assert predicates.segment_name(1, 0xB006D8, 1 << 20) == "00000001000000000000000B"
    names = ["00000002.history", "archive_status", "00000001000000000000000B", "00000001000000000000000A.partial"]
    assert predicates.segments(names) == ["00000001000000000000000B"]


def test_where_the_wal_ends():
    assert predicates.end_of_waldump(text("waldump_15.txt")) == 0xB03E40
    assert predicates.end_of_waldump("pg_waldump: error: could not open directory") == 0


def test_roles_positions_and_timelines():
    documents = reading().documents
    assert predicates.position(documents["b"]) == 0xB00868
    assert [predicates.timeline(documents[name]) for name in "abc"] == [2, 2, 2]
    assert predicates.streams_to(documents["b"]) == {"a", "c"}
    assert predicates.sync_state(documents["b"], "a") == "async"
    assert predicates.sync_state(documents["b"], "x") == ""


def test_a_primary_that_has_just_been_promoted_is_on_its_new_timeline():
    promoted = dict(reading().documents["b"], control_timeline=1)
    assert predicates.timeline(promoted) == 2


def test_a_standby_comes_to_the_timeline_of_a_primary_that_was_just_promoted():
    documents = reading().documents
    assert predicates.shares_timeline(documents["c"], documents["b"])
    former = {"control_timeline": 1, "recovery_timeline": 1, "receiver": {"received_tli": 1}}
    behind = reading(c=former).documents["c"]
    assert not predicates.shares_timeline(behind, documents["b"])
    # In a cascade the upstream may be on its way itself.
    assert predicates.shares_timeline(behind, documents["a"])


def test_lag_in_seconds_counts_only_while_something_is_left_to_replay():
    standby = dict(reading().documents["a"], replay_age=30.5)
    assert predicates.lag_seconds(standby) == 0
    assert predicates.lag_seconds(dict(standby, receive_lsn="0/C00000")) == 30.5
    assert predicates.lag_seconds(dict(standby, receive_lsn="0/C00000", replay_age=None)) == 0
    assert predicates.lag_seconds(reading().documents["b"]) == 0


def test_slots():
    row = {"slot_name": "a", "slot_type": "physical", "active": False, "restart_lsn": "0/100", "wal_status": "extended"}
    shown = predicates.slot_view(dict(row, safe_wal_size=4096), 0x300)
    assert (shown["retained"], shown["wal_status"], shown["safe_wal_size"]) == (0x200, "extended", 4096)
    assert predicates.slot_view(dict(row, restart_lsn=None, wal_status=None), 0x300)["retained"] == 0


HOPELESS = [
    "FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment 00000001… has already been removed",
    'FATAL:  could not connect to the primary server: FATAL:  password authentication failed for user "r"',
    "FATAL:  database system identifier differs between the primary and standby",
    'FATAL:  could not start WAL streaming: ERROR:  replication slot "b" does not exist',
    "FATAL:  highest timeline 1 of the primary is behind recovery timeline 2",
    "LOG:  new timeline 2 forked off current database system timeline 1 before current recovery point 0/B006D8",
]


@pytest.mark.parametrize("line", HOPELESS)
def test_lines_that_end_a_wait(line):
    line = f"2026-11-23 23:45:22.001 GMT [1] {line}"
    assert predicates.hopeless_line(f"LOG:  something\n{line}\nLOG:  more\n") == line


@pytest.mark.parametrize(
    "line",
    [
        'FATAL:  could not start WAL streaming: ERROR:  replication slot "b" is active for PID 42',
        "FATAL:  could not connect to the primary server: FATAL:  the database system is starting up",
        "FATAL:  the database system is not yet accepting connections",
        "LOG:  recovered replication state of node 1",
        'FATAL:  password authentication failed for user "somebody"',
        "ERROR:  permission denied for table claims",
        "FATAL:  could not receive data from WAL stream: ERROR:  0/9 is ahead of the WAL flush position of this server",
    ],
)
def test_lines_that_pass(line):
    assert predicates.hopeless_line(line) == ""


def test_the_log_of_a_switchover_has_no_line_that_ends_a_wait():
    assert predicates.hopeless_line(text("log_15.txt")) == ""
    assert "could not connect to the primary server" in predicates.alarming_line(text("log_15.txt"))


@pytest.mark.parametrize("value", ["plain", "with blank", "it's", "back\\slash", "a=b", ""])
def test_connection_strings(value):
    written = predicates.quote_conninfo({"host": "db1", "passfile": value, "port": 5432})
    read = predicates.parse_conninfo(written)
    assert read == {key: text for key, text in (("host", "db1"), ("passfile", value), ("port", "5432")) if text}
