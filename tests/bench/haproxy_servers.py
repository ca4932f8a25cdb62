#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drain and re-enable many servers of a real HAProxy: one haproxy_server task against the usual loop.

The loop calls community.general.haproxy. Both run by ansible-playbook over the local connection, in turns, on the same
HAProxy with live health checks and no traffic; each phase is verified over the socket. Prints JSON: `seconds` is the
time of the tasks alone, as Ansible's own JSON callback gives it, `playbook_seconds` is that with Ansible's start.
"""

from __future__ import annotations

import argparse
import datetime
import http.server
import json
import os
import platform
import shutil
import socket
import socketserver
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

CONFIGURATION = """
global
  stats socket {directory}/admin.sock mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
backend farm
  balance leastconn
  option httpchk GET /health
  default-server inter 2s
"""

OURS = """
- name: Drain every server and put it in maintenance
  horizontal.scaling.haproxy_server:
    sockets: ["{socket}"]
    servers: "{{{{ names | map('community.general.dict_kv', 'name')
      | map('combine', {{'backend': 'farm', 'state': 'drain'}}) }}}}"
    drain_then: maint
    state_file: "{directory}/state"
  when: phase == 'drain'

- name: Make every server ready
  horizontal.scaling.haproxy_server:
    sockets: ["{socket}"]
    servers: "{{{{ names | map('community.general.dict_kv', 'name')
      | map('combine', {{'backend': 'farm', 'state': 'ready'}}) }}}}"
    state_file: "{directory}/state"
  when: phase == 'enable'
"""

THEIRS = """
- name: Drain a server and put it in maintenance
  community.general.haproxy:
    {{host: "{{{{ item }}}}", backend: farm, socket: "{socket}",
     state: disabled, drain: true, wait: true, wait_interval: 1}}
  loop: "{{{{ names }}}}"
  when: phase == 'drain'

- name: Enable a server
  community.general.haproxy:
    {{host: "{{{{ item }}}}", backend: farm, socket: "{socket}",
     state: enabled, wait: true, wait_interval: 1}}
  loop: "{{{{ names }}}}"
  when: phase == 'enable'
"""

PLAY = """
- name: Take servers out and put them back
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
    names: {names}
  tasks:
"""


class _Application(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def _ask(path: str, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(path)
        connection.sendall(command.encode() + b"\n")
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def _maintained(path: str) -> int:
    """Servers in maintenance, by HAProxy's own word."""
    rows = [line.split() for line in _ask(path, "show servers state farm").splitlines()]
    return sum(1 for row in rows if len(row) > 6 and row[0].isdigit() and int(row[6]) & 1)


def _run(playbook: Path, phase: str) -> dict[str, float]:
    environment = dict(
        os.environ,
        ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
        ANSIBLE_DEPRECATION_WARNINGS="false",
        ANSIBLE_LOCALHOST_WARNING="false",
        ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
    )
    started = time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", str(playbook), "-e", f"phase={phase}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{playbook.name} {phase} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    tasks = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"]
    seconds = [
        datetime.datetime.fromisoformat(task["task"]["duration"]["end"].rstrip("Z"))
        - datetime.datetime.fromisoformat(task["task"]["duration"]["start"].rstrip("Z"))
        for task in tasks
        if not task["hosts"]["localhost"].get("skipped")
    ]
    return {"seconds": sum(delta.total_seconds() for delta in seconds), "playbook_seconds": wall}


def measure(directory: Path, servers: int, rounds: int) -> dict[str, object]:
    path = f"{directory}/admin.sock"
    names = [f"app{number}" for number in range(1, servers + 1)]
    variants = {"haproxy_server": OURS, "community.general.haproxy": THEIRS}
    playbooks = {}
    for number, (name, tasks) in enumerate(variants.items()):
        text = PLAY.format(names=json.dumps(names)) + "".join(
            f"    {line}\n" if line else "\n" for line in tasks.format(socket=path, directory=directory).splitlines()
        )
        playbooks[name] = directory / f"variant{number}.yml"
        playbooks[name].write_text(text)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, playbook in playbooks.items():
            phases = {}
            for phase, expected in (("drain", servers), ("enable", 0)):
                phases[phase] = _run(playbook, phase)
                if _maintained(path) != expected:
                    raise SystemExit(f"{name} {phase}: {_maintained(path)} servers in maintenance, not {expected}")
            found[name].append(
                {
                    "drain_seconds": phases["drain"]["seconds"],
                    "enable_seconds": phases["enable"]["seconds"],
                    "seconds": sum(phase["seconds"] for phase in phases.values()),
                    "playbook_seconds": sum(phase["playbook_seconds"] for phase in phases.values()),
                }
            )
    figures = {
        name: {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}
        for name, runs in found.items()
    }
    ours, theirs = (figures[name] for name in variants)
    return {
        "benchmark": "haproxy_servers",
        "servers": servers,
        "rounds": rounds,
        "haproxy": _ask(path, "show version").strip(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "median": figures,
        "ratio": round(theirs["seconds"] / ours["seconds"], 1),
        "ratio_with_start_of_ansible": round(theirs["playbook_seconds"] / ours["playbook_seconds"], 1),
        "target": 10,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--haproxy", default=shutil.which("haproxy") or "/usr/sbin/haproxy")
    arguments = parser.parse_args()
    application = _Server(("127.0.0.1", 0), _Application)
    threading.Thread(target=application.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="haproxy-bench-") as name:
        directory = Path(name)
        configuration = CONFIGURATION.format(directory=directory) + "".join(
            f"  server app{number} 127.0.0.1:{application.server_address[1]} check weight 100\n"
            for number in range(1, arguments.servers + 1)
        )
        (directory / "haproxy.cfg").write_text(configuration)
        process = subprocess.Popen(
            [arguments.haproxy, "-db", "-f", str(directory / "haproxy.cfg")],
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(100):
                if (directory / "admin.sock").exists():
                    break
                time.sleep(0.05)
            figures = measure(directory, arguments.servers, arguments.rounds)
        finally:
            process.kill()
            process.wait()
    text = json.dumps(figures, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
