# SPDX-License-Identifier: GPL-3.0-or-later
"""traffic_split on a real HAProxy that the role has configured: check, look, real, look, again; shares by counting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ..running import free_ports, run_module, until
from ..splits import Load, assert_share, shares
from .conftest import BINARY, Application, Haproxy

VERSIONS = {"app1": "stable", "app2": "stable", "app3": "canary"}


class Split(Haproxy):
    """A HAProxy whose directory the role has written."""

    def __init__(self, directory: Path, applications: dict[str, Application]) -> None:
        super().__init__(directory, free_ports("api", "claims", "other", "status"))
        self.root = directory / "etc"
        self.configuration = self.root / "haproxy.cfg"
        self.bodies = {str(applications[name].port): version for name, version in VERSIONS.items()}
        self.servers = [
            {"name": name, "address": "127.0.0.1", "port": applications[name].port, "version": version}
            for name, version in VERSIONS.items()
        ]

    def service(self, **options: t.Any) -> dict[str, t.Any]:
        split = {"weights": {"stable": 95, "canary": 5}}
        service = {"name": "claims", "port": self.ports["claims"], "servers": self.servers, "split": split}
        return dict(service, health_interval=0.1, slow_start=0, **options)

    def converge(self, *services: dict[str, t.Any], check: bool = False) -> dict[str, t.Any]:
        values = {
            "ansible_python_interpreter": sys.executable,
            "__haproxy_root": str(self.root),
            "__haproxy_loaded": str(self.directory / "loaded"),
            "haproxy_socket": self.socket,
            "haproxy_state_file": str(self.directory / "server-state"),
            "haproxy_status_port": self.ports["status"],
            "haproxy_services": services,
        }
        file = self.directory / "variables.json"
        file.write_text(json.dumps(values))
        command = [
            "ansible-playbook",
            "-i",
            "localhost,",
            "-e",
            f"@{file}",
            str(Path(__file__).parent / "converge.yml"),
        ]
        environment = dict(
            os.environ, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json", ANSIBLE_CALLBACK_RESULT_FORMAT="json"
        )
        done = subprocess.run(command + ["--check"] * check, env=environment, capture_output=True, check=False)
        report = json.loads(done.stdout[done.stdout.index(b"{") :])
        results = [task["hosts"]["localhost"] for play in report["plays"] for task in play["tasks"] if task["hosts"]]
        failed = [result.get("msg", "") for result in results if result.get("failed")]
        return {"changed": report["stats"]["localhost"]["changed"] > 0, "failed": " ".join(map(str, failed))}

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen([BINARY, "-db", "-f", str(self.configuration)], stdout=log, stderr=log)
        until(lambda: self.get()[0] == 200, ignore=OSError)
        (self.directory / "loaded").touch()

    def split(self, check: bool = False, **wishes: t.Any) -> dict[str, t.Any]:
        return run_module(
            "traffic_split", {"router": "haproxy", "service": "claims", "socket": self.socket, **wishes}, check
        )

    def shares(self, number: int, headers: t.Callable[[int], dict[str, str]] = lambda _: {}) -> dict[str, int]:
        """Answers by version."""
        found: dict[str, int] = {}
        for body, count in shares(self.ports["claims"], number, headers).items():
            version = self.bodies.get(body, body)
            found[version] = found.get(version, 0) + count
        return found

    def entries(self, file: str) -> list[str]:
        """A map's entries by the plain way that the module does not use."""
        lines = self.ask(f"show map {self.root}/splits/claims/{file}").splitlines()
        return [line.split(" ", 1)[1] for line in lines if line.startswith("0x")]


@pytest.fixture
def balancer(tmp_path: Path, applications: dict[str, Application]) -> t.Iterator[Split]:
    if not Path(BINARY).exists() or os.getuid() != 0:
        pytest.skip("needs HAProxy and root")
    split = Split(tmp_path, applications)
    try:
        yield split
    finally:
        split.stop()


def test_weights(balancer):
    assert balancer.converge(balancer.service()) == {"changed": True, "failed": ""}
    balancer.start()
    found = balancer.shares(1000)
    assert set(found) == {"stable", "canary"}
    assert_share(found["canary"], 1000, 5)

    file = "weights.chance.map"
    predicted = balancer.split(check=True, weights={"stable": 60, "canary": 40})
    assert predicted["changed"], predicted
    assert balancer.entries(file) == ["0:4 canary", "5:99 stable"]
    real = balancer.split(weights={"stable": 60, "canary": 40})
    assert real["changed"] and real["diff"] == predicted["diff"], real
    assert balancer.entries(file) == ["0:39 canary", "40:99 stable"]
    assert real["split"]["weights"] == {"stable": 60, "canary": 40}
    assert real["previous"]["weights"] == {"stable": 95, "canary": 5}
    for check in (True, False):
        again = balancer.split(check=check, weights={"canary": "40", "stable": 60})
        assert not again["changed"] and "diff" not in again, again
    assert_share(balancer.shares(1000)["canary"], 1000, 40)

    # Neither the role nor a new process takes it back.
    assert balancer.converge(balancer.service()) == {"changed": False, "failed": ""}
    balancer.stop()
    balancer.start()
    assert balancer.split()["split"]["weights"] == {"stable": 60, "canary": 40}
    # Other weights in the service's data do.
    service = balancer.service(split={"weights": {"stable": 100}})
    assert balancer.converge(service) == {"changed": True, "failed": ""}
    balancer.stop()
    balancer.start()
    assert balancer.shares(200) == {"stable": 200}
