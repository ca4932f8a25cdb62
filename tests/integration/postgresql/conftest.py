# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers on loopback, a client that writes numbered rows, and the modules run in this process.

As root the servers belong to the user `postgres`, else to who runs the tests. PG_BIN names another version's programs.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import psycopg
import pytest

from .. import running
from ..running import until

# Servers outlive pg_ctl and become children of this process, which can then wait for one that it kills.
ctypes.CDLL(None).prctl(36, 1)
BIN = Path(os.environ.get("PG_BIN") or max(Path("/usr/lib/postgresql").glob("*/bin"), default="/"))
OWNER = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
SECRET = "sesame-replicates-in-the-test"

CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{base}'
port = {port}
cluster_name = '{name}'
fsync = off
shared_buffers = 16MB
min_wal_size = 2MB
max_wal_size = 64MB
wal_log_hints = off
wal_keep_size = 32MB
max_slot_wal_keep_size = 256MB
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
log_min_messages = info
lc_messages = C
"""
HBA = """
local all all peer
host all all 127.0.0.1/32 scram-sha-256
host replication replicator 127.0.0.1/32 scram-sha-256
"""
ROLES = f"""
CREATE ROLE admin SUPERUSER LOGIN PASSWORD '{SECRET}';
CREATE ROLE replicator REPLICATION LOGIN PASSWORD '{SECRET}' IN ROLE pg_monitor, pg_checkpoint;
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text),
  pg_read_binary_file(text, bigint, bigint, boolean) TO replicator;
CREATE ROLE manager REPLICATION LOGIN PASSWORD '{SECRET}' IN ROLE pg_monitor, pg_checkpoint;
GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf() TO manager;
GRANT ALTER SYSTEM ON PARAMETER primary_conninfo, primary_slot_name TO manager;
CREATE TABLE numbers (n bigint PRIMARY KEY);
"""


def as_owner(words: list[str]) -> list[str]:
    return ["runuser", "-u", OWNER, "--", *words] if os.geteuid() == 0 else words


def program(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    # No pipe: a server that was started would hold it.
    with tempfile.TemporaryFile("w+") as out:
        done = subprocess.run(as_owner([str(BIN / name), *words]), stdout=out, stderr=out, check=False, timeout=120)
        out.seek(0)
        text = out.read()
    assert done.returncode == 0, text
    return subprocess.CompletedProcess(words, 0, text)


class Member:
    """One server, looked at by ways that the modules do not use."""

    def __init__(self, name: str, base: Path) -> None:
        self.name = name
        self.base = base
        self.data = base / name
        self.log = base / f"{name}.log"
        self.port = _free_port()

    def initialise(self, template: Path) -> None:
        subprocess.run(["cp", "-a", str(template), str(self.data)], check=True)
        self.configure()

    def configure(self, **more: str) -> None:
        """A clone brings the configuration of its source along; this is the one of the member itself."""
        path = self.base / f"{self.name}.conf"
        text = CONFIGURATION.format(base=self.base, port=self.port, name=self.name)
        text += f"data_directory = '{self.data}'\nhba_file = '{self.base}/pg_hba.conf'\nident_file = ''\n"
        path.write_text(text + "".join(f"{key} = '{value}'\n" for key, value in more.items()))

    @property
    def config(self) -> Path:
        return self.base / f"{self.name}.conf"

    def start(self) -> None:
        program(
            "pg_ctl", "start", "-w", "-D", str(self.data), "-l", str(self.log), "-o", f"-c config_file={self.config}"
        )

    @property
    def pid(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            return pid if f"{self.data}" in Path(f"/proc/{pid}/cmdline").read_text() else 0
        return 0

    def kill(self) -> None:
        """As the kernel's killer would; its children notice by themselves."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        # A dead process that nobody waits for still counts as one that holds the data directory.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        until(lambda: not self._listens(), 20)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, mode: str = "fast") -> None:
        if self.pid:
            program("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self.data))

    def connect(self, **more: t.Any) -> psycopg.Connection[t.Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="admin", password=SECRET, dbname="postgres", autocommit=True,
            connect_timeout=5, **more,
        )  # fmt: skip

    def sql(self, statement: str, *values: t.Any) -> list[tuple[t.Any, ...]]:
        with self.connect() as connection:
            cursor = connection.execute(t.cast(t.Any, statement), values or None)
            return cursor.fetchall() if cursor.description else []

    def one(self, statement: str) -> t.Any:
        return self.sql(statement)[0][0]

    def fill(self, first: int, last: int) -> None:
        self.sql(f"INSERT INTO numbers SELECT generate_series({first}, {last})")

    def numbers(self) -> list[int]:
        return [n for (n,) in self.sql("SELECT n FROM numbers ORDER BY n")]

    def streams_from(self, other: Member) -> bool:
        rows = self.sql("SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'")
        return rows == [(other.port,)]

    def fingerprint(self) -> dict[str, tuple[int, int]]:
        """Every file that a deliberate change touches."""
        names = [
            p
            for p in self.data.rglob("*")
            if p.name in ("standby.signal", "postgresql.auto.conf", "postmaster.pid", "PG_VERSION")
        ]
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in names}


class Site:
    """Members of one test, and the modules' parameters for them."""

    def __init__(self, base: Path, template: Path) -> None:
        self.base = base
        self.template = template
        self.owner = OWNER
        self.members: dict[str, Member] = {}
        self.passfile = base / "passfile"
        self.passfile.write_text(f"*:*:*:*:{SECRET}\n")
        self.passfile.chmod(0o600)
        (base / "pg_hba.conf").write_text(HBA)
        shutil.chown(self.passfile, OWNER)

    def member(self, name: str) -> Member:
        made = Member(name, self.base)
        made.configure()
        self.members[name] = made
        return made

    def primary(self, name: str = "a") -> Member:
        made = self.member(name)
        made.initialise(self.template)
        made.start()
        return made

    def where(self, member: Member, user: str = "replicator") -> dict[str, t.Any]:
        return {
            "name": member.name, "host": "127.0.0.1", "port": member.port, "user": user, "passfile": str(self.passfile)
        }  # fmt: skip

    def server(self, member: Member) -> dict[str, t.Any]:
        return {
            "data_directory": str(member.data),
            "bin_directory": str(BIN),
            "config_file": str(member.config),
            "log_file": str(member.log),
            "owner": OWNER,
            "port": member.port,
            "socket_directory": str(self.base),
        }

    def standby(self, member: Member, primary: Member, check: bool = False, **more: t.Any) -> dict[str, t.Any]:
        parameters = {
            **self.server(member), "name": member.name, "primary": self.where(primary), "slot": member.name,
            "wait_timeout": 20, "start_timeout": 20, "remove_slots": list(self.members), **more,
        }  # fmt: skip
        return run_module("postgresql_standby", parameters, check)

    def cluster(self, module: str, check: bool = False, **more: t.Any) -> dict[str, t.Any]:
        """A module that takes all members."""
        parameters = {
            "members": [
                {"name": each.name, "host": "127.0.0.1", "port": each.port, "slot": each.name}
                for each in self.members.values()
            ],
            "user": "manager",
            "passfile": str(self.passfile),
            **more,
        }
        return run_module(module, parameters, check)

    def switch(
        self, local: Member | None, wanted: Member | None, check: bool = False, **more: t.Any
    ) -> dict[str, t.Any]:
        """postgresql_primary on the host of a member."""
        parameters: dict[str, t.Any] = {"primary": wanted.name if wanted else "", "owner": OWNER}
        if local:
            server = self.server(local)
            parameters.update({name: server[name] for name in server if name not in ("port", "socket_directory")})
            parameters["local"] = local.name
        return self.cluster("postgresql_primary", check, **{**parameters, **more})

    def trio(self) -> tuple[Member, Member, Member]:
        """A primary with two standbys that stream."""
        a = self.primary("a")
        for name in ("b", "c"):
            result = self.standby(self.member(name), a)
            assert result.get("action") == "clone", result
        return a, self.members["b"], self.members["c"]


class Writer(threading.Thread):
    """Writes numbers one by one to whichever member is the primary, and knows which ones were acknowledged."""

    def __init__(self, members: t.Iterable[Member]) -> None:
        super().__init__(daemon=True)
        self.members = list(members)
        self.acknowledged: list[int] = []
        self.gaps: list[float] = []
        self.errors = 0
        self._end = threading.Event()

    def run(self) -> None:
        number, last = 1_000_000, time.monotonic()
        while not self._end.is_set():
            for member in self.members:
                with contextlib.suppress(psycopg.Error), member.connect(
                    options="-c statement_timeout=2000"
                ) as connection:
                    while not self._end.is_set():
                        number += 1
                        connection.execute("INSERT INTO numbers VALUES (%s)", (number,))
                        self.acknowledged.append(number)
                        now = time.monotonic()
                        self.gaps.append(now - last)
                        last = now
                        time.sleep(0.02)
                self.errors += 1
            time.sleep(0.005)

    def stop(self) -> None:
        self._end.set()
        self.join(10)


@pytest.fixture
def writer() -> t.Iterator[t.Callable[[t.Iterable[Member]], Writer]]:
    running: list[Writer] = []

    def begin(members: t.Iterable[Member]) -> Writer:
        made = Writer(members)
        running.append(made)
        made.start()
        until(lambda: len(made.acknowledged) > 20, 10)
        return made

    yield begin
    for made in running:
        made.stop()


@pytest.fixture(scope="session")
def _template() -> t.Iterator[Path]:
    if not (BIN / "initdb").exists():
        pytest.skip("PostgreSQL's server is not installed")
    base = Path(tempfile.mkdtemp(prefix="hs-pg-template-"))
    shutil.chown(base, OWNER)
    data = base / "data"
    sql = base / "roles.sql"
    sql.write_text("\n".join(" ".join(part.split()) + ";" for part in ROLES.split(";") if part.strip()) + "\n")
    sql.chmod(0o644)
    try:
        program(
            "initdb", "-D", str(data), "--data-checksums", "--wal-segsize=1", "--no-sync", "-U", OWNER, "-A", "peer"
        )
        words = as_owner([str(BIN / "postgres"), "--single", "-j", "-D", str(data), "postgres"])
        with sql.open() as statements:
            # In single-user mode with -j a statement ends by an empty line.
            text = statements.read().replace(";\n", ";\n\n")
        subprocess.run(words, input=text, text=True, check=True, capture_output=True, timeout=60)
        yield data
    finally:
        shutil.rmtree(base)


@pytest.fixture
def site(_template: Path) -> t.Iterator[Site]:
    base = Path(tempfile.mkdtemp(prefix="hs-pg-"))
    base.chmod(0o755)
    shutil.chown(base, OWNER)
    made = Site(base, _template)
    try:
        yield made
    finally:
        for member in made.members.values():
            with contextlib.suppress(AssertionError, OSError):
                member.stop("immediate")
        if os.environ.get("KEEP"):
            print(base)
        else:
            shutil.rmtree(base, ignore_errors=True)


def _free_port() -> int:
    return running.free_ports("one")["one"]


def run_module(name: str, parameters: dict[str, t.Any], check: bool = False) -> dict[str, t.Any]:
    """A module's result, which never has a secret."""
    result = running.run_module(name, parameters, check)
    assert SECRET not in json.dumps(result)
    return result
