# SPDX-License-Identifier: GPL-3.0-or-later
"""traffic_split on a real HAProxy that the role has configured: check, look, real, look, again; shares by counting."""

from __future__ import annotations

import collections
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ..running import free_ports, run_module, run_playbook, until
from ..splits import DATA, VERSIONS, Load, answers, assert_clients_keep_their_version, assert_share
from .conftest import BINARY, Application, Haproxy

HOST = {"Host": "claims.example.org"}
FILE = "weights.cookie.user.map"


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

    def services(self, **split: t.Any) -> list[dict[str, t.Any]]:
        """One service with versions and one without, on the same port."""
        common = {"port": self.ports["claims"], "health_interval": 0.1, "slow_start": 0}
        plain = [{name: value for name, value in self.servers[0].items() if name != "version"}]
        claims = {
            "name": "claims",
            "servers": self.servers,
            "split": {**DATA, **split},
            "domains": [HOST["Host"]],
            "rate_limit": {"requests": 100000, "connections": 100, "allow": []},
            "sticky_cookie": "SERVER",
        }
        return [{**common, **claims}, {**common, "name": "other", "servers": plain}]

    def converge(self, **split: t.Any) -> dict[str, t.Any]:
        values = {
            "__haproxy_root": str(self.root),
            "__haproxy_loaded": str(self.directory / "loaded"),
            "haproxy_socket": self.socket,
            "haproxy_state_file": str(self.directory / "server-state"),
            "haproxy_status_port": self.ports["status"],
            "haproxy_services": self.services(**split),
        }
        return run_playbook(Path(__file__).parent / "converge.yml", values, self.directory)

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen([BINARY, "-db", "-f", str(self.configuration)], stdout=log, stderr=log)
        until(lambda: self.get()[0] == 200, ignore=OSError)
        (self.directory / "loaded").touch()

    def split(self, check: bool = False, **wishes: t.Any) -> dict[str, t.Any]:
        return run_module(
            "traffic_split", {"router": "haproxy", "service": "claims", "socket": self.socket, **wishes}, check
        )

    def answers(self, number: int, headers: t.Callable[[int], dict[str, str]]) -> list[str]:
        found = answers(self.ports["claims"], number, lambda count: {**HOST, **headers(count)})
        return [self.bodies.get(body, body) for body in found]

    def shares(self, number: int, **headers: str) -> dict[str, int]:
        """Answers by version."""
        return dict(collections.Counter(self.answers(number, lambda _: headers)))

    def entries(self, file: str) -> list[str]:
        """A map's entries by the plain way that the module does not use."""
        lines = self.ask(f"show map {self.root}/splits/claims/{file}").splitlines()
        return [line.split(" ", 1)[1] for line in lines if line.startswith("0x")]


@pytest.fixture(scope="module")
def running_split(tmp_path_factory: pytest.TempPathFactory, _applications: dict[str, Application]) -> t.Iterator[Split]:
    """Configured once, since a playbook takes its time."""
    if not Path(BINARY).exists() or os.getuid() != 0:
        pytest.skip("needs HAProxy and root")
    for application in _applications.values():
        application.healthy = True
    split = Split(tmp_path_factory.mktemp("split"), _applications)
    try:
        assert split.converge() == {"changed": True, "failed": ""}
        split.start()
        yield split
    finally:
        split.stop()


@pytest.fixture
def balancer(running_split: Split) -> Split:
    """As the data have it."""
    running_split.split(weights=DATA["weights"], match=DATA["match"])
    return running_split


def test_weights(balancer):
    assert_share(balancer.shares(800)["canary"], 800, 5)
    predicted = balancer.split(check=True, weights={"stable": 60, "canary": 40})
    assert predicted["changed"], predicted
    assert balancer.entries(FILE) == ["0:4 canary", "5:99 stable"]
    real = balancer.split(weights={"stable": 60, "canary": 40})
    assert real["changed"] and real["diff"] == predicted["diff"], real
    assert balancer.entries(FILE) == ["0:39 canary", "40:99 stable"]
    assert real["split"]["weights"] == {"stable": 60, "canary": 40}
    assert real["previous"]["weights"] == {"stable": 95, "canary": 5}
    for check in (True, False):
        again = balancer.split(check=check, weights={"canary": "40", "stable": 60})
        assert not again["changed"] and "diff" not in again, again
    assert_share(balancer.shares(800)["canary"], 800, 40)


def test_a_file_that_says_something_else_is_put_right(balancer):
    kept = balancer.root / "splits/claims" / FILE
    age = kept.stat().st_mtime
    kept.write_text(kept.read_text().replace("0:4 canary", "0:3 canary"))
    os.utime(kept, (age, age))  # what is newer than the process waits for a reload
    assert not balancer.split()["changed"]
    assert balancer.split(check=True, weights=DATA["weights"])["changed"]
    assert "0:3 canary" in kept.read_text()
    repaired = balancer.split(weights=DATA["weights"])
    assert repaired["files"] == [str(kept)] and "0:4 canary" in kept.read_text()


def test_no_request_fails_while_weights_change(balancer):
    with Load(balancer.ports["claims"], HOST) as load:
        for percent in [*range(0, 101, 4), 0]:
            assert balancer.split(weights={"stable": 100 - percent, "canary": percent})["changed"]
        until(lambda: load.requests > 200)
    assert load.failures == []
    assert balancer.shares(100) == {"stable": 100}


def test_clients_keep_their_version(balancer):
    assert_clients_keep_their_version(balancer)


def test_rules(balancer):
    balancer.split(weights={"stable": 100})
    asked, told = {"X-Version": "canary"}, {"Cookie": "version=stable"}
    assert balancer.shares(20, **asked) == {"canary": 20}
    assert balancer.shares(20, **{"X-Version": "Canary"}) == {"stable": 20}
    balancer.split(weights={"canary": 100})
    assert balancer.shares(20, **told) == {"stable": 20}
    assert balancer.shares(20, **told, **asked) == {"canary": 20}
    rules = [{"by": "header", "name": "x-version", "value": "v1.2", "version": "stable"}]
    predicted = balancer.split(check=True, match=rules)
    assert balancer.split(match=rules)["diff"] == predicted["diff"]
    assert balancer.entries("match.header.x-version.map") == ["v1.2 stable"]
    assert balancer.entries("match.cookie.version.map") == []
    assert balancer.shares(20, **{"X-Version": "v1.2"}) == {"stable": 20}
    assert balancer.shares(20, **told) == {"canary": 20}
    assert not balancer.split(match=rules)["changed"]


def test_what_cannot_be_done_is_refused(balancer):
    balancer.split(weights={"canary": 100}, match=[])
    balancer.ask("set server claims.stable/app1 state maint")
    balancer.ask("set server claims.stable/app2 state drain")
    now = balancer.split()
    assert now["versions"] == {"canary": 1, "stable": 0} and not now["changed"]
    rule = {"by": "header", "name": "X-Tenant", "value": "one", "version": "canary"}
    for words, wish in {
        "canary 50, stable 40 add up to 90. Give weights": {"weights": {"stable": 40, "canary": 50}},
        "no version 'beta' (there are: canary, stable)": {"weights": {"beta": 100}},
        "No server of version stable takes requests": {"weights": {"stable": 1, "canary": 99}},
        "does not look at header x-tenant": {"match": [rule]},
        "only its configuration can change that to address": {"sticky": {"by": "address"}},
        "HAProxy does not copy requests itself": {"mirror": {"version": "canary"}},
        "does not split service 'other'": {"service": "other", "weights": {"stable": 100}},
    }.items():
        failed = balancer.split(**wish)
        assert failed.get("failed") and words in failed["msg"], failed
    assert balancer.split()["split"] == now["split"]
    for name in ("app1", "app2"):
        balancer.ask(f"set server claims.stable/{name} state ready")


def test_a_new_process_and_the_role_keep_what_was_set_until_the_data_change(balancer):
    balancer.split(weights={"stable": 60, "canary": 40})
    assert balancer.converge() == {"changed": False, "failed": ""}
    balancer.stop()
    balancer.start()
    assert balancer.split()["split"]["weights"] == {"stable": 60, "canary": 40}
    refused = balancer.converge(weights={"stable": 90})
    assert "Service 'claims': split.weights add up to 90, accepted is 100." in refused["failed"]
    assert balancer.converge(weights={"stable": 100}) == {"changed": True, "failed": ""}
    balancer.stop()
    balancer.start()
    assert balancer.shares(100) == {"stable": 100}
    assert set(answers(balancer.ports["claims"], 20)) == {str(balancer.servers[0]["port"])}  # the other service
