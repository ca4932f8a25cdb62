# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A connection to one member: SQL in, rows out; every failure is a ScalingError that names the member."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .account import Account

APPLICATION = "horizontal.scaling"
Row = t.Dict[str, t.Any]


class Client:
    """One member's server; connects at the first query, and again after `close`.

    Args:
        name: what messages call the member.
        parameters: keywords of libpq (host, port, user, passfile, sslmode, …); empty ones are left out.
        account: whose name a Unix socket's `peer` authentication sees.
        timeout: seconds for connecting, and for each statement.
    """

    def __init__(self, name: str, parameters: t.Mapping[str, t.Any], account: Account, timeout: float = 10) -> None:
        self.name = name
        self._parameters = {key: value for key, value in parameters.items() if value not in (None, "")}
        self._account = account
        self._timeout = timeout
        self._connection: t.Any = None

    @property
    def place(self) -> str:
        """host:port, as messages show it."""
        return f"{self._parameters.get('host', 'local socket')}:{self._parameters.get('port', 5432)}"

    @property
    def connected(self) -> bool:
        """Whether there is a connection from an earlier statement, which may have died meanwhile."""
        return self._connection is not None

    def rows(self, sql: str, values: t.Sequence[t.Any] = ()) -> list[Row]:
        """Rows of a statement by column name; raises ScalingError."""
        psycopg = library()
        try:
            cursor = self._open().execute(sql, values or None)
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row)) for row in cursor.fetchall()] if names else []
        except psycopg.Error as error:
            raise self._failure(error) from error

    def value(self, sql: str, values: t.Sequence[t.Any] = ()) -> t.Any:
        """The first column of the first row; None without a row."""
        return next(iter(next(iter(self.rows(sql, values)), {}).values()), None)

    def document(self, sql: str) -> t.Any:
        """A statement's one JSON value."""
        found = self.value(sql)
        return json.loads(found) if isinstance(found, (str, bytes)) else found

    def replication(self, command: str) -> list[Row]:
        """A command of the replication protocol, on a connection of its own, as a standby would make it."""
        psycopg = library()
        parameters = dict(self._parameters, replication="true")
        parameters.pop("dbname", None)
        try:
            with self._connect(parameters) as connection:
                cursor = connection.execute(command)
                names = [column.name for column in cursor.description or []]
                return [dict(zip(names, row)) for row in cursor.fetchall()]
        except psycopg.Error as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """End the connection; the next statement makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> t.Any:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect(dict({"dbname": "postgres"}, **self._parameters))
        return self._connection

    def _connect(self, parameters: t.Mapping[str, t.Any]) -> t.Any:
        milliseconds = int(self._timeout * 1000)
        psycopg = library()
        with self._account.acting():
            return psycopg.connect(
                autocommit=True,
                application_name=APPLICATION,
                # Else text is bytes from databases, and from replication connections, that have no encoding.
                client_encoding="UTF8",
                connect_timeout=max(1, int(self._timeout)),
                options=f"-c statement_timeout={milliseconds} -c synchronous_commit=local",
                **parameters,
            )

    def _failure(self, error: Exception) -> ScalingError:
        # Neither libpq nor the server writes a password into a message.
        text = " ".join(str(error).split()) or type(error).__name__
        kind = getattr(error, "sqlstate", None)
        if kind == "42501":
            hint = "Connect as a user with the rights that docs/postgresql.md lists."
        elif kind is None:
            hint = "Check that the member runs, that its address is right and that pg_hba.conf lets this user in."
        else:
            hint = ""
        return Unreachable(
            f"PostgreSQL {self.name} ({self.place}): {text}.", hint, member=self.name, sqlstate=kind or ""
        )


class Unreachable(ScalingError):
    """A member that gave no answer, or an error for one; `details['sqlstate']` tells them apart."""


def library() -> t.Any:
    """psycopg 3; raises ScalingError with the package's name where it is missing."""
    try:
        import psycopg
    except ImportError as error:
        raise ScalingError(
            f"The Python library psycopg 3 is missing on this host ({error}).",
            "Install the package python3-psycopg, or psycopg by pip.",
        ) from error
    return psycopg
