# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.certificates import names_of_file
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.info import (
    add_counters,
    backends_of,
    parse_status,
)
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.upstream import Upstream

FIXTURES = Path(__file__).parent / "fixtures"
UPSTREAM = Upstream("claims", "x", "server 127.0.0.1:80; # app1\nserver [::1]:81; # app2\n")


def test_status_of_stub_status():
    text = "Active connections: 3 \nserver accepts handled requests\n 46 45 44 \nReading: 0 Writing: 1 Waiting: 2 \n"
    assert parse_status(text) == {
        "active": 3,
        "accepted": 46,
        "handled": 45,
        "requests": 44,
        "reading": 0,
        "writing": 1,
        "waiting": 2,
    }
    assert parse_status("<html>") == {}


def test_counters_find_their_servers():
    servers = [{"name": "app1"}, {"name": "app2"}]
    add_counters(servers, [UPSTREAM], {"claims": {"127.0.0.1:80": [5, 1, 2], "10.9.9.9:80": [7, 7, 7]}})
    assert servers == [
        {"name": "app1", "requests": 5, "responses_5xx": 1, "errors": 2},
        {"name": "app2", "requests": 0, "responses_5xx": 0, "errors": 0},
    ]


def test_backends_are_what_clients_saw():
    (backend,) = backends_of([UPSTREAM], {"claims": {"": [9, 1, 0]}})
    assert (backend["name"], backend["requests"], backend["responses_5xx"], backend["errors"]) == ("claims", 9, 1, 0)


def test_names_of_certificates(tmp_path):
    assert names_of_file(str(FIXTURES / "two_names.pem")) == ["claims.example.org", "*.members.example.org"]
    assert names_of_file(str(FIXTURES / "no_names.pem")) == []
    assert names_of_file(str(tmp_path / "missing.pem")) is None
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nx\n")
    assert names_of_file(str(tmp_path / "broken.pem")) is None
