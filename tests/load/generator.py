# SPDX-License-Identifier: GPL-3.0-or-later
"""Constant-rate load from a lab host: vegeta in the host, its results as JSON lines in a file here while it runs.

A run writes `load.json` (what was sent, from when to when) and one `<attack>.json` per attack into a folder. It ends
by itself after `seconds`; stop() ends it earlier and lets the requests in flight finish.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import ipaddress
import json
import os
import pathlib
import shlex
import subprocess
import time
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
VEGETA = "/opt/lab/bin/vegeta"  # in the host; tests/lab/create.yml mounts it
STATE = "/run/load"  # in the host: pid files


@dataclasses.dataclass(frozen=True)
class Attack:
    """One stream of requests.

    Attributes:
        rate: requests per second.
        keep_alive: connections are kept and used again, or every request opens its own.
    """

    name: str
    rate: int
    keep_alive: bool


def usual_attacks(rate: int, new_connections: int) -> list[Attack]:
    """The two streams of a run; a rate of 0 leaves a stream out."""
    attacks = [Attack("keep-alive", rate, True), Attack("new-connections", new_connections, False)]
    return [attack for attack in attacks if attack.rate > 0]


def targets(base: str) -> str:
    """Requests in vegeta's JSON format, taken in turn: four reads for each claim that is sent in."""
    claim = base64.b64encode((HERE / "claim.json").read_bytes()).decode()
    post = {
        "method": "POST",
        "url": f"{base}/claims",
        "body": claim,
        "header": {"Content-Type": ["application/json"]},
    }
    reads = [{"method": "GET", "url": f"{base}{path}"} for path in ("/claims?count=5", "/version")]
    return "".join(json.dumps(target) + "\n" for target in [*reads, post, *reads])


def virtual_address(lab: str) -> str:
    """The address that the lab's load balancers share: .250 of its network."""
    answer = subprocess.run(["podman", "network", "inspect", lab], capture_output=True, text=True, check=True)
    network = ipaddress.ip_network(json.loads(answer.stdout)[0]["subnets"][0]["subnet"])
    return str(network.network_address + 250)


class Load:
    """Load that runs in the background; a context manager that never leaves it running.

    Args:
        container: the lab host that sends.
        base: where to, e.g. http://10.89.0.250.
        folder: takes the results.
        seconds: the load ends by itself after this time.
        long_connections: arguments of long_connections.py, when they shall run too.
    """

    def __init__(
        self,
        container: str,
        base: str,
        attacks: t.Sequence[Attack],
        folder: pathlib.Path,
        *,
        seconds: int,
        timeout: float = 10,
        long_connections: t.Sequence[str] = (),
    ) -> None:
        self.container = container
        self.base = base
        self.attacks = list(attacks)
        self.folder = folder
        self.seconds = seconds
        self.timeout = timeout
        self.long_connections = list(long_connections)
        self.started = 0.0
        self._run = f"{os.getpid()}-{time.monotonic_ns()}"  # no pid file of an earlier run is mistaken for ours
        self._senders: dict[str, subprocess.Popen] = {}
        self._encoders: list[subprocess.Popen] = []

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob("*.json"):
            old.unlink()
        self.started = time.time()
        self._write_manifest(0)
        try:
            for attack in self.attacks:
                self._start_attack(attack)
            if self.long_connections:
                self._start_long_connections()
        except BaseException:
            self.stop()
            raise

    def sent(self) -> int:
        """Answers seen so far, roughly: for progress only."""
        return sum(_lines(self.folder / f"{attack.name}.json") for attack in self.attacks)

    def running(self) -> bool:
        """Whether every stream still sends."""
        return all(process.poll() is None for process in self._senders.values())

    def stop(self) -> None:
        """End the load and wait until what is in flight has been answered. Safe to call again."""
        for name, process in self._senders.items():
            if process.poll() is None:
                self._signal(name, "INT")
        for name, process in self._senders.items():
            if not _ended(process, self.timeout + 15):
                self._signal(name, "KILL")
                process.kill()
                process.wait()
        for process in self._encoders:
            if not _ended(process, 30):
                process.kill()
                process.wait()
        if self._senders:
            self._write_manifest(time.time())

    def _start_attack(self, attack: Attack) -> None:
        arguments = [
            *(VEGETA, "attack", "-name", attack.name, "-format", "json", "-targets", "/dev/stdin"),
            *("-rate", f"{attack.rate}/1s", "-duration", f"{self.seconds}s", "-timeout", f"{self.timeout:g}s"),
            *("-max-body", "0", "-redirects", "-1", "-http2=false", f"-keepalive={str(attack.keep_alive).lower()}"),
        ]
        with contextlib.ExitStack() as stack:
            out = stack.enter_context((self.folder / f"{attack.name}.json").open("wb"))
            log = stack.enter_context((self.folder / f"{attack.name}.log").open("wb"))
            sender = self._in_host(attack.name, arguments, stdout=subprocess.PIPE, stderr=log)
            encoder = subprocess.Popen(
                [_local_vegeta(), "encode", "-to", "json"],
                stdin=sender.stdout,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        assert sender.stdout and sender.stdin
        sender.stdout.close()
        self._encoders.append(encoder)
        sender.stdin.write(targets(self.base).encode())
        sender.stdin.close()

    def _start_long_connections(self) -> None:
        name = "long-connections"
        program = (HERE / "long_connections.py").read_text(encoding="utf-8")
        arguments = ["python3", "-c", program, "--seconds", str(self.seconds), *self.long_connections, self.base]
        with (self.folder / f"{name}.json").open("wb") as out, (self.folder / f"{name}.log").open("wb") as log:
            process = self._in_host(name, arguments, stdout=out, stderr=log)
        assert process.stdin
        process.stdin.close()

    def _in_host(self, name: str, arguments: list[str], **streams: t.Any) -> subprocess.Popen:
        """Start a program in the host that can be found again by its pid file; Ctrl-C here does not reach it."""
        script = f"mkdir -p {STATE}; echo $$ > {self._pid_file(name)}; exec {shlex.join(arguments)}"
        process = subprocess.Popen(
            ["podman", "exec", "--interactive", self.container, "sh", "-c", script],
            stdin=subprocess.PIPE,
            start_new_session=True,
            **streams,
        )
        self._senders[name] = process
        return process

    def _signal(self, name: str, signal: str) -> None:
        """Signal the program in the host: the client of podman does not pass signals on."""
        script = f"kill -{signal} $(cat {self._pid_file(name)})"
        command = ["podman", "exec", self.container, "sh", "-c", script]
        subprocess.run(command, capture_output=True, check=False, timeout=30)

    def _pid_file(self, name: str) -> str:
        return f"{STATE}/{name}-{self._run}.pid"

    def _write_manifest(self, ended: float) -> None:
        manifest = {
            "base": self.base,
            "started": self.started,
            "ended": ended,
            "attacks": [dataclasses.asdict(attack) for attack in self.attacks],
            "timeout_seconds": self.timeout,
        }
        (self.folder / "load.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _local_vegeta() -> str:
    cache = os.environ.get("HS_CACHE") or pathlib.Path.home() / ".cache/horizontal.scaling"
    return f"{cache}/bin/vegeta"


def _ended(process: subprocess.Popen, seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _lines(path: pathlib.Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
