# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import types

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql import change, client, service
from ansible_collections.horizontal.scaling.tests.unit.module_utils.postgresql.recorded import (
    MEMBERS,
    Client,
    reading,
    text,
)


def test_the_first_timeline_has_no_history():
    stand_in = Client(IDENTIFY_SYSTEM=[{"systemid": "77", "timeline": 1}])
    assert service.identify(stand_in) == ("77", 1, [])


@pytest.mark.parametrize("kind", [str, str.encode])
def test_the_history_of_a_later_timeline(kind):
    content = [{"filename": "00000002.history", "content": kind(text("history_15.txt"))}]
    stand_in = Client(IDENTIFY_SYSTEM=[{"systemid": "77", "timeline": "2"}], TIMELINE_HISTORY=content)
    assert service.identify(stand_in) == ("77", 2, [(1, 0xB006D8)])


def test_a_slot_is_made_once():
    stand_in = Client()
    service.create_slot(stand_in, "db2")
    assert any("pg_create_physical_replication_slot" in sql for sql, _ in stand_in.seen)
    there = Client(**{"FROM pg_replication_slots": [{"?column?": 1}]})
    service.create_slot(there, "db2")
    assert len(there.seen) == 1


class Busy(Client):
    """A member that does not drop one of its slots, such as one that somebody has just come to use."""

    def __init__(self, sqlstate):
        super().__init__(**{"FROM pg_replication_slots": [{"slot_name": "db1"}, {"slot_name": "db2"}]})
        self.sqlstate = sqlstate

    def rows(self, sql, values=()):
        if "pg_drop_replication_slot" in sql and values == ("db1",):
            raise client.Unreachable("it failed", sqlstate=self.sqlstate)
        return super().rows(sql, values)


def test_a_slot_that_somebody_comes_back_to_is_left():
    member = Busy("55006")
    assert service.drop_slots(member, ["db1", "db2"]) == ["db2"]
    with pytest.raises(client.Unreachable):
        service.drop_slots(Busy("42501"), ["db1", "db2"])


@pytest.mark.parametrize(("upstreams", "kept"), [({}, []), ({"c": "b"}, ["c"]), ({"c": "a"}, [])])
def test_slots_of_its_own_cascade_are_needed_also_while_nobody_uses_them(upstreams, kept):
    member = Client("b")
    task = types.SimpleNamespace(members=MEMBERS, upstreams=upstreams, client=lambda name: member)
    change.Task.unneeded_slots(task, "b")
    assert member.seen[0][1] == ([name for name in MEMBERS if name not in kept],)


def test_a_member_that_does_not_answer_shares_no_timeline():
    assert not service.shares_timeline(Stopped(), reading().documents["b"])


class Stopped:
    """A member whose server was stopped under its connection."""

    def document(self, sql):
        raise client.Unreachable("terminating connection due to administrator command", sqlstate="57P01")


class Standby:
    def __init__(self, waits):
        self.waits = waits

    def document(self, sql):
        return {"in_recovery": True, "startup_wait": self.waits}


@pytest.mark.parametrize(
    ("member", "held_up"),
    [(Standby("RecoveryApplyDelay"), True), (Standby("RecoveryWalStream"), False), (Stopped(), False)],
)
def test_a_member_is_held_up_by_its_delay_alone(member, held_up):
    assert service.is_held_up(member) is held_up


def test_values_of_settings_are_quoted():
    stand_in = Client()
    service.follow(stand_in, {"primary_conninfo": "passfile='it\\'s'", "primary_slot_name": "db2"})
    assert [sql for sql, _ in stand_in.seen] == [
        "ALTER SYSTEM SET primary_conninfo = E'passfile=''it\\\\''s'''",
        "ALTER SYSTEM SET primary_slot_name = 'db2'",
        "SELECT pg_reload_conf()",
    ]


def test_locks_are_given_back_when_one_is_held():
    holder = [{"pid": 9, "address": "192.0.2.9", "user": "manager", "seconds": 12}]
    free = Client("a", pg_try_advisory_lock=[{"locked": True}])
    held = Client("b", pg_try_advisory_lock=[{"locked": False}], **{"FROM pg_locks": holder})
    said = "manager from 192.0.2.9, process 9, connected 12 s ago holds the lock on b"
    with pytest.raises(ScalingError, match=said), service.locked([free, held]):
        raise AssertionError("not reached")
    assert "pg_advisory_unlock" in free.seen[-1][0]


def test_a_promotion_that_does_not_come():
    clock = iter(range(100))
    stand_in = Client(pg_promote=[{"ok": True}], pg_is_in_recovery=[{"recovering": True}])
    with pytest.raises(ScalingError, match="has not ended its recovery .* postgresql_cluster_info"):
        service.promote(stand_in, Deadline(3, clock=lambda: next(clock), sleep=lambda seconds: None))


def test_the_library_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ScalingError, match="Install the package python3-psycopg"):
        client.library()
