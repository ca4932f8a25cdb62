# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.upstream import (
    Server,
    Upstream,
    join_address,
    parse_line,
    split_address,
)

TEXT = """\
# written by the role
upstream claims {
    zone claims 256k;
    least_conn;
    server 10.0.0.1:8080 weight=100 max_fails=3 fail_timeout=6s; # app1
    server 10.0.0.2:8080 weight=25 max_fails=3 fail_timeout=6s down; # app2 [state=drain configured=50 address=app2]
    server 10.0.0.3:8080 weight=1 max_conns=7 backup down; # app3 [weight=0 configured=100]
    keepalive 64;
}
"""


@pytest.mark.parametrize("line", [line for line in TEXT.splitlines() if " server " in line])
def test_a_line_of_the_role_is_written_as_it_was_read(line):
    assert parse_line(line).line() == line


def test_facts_behind_the_line_say_what_nginx_cannot():
    one, two, three = Upstream("claims", "claims.conf", TEXT).servers.values()
    assert (one.name, one.state, one.weight, one.configured) == ("app1", "ready", 100, 100)
    assert (two.state, two.weight, two.configured, two.source, two.address) == ("drain", 25, 50, "app2", "10.0.0.2")
    assert (three.state, three.weight, three.configured) == ("ready", 0, 100)
    assert three.parameters == ("max_conns=7", "backup")


@pytest.mark.parametrize(
    ("line", "name", "state", "weight"),
    [
        ("server 10.0.0.1:81;", "10.0.0.1:81", "ready", 1),
        ("\tserver app.example.org;", "app.example.org:80", "ready", 1),
        ("server [::1]:81 down;", "[::1]:81", "maint", 1),
        ("server unix:/run/app.sock weight=3;", "unix:/run/app.sock", "ready", 3),
        ("server 10.0.0.1:81 weight=5; # the old box", "10.0.0.1:81", "ready", 5),
        ("server 10.0.0.1:81; # app1 [state=drain]", "app1", "ready", 1),  # somebody took "down" away by hand
    ],
)
def test_lines_that_people_write(line, name, state, weight):
    server = parse_line(line)
    assert (server.name, server.state, server.weight) == (name, state, weight)


@pytest.mark.parametrize("line", ["", "# server 10.0.0.1;", "server_name a;", "upstream x { server a; }", "server a"])
def test_other_lines_have_no_server(line):
    assert parse_line(line) is None


def test_a_remark_survives_a_drain_and_its_end():
    line = "    server 10.0.0.1:81 weight=5; # the old box, do not touch"
    drained = parse_line(line).changed(state="drain").line()
    assert drained == "    server 10.0.0.1:81 weight=5 down; # the old box, do not touch [state=drain]"
    assert parse_line(drained).changed(state="ready").line() == line


def test_rewriting_touches_only_the_lines_that_change():
    upstream = Upstream("claims", "claims.conf", TEXT)
    wanted = dict(upstream.servers, app1=upstream.servers["app1"].changed(state="maint"))
    del wanted["app3"]
    wanted["app4"] = Server("app4", "10.0.0.4", 8080, weight=100)
    before, after = TEXT.splitlines(), upstream.rewritten(wanted).splitlines()
    assert after[4] == "    server 10.0.0.1:8080 weight=100 max_fails=3 fail_timeout=6s down; # app1 [state=maint]"
    assert after[6] == "    server 10.0.0.4:8080 weight=100; # app4"
    assert [line for line in after if line not in before] == [after[4], after[6]]
    assert [line for line in before if line not in after] == [before[4], before[6]]


def test_two_blocks_of_one_file_are_rewritten_from_the_bottom():
    text = "upstream a {\n server 10.0.0.1:1;\n}\nupstream b {\n server 10.0.0.1:1;\n}\n"
    upper, lower = Upstream("a", "x", text, (0, 1)), Upstream("b", "x", text, (3, 4))
    new = Server("n", "10.0.0.9", 9)
    text = lower.rewritten(dict(lower.servers, n=new))
    text = upper.rewritten({"n": new}, text)
    assert (
        text
        == "upstream a {\n server 10.0.0.9:9; # n\n}\nupstream b {\n server 10.0.0.1:1;\n server 10.0.0.9:9; # n\n}\n"
    )


def test_a_server_without_a_line_of_its_own_is_read_but_not_edited():
    upstream = Upstream("a", "a.conf", "upstream a { server 10.0.0.1:1; }\n", (0, 0))
    upstream.add_fixed("server 10.0.0.1:1;", 1)
    assert upstream.rewritten(dict(upstream.servers)) == upstream.text
    with pytest.raises(ScalingError, match="line 1.*line of its own"):
        upstream.rewritten({})


def test_an_unknown_server_is_named_with_those_that_exist():
    with pytest.raises(ScalingError, match=r"no server 'app9' \(it has: app1, app2, app3\)"):
        Upstream("claims", "claims.conf", TEXT).server("app9")


@pytest.mark.parametrize("text", ["10.0.0.1:8080", "[2001:db8::1]:80", "unix:/run/a.sock", "app.example.org:1"])
def test_addresses_survive_the_round_trip(text):
    assert join_address(*split_address(text)) == text
