# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PgBouncer's admin console: hold clients back while the primary changes, lead them to the new one, let them go on."""

from __future__ import annotations

import contextlib
import select
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .account import Account
from .client import APPLICATION, Row, library
from .connection import keywords
from .predicates import Document

CONSOLE = "pgbouncer"

POOLERS: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "host": {"type": "str", "required": True},
        "port": {"type": "int", "default": 6432},
        "user": {"type": "str"},
        "databases": {"type": "list", "elements": "str", "default": []},
        "primaries": {"type": "path", "default": ""},
    },
}


class Database(t.NamedTuple):
    """A database of a pooler, and where its server is."""

    name: str
    host: str
    port: int
    paused: bool


def database_of(row: Row) -> Database:
    """Out of a row of SHOW DATABASES; an empty host is a UNIX socket."""
    return Database(row["name"], row["host"] or "", int(row["port"]), bool(int(row["paused"])))


def load_of(pools: t.Iterable[Row], database: str) -> dict[str, t.Any]:
    """Clients and server connections of a database, summed over its users, out of SHOW POOLS."""
    mine = [row for row in pools if row["database"] == database]
    return {
        "clients_active": sum(int(row["cl_active"]) for row in mine),
        "clients_waiting": sum(int(row["cl_waiting"]) for row in mine),
        "servers_active": sum(int(row["sv_active"]) for row in mine),
        "servers_idle": sum(int(row["sv_idle"]) for row in mine),
        "longest_wait_seconds": max((float(row["maxwait"]) for row in mine), default=0.0),
    }


def holders_of(clients: t.Iterable[Row], servers: t.Iterable[Row], database: str) -> list[str]:
    """Who keeps a PAUSE of a database waiting: clients with a server's connection, out of SHOW CLIENTS and SERVERS."""
    process = {row["ptr"]: row["remote_pid"] for row in servers}
    return [
        f"{row['user']} from {row['addr']}:{row['port']} ({row['application_name'] or 'no application_name'})"
        f" in process {process.get(row['link'], 'unknown')} on the server since {row['request_time']}"
        for row in clients
        if row["database"] == database and row["link"]
    ]


def quote(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


class Pooler:
    """One PgBouncer.

    Args:
        parameters: keywords of libpq (host, port, user, passfile, sslmode, …).
        account: in whose name files are read.
        timeout: seconds for connecting.
        databases: those that are looked after; empty for all.
        primaries: directory on its host with a configuration for each member as the primary, `<member>.ini`.
    """

    def __init__(
        self,
        parameters: t.Mapping[str, t.Any],
        account: Account,
        timeout: float,
        databases: t.Sequence[str] = (),
        primaries: str = "",
    ) -> None:
        self.place = f"{parameters['host']}:{parameters['port']}"
        self._parameters = dict(parameters, dbname=CONSOLE)
        self._account = account
        self._timeout = timeout
        self._only = databases
        self._primaries = primaries
        self._connection: t.Any = None

    def databases(self) -> list[Database]:
        """The databases that are looked after; raises ScalingError, also when one of those named is not there."""
        found = [database_of(row) for row in self.show("DATABASES") if row["name"] != CONSOLE]
        missing = [name for name in self._only if name not in [each.name for each in found]]
        if missing:
            raise ScalingError(
                f"The pooler at {self.place} has no database {' or '.join(missing)}.",
                f"It has {', '.join(each.name for each in found) or 'none'}.",
            )
        return [each for each in found if not self._only or each.name in self._only]

    def pause(self, deadline: Deadline) -> None:
        """Hold all clients back once their transactions have ended; raises ScalingError when they do not in time."""
        for name in [each.name for each in self.databases() if not each.paused]:
            if not self._send(f"PAUSE {quote(name)}", deadline):
                # The PAUSE that is waited for occupies its console.
                self.close()
                holders = holders_of(self.show("CLIENTS"), self.show("SERVERS"), name)
                raise ScalingError(
                    f"The pooler at {self.place} could not pause {name} within {deadline.elapsed:.1f} s, since clients"
                    f" keep their server connections: {'; '.join(holders) or 'none is left by now'}.",
                    "Pool by transaction, end what is idle in transaction, or give a longer deadline.",
                    holders=holders,
                )

    def resume(self, names: t.Sequence[str] = ()) -> None:
        """Let the clients of paused databases go on, of all or of those named; raises ScalingError."""
        try:
            # They wait: a console that is there already takes no time for TLS and a password.
            self._resume(names)
        except ScalingError:
            # It may be occupied by a PAUSE, or the pooler's that was restarted meanwhile.
            self.close()
            self._resume(names)

    def _resume(self, names: t.Sequence[str]) -> None:
        for name in [each.name for each in self.databases() if each.paused and (not names or each.name in names)]:
            self._run(f"RESUME {quote(name)}")

    def leads_to(self, host: str, port: int) -> bool:
        """Whether its databases are at a server, or it is not for the pooler to say where they are."""
        return not self._primaries or all((each.host, each.port) == (host, port) for each in self.databases())

    def lead(self, member: str, host: str, port: int) -> None:
        """Have its databases be at a member from now on; raises ScalingError. It restarts with what is in its file."""
        if self.leads_to(host, port):
            return
        self.configure(f"{self._primaries}/{member}.ini")
        if not self.leads_to(host, port):
            # PgBouncer says nothing when it cannot read a file, and keeps what it has.
            raise ScalingError(
                f"The pooler at {self.place} does not lead to {member} ({host}:{port}).",
                f"See {self._primaries}/{member}.ini there, which the role pgbouncer makes, and the pooler's log.",
            )

    def configure(self, path: str) -> None:
        """Have it read that configuration now, and at every RELOAD until it is restarted."""
        self._run("SET conffile = '{}'".format(path.replace("'", "''")))
        self._run("RELOAD")

    def show(self, what: str) -> list[Row]:
        """Rows of a SHOW command."""
        cursor = self._run(f"SHOW {what}")
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]

    def view(self) -> Document:
        """What results show of it: where its databases lead, and how busy each is; why, if it does not answer."""
        try:
            pools = self.show("POOLS")
            return {
                "pooler": self.place,
                "reason": "",
                "databases": [dict(each._asdict(), **load_of(pools, each.name)) for each in self.databases()],
            }
        except ScalingError as error:
            return {"pooler": self.place, "reason": str(error), "databases": []}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> t.Any:
        if self._connection is None:
            psycopg = library()
            try:
                with self._account.acting():
                    # The console takes no prepared statements and no other settings.
                    self._connection = psycopg.connect(
                        autocommit=True,
                        application_name=APPLICATION,
                        connect_timeout=max(1, int(self._timeout)),
                        prepare_threshold=None,
                        **self._parameters,
                    )
            except psycopg.Error as error:
                raise self._failure(error) from error
        return self._connection

    def _run(self, command: str) -> t.Any:
        try:
            return self._open().execute(command)
        except library().Error as error:
            raise self._failure(error) from error

    def _send(self, command: str, deadline: Deadline) -> bool:
        """Whether a command that may take long has ended by the deadline."""
        console = self._open().pgconn
        console.send_query(command.encode())
        while console.is_busy():
            if not select.select([console.socket], [], [], deadline.remaining)[0]:
                return False
            console.consume_input()
        result = console.get_result()
        console.get_result()
        if result is not None and result.error_message:
            raise self._failure(Exception(result.error_message.decode(errors="replace")))
        return True

    def _failure(self, error: Exception) -> ScalingError:
        return ScalingError(
            f"The pooler at {self.place}: {' '.join(str(error).split())}",
            "Check that it runs, and that admin_users of its configuration has this user.",
        )


def poolers_of(params: Document, account: Account) -> list[Pooler]:
    """The poolers of a module's parameters, reached in the way of the members."""
    way = dict(keywords(params), dbname="")
    return [
        Pooler(
            {**way, "host": entry["host"], "port": entry["port"], "user": entry["user"] or params["user"]},
            account,
            params["timeout"],
            entry["databases"],
            entry["primaries"],
        )
        for entry in params["poolers"]
    ]


@contextlib.contextmanager
def paused(poolers: t.Sequence[Pooler], seconds: float) -> t.Iterator[None]:
    """Hold the clients of all poolers back within, and let them go on whatever happens; raises ScalingError."""
    try:
        deadline = Deadline(seconds)
        for each in poolers:
            each.pause(deadline)
        yield
    finally:
        resume(poolers)


def resume(poolers: t.Sequence[Pooler]) -> None:
    """Let all clients go on, of as many poolers as can be reached; raises ScalingError that names the others."""
    _each(
        poolers, lambda pooler: pooler.resume(), "Its clients may still be held back: type RESUME on its admin console."
    )


def lead(poolers: t.Sequence[Pooler], member: str, host: str, port: int) -> None:
    """Lead as many poolers as can be reached to the new primary; raises ScalingError that names the others."""
    hint = f"{member} is the primary by now. Lead the pooler there, too, by the same playbook again."
    _each(poolers, lambda pooler: pooler.lead(member, host, port), hint)


def _each(poolers: t.Sequence[Pooler], verb: t.Callable[[Pooler], None], hint: str) -> None:
    failed = []
    for each in poolers:
        try:
            verb(each)
        except ScalingError as error:
            failed.append(str(error))
    if failed:
        raise ScalingError(" ".join(failed), hint)
