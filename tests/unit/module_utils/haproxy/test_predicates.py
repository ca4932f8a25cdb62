# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers on documents recorded from HAProxy 2.6.12 and 3.0.11: slow start, drain, half weight, maintenance."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy import predicates

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(params=["2.6", "3.0"])
def recorded(request):
    return {
        name: (FIXTURES / f"{name}_{request.param}.txt").read_text()
        for name in ("servers_state", "stat", "info", "tables", "table")
    }


@pytest.fixture
def servers(recorded):
    rows = predicates.parse_servers_state(recorded["servers_state"])
    found = predicates.servers("/run/a.sock", rows, predicates.parse_stat(recorded["stat"]))
    return {f"{server['backend']}/{server['name']}": server for server in found}


def test_every_server_is_there_with_its_administered_values(servers):
    assert {path: (s["state"], s["weight"], s["initial_weight"]) for path, s in servers.items()} == {
        "claims/app1": ("ready", 100, 100),
        "claims/app2": ("drain", 50, 100),
        "claims/app3": ("maint", 50, 50),
        "static/app1": ("ready", 1, 1),
        "static/app2": ("maint", 1, 1),
        "raw/db1": ("ready", 1, 1),
    }
    assert servers["raw/db1"]["fqdn"] == "localhost"
    assert servers["claims/app3"]["backup"] is True
    assert servers["claims/app1"]["backup"] is False
    assert (servers["claims/app1"]["address"], servers["claims/app1"]["port"]) == ("127.0.0.1", 23081)


def test_health_and_slow_start(servers):
    assert {path: s["health"] for path, s in servers.items() if path != "static/app1"} == {
        "claims/app1": "up",
        "claims/app2": "up",
        "claims/app3": "unknown",
        "static/app2": "unknown",
        "raw/db1": "nocheck",
    }
    assert servers["claims/app1"]["throttle"] < 50
    assert servers["claims/app2"]["throttle"] == 100
    assert servers["claims/app2"]["check_reason"] == "Layer7 check passed (200)"


def test_counters(servers):
    claims = [servers[f"claims/app{number}"] for number in (1, 2, 3)]
    assert sum(s["requests"] for s in claims) == 5
    assert sum(s["responses_5xx"] for s in claims) == 2
    assert all(type(s[name]) is int for s in servers.values() for name in ("sessions", "queue", "errors", "requests"))


def test_a_document_has_what_haproxy_server_takes_and_what_it_ignores(servers):
    administered = {"balancer", "backend", "name", "address", "port", "state", "weight"}
    for server in servers.values():
        assert set(server) == administered | set(predicates.OBSERVED)


def test_proxies(recorded):
    rows = predicates.parse_stat(recorded["stat"])
    backends = {b["name"]: b for b in predicates.proxies("a", rows, "BACKEND")}
    assert backends["claims"]["algorithm"] == "leastconn"
    assert backends["claims"]["requests"] == 5
    assert backends["raw"]["mode"] == "tcp"
    (frontend,) = (f for f in predicates.proxies("a", rows, "FRONTEND") if f["name"] == "fe")
    assert frontend["requests"] == 5
    assert frontend["responses_5xx"] == 2


def test_info_and_version(recorded):
    info = predicates.parse_info(recorded["info"])
    assert info["Uptime"] == "0d 0h00m01s"
    assert info["Uptime_sec"] == 1
    assert predicates.parse_version(info["Version"]) in {(2, 6), (3, 0)}


@pytest.mark.parametrize(
    ("text", "version"),
    [("2.6.12-1+deb12u4", (2, 6)), ("3.0", (3, 0)), ("2.10-dev3", (2, 10)), ("", (0, 0)), ("unknown", (0, 0))],
)
def test_versions(text, version):
    assert predicates.parse_version(text) == version


def test_tables(recorded):
    assert predicates.parse_table_list(recorded["tables"]) == [{"name": "fe", "type": "ip", "size": 10240, "used": 1}]
    (entry,) = predicates.parse_table(recorded["table"])
    assert entry["key"] == "127.0.0.1"
    assert entry["http_req_rate(10000)"] == 5


@pytest.mark.parametrize(
    ("mask", "state"),
    [
        (0x00, "ready"),
        (0x01, "maint"),
        (0x02, "maint"),
        (0x04, "ready"),  # only remembers that the configuration said `disabled`
        (0x05, "maint"),
        (0x08, "drain"),
        (0x0C, "drain"),
        (0x10, "drain"),
        (0x18, "drain"),
        (0x0A, "maint"),
        (0x20, "maint"),
        (0x40, "ready"),
    ],
)
def test_admin_states(mask, state):
    assert predicates.admin_state(mask) == state


def test_an_empty_or_foreign_document_gives_nothing():
    assert predicates.parse_servers_state("") == []
    assert predicates.parse_stat("") == []
    assert predicates.parse_table("") == []
    assert predicates.parse_table_list("nonsense") == []


def test_quoted_texts_of_checks_survive():
    text = '# pxname,svname,last_chk,\nb,s,"Connection refused, ""twice""",\n'
    assert predicates.parse_stat(text) == [{"pxname": "b", "svname": "s", "last_chk": 'Connection refused, "twice"'}]


def test_an_unresolved_server_has_no_address():
    row = {"be_name": "b", "srv_name": "s", "srv_addr": "-", "srv_port": "80", "srv_fqdn": "app1.example"}
    row.update(srv_op_state="0", srv_admin_state="32", srv_uweight="1", srv_iweight="1", srv_check_state="6")
    (server,) = predicates.servers("a", [row], [])
    assert (server["address"], server["state"], server["fqdn"]) == ("", "maint", "app1.example")
