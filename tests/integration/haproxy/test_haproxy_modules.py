# SPDX-License-Identifier: GPL-3.0-or-later
"""haproxy_server and haproxy_info against a real HAProxy: check, look, real, look, again."""

from __future__ import annotations

import re
import threading
import time

import pytest

from ..running import run_module, until
from .conftest import BINARY

READY, MAINT, DRAIN = 0, 1, 8


def server(haproxy, servers, check=False, **parameters):
    arguments = {"sockets": [haproxy.socket], "servers": servers, "state_file": str(haproxy.state_file), **parameters}
    return run_module("haproxy_server", arguments, check)


def info(haproxy, **parameters):
    return run_module("haproxy_info", {"sockets": [haproxy.socket], **parameters})


def cycle(haproxy, path, wish, expected, **parameters):
    """The whole cycle of a module on one server; what check mode predicts must be what comes true."""
    backend, name = path.split("/")
    servers = [dict(backend=backend, name=name, **wish)]
    before = haproxy.server(path)
    predicted = server(haproxy, servers, check=True, **parameters)
    assert predicted["changed"] is True, predicted
    assert haproxy.server(path) == before
    assert not haproxy.state_file.exists() or haproxy.state_file.stat().st_size == 0
    real = server(haproxy, servers, **parameters)
    assert real["changed"] is True, real
    assert real["diff"] == predicted["diff"]
    assert real["commands"] == predicted["commands"]
    now = haproxy.server(path)
    assert (now and {field: now[field] for field in expected}) == (expected or None)
    for check in (True, False):
        again = server(haproxy, servers, check=check, **parameters)
        assert again["changed"] is False, again
        assert "diff" not in again
        assert again["commands"] == {}
    return real


CYCLES = {
    "drain": ("claims/app1", {"state": "drain"}, {"admin": DRAIN}),
    "maint": ("claims/app1", {"state": "maint"}, {"admin": MAINT}),
    "ready": ("members/app3", {"state": "ready"}, {"admin": 4}),  # stays marked as disabled by the configuration
    "weight": ("claims/app1", {"weight": 50}, {"admin": READY, "weight": 50}),
    "share": ("members/app3", {"weight": "50%"}, {"weight": 30}),
    "double": ("claims/app2", {"weight": "300%"}, {"weight": 256}),
    "weight and drain": ("claims/app2", {"weight": "10", "state": "drain"}, {"admin": DRAIN, "weight": 10}),
    "address": ("claims/app2", {"address": "127.0.0.2", "port": 4711}, {"endpoint": "127.0.0.2:4711"}),
    "port": ("claims/app2", {"port": 4711}, {"endpoint": "127.0.0.1:4711"}),
    "name": ("claims/app2", {"address": "localhost", "port": 4711}, {"endpoint": "127.0.0.1:4711"}),
    "hashed": ("hashed/app2", {"weight": "0%"}, {"weight": 0}),
}


@pytest.mark.parametrize("case", CYCLES)
def test_the_cycle_of_every_wish(haproxy, case):
    path, wish, expected = CYCLES[case]
    result = cycle(haproxy, path, wish, expected)
    assert result["state_file"] == str(haproxy.state_file)


def test_a_drained_server_goes_into_maintenance(haproxy):
    cycle(haproxy, "claims/app1", {"state": "drain"}, {"admin": MAINT}, drain_then="maint")


def test_every_server_of_a_name_in_all_backends(haproxy):
    result = server(haproxy, [{"backend": "*", "name": "app1", "state": "drain"}])
    assert result["changed"] is True
    assert {s["backend"] for s in result["servers"]} == {"claims", "members"}
    assert haproxy.server("claims/app1")["admin"] == haproxy.server("members/app1")["admin"] == DRAIN


def test_adding_and_removing_a_server(haproxy, applications):
    wish = {"state": "present", "address": "127.0.0.1", "port": applications["app4"].port, "weight": 70}
    wish["options"] = "inter 100ms rise 2 fall 2"
    endpoint = f"127.0.0.1:{applications['app4'].port}"
    cycle(haproxy, "claims/app4", wish, {"admin": READY, "weight": 70, "endpoint": endpoint})
    until(lambda: haproxy.stat("claims/app4", "status") == "UP")
    haproxy.state_file.unlink()
    cycle(haproxy, "claims/app4", {"state": "absent"}, {})


def test_an_added_server_takes_no_request_before_its_first_good_check(haproxy, applications):
    applications["app4"].healthy = False
    entry = {"backend": "claims", "name": "app4", "state": "present", "address": "127.0.0.1"}
    entry.update(port=applications["app4"].port, weight=256, options="inter 50ms rise 2 fall 3")
    stop = threading.Event()
    seen = []

    def load():
        while not stop.is_set():
            seen.append(haproxy.get("/")[1])

    thread = threading.Thread(target=load)
    thread.start()
    try:
        server(haproxy, [entry])
        time.sleep(0.4)
    finally:
        stop.set()
        thread.join()
    assert len(seen) > 20
    assert str(applications["app4"].port) not in seen
    assert haproxy.stat("claims/app4", "status").startswith("DOWN")
    applications["app4"].healthy = True
    until(lambda: haproxy.stat("claims/app4", "status") == "UP")


def test_a_server_with_traffic_is_removed_when_its_connections_have_gone(haproxy, applications):
    entry = {"backend": "claims", "name": "app4", "state": "present", "address": "127.0.0.1", "check": False}
    server(haproxy, [dict(entry, port=applications["app4"].port, weight=256)])
    server(haproxy, [{"backend": "claims", "name": n, "state": "maint"} for n in ("app1", "app2")])
    assert {haproxy.get("/")[1] for _ in range(5)} == {str(applications["app4"].port)}
    removed = server(haproxy, [{"backend": "claims", "name": "app4", "state": "absent"}])
    assert removed["changed"] is True, removed
    assert haproxy.server("claims/app4") is None


def test_drain_waits_for_the_last_session(haproxy, applications):
    request = haproxy.hold("app1")
    threading.Timer(0.7, applications["app1"].release.set).start()
    result = server(haproxy, [{"backend": "claims", "name": "app1", "state": "drain"}], drain_timeout=10)
    assert result["remaining_sessions"] == {}
    assert 0.3 < result["drain_seconds"] < 3
    request.join(5)
    assert not request.is_alive()


def test_drain_says_what_was_left_and_changed_ignores_it(haproxy):
    haproxy.hold("app1")
    haproxy.hold("app1")
    wish = [{"backend": "*", "name": "app1", "state": "drain"}]
    result = server(haproxy, wish, drain_timeout=1, drain_then="maint")
    assert result["remaining_sessions"] == {"claims/app1": 2}
    assert haproxy.server("claims/app1")["admin"] == MAINT
    again = server(haproxy, wish, drain_timeout=1, drain_then="maint")
    assert again["changed"] is False
    kept = server(haproxy, [{"backend": "claims", "name": "app1", "state": "drain"}], drain_timeout=0)
    assert kept["changed"] is True
    assert kept["remaining_sessions"] == {"claims/app1": 2}
    same = server(haproxy, [{"backend": "claims", "name": "app1", "state": "drain"}], drain_timeout=0)
    assert same["changed"] is False
    assert same["remaining_sessions"] == {"claims/app1": 2}


def test_a_cookie_gets_into_a_drained_server_but_not_into_one_in_maintenance(haproxy, applications):
    server(haproxy, [{"backend": "claims", "name": "app1", "state": "drain"}])
    assert haproxy.get("/", cookie="app1")[1] == str(applications["app1"].port)
    server(haproxy, [{"backend": "claims", "name": "app1", "state": "maint"}])
    assert haproxy.get("/", cookie="app1")[1] == str(applications["app2"].port)


def test_leaving_maintenance_starts_slowly_and_leaving_drain_does_not(haproxy):
    def read(name):
        return next(s for s in info(haproxy)["servers"] if s["backend"] == "claims" and s["name"] == name)

    for name, state in (("app1", "maint"), ("app2", "drain")):
        server(haproxy, [{"backend": "claims", "name": name, "state": state}])
        server(haproxy, [{"backend": "claims", "name": name, "state": "ready"}])
    assert 0 < int(haproxy.stat("claims/app1", "throttle")) < 50
    assert read("app1")["throttle"] < 50
    assert read("app2")["throttle"] == 100
    assert read("app1")["weight"] == 100


def test_what_info_returns_brings_everything_back(haproxy):
    remembered = info(haproxy)["servers"]
    paths = [f"{s['backend']}/{s['name']}" for s in remembered]
    before = {path: haproxy.server(path) for path in paths}
    assert server(haproxy, remembered)["changed"] is False
    wishes = [
        {"backend": "*", "name": "app1", "state": "maint"},
        {"backend": "claims", "name": "app2", "state": "drain", "weight": "7", "port": 4711},
        {"backend": "members", "name": "app3", "state": "ready", "weight": "200%"},
    ]
    assert server(haproxy, wishes)["changed"] is True
    assert {path: haproxy.server(path) for path in paths} != before
    assert server(haproxy, remembered)["changed"] is True
    assert {path: haproxy.server(path) for path in paths} == before
    assert server(haproxy, remembered)["changed"] is False


def test_a_reload_keeps_drains_and_weights(haproxy):
    server(haproxy, [{"backend": "claims", "name": "app1", "state": "drain", "weight": "30%"}])
    server(haproxy, [{"backend": "claims", "name": "app2", "state": "maint"}])
    haproxy.stop()
    haproxy.start()
    assert haproxy.server("claims/app1") == {
        "admin": DRAIN,
        "weight": 30,
        "endpoint": f"127.0.0.1:{haproxy.ports['app1']}",
    }
    assert haproxy.server("claims/app2")["admin"] == MAINT


def test_no_state_file_without_its_directory(haproxy):
    target = haproxy.directory / "nowhere" / "state"
    result = server(haproxy, [{"backend": "claims", "name": "app1", "state": "maint"}], state_file=str(target))
    assert result["changed"] is True
    assert result["state_file"] == ""
    assert not target.parent.exists()


def test_counters_of_servers(haproxy):
    for _ in range(3):
        assert haproxy.get("/", cookie="app1")[0] == 200
    assert haproxy.get("/fail", cookie="app1")[0] == 503
    haproxy.get("/", frontend="raw")
    servers = {f"{s['backend']}/{s['name']}": s for s in info(haproxy)["servers"]}
    app1 = servers["claims/app1"]
    assert (app1["requests"], app1["responses_2xx"], app1["responses_5xx"], app1["errors"]) == (4, 3, 1, 0)
    assert (app1["sessions"], app1["queue"], app1["health"], app1["check_status"]) == (0, 0, "up", "L7OK")
    assert servers["raw/db1"]["requests"] == 1
    assert servers["raw/db1"]["health"] == "nocheck"
    assert servers["members/app3"]["health"] == "unknown"
    assert servers["members/app3"]["state"] == "maint"
    assert servers["members/app1"]["fqdn"] == "localhost"


def test_connection_errors_and_the_reason_of_a_bad_check(haproxy, applications):
    applications["app2"].healthy = False
    until(lambda: haproxy.stat("claims/app2", "status") == "DOWN")
    server(haproxy, [{"backend": "raw", "name": "db1", "port": 9}])
    with pytest.raises(OSError):
        haproxy.get("/", frontend="raw")
    servers = {f"{s['backend']}/{s['name']}": s for s in info(haproxy)["servers"]}
    assert servers["claims/app2"]["health"] == "down"
    assert "503" in servers["claims/app2"]["check_reason"]
    assert servers["raw/db1"]["errors_connection"] >= 1
    assert servers["raw/db1"]["errors"] >= 1


def test_backends_frontends_process_and_tables(haproxy):
    haproxy.get("/")
    found = info(haproxy, tables=["*"], backends=["claims"])
    assert {s["backend"] for s in found["servers"]} == {"claims"}
    assert [b["name"] for b in found["backends"]] == ["claims"]
    assert found["backends"][0]["algorithm"] == "leastconn"
    assert found["backends"][0]["servers_active"] == 2
    assert {f["name"] for f in found["frontends"]} >= {"claims", "raw"}
    assert found["process"][0]["pid"] == haproxy.process.pid
    assert found["process"][0]["level"] == "admin"
    table = next(table for table in found["tables"] if table["name"] == "claims")
    assert table["type"] == "ip"
    assert table["entries"][0]["key"] == "127.0.0.1"
    assert table["entries"][0]["http_req_cnt"] == 1


def test_two_balancers_in_one_task(haproxy):
    """The same process twice, by UNIX socket and TCP: both are read, and an entry can be for one of them."""
    both = [haproxy.socket, haproxy.tcp]
    found = run_module("haproxy_info", {"sockets": both})["servers"]
    assert {s["balancer"] for s in found} == set(both)
    result = server(haproxy, [{"backend": "claims", "name": "app1", "state": "drain"}], sockets=[haproxy.tcp])
    assert result["changed"] is True
    assert result["state_file"] == ""
    one = [{"backend": "claims", "name": "app1", "state": "ready", "balancer": haproxy.tcp}]
    result = server(haproxy, one, sockets=both)
    assert [s["balancer"] for s in result["servers"]] == [haproxy.tcp]
    assert list(result["commands"]) == [haproxy.tcp]


FAILURES = {
    "unknown server": ({"backend": "claims", "name": "app9"}, r"no server app9; there are app1, app2"),
    "unknown backend": (
        {"backend": "nope", "name": "app1"},
        r"no backend nope; there are claims, follower, hashed",
    ),
    "unknown anywhere": ({"backend": "*", "name": "app9"}, r"No backend .* app9; there are app1, app2, app3, db1"),
    "bad weight": ({"backend": "claims", "name": "app1", "weight": "half"}, r"'half' of claims/app1 is neither"),
    "big weight": ({"backend": "claims", "name": "app1", "weight": 257}, r"'257' of claims/app1 is neither"),
    "vanishing": ({"backend": "members", "name": "app1", "weight": "50%"}, r"50% of the configured 1 of members/app1"),
    "no address": (
        {"backend": "nameless", "name": "one", "state": "maint", "port": 81},
        r"nameless/one has no IP address",
    ),
    "no name": ({"backend": "nameless", "name": "one"}, r"no.such.host.invalid does not resolve"),
    "bad address": ({"backend": "claims", "name": "app1", "address": "no.such.host.invalid"}, r"does not resolve"),
    "added blindly": ({"backend": "claims", "name": "x", "state": "present"}, r"needs address and port"),
}


@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
@pytest.mark.parametrize("case", FAILURES)
def test_bad_wishes_change_nothing(haproxy, case, check):
    bad, message = FAILURES[case]
    bad = {"state": "ready", **bad}
    good = {"backend": "claims", "name": "app2", "state": "maint"}
    result = server(haproxy, [good, bad], check=check)
    assert result["failed"] is True
    assert re.search(message, result["msg"]), result["msg"]
    assert haproxy.server("claims/app2")["admin"] == READY


def test_a_server_that_is_down_is_drained_at_once(haproxy, applications):
    applications["app2"].healthy = False
    until(lambda: haproxy.stat("claims/app2", "status") == "DOWN")
    result = cycle(haproxy, "claims/app2", {"state": "drain"}, {"admin": MAINT}, drain_then="maint")
    assert result["drain_seconds"] < 1


def test_a_server_that_inherits_its_state_says_so(haproxy):
    server(haproxy, [{"backend": "claims", "name": "app1", "state": "maint"}])
    result = server(haproxy, [{"backend": "follower", "name": "one", "state": "ready"}])
    assert result["failed"] is True
    assert "it tracks another server" in result["msg"]
    assert server(haproxy, [{"backend": "claims", "name": "app1", "state": "ready"}])["changed"] is True
    assert server(haproxy, [{"backend": "follower", "name": "one", "state": "ready"}])["changed"] is False


def test_a_balancer_that_dies_while_it_drains_is_named(haproxy):
    haproxy.hold("app1")
    threading.Timer(0.5, haproxy.process.kill).start()
    started = time.monotonic()
    result = server(haproxy, [{"backend": "claims", "name": "app1", "state": "drain"}], drain_timeout=20)
    assert time.monotonic() - started < 5
    assert result["failed"] is True
    assert haproxy.socket in result["msg"]
    assert result["commands"] == {haproxy.socket: ["set server claims/app1 state drain"]}


def test_errors_of_haproxy_are_errors(haproxy):
    refused = server(haproxy, [{"backend": "hashed", "name": "app2", "weight": 5}])
    assert refused["failed"] is True
    assert "static LB algorithm" in refused["msg"]
    entry = {"backend": "claims", "name": "x", "state": "present", "address": "127.0.0.1", "port": 1}
    refused = server(haproxy, [dict(entry, options="bogus")])
    assert refused["failed"] is True
    assert "bogus" in refused["msg"]
    assert haproxy.server("claims/x") is None
    refused = server(haproxy, [dict(entry, backend="hashed")])
    assert refused["failed"] is True
    assert "dynamic" in refused["msg"]


@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_the_operator_level_reads_and_is_told_that_it_cannot_write(haproxy, check):
    assert run_module("haproxy_info", {"sockets": [haproxy.operator_socket]})["process"][0]["level"] == "operator"
    wish = [{"backend": "claims", "name": "app1", "state": "ready"}]
    assert server(haproxy, wish, sockets=[haproxy.operator_socket])["changed"] is False
    wish[0]["state"] = "maint"
    result = server(haproxy, wish, check=check, sockets=[haproxy.operator_socket])
    assert result["failed"] is True
    assert "has level operator" in result["msg"]
    assert "level admin" in result["msg"]


def test_a_balancer_that_is_down_stops_all_before_anything_changes(haproxy):
    gone = f"{haproxy.directory}/gone.sock"
    wish = [{"backend": "claims", "name": "app1", "state": "maint"}]
    result = server(haproxy, wish, sockets=[haproxy.socket, gone])
    assert result["failed"] is True
    assert gone in result["msg"]
    assert "No such file" in result["msg"]
    assert haproxy.server("claims/app1")["admin"] == READY
    dead = server(haproxy, wish, sockets=["tcp://127.0.0.1:9"])
    assert "tcp://127.0.0.1:9 does not answer" in dead["msg"]
    odd = server(haproxy, wish, sockets=["run/haproxy.sock"])
    assert "neither the absolute path" in odd["msg"]


def test_a_balancer_that_hangs_is_given_up_in_time(haproxy):
    haproxy.process.send_signal(19)
    try:
        started = time.monotonic()
        result = run_module("haproxy_info", {"sockets": [haproxy.socket], "timeout": 1})
        assert time.monotonic() - started < 3
        assert "no answer within 1 s" in result["msg"]
    finally:
        haproxy.process.send_signal(18)


def test_the_binary_under_test_is_named(haproxy):
    assert info(haproxy)["process"][0]["version"].count(".") == 2, BINARY


def test_no_request_fails_while_a_server_goes_and_comes_back(haproxy):
    stop = threading.Event()
    statuses = []

    def load():
        while not stop.is_set():
            try:
                statuses.append(haproxy.get("/")[0])
            except OSError as error:
                statuses.append(repr(error))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            for name in ("app1", "app2"):
                wish = {"backend": "*", "name": name, "state": "drain"}
                assert server(haproxy, [wish], drain_then="maint")["remaining_sessions"] == {}
                assert server(haproxy, [dict(wish, state="ready")])["changed"] is True
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(statuses) > 30
    assert set(statuses) == {200}
