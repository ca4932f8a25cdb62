#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells load balancers which role this host's PostgreSQL has.

    role_server.py ADDRESS PORT SOCKET_DIRECTORY DATABASE_PORT

The paths are Patroni's: /primary (also / and /read-write) and /replica (also /read-only for either role) answer 200 or
503, /health 200 while the server answers. /replica?lag=SECONDS wants that what was received is replayed within so long.
A question is asked of the server each time; nothing is kept, since a promise of a second ago may be a second primary.
"""

from __future__ import annotations

import http.server
import json
import socket
import sys
import threading
import typing as t
import urllib.parse

import psycopg

QUESTION = """
SELECT pg_is_in_recovery(),
       EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL),
       CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END::float
"""
# A load balancer gives up sooner, and asks again.
PATIENCE_S = 1.0


class State(t.NamedTuple):
    """What PostgreSQL said of itself."""

    role: str
    streaming: bool
    lag_s: float


class Server:
    """One connection, which is opened again when it broke."""

    def __init__(self, directory: str, port: int) -> None:
        self._place = {"host": directory, "port": port, "dbname": "postgres", "user": "role_reader"}
        self._connection: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def state(self) -> State | None:
        """None when nobody answers in time, or another question still waits for its answer."""
        if not self._lock.acquire(timeout=PATIENCE_S):
            return None
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    **self._place,
                    autocommit=True,
                    connect_timeout=2,
                    application_name="role_server",
                    options=f"-c statement_timeout={int(PATIENCE_S * 1000)}",
                )
            row = self._connection.execute(QUESTION).fetchone()
            return State("standby" if row[0] else "primary", row[1], row[2])
        except psycopg.Error:
            if self._connection is not None:
                self._connection.close()
            return None
        finally:
            self._lock.release()


def answer(path: str, state: State | None) -> tuple[int, dict[str, t.Any]]:
    """Status code and body."""
    if state is None:
        return 503, {"role": "unknown"}
    place = urllib.parse.urlsplit(path)
    limit = urllib.parse.parse_qs(place.query).get("lag", ["inf"])[0]
    body = {"role": state.role, "streaming": state.streaming, "lag_seconds": round(state.lag_s, 3)}
    try:
        near = state.lag_s <= float(limit)
    except ValueError:
        return 400, {"error": f"lag is {limit!r}, accepted are seconds"}
    primary = state.role == "primary"
    replica = not primary and state.streaming and near
    fits = {
        "/": primary,
        "/primary": primary,
        "/read-write": primary,
        "/replica": replica,
        "/read-only": primary or replica,
        "/health": True,
    }
    if place.path not in fits:
        return 404, {"error": f"accepted are {', '.join(fits)}"}
    return (200 if fits[place.path] else 503), body


def handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5
        server_version = "role_server"
        sys_version = ""

        def do_GET(self) -> None:
            code, body = answer(self.path, server.state())
            text = (json.dumps(body) + "\n").encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        do_HEAD = do_OPTIONS = do_GET

        def log_message(self, *_: t.Any) -> None:
            """A line for each check would fill the journal."""

    return Handler


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: str, port: int, directory: str, database_port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), handler(Server(directory, database_port)))


if __name__ == "__main__":
    Listener(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])).serve_forever()
