# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform in the lab (`site` has run there), load against it, and playbooks as a user runs them."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/load"))

import analyse  # noqa: E402
import generator  # noqa: E402

SERVICE = "claims-service"
HOSTS = ("app1", "app2", "app3", "app4")
# Short waits, so that the faults and not the watching take the time.
QUICK = {"rollout_watch": 4, "rollout_watch_interval": 2, "rollout_gate_minimum": 5, "rollout_health_deadline": 15}


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
        self.base = f"http://{generator.virtual_address(self.lab)}"

    def command(self, playbook: str, **extra: t.Any) -> list[str]:
        values = {"rollout_service": SERVICE, **QUICK, **extra}
        return ["ansible-playbook", f"horizontal.scaling.{playbook}", "-i", "inventories/lab", "-e", json.dumps(values)]

    def start(self, playbook: str, **extra: t.Any) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(playbook, **extra), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, playbook: str, **extra: t.Any) -> Run:
        process = self.start(playbook, **extra)
        return self.finish(process)

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
        """The states of every host on the load balancers, from the balancers themselves."""
        states: dict[str, set[str]] = {host: set() for host in HOSTS}
        ask = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/haproxy/admin.sock'); "
        ask += "s.sendall(b'show stat\\n'); print(b''.join(iter(lambda: s.recv(65536), b'')).decode())"
        for balancer in ("lb1", "lb2"):
            for line in self.on(balancer, "python3", "-c", ask).splitlines():
                fields = line.split(",")
                if fields[0] == SERVICE and fields[1] in states:
                    states[fields[1]].add(fields[17].split()[0])
        return states

    def record(self) -> dict[str, t.Any]:
        """The newest rollout in the ledger, open or finished."""
        command = ["ansible", "load1", "-i", "inventories/lab", "-o", "-m", "horizontal.scaling.rollout_info"]
        done = subprocess.run(
            [*command, "-a", f"service={SERVICE}"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        known = json.loads(done.stdout[done.stdout.index("{") :])
        return (known["current"] + known["history"])[0]

    def load(self, folder: pathlib.Path, rate: int = 60) -> generator.Load:
        return generator.Load(
            f"{self.lab}-load1", self.base, generator.usual_attacks(rate, rate // 6), folder, seconds=400
        )

    def at(self, version: str) -> None:
        """Have all hosts run a version and take traffic; the starting point of a test."""
        if set(self.versions().values()) != {version} or set.union(*self.rotation().values()) != {"UP"}:
            run = self.run(
                "deploy",
                rollout_version=version,
                rollout_on_inconclusive="continue",
                rollout_batch_sizes=["50%"],
                rollout_max_unavailable="50%",
                rollout_watch=0,
            )
            assert run.code == 0, run.output[-3000:]

    def all_serve(self, version: str) -> None:
        assert self.versions() == dict.fromkeys(HOSTS, version)
        assert self.rotation() == {host: {"UP"} for host in HOSTS}


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
