# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx_upstream and nginx_info against a real NGINX: check, look, real, look, again."""

from __future__ import annotations

import http.client
import os
import select
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from ..running import until
from .conftest import Application

ALL = {"app1", "app2", "app3"}


def text(nginx, name="claims"):
    return (nginx.root / "upstreams" / f"{name}.conf").read_text()


CYCLES = {
    "drain": ({"name": "app1", "state": "drain"}, ALL - {"app1"}),
    "maint": ({"name": "app1", "state": "maint"}, ALL - {"app1"}),
    "weight 0": ({"name": "app2", "weight": "0"}, ALL - {"app2"}),
    "weight": ({"name": "app2", "weight": "50%"}, ALL),
    "absent": ({"name": "app3", "state": "absent"}, ALL - {"app3"}),
}


@pytest.mark.parametrize("case", CYCLES)
def test_the_cycle_of_every_wish(running, case):
    wish, answering = CYCLES[case]
    before = text(running)
    predicted = running.upstream(wish, check=True)
    assert predicted["changed"] is True and text(running) == before and running.answering() == ALL
    real = running.upstream(wish)
    assert real["changed"] is True and real["reloaded"] is True, real
    assert real["diff"] == predicted["diff"]
    assert running.answering() == answering
    again = running.upstream(wish)
    assert again["changed"] is False and again["reloaded"] is False and "diff" not in again
    if wish.get("state") != "absent":
        back = running.upstream({"name": wish["name"], "state": "ready", "weight": "100%"})
        assert back["changed"] is True
        assert text(running) == before


def test_a_server_is_added_and_takes_traffic(running):
    extra = Application("app4")
    try:
        wish = {"name": "app4", "state": "present", "address": "localhost", "port": extra.server_address[1]}
        assert running.upstream(wish)["changed"] is True
        assert running.upstream(wish)["changed"] is False
        assert running.answering() == ALL | {"app4"}
    finally:
        extra.stop()


def test_a_drain_waits_for_requests_in_flight_and_names_what_is_left(running):
    held = threading.Thread(target=running.get, args=("/hold",), daemon=True)
    held.start()
    busy = {}

    def find():
        busy.update({s["name"]: s for s in running.info(gather=["servers"])["servers"] if s["sessions"]})
        return busy

    until(find)
    (name,) = busy
    left = running.upstream({"name": name, "state": "drain"}, drain_timeout=0.3)
    assert left["remaining_sessions"] == {name: 1}
    assert len(left["remaining_workers"]) >= 1
    threading.Timer(0.5, running.apps[name].release.set).start()
    done = running.upstream({"name": name, "state": "drain"}, drain_timeout=10)
    assert done["changed"] is False
    assert done["remaining_sessions"] == {name: 0} and done["remaining_workers"] == []
    assert 0.2 < done["seconds"] < 5
    held.join(5)


def test_a_refused_reload_leaves_file_and_process_as_they_were(running):
    before = text(running)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        own = running.root / "services" / "own.conf"
        own.write_text(f"server {{ listen 127.0.0.1:{port}; }}\n")
        result = running.upstream({"name": "app1", "state": "drain"})
        own.unlink()
    assert result["failed"] and "Address already in use" in result["msg"]
    assert text(running) == before
    assert running.answering() == ALL


def test_a_configuration_that_does_not_validate_changes_nothing(running):
    before = text(running)
    result = running.upstream({"name": "app1", "address": "no.such.host.invalid"})
    assert result["failed"] and "host not found in upstream" in result["msg"]
    assert text(running) == before and running.answering() == ALL


def test_counters_are_what_was_sent(running):
    for _ in range(30):
        running.get()
    for _ in range(6):
        running.get("/fail")
    port = running.apps["app1"].stop()
    for _ in range(9):
        assert running.get()[0] == 200  # the others take over
    running.apps["app1"] = Application("app1", port)
    time.sleep(1.2)  # the log is written once a second
    one = running.info()
    counted = {server["name"]: server for server in one["servers"]}
    assert sum(server["responses_5xx"] for server in counted.values()) == 6
    assert 1 <= counted["app1"]["errors"] <= 3  # then it is left out for a while
    assert counted["app2"]["errors"] == counted["app3"]["errors"] == 0
    assert sum(server["requests"] - server["errors"] for server in counted.values()) == 45
    assert one["backends"][0]["requests"] == 45 and one["backends"][0]["responses_5xx"] == 6
    assert one["process"]["connections"]["accepted"] > 45 and one["process"]["stale"] is False


def test_a_rotated_log_is_counted_to_its_end(running):
    running.get()
    time.sleep(1.2)
    running.info()
    running.get()
    log = Path(running.variables["nginx_access_log"])
    log.rename(f"{log}.1")
    os.kill(int((running.directory / "nginx.pid").read_text()), signal.SIGUSR1)
    until(log.exists)
    running.get()
    time.sleep(1.2)
    result = running.info()
    assert result["backends"][0]["requests"] == 3 and result["counter_gaps"] == 0


def test_a_missed_reload_is_noticed_and_made_good(running):
    (running.root / ".reload_pending").touch()
    assert running.info()["process"]["stale"] is True
    result = running.upstream({"name": "app1", "state": "ready"})
    assert result["changed"] is False and result["reloaded"] is True
    assert running.info()["process"]["stale"] is False


def test_no_request_fails_while_every_server_is_replaced(running):
    """POST on kept connections, which no client may repeat: none may be lost."""
    stop, failures, answers = threading.Event(), [], []

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", running.ports["claims"], timeout=10)
        while not stop.is_set():
            if connection.sock and select.select([connection.sock], [], [], 0)[0]:
                connection.close()  # closed by the server: no pool hands such a connection out
            try:
                connection.request("POST", "/", b"claim")
                answer = connection.getresponse()
                body = answer.read().decode()
                (answers if answer.status == 200 else failures).append(body)
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
                connection.close()
            time.sleep(0.02)

    clients = [threading.Thread(target=client, daemon=True) for _ in range(6)]
    for thread in clients:
        thread.start()
    for name in sorted(ALL):
        drained = running.upstream({"name": name, "state": "drain"}, drain_timeout=10, settle=1)
        assert drained["remaining_sessions"] == {name: 0}, drained
        port = running.apps[name].stop()
        time.sleep(0.2)
        running.apps[name] = Application(name, port)
        running.upstream({"name": name, "state": "ready"}, settle=1)
    time.sleep(0.3)
    stop.set()
    for thread in clients:
        thread.join(10)
    assert failures == []
    assert set(answers) == ALL and len(answers) > 200


def test_a_persons_own_configuration(nginx):
    pytest.importorskip("crossplane")
    one, two = (nginx.apps[name].server_address[1] for name in ("app1", "app2"))
    (nginx.root / "conf.d").mkdir()
    own = nginx.root / "conf.d" / "mine.conf"
    before = (
        "# mine\nupstream other { server 127.0.0.1:9; }\n"
        f"upstream claims {{\n\tserver 127.0.0.1:{one} weight=5;  # the old box, do not touch\n"
        f"\tserver 127.0.0.1:{two};\n\tkeepalive 8;\n}}\n"
    )
    own.write_text(before)
    (nginx.root / "nginx.conf").write_text(
        f"pid {nginx.directory}/nginx.pid;\nerror_log {nginx.directory}/error.log;\nevents {{ }}\nhttp {{\n"
        f"access_log off;\ninclude {nginx.root}/conf.d/*.conf;\n"
        f"server {{ listen 127.0.0.1:{nginx.ports['status']}; location /status {{ stub_status; }} }}\n"
        f"server {{ listen 127.0.0.1:{nginx.ports['claims']}; location / {{ proxy_pass http://claims;"
        ' proxy_http_version 1.1; proxy_set_header Connection ""; } }\n}\n'
    )
    nginx.start()
    name = f"127.0.0.1:{one}"
    assert nginx.upstream({"name": name, "state": "drain"})["changed"] is True
    assert nginx.answering() == {"app2"}
    assert own.read_text() == before.replace(
        "weight=5;  # the old box, do not touch", "weight=5 down; # the old box, do not touch [state=drain]"
    )
    shown = nginx.info(whole_configuration=True, gather=["servers"])["servers"]
    assert {(s["backend"], s["name"], s["state"]) for s in shown} == {
        ("other", "127.0.0.1:9", "ready"),
        ("claims", name, "drain"),
        ("claims", f"127.0.0.1:{two}", "ready"),
    }
    assert nginx.upstream({"name": name, "state": "ready"})["changed"] is True
    assert nginx.answering() == {"app1", "app2"}
