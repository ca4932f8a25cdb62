# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.service import Balancer
from ansible_collections.horizontal.scaling.tests.unit.module_utils.haproxy.recorded import DOCUMENTS, Client


def test_one_round_trip_reads_all():
    client = Client()
    snapshot = Balancer(client).read()
    assert client.seen == ["show info", "show cli level", "show servers state", "show stat"]
    assert (snapshot.version, snapshot.level) == ((2, 6), "admin")
    assert len(snapshot.servers) == 6
    assert snapshot.algorithms == {"claims": "leastconn", "static": "source", "raw": "roundrobin"}


def test_a_refused_read_is_an_error():
    client = Client(**{"show servers state": (3, "Permission denied")})
    with pytest.raises(ScalingError, match="refused 'show servers state': Permission denied"):
        Balancer(client).read()


def test_every_refused_command_is_quoted():
    client = Client(**{"set server b/a weight 5": (3, "Backend is using a static LB algorithm")})
    with pytest.raises(ScalingError, match="'set server b/a weight 5': Backend is using a static") as error:
        Balancer(client).apply(["set server b/a weight 5", "set server b/c state drain"])
    assert [refused["command"] for refused in error.value.details["refused"]] == ["set server b/a weight 5"]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("IP changed from '192.0.2.1' to '192.0.2.2' by 'stats socket command'", True),
        ("no need to change the addr, port changed from '1' to '2' by 'stats socket command'", True),
        ("Invalid addr 'x' by 'stats socket command'", False),
    ],
)
def test_warnings_of_an_address_change(text, good):
    balancer = Balancer(Client(**{"set server b/s addr 192.0.2.2 port 80": (4, text)}))
    if good:
        balancer.apply(["set server b/s addr 192.0.2.2 port 80"])
        return
    with pytest.raises(ScalingError, match="Invalid addr"):
        balancer.apply(["set server b/s addr 192.0.2.2 port 80"])


def test_sessions_and_the_queue_count():
    header, *rows = DOCUMENTS["show stat"].splitlines()
    names = header.lstrip("# ").split(",")
    busy = []
    for row in rows:
        values = dict(zip(names, row.split(",")))
        if (values.get("pxname"), values.get("svname")) == ("claims", "app1"):
            values.update(scur="3", qcur="2")
        busy.append(",".join(values.values()))
    client = Client(**{"show stat -1 4 -1": "\n".join([header, *busy])})
    counted = Balancer(client).sessions([("claims", "app1"), ("claims", "app2"), ("claims", "gone")])
    assert counted == {("claims", "app1"): 5, ("claims", "app2"): 0, ("claims", "gone"): 0}


BUSY = (3, "Server still has connections attached to it, cannot remove it.")


def test_a_server_is_deleted_as_soon_as_its_connections_have_gone():
    client = Client(**{"del server b/s": [BUSY, BUSY, (6, "Server deleted.")]})
    Balancer(client).delete(("b", "s"), (2, 6), 0)
    assert client.seen == ["del server b/s"] * 3


def test_deleting_waits_inside_haproxy_where_it_can():
    client = Client()
    Balancer(client).delete(("b", "s"), (3, 0), 0)
    assert client.seen == ["wait 1s srv-removable b/s", "del server b/s"]


def test_deleting_a_server_that_is_gone_is_done():
    Balancer(Client(**{"del server b/s": (3, "No such server.")})).delete(("b", "s"), (2, 6), 0)


def test_deleting_stops_early_when_it_can_never_come_true():
    text = "This server cannot be removed at runtime due to other configuration elements pointing to it."
    with pytest.raises(ScalingError, match="cannot be removed at runtime"):
        Balancer(Client(**{"del server b/s": (3, text)})).delete(("b", "s"), (2, 6), 0)


def test_the_state_file_is_replaced_whole_and_keeps_its_mode(tmp_path):
    target = tmp_path / "server-state"
    target.write_text("old")
    target.chmod(0o640)
    assert Balancer(Client()).save_state(str(target)) is True
    assert target.read_text() == DOCUMENTS["show servers state"] + "\n"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["server-state"]


@pytest.mark.parametrize("path", ["", "/no/such/directory/server-state"])
def test_no_state_file_without_a_place_for_it(path):
    client = Client()
    assert Balancer(client).save_state(path) is False
    assert client.seen == []


def test_a_state_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "server-state").mkdir()
    with pytest.raises(ScalingError, match="server-state cannot be written: Is a directory"):
        Balancer(Client()).save_state(str(tmp_path / "server-state"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["server-state"]
