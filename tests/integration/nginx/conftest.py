# SPDX-License-Identifier: GPL-3.0-or-later
"""A real NGINX on loopback, configured by the role's own tasks, and HTTP servers behind it.

The modules run in this process.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest

from ..running import free_ports, run_module, run_playbook, until

BINARY = shutil.which("nginx") or "/usr/sbin/nginx"
STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


class Application(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """An HTTP server that says its name; /hold answers when `release` is set, /fail answers 500."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, name: str, port: int = 0) -> None:
        self.name = name
        self.release = threading.Event()
        self.connections: set[socket.socket] = set()
        self.requests = 0
        super().__init__(("127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, *_arguments: t.Any) -> None:
        """Connections that were cut."""

    def process_request(self, request: t.Any, client_address: t.Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def stop(self) -> int:
        """Stop as a service does that does not wait for anybody; the port."""
        port = self.server_address[1]
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return port


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        server = t.cast(Application, self.server)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.requests += 1
        if self.path == "/hold":
            server.release.wait(20)
        body = server.name.encode()
        self.send_response(500 if self.path == "/fail" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_arguments: t.Any) -> None:
        pass


class Nginx:
    """The process and its directory."""

    def __init__(self, directory: Path, apps: dict[str, Application]) -> None:
        self.directory = directory
        self.apps = apps
        self.root = directory / "etc"
        self.ports = free_ports("status", "claims", "tls", "redirect", "raw")
        self.variables: dict[str, t.Any] = {
            "__nginx_root": str(self.root),
            "__nginx_user": "root",  # it must read the test's directory
            "__nginx_pid_file": str(directory / "nginx.pid"),
            "__nginx_closing_file": str(directory / "closing"),
            "nginx_access_log": str(directory / "services.log"),
            "nginx_tcp_access_log": str(directory / "tcp_services.log"),
            "nginx_error_log": str(directory / "error.log"),
            "nginx_worker_processes": "2",
            "nginx_status_port": self.ports["status"],
        }
        self.root.mkdir()
        (self.root / "mime.types").write_text("types { text/html html; }\n")

    def servers(self, *names: str) -> list[dict[str, t.Any]]:
        return [
            {"name": name, "address": "127.0.0.1", "port": self.apps[name].server_address[1]}
            for name in names or self.apps
        ]

    def service(self, **options: t.Any) -> dict[str, t.Any]:
        return {"name": "claims", "port": self.ports["claims"], "servers": self.servers(), **options}

    def converge(self, *services: dict[str, t.Any], check: bool = False) -> dict[str, t.Any]:
        """Run the role's tasks; the play's counts, and what failed."""
        values = dict(self.variables, nginx_services=services)
        return run_playbook(Path(__file__).parent / "converge.yml", values, self.directory, check)

    def start(self) -> None:
        subprocess.run([BINARY, "-c", str(self.root / "nginx.conf")], check=True)
        until(lambda: self.get("/status", "status")[0] == 200, ignore=OSError)

    def stop(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.directory / "nginx.pid").read_text()), signal.SIGTERM)

    def get(self, path: str = "/", port: str = "claims", **headers: str) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=25)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())

    def answering(self, number: int = 24) -> set[str]:
        """Which servers answer."""
        return {self.get()[1] for _ in range(number)}

    def upstream(self, *servers: dict[str, t.Any], check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        wanted = [{"backend": "claims", **server} for server in servers]
        common = {
            "config": str(self.root / "nginx.conf"),
            "pid_file": self.variables["__nginx_pid_file"],
            "error_log": self.variables["nginx_error_log"],
            "closing_file": self.variables["__nginx_closing_file"],
            "settle": 0.1,
        }
        return run_module("nginx_upstream", {**common, "servers": wanted, **options}, check)

    def info(self, **options: t.Any) -> dict[str, t.Any]:
        common = {
            "config": str(self.root / "nginx.conf"),
            "pid_file": self.variables["__nginx_pid_file"],
            "access_logs": [self.variables["nginx_access_log"], self.variables["nginx_tcp_access_log"]],
            "counters_file": str(self.directory / "counters.json"),
            "status_url": f"http://127.0.0.1:{self.ports['status']}/status",
        }
        return run_module("nginx_info", {**common, **options})


@pytest.fixture
def nginx(tmp_path: Path) -> t.Iterator[Nginx]:
    if not Path(BINARY).exists() or os.getuid() != 0:
        pytest.skip("needs nginx and root")
    applications = {name: Application(name) for name in ("app1", "app2", "app3")}
    balancer = Nginx(tmp_path, applications)
    try:
        yield balancer
    finally:
        for application in applications.values():
            application.release.set()
        balancer.stop()
        for application in applications.values():
            application.stop()


@pytest.fixture(scope="session")
def _plain(tmp_path_factory: pytest.TempPathFactory) -> Nginx:
    """One plain service as the role writes it; made once, since a playbook takes its time."""
    applications = {name: Application(name) for name in ("app1", "app2", "app3")}
    written = Nginx(tmp_path_factory.mktemp("plain"), applications)
    assert written.converge(written.service()) == {"changed": True, "failed": ""}
    for application in applications.values():
        application.stop()
    return written


@pytest.fixture
def running(nginx: Nginx, request: pytest.FixtureRequest) -> Nginx:
    """With one plain service."""
    plain = request.getfixturevalue("_plain")
    changes = {str(plain.directory): str(nginx.directory)}
    changes.update({f":{port}": f":{nginx.ports[name]}" for name, port in plain.ports.items()})
    changes.update(
        {f":{app.server_address[1]}": f":{nginx.apps[n].server_address[1]}" for n, app in plain.apps.items()}
    )
    shutil.rmtree(nginx.root)
    shutil.copytree(plain.root, nginx.root)
    pattern = re.compile("|".join(re.escape(old) + r"\b" for old in changes))
    for path in nginx.root.rglob("*.conf"):
        path.write_text(pattern.sub(lambda found: changes[found.group()], path.read_text()))
    nginx.start()
    return nginx
