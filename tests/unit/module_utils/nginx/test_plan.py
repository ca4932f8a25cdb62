# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.plan import apply, weight_of
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.upstream import Upstream

UPSTREAM = Upstream(
    "claims",
    "claims.conf",
    "server 10.0.0.1:8080 weight=40 max_fails=3; # app1\nserver 10.0.0.2:8080 weight=20 max_fails=3 down; # app2"
    " [state=drain configured=40]\n",
)


@pytest.mark.parametrize(
    ("wanted", "configured", "weight"),
    [
        ("128", 100, 128),
        (7, 100, 7),
        ("50%", 100, 50),
        ("50 %", 5, 3),
        ("1%", 10, 1),
        ("0%", 10, 0),
        (0, 10, 0),
        ("300%", 100, 256),
    ],
)
def test_weights(wanted, configured, weight):
    assert weight_of(wanted, configured) == weight


@pytest.mark.parametrize("wanted", ["257", "-1", "half", "", "1.5"])
def test_refused_weights_say_what_is_accepted(wanted):
    with pytest.raises(ScalingError, match="50%, or a number from 0 to 256"):
        weight_of(wanted, 100)


@pytest.mark.parametrize("state", ["ready", "drain", "maint"])
def test_a_state_changes_nothing_else(state):
    servers = apply(UPSTREAM, [{"name": "app2", "state": state, "weight": None, "address": None, "port": None}])
    assert servers["app1"] == UPSTREAM.servers["app1"]
    assert servers["app2"] == UPSTREAM.servers["app2"].changed(state=state)


def test_a_percentage_refers_to_the_configured_weight():
    servers = apply(UPSTREAM, [{"name": "app2", "weight": "100%"}])
    assert (servers["app2"].weight, servers["app2"].state) == (40, "drain")


def test_present_takes_after_its_neighbours():
    servers = apply(UPSTREAM, [{"name": "app3", "state": "present", "address": "10.0.0.3"}])
    assert servers["app3"].line("") == "server 10.0.0.3:8080 weight=40 max_fails=3; # app3"


def test_present_leaves_the_state_of_an_existing_server_alone():
    assert apply(UPSTREAM, [{"name": "app2", "state": "present"}]) == UPSTREAM.servers


def test_absent_twice_is_absent():
    once = apply(UPSTREAM, [{"name": "app2", "state": "absent"}, {"name": "app2", "state": "absent"}])
    assert list(once) == ["app1"]


def test_a_host_name_is_kept_beside_the_address_that_it_has():
    names = {"app7": "10.0.0.7", "several": ""}
    servers = apply(
        UPSTREAM,
        [
            {"name": "app7", "state": "present"},
            {"name": "app1", "address": "several"},
            {"name": "app2", "address": "10.0.0.2"},
        ],
        lambda name: names.get(name, name),
    )
    assert servers["app7"].line("").endswith("# app7 [address=app7]")
    assert (servers["app1"].address, servers["app1"].source) == ("several", "")
    assert servers["app2"] == UPSTREAM.servers["app2"]


@pytest.mark.parametrize("item", [{"name": "a b"}, {"name": "app1", "address": "10.0.0.1; include x"}])
def test_nothing_but_names_and_addresses_gets_into_the_configuration(item):
    with pytest.raises(ScalingError, match="letters, digits"):
        apply(UPSTREAM, [item])


def test_a_server_that_does_not_exist_is_an_error():
    with pytest.raises(ScalingError, match="has no server 'app9'"):
        apply(UPSTREAM, [{"name": "app9", "state": "drain"}])


def test_a_first_server_needs_a_port():
    with pytest.raises(ScalingError, match="no port"):
        apply(Upstream("empty", "x", "upstream empty {\n}\n"), [{"name": "app1", "state": "present"}])
