#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""check.py ARCHIVE_FOLDER [PYTHON]: real processes of claims-service, above all how they end.

It needs nothing but the standard library; the service needs its packages in PYTHON.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import typing as t
import urllib.error
import urllib.request

CLAIM = {
    "resourceType": "Claim",
    "status": "active",
    "use": "claim",
    "type": {"coding": [{"code": "professional"}]},
    "priority": {"coding": [{"code": "normal"}]},
    "patient": {"reference": "Patient/1"},
    "provider": {"reference": "Practitioner/1"},
    "created": "2026-01-31",
    "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": "Coverage/1"}}],
}
UPGRADE = "\r\n".join(
    (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    )
)
ARCHIVES = pathlib.Path(sys.argv[1])
PYTHON = sys.argv[2] if len(sys.argv) > 2 else sys.executable
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Process:
    """One release that runs on a free port."""

    def __init__(self, folder: str, version: str, **environment: str) -> None:
        with tarfile.open(ARCHIVES / f"claims-service-{version}.tar.gz") as archive:
            archive.extractall(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [PYTHON, f"{folder}/bin/claims-service"],
            env={"PATH": os.environ["PATH"], "HOST": "127.0.0.1", "PORT": str(self.port), **environment},
            stdout=subprocess.PIPE,
            text=True,
        )

    def listening(self) -> Process:
        line = json.loads(self.process.stdout.readline())
        assert line["event"] == "started", line
        return self

    def ask(self, path: str, body: t.Any = None) -> tuple[int, dict, bytes]:
        data = None if body is None else json.dumps(body).encode()
        try:
            with OPENER.open(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data), timeout=20) as got:
                return got.status, dict(got.headers), got.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def connect(self, text: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(text.encode())
        return connection

    def terminate(self) -> float:
        self.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        return time.monotonic()

    def end(self) -> tuple[int, dict]:
        """Exit status and what it said last."""
        output, _ = self.process.communicate(timeout=20)
        return self.process.returncode, json.loads(output.splitlines()[-1])


@contextlib.contextmanager
def running(version: str, **environment: str) -> t.Iterator[Process]:
    with tempfile.TemporaryDirectory() as folder:
        process = Process(folder, version, **environment)
        try:
            yield process
        finally:
            process.process.kill()
            process.process.wait()


def everything(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def check_claims() -> None:
    with running("1.0.0") as one:
        one.listening()
        status, headers, body = one.ask("/claims", CLAIM)
        assert (status, headers["X-Service-Version"]) == (201, "1.0.0")
        assert one.ask(headers["Location"])[2] == body
        assert len(json.loads(one.ask("/claims?count=5")[2])["entry"]) == 1
        status, headers, body = one.ask("/claims", {**CLAIM, "use": "bill"})
        assert (status, headers["X-Service-Version"]) == (422, "1.0.0")
        assert b"Claim.use must be one of" in body
        assert b"claims_requests_total" in one.ask("/metrics")[2]
        assert one.ask("/claims/none")[0] == 404
        for path in ("/health", "/ready", "/version"):
            assert one.ask(path)[0] == 200, path


def check_graceful_stop() -> None:
    """Nothing that had begun is lost: an answer on its way, a request half sent, a kept connection, a WebSocket."""
    with running("1.0.0") as one:
        one.listening()
        download = one.connect("GET /download?seconds=2 HTTP/1.1\r\nHost: x\r\n\r\n")
        body = json.dumps(CLAIM)
        half = one.connect(f"POST /claims HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body[:40]}")
        kept = one.connect("GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 OK" in kept.recv(65536)
        talk = one.connect(f"GET /ws HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n\r\n")
        assert b" 101 " in talk.recv(65536)
        began = one.terminate()
        with contextlib.closing(socket.socket()) as late:
            assert late.connect_ex(("127.0.0.1", one.port)) != 0, "a new connection was accepted after SIGTERM"
        kept.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = everything(kept)
        assert b" 503 " in answer and b"Connection: close" in answer, answer
        half.sendall(body[40:].encode())
        assert b" 201 Created" in everything(half)
        close = talk.recv(65536)
        assert close[:1] == b"\x88" and int.from_bytes(close[2:4], "big") == 1001, close
        talk.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe9")
        talk.close()
        assert len(everything(download).partition(b"\r\n\r\n")[2]) == 20 * 1024
        status, last = one.end()
        assert (status, last["event"], last["requests_cut"]) == (0, "stopped", 0), (status, last)
        assert time.monotonic() - began < 8, "the service stayed though nothing was left to do"


def check_bounded_stop() -> None:
    with running("1.0.0", SHUTDOWN_TIMEOUT_S="1") as one:
        one.listening()
        endless = one.connect("GET /download?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n")
        endless.recv(4096)
        began = one.terminate()
        status, last = one.end()
        endless.close()
        assert time.monotonic() - began < 5
        assert (status, last["requests_cut"]) == (0, 1), (status, last)


def check_idle_stop() -> None:
    with running("1.0.0") as one:
        one.listening()
        idle = one.connect("")
        began = one.terminate()
        assert one.end()[0] == 0
        assert time.monotonic() - began < 2, "an idle connection kept the service from ending"
        idle.close()


def check_kept_connections() -> None:
    with running("1.0.0", KEPT_TIMEOUT_S="20") as one:
        one.listening()
        kept = one.connect("GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in kept.recv(4096)
        began = one.terminate()
        time.sleep(1)
        kept.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = everything(kept)
        assert b" 200 " in answer and b"Connection: close" in answer, answer
        assert one.end()[0] == 0
        assert time.monotonic() - began < 10, "the service stayed though no connection was left"


def check_faults() -> None:
    with running("2.0.0-unhealthy") as one:
        assert one.listening().ask("/health")[0] == 503
        assert one.ask("/claims", CLAIM)[0] == 201
    with running("2.0.0-crashes") as one:
        assert one.process.wait(20) == 3
    with running("2.0.0-ignores-sigterm") as one:
        one.listening().terminate()
        assert one.ask("/health")[0] == 200
    with running("2.0.0-errors") as one:
        statuses = [one.listening().ask("/claims")[0]] + [one.ask("/claims")[0] for _ in range(199)]
        assert 10 <= statuses.count(500) <= 80, statuses.count(500)
        assert one.ask("/health")[0] == 200
    with running("1.0.0", FAULT_LATENCY_MS="300", FAULT_SLOW_START_S="1") as one:
        assert one.listening().ask("/health")[0] == 503
        began = time.monotonic()
        one.ask("/claims")
        assert time.monotonic() - began >= 0.3
        time.sleep(0.8)
        assert one.ask("/health")[0] == 200


def main() -> None:
    checks = [
        check_claims,
        check_graceful_stop,
        check_bounded_stop,
        check_idle_stop,
        check_kept_connections,
        check_faults,
    ]
    for check in checks:
        began = time.monotonic()
        check()
        print(f"{check.__name__[6:]}: {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
