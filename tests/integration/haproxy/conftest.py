# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HAProxy on loopback for every test, HTTP servers behind it, and the modules run in this process.

HAPROXY_BINARY names another binary than `haproxy`.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import socket
import socketserver
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest

from ..running import free_ports, until

BINARY = os.environ.get("HAPROXY_BINARY") or shutil.which("haproxy") or "/usr/sbin/haproxy"

CONFIGURATION = """
global
  stats socket {directory}/admin.sock mode 600 level admin
  stats socket {directory}/operator.sock mode 600 level operator
  stats socket ipv4@127.0.0.1:{ports[api]} level admin
  server-state-base {directory}/state
  server-state-file server-state
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  load-server-state-from-file global
frontend claims
  bind 127.0.0.1:{ports[claims]}
  stick-table type ip size 10k expire 1m store http_req_cnt,conn_cur
  http-request track-sc0 src
  default_backend claims
frontend raw
  mode tcp
  bind 127.0.0.1:{ports[raw]}
  default_backend raw
backend claims
  balance leastconn
  option httpchk GET /health
  cookie srv insert
  default-server inter 100ms rise 2 fall 2 slowstart 20s
  server app1 127.0.0.1:{ports[app1]} check weight 100 cookie app1
  server app2 127.0.0.1:{ports[app2]} check weight 100 cookie app2
backend members
  balance roundrobin
  option httpchk GET /health
  default-server inter 100ms rise 2 fall 2
  server app1 localhost:{ports[app1]} check weight 1
  server app3 127.0.0.1:{ports[app3]} check weight 60 disabled
backend hashed
  balance source
  server app2 127.0.0.1:{ports[app2]} weight 10
backend follower
  server one 127.0.0.1:{ports[app1]} track claims/app1
backend nameless
  server one no.such.host.invalid:80 init-addr none
backend raw
  mode tcp
  balance roundrobin
  server db1 127.0.0.1:{ports[app1]}
"""


class Application(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """An HTTP server whose /hold answers when `release` is set, and whose /fail answers 503."""

    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_arguments: t.Any) -> None:
        """Connections of a HAProxy that was killed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.release = threading.Event()
        self.healthy = True
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        server = t.cast(Application, self.server)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/hold":
            server.release.wait(20)
        bad = self.path == "/fail" or (self.path == "/health" and not server.healthy)
        body = str(server.port).encode()
        self.send_response(503 if bad else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_arguments: t.Any) -> None:
        pass


class Haproxy:
    """The process, another path to look at it, and a client of its frontends."""

    def __init__(self, directory: Path, ports: dict[str, int]) -> None:
        self.directory = directory
        self.ports = ports
        self.socket = f"{directory}/admin.sock"
        self.operator_socket = f"{directory}/operator.sock"
        self.tcp = f"tcp://127.0.0.1:{ports['api']}"
        self.state_file = directory / "state" / "server-state"
        self.configuration = directory / "haproxy.cfg"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.state_file.parent.mkdir(exist_ok=True)
        self.configuration.write_text(CONFIGURATION.format(directory=self.directory, ports=self.ports))
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen([BINARY, "-db", "-f", str(self.configuration)], stdout=log, stderr=log)
        until(lambda: self.process and self.process.poll() is None and self.ask("show version"), ignore=OSError)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ask(self, command: str) -> str:
        """One command by the plain way that the modules do not use."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(self.socket)
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def server(self, path: str) -> dict[str, t.Any] | None:
        """admin, weight, endpoint as the process has them; None without such a server."""
        for line in self.ask("show servers state").splitlines():
            words = line.split()
            if len(words) > 18 and f"{words[1]}/{words[3]}" == path:
                return {"admin": int(words[6]), "weight": int(words[7]), "endpoint": f"{words[4]}:{words[18]}"}
        return None

    def stat(self, path: str, column: str) -> str:
        header, *rows = self.ask("show stat").lstrip("# ").strip().splitlines()
        names = header.split(",")
        return next(dict(zip(names, r.split(",")))[column] for r in rows if r.startswith(path.replace("/", ",") + ","))

    def get(self, target: str = "/", cookie: str = "", frontend: str = "claims") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[frontend], timeout=25)
        with contextlib.closing(connection):
            connection.request("GET", target, headers={"Cookie": f"srv={cookie}"} if cookie else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def hold(self, cookie: str) -> threading.Thread:
        """A request to one server that lasts until the application releases it; returns once it has arrived."""
        before = int(self.stat(f"claims/{cookie}", "scur"))

        def request() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.get("/hold", cookie)

        thread = threading.Thread(target=request, daemon=True)
        thread.start()
        until(lambda: int(self.stat(f"claims/{cookie}", "scur")) > before)
        return thread


@pytest.fixture(scope="session")
def _applications() -> t.Iterator[dict[str, Application]]:
    running = {name: Application() for name in ("app1", "app2", "app3", "app4")}
    yield running
    for application in running.values():
        application.shutdown()


@pytest.fixture
def applications(_applications: dict[str, Application]) -> t.Iterator[dict[str, Application]]:
    for application in _applications.values():
        application.release = threading.Event()
        application.healthy = True
    yield _applications
    for application in _applications.values():
        application.release.set()


@pytest.fixture
def haproxy(tmp_path: Path, applications: dict[str, Application]) -> t.Iterator[Haproxy]:
    if not Path(BINARY).exists():
        pytest.skip(f"{BINARY} is not installed")
    ports = {name: application.port for name, application in applications.items()}
    ports.update(free_ports("api", "claims", "raw"))
    balancer = Haproxy(tmp_path, ports)
    try:
        balancer.start()
        yield balancer
    finally:
        for application in applications.values():
            application.release.set()
        balancer.stop()
