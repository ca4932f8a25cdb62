# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml

from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.report import servers_of
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.upstream import Server
from ansible_collections.horizontal.scaling.plugins.modules import nginx_info, nginx_upstream


class NotRunning:
    """No master."""

    @staticmethod
    def master():
        return 0

    @staticmethod
    def connections(pids):
        return {}


def test_servers_of_nginx_info_are_valid_input():
    (shown,) = servers_of([("claims", [Server("app1", "127.0.0.1", 80)])], NotRunning())
    documented = yaml.safe_load(nginx_info.RETURN)["servers"]["contains"]
    assert set(shown) <= set(documented) <= set(nginx_upstream.SERVER) - {"upstream"}


def test_drain_then_decides_what_is_remembered(monkeypatch):
    seen = {}

    class Service:
        def __init__(self, *parts, **options):
            pass

        def converge(self, servers, reload, **options):
            seen.update({item["name"]: item["state"] for item in servers})

    monkeypatch.setattr(nginx_upstream, "Service", Service)
    params = dict.fromkeys(("config", "binary", "directory", "pid_file", "error_log", "closing_file", "settle"), "x")
    servers = [{"name": "app1", "state": "drain"}, {"name": "app2", "state": "ready"}, {"name": "app3", "state": None}]
    params.update(servers=servers, drain_then="maint", reload="changed", drain_timeout=1)
    nginx_upstream.converge(params, False)
    assert seen == {"app1": "maint", "app2": "ready", "app3": None}


@pytest.mark.parametrize("module", [nginx_info, nginx_upstream])
def test_examples_are_tasks_with_full_names(module):
    for task in yaml.safe_load(module.EXAMPLES):
        assert task["name"][0].isupper()
        assert all("." in key for key in set(task) - {"name", "register", "vars", "when", "loop"})
