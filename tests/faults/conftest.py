# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform in the lab (`site` has run there), load against it, and playbooks as a user runs them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
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
# Programs that wait on the host itself: asking again and again from here takes more processor time than what is tested.
# On a load balancer, SERVICE SECONDS: prints the states of the service's servers when all are UP or the time is over.
SHOW_STATES = """
import csv, json, socket, sys, time
service, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
while True:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("/run/haproxy/admin.sock")
        client.sendall(b"show stat\\n")
        rows = [row for row in csv.DictReader(client.makefile(encoding="utf-8")) if row["# pxname"] == service]
    states = {row["svname"]: row["status"] for row in rows if row["svname"] != "BACKEND"}
    if set(states.values()) == {"UP"} or time.monotonic() > end:
        break
    time.sleep(0.3)
print(json.dumps(states))
"""
# On the ledger's host, FILE STATE [BATCH PHASE]: until the rollout is in that state, and its batch in that phase.
AWAIT_RECORD = """
import json, pathlib, sys, time
file, state, batch = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
end = time.monotonic() + 120
while time.monotonic() < end:
    try:
        record = json.loads(file.read_text())["record"]
    except FileNotFoundError:
        record = {"state": "none"}
    if record["state"] == state and (not batch or record["batches"][int(batch[0]) - 1].get("phase") == batch[1]):
        sys.exit()
    time.sleep(0.1)
sys.exit("the rollout did not come to that")
"""
# A server's line of NGINX, as the role and nginx_upstream write it: its name, and its state when it has one.
NGINX_SERVER = re.compile(r"; # (\S+)(?: \[state=(\w+))?")
# Requests a second: on kept connections, on a new one each, and in all.
KEPT, NEW = 40, 10
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

    def command(self, playbook: str, limit: str = "", **extra: t.Any) -> list[str]:
        values = {"rollout_service": SERVICE, "scaling_load_balancer_type": self.balancer_type, **QUICK, **extra}
        command = ["ansible-playbook", f"horizontal.scaling.{playbook}", "-i", "inventories/lab"]
        return [*command, "-e", json.dumps(values), *(["--limit", limit] if limit else [])]

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
        """What every host answers, asked past the load balancers."""
        urls = f"http://{{{','.join(HOSTS)}}}:8080/version"
        texts = self.on(HOSTS[0], "curl", "-sf", "--fail-early", "-w", "\n", urls).splitlines()
        return {host: json.loads(text)["version"] for host, text in zip(HOSTS, filter(None, texts), strict=True)}

    def rotation(self, deadline: float = 0) -> dict[str, set[str]]:
        """The states of every host on the load balancers; ready and well: ``UP``. No module is asked, since tests look
        often and Ansible's start takes seconds."""
        states: dict[str, set[str]] = {host: set() for host in HOSTS}
        for balancer in BALANCERS:
            for host, state in self.states_on(balancer, deadline).items():
                states[host].add(state)
        return states

    def states_on(self, balancer: str, deadline: float) -> dict[str, str]:
        """As the load balancer itself says, once all hosts are well or after the deadline."""
        if self.balancer_type == "haproxy":
            return json.loads(self.on(balancer, "python3", "-c", SHOW_STATES, SERVICE, str(deadline)))
        # What nginx_upstream wants stands here before it ends.
        text = self.on(balancer, "cat", f"/etc/nginx/upstreams/{SERVICE}.conf")
        return {host: state.upper() or "UP" for host, state in NGINX_SERVER.findall(text)}

    def record(self) -> dict[str, t.Any]:
        """The newest rollout in the ledger, open or finished, from its file; rollout_info has tests of its own."""
        text = self.on("load1", "sh", "-c", f"cat {RECORDS}/current.json 2>/dev/null || true")
        return json.loads(text)["record"] if text else {"id": "none", "state": "none"}

    def tell_ledger(self, *steps: dict[str, t.Any]) -> dict[str, t.Any]:
        """Do something to a rollout past the playbooks, with the first step's token; what the last step said."""
        first = {"horizontal.scaling.rollout": {"service": SERVICE, **steps[0]}, "register": "first"}
        token = {"service": SERVICE, "token": "{{ first['token'] }}"}
        tasks = [first, *({"horizontal.scaling.rollout": {**token, **step}} for step in steps[1:])]
        play = {"hosts": "load1", "gather_facts": False, "tasks": tasks}
        with tempfile.TemporaryDirectory() as folder:
            playbook = pathlib.Path(folder, "steps.json")
            playbook.write_text(json.dumps([play]), encoding="utf-8")
            said = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.tree", "ANSIBLE_CALLBACK_TREE_DIR": f"{folder}/said"}
            command = ["ansible-playbook", str(playbook), "-i", "inventories/lab"]
            subprocess.run(command, cwd=ROOT, env={**os.environ, **said}, capture_output=True, check=True)
            return json.loads(pathlib.Path(folder, "said", "load1").read_text(encoding="utf-8"))

    def address_holder(self) -> str:
        """The load balancer that holds the shared address."""
        address = self.base.removeprefix("http://")
        holders = [host for host in BALANCERS if f" {address}/" in self.on(host, "ip", "-4", "address", "show")]
        assert len(holders) == 1, holders
        return holders[0]

    def holds_the_address(self, balancer: str) -> bool:
        """Wait until a load balancer holds the shared address, for 15 s."""
        address = self.base.removeprefix("http://")
        look = 'for turn in $(seq 75); do ip -4 -o address show to "$1" | grep . && exit; sleep 0.2; done'
        return address in self.on(balancer, "sh", "-c", look, "-", address)

    def open_connections(self) -> int:
        """How many connections to the shared address the clients' host takes for open."""
        address = self.base.removeprefix("http://")
        return len(self.on("load1", "ss", "-Hnt", "state", "established", "dst", address).splitlines())

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
        return self.rotation(deadline) == {host: {"UP"} for host in HOSTS}

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

    def wait_for_record(self, state: str, *batch: str) -> None:
        """Until the rollout is in that state, and a batch whose number is given in the phase that is given."""
        self.on("load1", "python3", "-c", AWAIT_RECORD, f"{RECORDS}/current.json", state, *batch)

    def wait_for_batch(self, number: int, phase: str = "replacing") -> None:
        """`replacing` is drained, and not yet back."""
        self.wait_for_record("running", str(number), phase)

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
def outcomes(tmp_path: pathlib.Path) -> t.Callable[[], dict[str, int]]:
    """Counts how the requests ended of the load that wrote into tmp_path."""

    def count() -> dict[str, int]:
        verdict = analyse.analyse_folder(tmp_path, {}, {})
        assert verdict["requests"] > 100, "the load did not reach the platform"
        return verdict["whole"]["outcomes"]

    return count


@pytest.fixture
def failed_requests(outcomes: t.Callable[[], dict[str, int]]) -> t.Callable[[], int]:
    """Counts what clients lost in the load that wrote into tmp_path."""
    return lambda: sum(number for outcome, number in outcomes().items() if outcome != "ok")
