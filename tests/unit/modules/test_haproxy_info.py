# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy import info
from ansible_collections.horizontal.scaling.tests.unit.module_utils.haproxy.recorded import FIXTURES, Client


@pytest.fixture(autouse=True)
def client(monkeypatch):
    tables = {"show table": "tables_2.6.txt", "show table fe": "table_2.6.txt"}
    stand_in = Client(**{command: (FIXTURES / name).read_text() for command, name in tables.items()})
    monkeypatch.setattr(info, "Client", lambda address, timeout: stand_in)
    return stand_in


def gather(**parameters):
    sockets = ["/run/haproxy/admin.sock"]
    return info.gather({"sockets": sockets, "backends": [], "tables": [], "timeout": 1, **parameters}, False)


def test_everything_is_read_and_nothing_changes():
    outcome = gather()
    assert outcome.changed is False
    assert len(outcome.values["servers"]) == 6
    assert [backend["name"] for backend in outcome.values["backends"]] == ["claims", "static", "raw"]
    assert outcome.values["process"][0]["node"] == "lb1"
    assert outcome.values["tables"][0]["used"] == 1
    assert "entries" not in outcome.values["tables"][0]


def test_backends_are_chosen_and_tables_opened():
    outcome = gather(backends=["raw"], tables=["fe"])
    assert [server["name"] for server in outcome.values["servers"]] == ["db1"]
    assert [backend["name"] for backend in outcome.values["backends"]] == ["raw"]
    assert outcome.values["tables"][0]["entries"][0]["key"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"backends": ["nope"]}, "backends: HAProxy at .* has no nope; there are claims, raw, static"),
        ({"tables": ["nope"]}, "tables: HAProxy at .* has no nope; there are fe"),
    ],
)
def test_unknown_names_are_errors(wish, message):
    with pytest.raises(ScalingError, match=message):
        gather(**wish)
