# SPDX-License-Identifier: GPL-3.0-or-later
"""traffic_split on a real NGINX that the role has configured: check, look, real, look, again; shares by counting."""

from __future__ import annotations

import collections
import os
from pathlib import Path

import pytest

from ..running import run_module
from ..splits import DATA, VERSIONS, Load, answers, assert_clients_keep_their_version, assert_share
from .conftest import BINARY, Application, Nginx


class Split:
    """The role's NGINX with one service of two versions."""

    def __init__(self, nginx):
        self.nginx = nginx
        self.file = nginx.root / "splits" / "claims.conf"

    def converge(self, split):
        servers = [dict(server, version=VERSIONS[server["name"]]) for server in self.nginx.servers()]
        return self.nginx.converge(self.nginx.service(servers=servers, split=split, sticky_cookie="SERVER"))

    def split(self, check=False, **wishes):
        common = {
            "router": "nginx",
            "service": "claims",
            "config": str(self.nginx.root / "nginx.conf"),
            "pid_file": self.nginx.variables["__nginx_pid_file"],
            "error_log": self.nginx.variables["nginx_error_log"],
            "closing_file": self.nginx.variables["__nginx_closing_file"],
            "settle": 0.3,
        }
        return run_module("traffic_split", {**common, **wishes}, check)

    def answers(self, number, headers=lambda _: {}):
        return [VERSIONS.get(body, body) for body in answers(self.nginx.ports["claims"], number, headers)]

    def shares(self, number, **headers):
        return dict(collections.Counter(self.answers(number, lambda _: headers)))


@pytest.fixture(scope="module")
def running_split(tmp_path_factory):
    """Configured once, since a playbook takes its time."""
    if not Path(BINARY).exists() or os.getuid() != 0:
        pytest.skip("needs nginx and root")
    applications = {name: Application(name) for name in VERSIONS}
    balancer = Split(Nginx(tmp_path_factory.mktemp("split"), applications))
    try:
        assert balancer.converge(DATA) == {"changed": True, "failed": ""}
        balancer.nginx.start()
        yield balancer
    finally:
        balancer.nginx.stop()
        for application in applications.values():
            application.stop()


@pytest.fixture
def balancer(running_split):
    """As the data have it."""
    running_split.split(mirror={}, **DATA)
    return running_split


def test_weights(balancer):
    assert_share(balancer.shares(800)["canary"], 800, 5)
    text = balancer.file.read_text()
    predicted = balancer.split(check=True, weights={"stable": 60, "canary": 40})
    assert predicted["changed"] and balancer.file.read_text() == text, predicted
    real = balancer.split(weights={"stable": 60, "canary": 40})
    assert real["changed"] and real["reloaded"] and real["diff"] == predicted["diff"], real
    assert real["files"] == [str(balancer.file)] and real["remaining_workers"] == []
    for check in (True, False):
        again = balancer.split(check=check, weights={"canary": "40", "stable": 60})
        assert not again["changed"] and "diff" not in again and "reloaded" not in again, again
    assert_share(balancer.shares(800)["canary"], 800, 40)


def test_no_request_fails_while_weights_change(balancer):
    with Load(balancer.nginx.ports["claims"]) as load:
        for percent in (20, 100, 0):
            changed = balancer.split(weights={"stable": 100 - percent, "canary": percent})
            assert changed["reloaded"] and changed["remaining_workers"] == []
    assert load.requests > 100 and load.failures == []
    assert balancer.shares(100) == {"stable": 100}


def test_clients_keep_their_version(balancer):
    assert_clients_keep_their_version(balancer)
    # All of this test come from one address.
    balancer.split(sticky={"by": "address"})
    assert len(balancer.shares(50)) == 1


def test_rules(balancer):
    balancer.split(weights={"stable": 100})
    assert balancer.shares(20, **{"X-Version": "canary"}) == {"canary": 20}
    assert balancer.shares(20, **{"X-Version": "Canary"}) == {"stable": 20}
    rules = [
        {"by": "header", "name": "x-tenant", "value": "v1.2", "version": "stable"},
        {"by": "cookie", "name": "version", "value": "v1+2", "version": "stable"},
    ]
    wishes = {"weights": {"canary": 100}, "match": rules}
    predicted = balancer.split(check=True, **wishes)
    assert balancer.split(**wishes)["diff"] == predicted["diff"]
    assert balancer.shares(20, **{"X-Tenant": "v1.2"}) == {"stable": 20}
    assert balancer.shares(20, **{"X-Tenant": "v1x2"}) == {"canary": 20}
    assert balancer.shares(20, Cookie="version=v1+2") == {"stable": 20}
    assert not balancer.split(**wishes)["changed"]


def test_copies_go_to_a_version_beside_the_one_that_answers(balancer):
    canary = balancer.nginx.apps["app3"]
    wishes = {"weights": {"stable": 100}, "mirror": {"version": "canary", "percent": 30}}
    assert balancer.split(**wishes)["split"]["mirror"] == wishes["mirror"]
    before = canary.requests
    assert balancer.shares(500) == {"stable": 500}
    assert_share(canary.requests - before, 500, 30)
    assert not balancer.split(**wishes)["changed"]


def test_what_cannot_be_done_is_refused(balancer):
    balancer.split(weights={"stable": 100}, match=[])
    balancer.nginx.upstream({"backend": "claims.canary", "name": "app3", "state": "drain"})
    now = balancer.split()
    assert now["versions"] == {"canary": 0, "stable": 2} and not now["changed"]
    text = balancer.file.read_text()
    for words, wish in {
        "stable 90 add up to 90. Give weights": {"weights": {"stable": 90}},
        "No server of version canary takes requests": {"weights": {"stable": 99, "canary": 1}},
        "cannot read the cookie 'the-user'": {"sticky": {"by": "cookie", "name": "the-user"}},
        "does not split service 'other'": {"service": "other", "weights": {"stable": 100}},
    }.items():
        failed = balancer.split(**wish)
        assert failed.get("failed") and words in failed["msg"], failed
    assert balancer.file.read_text() == text
    balancer.nginx.upstream({"backend": "claims.canary", "name": "app3", "state": "ready"})


def test_the_role_keeps_what_was_set_until_its_data_change(balancer):
    balancer.split(weights={"stable": 60, "canary": 40}, mirror={"version": "canary", "percent": 100})
    assert balancer.converge(DATA) == {"changed": False, "failed": ""}
    assert balancer.converge(dict(DATA, weights={"stable": 100})) == {"changed": True, "failed": ""}
    assert balancer.shares(100) == {"stable": 100}
