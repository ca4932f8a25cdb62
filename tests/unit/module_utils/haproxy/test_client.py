# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol, against a socket pair that answers as HAProxy does."""

from __future__ import annotations

import socket
import threading

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.client import Client, parse_address


class Recorded(Client):
    """A client whose balancer answers from a table; None hangs up, other commands are accepted silently."""

    def __init__(self, answers, timeout=2.0):
        super().__init__("/run/haproxy/admin.sock", timeout)
        self.answers = answers
        self.seen = []
        self.connections = 0

    def _connect(self):
        self.connections += 1
        ours, theirs = socket.socketpair()
        ours.settimeout(self.timeout)
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return ours

    def _serve(self, connection):
        with connection, connection.makefile("r") as lines:
            for line in lines:
                self.seen.append(line.rstrip("\n"))
                answer = self.answers.get(self.seen[-1], "")
                if answer is None:
                    return
                connection.sendall((answer + "\n> ").encode())


def test_every_command_gets_its_own_answer_with_its_severity():
    # HAProxy ends some messages with one line feed and others with two.
    client = Recorded(
        {
            "show x": "[6]: one\ntwo\n",
            "set server b/s state drain": "",
            "set server b/s weight 999": "[3]: Absolute weight can only be between 0 and 256 inclusive.\n",
            "add server b/s": "[3]: Backend must use a dynamic load balancing to support dynamic servers.",
            "set server b/s addr x": "[4]: Invalid addr 'x' by 'stats socket command'\n",
            "shwo": "[6]: Unknown command, but maybe one of the following ones is a better match:\n  show\n",
        }
    )
    answers = client.run(list(client.answers))
    assert [answer.severity for answer in answers] == [6, 6, 3, 3, 4, 6]
    assert [answer.is_error for answer in answers] == [False, False, True, True, False, True]
    assert answers[0].text == "one\ntwo"
    assert answers[1].text == ""
    assert client.connections == 1
    assert client.seen[:2] == ["prompt", "set severity-output number"]


def test_many_commands_go_over_one_connection():
    client = Recorded({})
    assert len(client.run([f"set server b/s{number} state drain" for number in range(450)])) == 450
    assert client.connections == 1


def test_asking_raises_what_haproxy_refuses():
    client = Recorded({"show table x": "[3]: No such table\n"})
    with pytest.raises(ScalingError, match=r"refused 'show table x': No such table"):
        client.ask(["show table x"])


def test_a_connection_that_closes_early_is_an_error_that_names_the_socket():
    with pytest.raises(
        ScalingError, match=r"/run/haproxy/admin.sock does not answer: the connection was closed"
    ) as error:
        Recorded({"show stat": None}).run(["show stat"])
    assert error.value.details == {"balancer": "/run/haproxy/admin.sock"}


def test_a_socket_that_does_not_exist(tmp_path):
    with pytest.raises(ScalingError, match=rf"{tmp_path}/none.sock does not answer: No such file or directory"):
        Client(f"{tmp_path}/none.sock").run(["show info"])


@pytest.mark.parametrize("command", ["show info\nquit", "show info;quit", "set map x <<"])
def test_nothing_is_smuggled_in(command):
    client = Recorded({})
    with pytest.raises(ScalingError, match="is not one line"):
        client.run([command])
    assert client.connections == 0


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("/run/haproxy/admin.sock", ("unix", "/run/haproxy/admin.sock")),
        ("tcp://lb1:9999", ("tcp", ("lb1", 9999))),
        ("tcp://[::1]:9999", ("tcp", ("::1", 9999))),
    ],
)
def test_addresses(address, parsed):
    assert parse_address(address) == parsed


@pytest.mark.parametrize(
    "address", ["", "haproxy.sock", "tcp://lb1", "tcp://lb1:0", "tcp://lb1:99999", "http://lb1:80"]
)
def test_bad_addresses_are_named(address):
    with pytest.raises(ScalingError, match="neither the absolute path of a UNIX socket nor tcp://host:port"):
        parse_address(address)
