# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.pooler import (
    Database,
    Pooler,
    database_of,
    holders_of,
    lead,
    load_of,
    paused,
    quote,
    resume,
)

# As PgBouncer 1.18 shows them, without the columns that nobody reads.
TIME = "2026-11-24 04:00:00 UTC"
CLIENTS = [
    {
        "user": "claims",
        "database": database,
        "addr": "10.89.0.4",
        "port": port,
        "request_time": TIME,
        "link": link,
        "application_name": name,
    }
    for database, port, link, name in (
        ("claims", 41234, "0x55d0a8f3e120", "batch"),
        ("claims", 41236, "", "pgbench"),
        ("claims-read", 41238, "0x55d0a8f3e300", ""),
    )
]
SERVERS = [{"ptr": "0x55d0a8f3e120", "remote_pid": 4711}, {"ptr": "0x55d0a8f3e300", "remote_pid": 4712}]
POOLS = [
    dict(zip(("database", "user", "cl_active", "cl_waiting", "sv_active", "sv_idle", "maxwait"), row))
    for row in (
        ("claims", "claims", 3, 1, 2, 4, 2),
        ("claims", "batch", 1, 0, 1, 0, 0),
        ("claims-read", "claims", 9, 9, 9, 9, 9),
    )
]


class Stand:
    """A pooler of which a verb may fail."""

    def __init__(self, seen, name, failing=""):
        self.seen, self.name, self.failing = seen, name, failing

    def _do(self, verb):
        self.seen.append(f"{verb} {self.name}")
        if verb == self.failing:
            raise ScalingError(f"{self.name} refuses to {verb}.")

    def pause(self, deadline):
        self._do("pause")

    def resume(self):
        self._do("resume")

    def lead(self, member, host, port):
        self._do(f"lead to {member} at {host}:{port}:")


def test_all_are_held_and_all_go_on():
    seen = []
    with paused([Stand(seen, "one"), Stand(seen, "two")], 1):
        seen.append("work")
    assert seen == ["pause one", "pause two", "work", "resume one", "resume two"]


def test_all_go_on_when_one_cannot_be_held():
    seen = []
    both = [Stand(seen, "one"), Stand(seen, "two", "pause")]
    with pytest.raises(ScalingError, match="two refuses to pause"), paused(both, 1):
        raise AssertionError("not reached")
    assert seen == ["pause one", "pause two", "resume one", "resume two"]


def test_all_go_on_when_the_work_fails():
    seen = []
    with pytest.raises(KeyError), paused([Stand(seen, "one")], 1):
        raise KeyError("work")
    assert seen[-1] == "resume one"


def test_one_that_cannot_go_on_is_named_and_keeps_no_other_back():
    seen = []
    with pytest.raises(ScalingError, match="one refuses to resume.* type RESUME"):
        resume([Stand(seen, "one", "resume"), Stand(seen, "two")])
    assert seen == ["resume one", "resume two"]


def test_all_are_led_and_one_that_cannot_be_is_named():
    seen = []
    verb = "lead to db2 at 192.0.2.32:5432:"
    with pytest.raises(ScalingError, match="one refuses to lead.* db2 is the primary by now"):
        lead([Stand(seen, "one", verb), Stand(seen, "two")], "db2", "192.0.2.32", 5432)
    assert seen == [f"{verb} one", f"{verb} two"]


def test_only_clients_with_a_server_connection_of_that_database_hold_it():
    assert holders_of(CLIENTS, SERVERS, "claims") == [
        "claims from 10.89.0.4:41234 (batch) in process 4711 on the server since 2026-11-24 04:00:00 UTC"
    ]
    assert "(no application_name)" in holders_of(CLIENTS, SERVERS, "claims-read")[0]
    assert "process unknown" in holders_of(CLIENTS, [], "claims")[0]


def test_the_load_of_a_database_is_that_of_all_its_users():
    assert load_of(POOLS, "claims") == {
        "clients_active": 4,
        "clients_waiting": 1,
        "servers_active": 3,
        "servers_idle": 4,
        "longest_wait_seconds": 2.0,
    }
    assert load_of(POOLS, "idle")["longest_wait_seconds"] == 0.0


def test_a_database_by_its_row():
    row = {"name": "claims", "host": None, "port": 5432, "paused": 1}
    assert database_of(row) == Database("claims", "", 5432, True)
    assert quote('cla"ims') == '"cla""ims"'


class Consoles(Pooler):
    """A pooler whose first console is of no use any more, if that is wanted."""

    def __init__(self, *, broken):
        super().__init__({"host": "192.0.2.40", "port": 6432}, None, 5)
        self.broken, self.sent = broken, []

    def show(self, what):
        if self.broken:
            raise ScalingError("another command is already in progress")
        return [{"name": "claims", "host": "db1", "port": 5432, "paused": 1}]

    def _run(self, command):
        self.sent.append(command)

    def close(self):
        self.broken = False
        self.sent.append("close")


def test_clients_go_on_by_the_console_that_is_there_and_by_another_one_if_that_fails():
    for broken, sent in ((False, []), (True, ["close"])):
        pooler = Consoles(broken=broken)
        pooler.resume()
        assert pooler.sent == [*sent, 'RESUME "claims"']
