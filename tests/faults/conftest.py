# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform in the lab (`site` has run there), load against it, and playbooks as a user runs them."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/load"))

import analyse  # noqa: E402
import generator  # noqa: E402

SERVICE = "claims-service"
HOSTS = ("app1", "app2", "app3")
BALANCERS = ("lb1", "lb2")
RECORDS = f"/var/lib/horizontal_scaling/rollouts/{SERVICE}"
# Runs on a load balancer.
SHOW_STAT = """
import socket
with socket.socket(socket.AF_UNIX) as client:
    client.connect("/run/haproxy/admin.sock")
    client.sendall(b"show stat\\n")
    print(client.makefile(encoding="utf-8").read())
"""
# Requests a second: on kept connections, on a new one each, and in all.
KEPT, NEW = 60, 10
REQUESTS = KEPT + NEW
# Tests go from whichever all hosts run to the other.
VERSIONS = ("1.0.0", "2.0.0")
TWO_BATCHES = {"rollout_batch_sizes": ["1", "75%"], "rollout_max_unavailable": "75%"}
UNWATCHED = {"rollout_on_inconclusive": "continue", "rollout_watch": 0}
# Where nobody is served meanwhile.
AT_ONCE = {
    **UNWATCHED,
    "rollout_batch_sizes": ["100%"],
    "rollout_max_unavailable": "100%",
    "rollout_allow_empty_group": True,
}
# Short waits, so that the faults and not the watching take the time.
QUICK = {"rollout_watch": 2, "rollout_watch_interval": 2, "rollout_gate_minimum": 5, "rollout_health_deadline": 15}


@dataclasses.dataclass
class Run:
    """A playbook that ended: its exit code and everything that it printed, with the lines joined."""

    code: int
    output: str


def output_of(*words: str) -> str:
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


class Platform:
    def __init__(self) -> None:
        self.lab = os.environ["LAB_NAME"]
        self.balancer_type = os.environ.get("LAB_LOAD_BALANCER", "haproxy")
        self.base = f"http://{generator.virtual_address(self.lab)}"

    def command(self, playbook: str, **extra: t.Any) -> list[str]:
        values = {"rollout_service": SERVICE, "scaling_load_balancer_type": self.balancer_type, **QUICK, **extra}
        return ["ansible-playbook", f"horizontal.scaling.{playbook}", "-i", "inventories/lab", "-e", json.dumps(values)]

    def start(self, playbook: str, **extra: t.Any) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(playbook, **extra), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, playbook: str, **extra: t.Any) -> Run:
        process = self.start(playbook, **extra)
        return self.finish(process)

    def check(self, playbook: str, **extra: t.Any) -> Run:
        """The playbook with --check --diff."""
        command = [*self.command(playbook, **extra), "--check", "--diff"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=420)
        print(done.stdout, done.stderr)
        return Run(done.returncode, " ".join(done.stdout.split()))

    def finish(self, process: subprocess.Popen) -> Run:
        output, _ = process.communicate(timeout=420)
        print(output)
        return Run(process.returncode, " ".join(output.split()))

    def on(self, host: str, *words: str) -> str:
        done = subprocess.run(
            ["podman", "exec", f"{self.lab}-{host}", *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def versions(self) -> dict[str, str]:
        """What every host answers, asked at the host."""
        texts = {host: self.on(host, "curl", "-sf", "http://127.0.0.1:8080/version") for host in HOSTS}
        return {host: json.loads(text)["version"] for host, text in texts.items()}

    def rotation(self) -> dict[str, set[str]]:
        """The states of every host on the load balancers, from the balancers themselves; ready and well: ``UP``."""
        return self.rotation_of_haproxy() if self.balancer_type == "haproxy" else self.rotation_of_nginx()

    def rotation_of_haproxy(self) -> dict[str, set[str]]:
        """As `show stat` says it. No module is asked, since tests look often and Ansible's start takes seconds."""
        states: dict[str, set[str]] = {host: set() for host in HOSTS}
        for balancer in BALANCERS:
            rows = csv.DictReader(self.on(balancer, "python3", "-c", SHOW_STAT).splitlines())
            for row in rows:
                if row["# pxname"] == SERVICE and row["svname"] in states:
                    states[row["svname"]].add(row["status"])
        return states

    def rotation_of_nginx(self) -> dict[str, set[str]]:
        states: dict[str, set[str]] = {host: set() for host in HOSTS}
        for known in self.ask(",".join(BALANCERS), "nginx_info"):
            for server in known["servers"]:
                if server["backend"] == SERVICE:
                    states[server["name"]].add("UP" if server["state"] == "ready" else server["state"].upper())
        return states

    def ask(self, hosts: str, module: str, arguments: str = "") -> list[dict[str, t.Any]]:
        """What a module of the collection returns on each of the hosts."""
        with tempfile.TemporaryDirectory() as folder:
            command = ["ansible", hosts, "-i", "inventories/lab", "--tree", folder]
            command += ["-m", f"horizontal.scaling.{module}", "-a", arguments]
            subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
            return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(pathlib.Path(folder).iterdir())]

    def record(self) -> dict[str, t.Any]:
        """The newest rollout in the ledger, open or finished, from its file; rollout_info has tests of its own."""
        text = self.on("load1", "sh", "-c", f"cat {RECORDS}/current.json 2>/dev/null || true")
        return json.loads(text)["record"] if text else {"id": "none", "state": "none"}

    def tell_ledger(self, **options: t.Any) -> dict[str, t.Any]:
        """Do something to the service's rollout past the playbooks."""
        return self.ask("load1", "rollout", json.dumps({"service": SERVICE, **options}))[0]

    def address_holder(self) -> str:
        """The load balancer that holds the shared address."""
        address = self.base.removeprefix("http://")
        holders = [host for host in BALANCERS if f" {address}/" in self.on(host, "ip", "-4", "address", "show")]
        assert len(holders) == 1, holders
        return holders[0]

    def holds_the_address(self, balancer: str, deadline: float = 15) -> bool:
        """Wait until a load balancer holds the shared address."""
        address = self.base.removeprefix("http://")
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            if f" {address}/" in self.on(balancer, "ip", "-4", "address", "show"):
                return True
            time.sleep(0.5)
        return False

    @contextlib.contextmanager
    def off_the_network(self, host: str) -> t.Iterator[None]:
        """The host as others see it when its power fails."""
        route = self.on(host, "ip", "-4", "route", "show", "default").split()
        self.on(host, "ip", "link", "set", "eth0", "down")
        try:
            yield
        finally:
            self.on(host, "ip", "link", "set", "eth0", "up")
            self.on(host, "ip", "route", "add", *route)

    @contextlib.contextmanager
    def downloading(self, seconds: int) -> t.Iterator[None]:
        """A download from every host through the shared address, which ends by itself."""
        url = f"{self.base}/download?seconds={seconds}"
        for _ in HOSTS:
            self.on("load1", "systemd-run", "--collect", "--quiet", "curl", "-s", "-o", "/dev/null", url)
        time.sleep(1)
        yield

    @contextlib.contextmanager
    def full_disk(self, host: str) -> t.Iterator[None]:
        """The service's directory, as it is, on a file system without room for another release."""
        base = f"/opt/{SERVICE}"
        size = int(self.on(host, "du", "-sk", base).split()[0]) + 64
        self.on(host, "mkdir", "-p", "/mnt/full")
        self.on(host, "mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", "/mnt/full")
        self.on(host, "cp", "-a", f"{base}/.", "/mnt/full")
        self.on(host, "mount", "--bind", "/mnt/full", base)
        try:
            yield
        finally:
            self.on(host, "umount", base)
            self.on(host, "umount", "/mnt/full")

    def all_up(self, deadline: float = 30) -> bool:
        """Wait until every host takes traffic on every load balancer."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            if self.rotation() == {host: {"UP"} for host in HOSTS}:
                return True
            time.sleep(0.5)
        return False

    def load(self, folder: pathlib.Path) -> generator.Load:
        return generator.Load(f"{self.lab}-load1", self.base, generator.usual_attacks(KEPT, NEW), folder, seconds=400)

    def settle(self) -> tuple[str, str]:
        """Have all hosts run one version and take traffic, and nothing unfinished; that version, and one to go to."""
        if self.record().get("state") in ("running", "paused"):
            unfinished = {"rollout_unfinished": "rollback", "rollout_force_take_over": True}
            run = self.run("deploy", rollout_version=VERSIONS[0], **unfinished, **AT_ONCE)
            assert run.code == 0, run.output[-3000:]
        running = set(self.versions().values())
        version = min(running & set(VERSIONS), default=VERSIONS[0])
        if running != {version} or not self.all_up(5):
            run = self.run("deploy", rollout_version=version, **AT_ONCE)
            assert run.code == 0, run.output[-3000:]
        self.all_serve(version)
        return version, next(other for other in VERSIONS if other != version)

    def wait_for_batch(self, number: int, phase: str = "replacing") -> None:
        """Until the batch is in that phase; `replacing` is drained, and not yet back."""

        def begun() -> bool:
            record = self.record()
            batches = record.get("batches", [])
            return record["state"] == "running" and batches[number - 1].get("phase") == phase

        wait_for(begun, "the batch did not begin")

    def all_serve(self, version: str) -> None:
        assert self.versions() == dict.fromkeys(HOSTS, version)
        assert self.all_up(), self.rotation()


def wait_for(happened: t.Callable[[], bool], otherwise: str) -> None:
    """Wait up to two minutes."""
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.5)


def ways(unfinished: str) -> dict[str, t.Any]:
    """Options of a run that deals with what another has left."""
    return {"rollout_unfinished": unfinished, "rollout_force_take_over": True, **TWO_BATCHES}


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform()


@pytest.fixture
def failed_requests(tmp_path: pathlib.Path) -> t.Callable[[], int]:
    """Counts what clients lost in the load that wrote into tmp_path."""

    def count() -> int:
        verdict = analyse.analyse_folder(tmp_path, {}, {})
        assert verdict["requests"] > 100, "the load did not reach the platform"
        return verdict["failed"]

    return count
