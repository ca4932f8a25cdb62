# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role's configuration does, and what the role refuses."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from .conftest import STREAM


def certificate(folder: Path, name: str, *names: str) -> dict[str, str]:
    key, chain = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-keyout", str(key), "-out", str(chain), "-subj", f"/CN={name}"]
        + ["-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names)],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return {"name": name, "certificate": str(chain), "key": str(key)}


def test_a_second_run_changes_nothing_and_keeps_what_was_set_at_run_time(running):
    assert running.converge(running.service()) == {"changed": False, "failed": ""}
    running.upstream({"name": "app1", "state": "drain"}, {"name": "app2", "weight": "50%"})
    assert running.converge(running.service()) == {"changed": False, "failed": ""}
    assert running.converge(running.service(timeout=20)) == {"changed": True, "failed": ""}
    shown = {s["name"]: s for s in running.info(gather=["servers"])["servers"]}
    assert (shown["app1"]["state"], shown["app2"]["weight"]) == ("drain", 50)
    assert running.answering() == {"app2", "app3"}


def test_a_new_configured_weight_wins_over_one_that_was_set_at_run_time(running):
    running.upstream({"name": "app2", "weight": "50%"})
    servers = [dict(server, weight=80) for server in running.servers()]
    running.converge(running.service(servers=servers))
    assert {s["weight"] for s in running.info(gather=["servers"])["servers"]} == {80}


def test_a_snippet_that_nginx_refuses_changes_nothing(running):
    result = running.converge(running.service(raw="proxy_buffers oops;"))
    assert not result["changed"] and 'invalid number of arguments in "proxy_buffers"' in result["failed"]
    assert running.answering() == {"app1", "app2", "app3"}
    assert running.converge(running.service()) == {"changed": False, "failed": ""}


def test_a_refused_reload_fails_this_run_and_the_next(running):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        other = running.service(name="other", address="127.0.0.1", port=taken.getsockname()[1])
        for _ in range(2):
            assert "Address already in use" in running.converge(running.service(), other)["failed"]
        assert running.answering() == {"app1", "app2", "app3"}
    assert running.converge(running.service(), other)["failed"] == ""


def test_limits_answer_429_but_not_to_those_who_are_allowed(nginx):
    limits = {"requests": 5, "period": 60, "allow": ["127.0.0.2/32"]}
    assert nginx.converge(nginx.service(rate_limit=limits))["failed"] == ""
    nginx.start()
    answers = [nginx.get() for _ in range(8)]
    assert [answer[0] for answer in answers] == [200] * 5 + [429] * 3
    assert answers[-1][2]["Retry-After"] == "60" and "Too many requests" in answers[-1][1]
    connection = http.client.HTTPConnection("127.0.0.1", nginx.ports["claims"], source_address=("127.0.0.2", 0))
    for _ in range(8):
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


def test_a_cookie_ties_a_client_to_a_server_until_it_is_drained(nginx):
    assert nginx.converge(nginx.service(sticky_cookie="SERVER"))["failed"] == ""
    nginx.start()
    _, first, headers = nginx.get()
    cookie = headers["Set-Cookie"].split(";")[0]
    again = [nginx.get(Cookie=cookie) for _ in range(10)]
    assert {answer[1] for answer in again} == {first}
    assert not any("Set-Cookie" in answer[2] for answer in again)
    assert len(nginx.answering()) > 1
    nginx.upstream({"name": first, "state": "drain"})
    (moved,) = {nginx.get(Cookie=cookie)[1] for _ in range(5)}
    assert moved != first


def tls(nginx, host, path="/", **headers):
    """Status, name of the certificate, protocol that was agreed on, answer's headers."""
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = socket.create_connection(("127.0.0.1", nginx.ports["tls"]))
    with context.wrap_socket(plain, server_hostname=host) as wrapped:
        protocol = wrapped.selected_alpn_protocol()
        issued = wrapped.getpeercert(binary_form=True)
    connection = http.client.HTTPSConnection(
        "127.0.0.1", nginx.ports["tls"], context=ssl._create_unverified_context(), timeout=5
    )
    connection.request("GET", path, headers={"Host": host, **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, issued, protocol, dict(answer.getheaders())


def test_tls_domains_users_and_headers(nginx):
    one = certificate(nginx.directory, "one", "members.example.org")
    two = certificate(nginx.directory, "two", "*.claims.example.org")
    hashed = subprocess.run(["openssl", "passwd", "-6", "secret"], capture_output=True, text=True, check=True)
    service = nginx.service(
        name="members",
        port=nginx.ports["tls"],
        domains=["members.example.org", "a.claims.example.org"],
        tls={"certificates": [one, two], "redirect_port": nginx.ports["redirect"]},
        auth_users=[{"name": "kim", "password_hash": hashed.stdout.strip()}],
        response_headers={"X-Price": 'in "$" \\'},
    )
    assert nginx.converge(service)["failed"] == ""
    nginx.start()
    ders = [ssl.PEM_cert_to_DER_cert(Path(item["certificate"]).read_text()) for item in (one, two)]
    user = {"Authorization": "Basic a2ltOnNlY3JldA=="}
    status, issued, protocol, headers = tls(nginx, "members.example.org", **user)
    assert (status, issued, protocol) == (200, ders[0], "h2")
    assert headers["X-Price"] == 'in "$" \\' and headers["Strict-Transport-Security"] == "max-age=31536000"
    assert tls(nginx, "a.claims.example.org", **user)[:2] == (200, ders[1])
    assert tls(nginx, "a.claims.example.org")[0] == 401
    assert tls(nginx, "unknown.example.org", **user)[0] == 404
    status, _, headers = nginx.get("/x?y=1", "redirect", Host="members.example.org")
    assert (status, headers["Location"]) == (301, f"https://members.example.org:{nginx.ports['tls']}/x?y=1")


@pytest.mark.skipif(not Path(STREAM).exists(), reason="needs NGINX's stream module")
def test_tcp_services(nginx):
    raw = {"name": "raw.tcp", "mode": "tcp", "port": nginx.ports["raw"], "servers": nginx.servers("app1", "app2")}
    assert nginx.converge(nginx.service(), raw)["failed"] == ""
    nginx.start()
    assert {nginx.get(port="raw")[1] for _ in range(10)} == {"app1", "app2"}
    result = nginx.upstream({"backend": "*", "name": "app1", "state": "drain"})
    assert result["changed"] and len(result["files"]) == 2
    assert {nginx.get(port="raw")[1] for _ in range(6)} == {"app2"} and "app1" not in nginx.answering()


REFUSED = {
    "health_path is '/replica', but open-source NGINX does not probe": {"health_path": "/replica"},
    "it wants TCP on *:4711, where plain HTTP is already": {"port": 4711, "mode": "tcp"},
    "health_body is set, but open-source NGINX does not probe": {"health_body": "ok"},
    "health_status is not [200], but open-source NGINX does not probe": {"health_status": [200, 204]},
    "health_method, health_timeout or health_rise is set": {"health_rise": 1},
    "slow_start is 5, but open-source NGINX cannot raise": {"slow_start": 5},
    "sticky_cookie is 'a-b'": {"sticky_cookie": "a-b"},
    "a backup server cannot be combined": {"algorithm": "uri", "servers": [{"name": "b", "backup": True}]},
    "less than one request a minute": {"rate_limit": {"requests": 1, "period": 61}},
    "split.weights add up to 90, accepted is 100": {
        "servers": [{"name": "a", "version": "1"}],
        "split": {"weights": {"1": 90}},
    },
    "port is 70000, accepted are 1 to 65535": {"port": 70000},
    "weight of server 'a' is 300, accepted are 0 to 256": {"servers": [{"name": "a", "weight": 300}]},
    "servers is empty": {"servers": []},
    "two servers have the same name": {"servers": [{"name": "a"}, {"name": "a"}]},
    "name is 'a b'": {"name": "a b"},
    "domains work with mode http only": {"mode": "tcp", "domains": ["a.example.org"]},
    "rate_limit.requests works with mode http only": {"mode": "tcp", "rate_limit": {"requests": 5}},
    "domains has 'two words'": {"domains": ["two words"]},
    "response_headers has 'X Y'": {"response_headers": {"X Y": "1"}},
    "'a;b' is a server's name": {"servers": [{"name": "a;b"}]},
    "address is 'eth0'": {"address": "eth0"},
    "max_connections of server 'a' is -1": {"servers": [{"name": "a", "max_connections": -1}]},
    "address is '::', and another service listens on *:4711": {"port": 4711, "address": "::"},
    "another service already listens on *:4711 for a.example.org": {"port": 4711, "domains": ["a.example.org"]},
}

# Of the role as a whole.
OUT_OF_RANGE = {
    "nginx_keepalive_timeout is 0, accepted are 1 to 86400": {"nginx_keepalive_timeout": 0},
    "nginx_worker_processes is 'all', accepted are auto": {"nginx_worker_processes": "all"},
    "nginx_max_body_size is 'much', accepted are sizes": {"nginx_max_body_size": "much"},
    "nginx_error_pages has '200', accepted are the status codes": {"nginx_error_pages": {"200": "fine"}},
}


def test_what_cannot_be_done_is_refused_with_the_reason_before_anything_is_changed(nginx):
    services = [{"name": "first", "port": 4711, "servers": [{"name": "a"}], "domains": ["a.example.org"]}]
    for number, options in enumerate(REFUSED.values()):
        services.append({"name": f"s{number}", "port": 5000 + number, "servers": [{"name": "a"}], **options})
    for options in OUT_OF_RANGE.values():
        nginx.variables.update(options)
    result = nginx.converge(*services)
    assert not result["changed"] and not (nginx.root / "nginx.conf").exists()
    assert [sentence for sentence in (*REFUSED, *OUT_OF_RANGE) if sentence not in result["failed"]] == []


def test_check_mode_on_a_host_without_any_configuration(nginx):
    assert nginx.converge(nginx.service(), check=True) == {"changed": True, "failed": ""}
    assert not (nginx.root / "nginx.conf").exists()
