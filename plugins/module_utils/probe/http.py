# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One HTTP request, straight to the server: no proxy, no redirect is followed, and its time is bounded as a whole."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.health.answers import judge_http

LONGEST = 1 << 20  # bytes of a body that is looked into
EXCERPT = 2048
Probe = t.Mapping[str, t.Any]


def probe_http(probe: Probe, seconds: float) -> str:
    """Ask once; an empty text if the answer is as wanted, else the reason."""
    target = probe["target"]
    peer = f"{target['host']}:{target['port']}"
    try:
        context = _context(probe) if target["tls"] else None
    except (OSError, ssl.SSLError) as error:
        return f"ca_path {probe['ca_path']} cannot be used: {error.strerror or error}"
    ends = time.monotonic() + seconds
    try:
        with socket.create_connection((target["host"], target["port"]), seconds) as plain, _cut_off(plain, seconds):
            sock = context.wrap_socket(plain, server_hostname=target["host"]) if context else plain
            with contextlib.closing(sock):
                days_left = _days_left(sock)
                status, body = _ask(sock, probe, target)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= ends or isinstance(error, socket.timeout):
            return f"no answer from {probe['url']} within {seconds:.3g} s"
        return explain(error, peer)
    if time.monotonic() >= ends:
        return f"no whole answer from {probe['url']} within {seconds:.3g} s"
    return judge_http(probe, status, body, days_left)


@contextlib.contextmanager
def _cut_off(sock: socket.socket, seconds: float) -> t.Iterator[None]:
    """Break the connection when time is up, also for a server that sends a byte now and then."""
    with sock.dup() as handle:  # of its own, since TLS takes the socket over

        def break_off() -> None:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, break_off)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join(1)  # it must not touch the number of a closed socket


def _context(probe: Probe) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=probe.get("ca_path") or None)
    if not probe["validate_certs"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _days_left(sock: socket.socket) -> float | None:
    """Until the server's certificate ends; None without one that was verified."""
    if not isinstance(sock, ssl.SSLSocket):
        return None
    ends = (sock.getpeercert() or {}).get("notAfter")
    return (ssl.cert_time_to_seconds(str(ends)) - time.time()) / 86400 if ends else None


def _ask(sock: socket.socket, probe: Probe, target: t.Mapping[str, t.Any]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(target["host"], target["port"])
    connection.sock = sock
    headers = dict({"User-Agent": "horizontal.scaling health_check", "Connection": "close"}, **probe["headers"])
    connection.request(probe["method"], target["path"], headers=headers)
    response = connection.getresponse()
    looked_into = probe.get("body") or probe.get("json_path")
    return response.status, _read(response, LONGEST if looked_into else EXCERPT)


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    body = b""
    while len(body) < most:
        part = response.read(min(65536, most - len(body)))
        if not part:
            break
        body += part
    return body


_SENTENCES: tuple[tuple[t.Any, t.Callable[[t.Any, str], str]], ...] = (
    (
        ssl.SSLCertVerificationError,
        lambda error, peer: f"the certificate of {peer} is not accepted: {error.verify_message}",
    ),
    (ssl.SSLError, lambda error, peer: f"TLS with {peer} failed: {error.reason or error}"),
    (socket.gaierror, lambda error, peer: f"{peer.rpartition(':')[0]} does not resolve: {error.strerror}"),
    (ConnectionRefusedError, lambda _error, peer: f"connection refused by {peer}"),
    ((ConnectionResetError, BrokenPipeError), lambda _error, peer: f"{peer} closed the connection without an answer"),
    (socket.timeout, lambda _error, peer: f"no connection to {peer} in time"),
    (OSError, lambda error, peer: f"cannot reach {peer}: {error.strerror or error}"),
)


def explain(error: Exception, peer: str) -> str:
    """A failed connection in words."""
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind):
            return sentence(error, peer)
    return f"{peer} gave no valid answer: {type(error).__name__}"
