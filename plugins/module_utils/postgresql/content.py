# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in a cluster: rows of every table at one position, and whether it is whole (postgresql_rows_info, _check)."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.command import run_bounded
from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from .account import Account
from .client import Client, Unreachable
from .predicates import Document
from .tools import program

Rows = t.Dict[str, t.Dict[str, int]]

LOCAL: dict[str, t.Any] = {
    "port": {"type": "int", "default": 5432},
    "socket_directory": {"type": "path", "default": "/var/run/postgresql"},
    "owner": {"type": "str", "default": "postgres"},
    "timeout": {"type": "float", "default": 3600},
}
# A count that its standby had to break off, since replay wanted to remove rows that it saw, is begun anew so often.
ATTEMPTS = 3
_CONFLICT = "40001"
_REPLAY_SECONDS = 60
_SHOWN = 5
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"
# Unlogged tables are empty after a recovery, and those of others cannot be read on a standby.
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relispopulated
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


class Local:
    """The server on this host, a connection to each of its databases."""

    def __init__(self, params: Document) -> None:
        self.account = Account(params["owner"])
        self._params = params
        self._clients: dict[str, Client] = {}

    def client(self, database: str = "postgres") -> Client:
        if database not in self._clients:
            params = self._params
            where = {"host": params["socket_directory"], "port": params["port"], "user": params["owner"]}
            self._clients[database] = Client(
                "on this host", {**where, "dbname": database}, self.account, params["timeout"]
            )
        return self._clients[database]

    def databases(self) -> list[str]:
        return [row["datname"] for row in self.client().rows(_DATABASES)]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()


def gather(params: Document, check_mode: bool) -> Outcome:
    """Entry point of postgresql_rows_info; raises ScalingError."""
    for left in reversed(range(ATTEMPTS)):
        server = Local(params)
        try:
            return Outcome(**_count(server))
        except Unreachable as error:
            if error.details.get("sqlstate") != _CONFLICT or not left:
                raise
        finally:
            server.close()
    raise AssertionError("not reached")


def check(params: Document, check_mode: bool) -> Outcome:
    """Entry point of postgresql_check; raises ScalingError that names what is wrong."""
    server, began = Local(params), time.monotonic()
    seconds: dict[str, float] = {}
    failures: list[str] = []
    before = after = None
    try:
        databases = server.databases()
        if params["amcheck"]:
            before = _with_amcheck(server, databases)
            after = databases
            failures += _amcheck(params, server.account, before if check_mode else databases)
            seconds["amcheck"] = round(time.monotonic() - began, 1)
        rows: Rows = {}
        if params["rows"]:
            begun = time.monotonic()
            rows = _count(server)["rows"]
            failures += differences(params["rows"], rows)
            seconds["rows"] = round(time.monotonic() - begun, 1)
        for query in params["queries"]:
            failures += _ask(server, query)
    finally:
        server.close()
    values = {
        "databases": databases,
        "tables": sum(map(len, rows.values())),
        "rows": sum(sum(tables.values()) for tables in rows.values()),
        "queries": len(params["queries"]),
        "seconds": seconds,
    }
    if failures:
        more = f" and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
        raise ScalingError(
            f"The cluster is not as it should be: {'; '.join(failures[:_SHOWN])}{more}.",
            "Do not rely on it.",
            failures=failures,
            **values,
        )
    return Outcome(before, after, "databases with the extension amcheck", **values)


def differences(expected: Rows, found: Rows) -> list[str]:
    """Where rows of tables are not as many as they were. Pure.

    Args:
        expected, found: rows by database and by table with its schema.
    """
    different = []
    for database in sorted({*expected, *found}):
        was, has = expected.get(database, {}), found.get(database, {})
        for table in sorted({*was, *has}):
            if was.get(table) != has.get(table):
                different.append(
                    f"{database}: {table} has {_rows(has.get(table))} and should have {_rows(was.get(table))}"
                )
    return different


def outside(query: Document, value: t.Any) -> str:
    """Why the answer to a query is not accepted; empty if it is. Pure.

    Args:
        query: name, minimum and maximum, the bounds may be None.
    """
    least, most = query["minimum"], query["maximum"]
    bounds = [f"at least {least:g}"] if least is not None else []
    bounds += [f"at most {most:g}"] if most is not None else []
    said = f"{query['name']} is {value}, and should be {' and '.join(bounds) or 'a value'}"
    if not bounds:
        return said if value is None else ""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return said
    good = (least is None or number >= least) and (most is None or number <= most)
    return "" if good else said


def _rows(count: int | None) -> str:
    return "no table" if count is None else f"{count} rows"


def _count(server: Local) -> Document:
    """Rows of every table as of one moment; on a standby with the position in the WAL that this moment is."""
    databases = server.databases()
    recovering = server.client().value("SELECT pg_is_in_recovery()")
    for name in databases:
        server.client(name).value("SELECT 1")
    with _replay_stopped(server.client()) if recovering else contextlib.nullcontext():
        for name in databases:
            server.client(name).rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # The snapshot is taken by the first statement.
            server.client(name).value("SELECT 1")
        lsn = server.client().value("SELECT pg_last_wal_replay_lsn()::text") if recovering else ""
    rows: Rows = {}
    for name in databases:
        client = server.client(name)
        tables = [row["name"] for row in client.rows(_TABLES)]
        rows[name] = {table: client.value(f"SELECT count(*) FROM {table}") for table in tables}
        client.rows("COMMIT")
    return {"rows": rows, "lsn": lsn, "standby": bool(recovering)}


@contextlib.contextmanager
def _replay_stopped(client: Client) -> t.Iterator[None]:
    """A standby whose replay stands still for as long as snapshots take, so that they are of a known position."""
    if client.value("SELECT pg_is_wal_replay_paused()"):
        yield
        return
    try:
        client.rows("SELECT pg_wal_replay_pause()")
        _, stands = Deadline(_REPLAY_SECONDS).wait_for(
            lambda: client.value("SELECT pg_get_wal_replay_pause_state()"), lambda state: state == "paused", 0.01, 0.1
        )
        if not stands:
            raise ScalingError(
                f"The replay on this standby did not stand still within {_REPLAY_SECONDS} s.",
                "It may wait for a query that is in its way: look at pg_stat_activity, and run the task again.",
            )
        yield
    finally:
        client.rows("SELECT pg_wal_replay_resume()")


def _with_amcheck(server: Local, databases: list[str]) -> list[str]:
    found = "SELECT 1 FROM pg_extension WHERE extname = 'amcheck'"
    return [name for name in databases if server.client(name).value(found)]


def _amcheck(params: Document, account: Account, databases: list[str]) -> list[str]:
    """Lines by which pg_amcheck says what is damaged; raises ScalingError when it could not look."""
    if not databases:
        return []
    words = [program("pg_amcheck", params["bin_directory"]), "--heapallindexed", "--parent-check", "--install-missing"]
    words += ["--jobs", str(params["jobs"]), "-h", params["socket_directory"], "-p", str(params["port"])]
    for name in databases:
        # A pattern, which quotes make a name.
        words += ["-d", '"' + name.replace('"', '""') + '"']
    status, text = run_bounded(account.words(words), params["timeout"])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # 2 is what it ends with when it found damage.
    if status not in (0, 2):
        raise ScalingError(
            f"pg_amcheck ended with status {status}: {' '.join(lines[-2:]) or 'it left no message'}.",
            "Look at the server's log.",
        )
    return lines if status == 2 else []


def _ask(server: Local, query: Document) -> list[str]:
    try:
        value = server.client(query["database"]).value(query["query"])
    except Unreachable as error:
        return [f"{query['name']} cannot be asked: {error}"]
    found = outside(query, value)
    return [found] if found else []
