# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's documentation, its argument spec and what haproxy_info returns must fit together."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy import converge, predicates
from ansible_collections.horizontal.scaling.plugins.modules import haproxy_info, haproxy_server
from ansible_collections.horizontal.scaling.tests.unit.module_utils.haproxy.recorded import Client

PARAMETERS = {
    "sockets": ["/run/haproxy/admin.sock"],
    "servers": [{"backend": "claims", "name": "app1", "state": "maint"}],
    "drain_timeout": 0,
    "drain_then": "drain",
    "state_file": "",
    "timeout": 1,
}


@pytest.fixture
def client(monkeypatch):
    stand_in = Client()
    monkeypatch.setattr(converge, "Client", lambda address, timeout: stand_in)
    return stand_in


def test_every_field_of_info_is_documented_and_accepted():
    returned = set(yaml.safe_load(haproxy_info.RETURN)["servers"]["contains"])
    accepted = set(yaml.safe_load(haproxy_server.DOCUMENTATION)["options"]["servers"]["suboptions"])
    assert set(predicates.OBSERVED) <= returned
    assert returned <= accepted


def test_examples_and_return_are_yaml():
    for module in (haproxy_server, haproxy_info):
        assert yaml.safe_load(module.EXAMPLES)
        assert yaml.safe_load(module.RETURN)


def test_check_mode_sends_nothing_that_writes(client):
    outcome = converge.converge(PARAMETERS, True)
    assert outcome.changed
    assert not [command for command in client.seen if not command.startswith("show ")]
    assert outcome.values["commands"] == {client.address: ["set server claims/app1 state maint"]}
    assert outcome.values["servers"][0]["state"] == "maint"


def test_a_write_that_does_not_come_true_is_an_error(client):
    with pytest.raises(ScalingError, match="has state ready for claims/app1, not maint, after the change"):
        converge.converge(PARAMETERS, False)
    assert "set server claims/app1 state maint" in client.seen


def test_nothing_to_do_reads_once(client):
    wish = [{"backend": "claims", "name": "app3", "state": "maint"}]
    assert converge.converge(dict(PARAMETERS, servers=wish), False).changed is False
    assert client.seen == ["show info", "show cli level", "show servers state", "show stat"]


def test_the_name_that_haproxy_resolved_itself_is_kept(client):
    wish = [{"backend": "raw", "name": "db1", "address": "LOCALHOST", "port": 23081}]
    assert converge.converge(dict(PARAMETERS, servers=wish), True).changed is False


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sockets": []}, "sockets: the list is empty"),
        (
            {"servers": [{"backend": "b", "name": "s", "balancer": "/other.sock"}]},
            "balancer '/other.sock' of b/s is not among sockets",
        ),
    ],
)
def test_bad_parameters(client, values, message):
    with pytest.raises(ScalingError, match=message):
        converge.converge(dict(PARAMETERS, **values), False)
