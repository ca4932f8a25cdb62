# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a real PgBouncer see a pause in a switchover, and no error. PGBOUNCER names another binary."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from ..running import until
from .conftest import SECRET, _free_port, as_owner

BINARY = os.environ.get("PGBOUNCER") or shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"

CONFIGURATION = """
[databases]
postgres = host=127.0.0.1 port={target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {base}/users
admin_users = manager
pool_mode = transaction
server_login_retry = 0.1
ignore_startup_parameters = options,extra_float_digits
"""


class Balancer(threading.Thread):
    """Leads every connection to whoever is the primary then."""

    def __init__(self, members):
        super().__init__(daemon=True)
        self.members = members
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.forward, args=(client,), daemon=True).start()

    def forward(self, client):
        for member in self.members:
            with contextlib.suppress(psycopg.Error):
                if member.one("SELECT pg_is_in_recovery()") is False:
                    server = socket.create_connection(("127.0.0.1", member.port))
                    threading.Thread(target=self.copy, args=(server, client), daemon=True).start()
                    self.copy(client, server)
                    return
        client.close()

    @staticmethod
    def copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class Bouncer:
    """The process, and a client's way through it."""

    def __init__(self, site, target):
        self.port = _free_port()
        configuration = site.base / "pgbouncer.ini"
        configuration.write_text(CONFIGURATION.format(target=target, port=self.port, base=site.base))
        (site.base / "users").write_text("".join(f'"{user}" "{SECRET}"\n' for user in ("admin", "manager")))
        with (site.base / "pgbouncer.log").open("ab") as log:
            self.process = subprocess.Popen(as_owner([BINARY, str(configuration)]), stdout=log, stderr=log)
        until(lambda: self.connect().close() is None, ignore=psycopg.Error)

    def connect(self, dbname="postgres", user="admin", **more):
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=SECRET,
            dbname=dbname,
            autocommit=True,
            prepare_threshold=None,
            **more,
        )

    def paused(self):
        with self.connect("pgbouncer", "manager") as console:
            cursor = console.execute("SHOW DATABASES")
            names = [column.name for column in cursor.description]
            return [row["name"] for row in (dict(zip(names, each)) for each in cursor) if int(row["paused"])]

    @property
    def options(self):
        return {"poolers": [{"host": "127.0.0.1", "port": self.port}]}


@pytest.fixture
def bouncer(site):
    if not shutil.which(BINARY):
        pytest.skip(f"{BINARY} is not installed")
    balancer = Balancer(site.trio())
    balancer.start()
    made = Bouncer(site, balancer.port)
    yield made
    made.process.terminate()
    made.process.wait()
    balancer.listener.close()


def test_clients_of_a_pooler_see_no_error(site, bouncer, writer):
    a, b, _ = site.members.values()
    load = writer([bouncer])
    predicted = site.switch(a, b, check=True, **bouncer.options)
    assert predicted.get("changed") is True, predicted.get("msg", predicted)
    for now, wanted in ((a, b), (b, a), (a, b)):
        result = site.switch(now, wanted, **bouncer.options)
        assert result.get("changed") is True, result.get("msg", result)
        number = len(load.acknowledged)
        until(lambda number=number: len(load.acknowledged) > number + 20)
        print(result["pause_seconds"], result["phases"], max(load.gaps))
    assert load.errors == 0
    load.stop()
    assert max(load.gaps) < 2
    assert set(load.acknowledged) <= set(b.numbers())
    assert bouncer.paused() == []


def test_a_pooler_that_cannot_pause_is_resumed_and_nothing_else_happens(site, bouncer):
    a, b, _ = site.members.values()
    with bouncer.connect() as client:
        client.execute("BEGIN")
        client.execute("SELECT 1")
        refused = site.switch(a, b, pooler_timeout=0.5, **bouncer.options)
        assert "could not pause postgres within 0.5 s" in refused["msg"], refused["msg"]
        client.execute("COMMIT")
    assert a.one("SELECT pg_is_in_recovery()") is False
    assert bouncer.paused() == []
    assert b.sql("SELECT slot_name FROM pg_replication_slots") == []


def test_clients_that_a_cut_off_run_left_behind_go_on(site, bouncer):
    a, b, _ = site.members.values()
    with bouncer.connect("pgbouncer", "manager") as console:
        console.execute("PAUSE postgres")
    a.stop()
    (a.data / "standby.signal").touch()
    b.sql("SELECT pg_promote()")
    began = time.monotonic()
    result = site.switch(a, b, **bouncer.options)
    assert result.get("changed") is True, result.get("msg", result)
    assert bouncer.paused() == []
    assert time.monotonic() - began < 20
    assert site.switch(b, b, **bouncer.options).get("changed") is False


@pytest.fixture
def led(site):
    """A pooler that is told where the primary is, as the role configures one; each of its files is for one member."""
    if not shutil.which(BINARY):
        pytest.skip(f"{BINARY} is not installed")
    members = site.trio()
    made = Bouncer(site, members[0].port)
    for member in members:
        text = CONFIGURATION.format(target=member.port, port=made.port, base=site.base)
        (site.base / f"{member.name}.ini").write_text(text)
    yield made
    made.process.terminate()
    made.process.wait()


def where(bouncer):
    with bouncer.connect("pgbouncer", "manager") as console:
        cursor = console.execute("SHOW DATABASES")
        names = [column.name for column in cursor.description]
        return next(row["port"] for row in (dict(zip(names, each)) for each in cursor) if row["name"] == "postgres")


def led_options(site, bouncer, directory=None):
    entry = {"host": "127.0.0.1", "port": bouncer.port, "databases": ["postgres"]}
    return {"poolers": [{**entry, "primaries": str(directory or site.base)}]}


def test_a_pooler_is_led_to_the_new_primary(site, led, writer):
    a, b, _ = site.members.values()
    load = writer([led])
    options = led_options(site, led)
    for now, wanted in ((a, b), (b, a), (a, b)):
        result = site.switch(now, wanted, **options)
        assert result.get("changed") is True, result.get("msg", result)
        assert "lead_poolers" in result["phases"]
        number = len(load.acknowledged)
        until(lambda number=number: len(load.acknowledged) > number + 20)
    assert load.errors == 0
    load.stop()
    assert max(load.gaps) < 2
    assert set(load.acknowledged) <= set(b.numbers())
    assert led.paused() == []
    info = site.cluster("postgresql_cluster_info", owner=site.owner, **options)
    database = info["poolers"][0]["databases"][0]
    assert (database["name"], int(database["port"]), database["paused"]) == ("postgres", b.port, False), info
    assert site.switch(b, b, **options).get("changed") is False


def test_what_fails_before_the_promotion_leaves_a_pooler_where_it_was(site, led):
    a, b, _ = site.members.values()
    b.sql("SELECT pg_wal_replay_pause()")
    result = site.switch(a, b, ignore_gates=["replay"], catch_up_timeout=0.5, **led_options(site, led))
    assert "Everything was put back" in result["msg"], result["msg"]
    assert (where(led), led.paused()) == (a.port, [])
    with led.connect() as client:
        client.execute("INSERT INTO numbers VALUES (-1)")


def test_a_pooler_that_cannot_be_led_is_named_and_led_by_the_next_run(site, led):
    a, b, _ = site.members.values()
    failed = site.switch(a, b, **led_options(site, led, site.base / "elsewhere"))
    assert f"does not lead to b (127.0.0.1:{b.port})" in failed["msg"], failed["msg"]
    assert led.paused() == []
    assert b.one("SELECT pg_is_in_recovery()") is False
    again = site.switch(a, b, **led_options(site, led))
    assert again.get("changed") is True, again.get("msg", again)
    assert where(led) == b.port
    assert a.streams_from(b)
