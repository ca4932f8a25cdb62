# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PgBouncer's admin console: hold the clients of its databases back while the primary changes, and let them go on."""

from __future__ import annotations

import contextlib
import select
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .account import Account
from .client import APPLICATION, library

CONSOLE = "pgbouncer"


class Pooler:
    """One PgBouncer.

    Args:
        parameters: keywords of libpq (host, port, user, passfile, sslmode, …).
        account: in whose name files are read.
        timeout: seconds for connecting.
    """

    def __init__(self, parameters: t.Mapping[str, t.Any], account: Account, timeout: float) -> None:
        self.place = f"{parameters['host']}:{parameters['port']}"
        self._parameters = dict(parameters, dbname=CONSOLE)
        self._account = account
        self._timeout = timeout
        self._connection: t.Any = None

    def databases(self) -> dict[str, bool]:
        """Names of the databases that PgBouncer serves, and whether each is paused; raises ScalingError."""
        cursor = self._run("SHOW DATABASES")
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        return {row["name"]: bool(int(row["paused"])) for row in rows if row["name"] != CONSOLE}

    def pause(self, deadline: Deadline) -> None:
        """Hold all clients back once their transactions have ended; raises ScalingError when they do not in time."""
        for name in [name for name, paused in self.databases().items() if not paused]:
            if not self._send(f'PAUSE "{name}"', deadline):
                raise ScalingError(
                    f"The pooler at {self.place} could not pause {name} within {deadline.elapsed:.1f} s, since clients"
                    " keep their server connections.",
                    "Pool by transaction, end what is idle in transaction, or give a longer pooler_timeout.",
                )

    def resume(self) -> None:
        """Let the clients of all paused databases go on; raises ScalingError."""
        # A PAUSE that is still waited for occupies its console.
        self.close()
        for name in [name for name, paused in self.databases().items() if paused]:
            self._run(f'RESUME "{name}"')

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
    failed = []
    for each in poolers:
        try:
            each.resume()
        except ScalingError as error:
            failed.append(str(error))
    if failed:
        raise ScalingError(" ".join(failed), "Its clients may still be held back: type RESUME on its admin console.")
