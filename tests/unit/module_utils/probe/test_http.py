# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes against servers in threads of this process."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import socket
import ssl
import sys
import threading
import time

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.health.probes import prepare
from ansible_collections.horizontal.scaling.plugins.module_utils.probe.http import probe_http
from ansible_collections.horizontal.scaling.plugins.module_utils.probe.others import probe_command, probe_tcp
from ansible_collections.horizontal.scaling.plugins.modules.health_check import PROBE


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, headers, body = {
            "/health": (200, {}, b'{"status": "ok"}'),
            "/bad": (503, {}, b"starting"),
            "/moved": (302, {"Location": "/health"}, b""),
            "/who": (200, {}, str(self.headers["Authorization"]).encode()),
            "/big": (200, {}, b"x" * 3_000_000),
        }[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_words):
        pass


@contextlib.contextmanager
def serving(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_what: None
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def answering(behave):
    """A server that does something odd with its one connection."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def accept():
            with contextlib.suppress(OSError):
                connection, _peer = listener.accept()
                with connection:
                    behave(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def make(**options):
    return prepare([dict({name: option.get("default") for name, option in PROBE.items()}, **options)])[0]


def ask(url, seconds=2.0, **options):
    return probe_http(make(url=url, **options), seconds)


def test_answers():
    with serving() as port:
        base = f"http://127.0.0.1:{port}"
        assert ask(f"{base}/health") == ""
        assert ask(f"{base}/health", json_path="status", json_value="ok") == ""
        assert ask(f"{base}/bad") == f"HTTP 503 from {base}/bad, wanted 200: body says starting"
        assert ask(f"{base}/moved") == f"HTTP 302 from {base}/moved, wanted 200: body is empty"
        assert ask(f"{base}/big", body="y").startswith(f"HTTP 200 from {base}/big, but without 'y'")
        assert ask(f"http://ops:pass@127.0.0.1:{port}/who", body="Basic b3BzOnBhc3M=") == ""


def test_proxies_are_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving() as port:
        assert ask(f"http://127.0.0.1:{port}/health") == ""


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_listens():
    port = closed_port()
    assert ask(f"http://127.0.0.1:{port}/") == f"connection refused by 127.0.0.1:{port}"
    assert probe_tcp(make(type="tcp", host="127.0.0.1", port=port), 1) == f"connection refused by 127.0.0.1:{port}"


def test_tcp():
    with answering(lambda connection: None) as port:
        assert probe_tcp(make(type="tcp", host="127.0.0.1", port=port), 1) == ""


def test_a_silent_server():
    with answering(lambda connection: time.sleep(0.6)) as port:
        assert ask(f"http://127.0.0.1:{port}/", 0.2) == f"no answer from http://127.0.0.1:{port}/ within 0.2 s"


def drip(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(40):
        time.sleep(0.2)
        connection.sendall(f"X-{number}: y\r\n".encode())


def test_a_server_that_drips_is_cut_off():
    with answering(drip) as port:
        began = time.monotonic()
        assert "within 0.5 s" in ask(f"http://127.0.0.1:{port}/", 0.5)
        assert time.monotonic() - began < 6


def test_a_server_that_hangs_up():
    with answering(lambda connection: connection.recv(1000)) as port:
        assert ask(f"http://127.0.0.1:{port}/") == f"127.0.0.1:{port} closed the connection without an answer"


def test_a_server_that_speaks_something_else():
    def behave(connection):
        connection.recv(1000)
        connection.sendall(b"220 smtp ready\r\n")

    with answering(behave) as port:
        assert "gave no valid answer: BadStatusLine" in ask(f"http://127.0.0.1:{port}/")


def certificate(directory, days):
    """A certificate for 127.0.0.1 that signs itself, and a server's context with it."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "claims")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=100))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return str(path), context


def test_certificates(tmp_path):
    path, context = certificate(tmp_path, days=20)
    with serving(context) as port:
        url = f"https://127.0.0.1:{port}/health"
        assert ask(url, ca_path=path) == ""
        assert ask(url, ca_path=path, tls_expiry_days=19) == ""
        assert "ends in 20.0 days, wanted at least 30" in ask(url, ca_path=path, tls_expiry_days=30)
        assert "certificate of 127.0.0.1" in ask(url)
        assert "is not accepted: self" in ask(url)
        assert ask(url, validate_certs=False) == ""
        assert "Hostname mismatch" in ask(url.replace("127.0.0.1", "localhost"), ca_path=path)
        assert "ca_path /nowhere cannot be used: No such file" in ask(url, ca_path="/nowhere")


def test_an_expired_certificate(tmp_path):
    path, context = certificate(tmp_path, days=-1)
    with serving(context) as port:
        assert "certificate has expired" in ask(f"https://127.0.0.1:{port}/health", ca_path=path)


def test_tls_with_a_server_that_has_none():
    with serving() as port:
        assert f"TLS with 127.0.0.1:{port} failed" in ask(f"https://127.0.0.1:{port}/health", validate_certs=False)


def test_commands():
    def command(*words, seconds=5.0, **options):
        return probe_command(make(type="command", command=list(words), **options), seconds)

    assert command(sys.executable, "-c", "print('fine')", body="fine") == ""
    assert command(sys.executable, "-c", "import sys; sys.exit('no; rm')").endswith("status 1: it says no; rm")
    assert command("/nowhere/x") == "/nowhere/x cannot be started: No such file or directory"
    began = time.monotonic()
    assert command("/bin/sh", "-c", "sleep 30 & sleep 30", seconds=0.2) == "/bin/sh did not end within 0.2 s"
    assert time.monotonic() - began < 20
