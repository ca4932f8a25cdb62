# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.health.answers import judge_command, judge_http
from ansible_collections.horizontal.scaling.plugins.module_utils.health.json_path import is_path, look_up
from ansible_collections.horizontal.scaling.plugins.module_utils.health.score import summarise

URL = "http://app1:8080/health"
DOCUMENT = b'{"status": "ok", "checks": {"databases": [{"state": "up", "lag": 0.5, "primary": true}]}}'


def http(status=200, body=b"", days_left=None, **wanted):
    return judge_http(dict({"url": URL, "status": [200]}, **wanted), status, body, days_left)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, ""),
        ({"status": 204, "wanted": [200, 204]}, ""),
        ({"status": 503, "body": b"starting\n up"}, f"HTTP 503 from {URL}, wanted 200: body says starting up"),
        ({"status": 302, "wanted": [200, 204]}, f"HTTP 302 from {URL}, wanted 200 or 204: body is empty"),
        ({"status": 500, "body": b"\x00\x1b token=abc"}, f"HTTP 500 from {URL}, wanted 200: body says token=********"),
    ],
)  # fmt: skip
def test_status(given, reason):
    status = given.pop("wanted", [200])
    assert judge_http({"url": URL, "status": status}, given.get("status", 200), given.get("body", b"")) == reason


def test_a_long_body_is_cut():
    reason = http(500, b"x" * 10_000)
    assert len(reason) < 250
    assert reason.endswith("…")


def test_body_text():
    assert judge_http({"url": URL, "status": [200], "body": "good"}, 200, b"all good") == ""
    assert judge_http({"url": URL, "status": [200], "body": "good"}, 200, b"bad") == (
        f"HTTP 200 from {URL}, but without 'good': body says bad"
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status", "ok"),
        ("status", None),
        ("checks.databases[0].state", "up"),
        ("checks.databases[0].lag", 0.5),
        ("checks.databases[0].lag", "0.5"),
        ("checks.databases[0].primary", True),
        ("checks.databases[0].primary", "true"),
        ("checks.databases[0].primary", "True"),
    ],
)
def test_json_values_that_are_as_wanted(path, value):
    assert http(body=DOCUMENT, json_path=path, json_value=value) == ""


@pytest.mark.parametrize(
    ("body", "path", "value", "reason"),
    [
        (DOCUMENT, "status", "up", f"{URL} has 'ok' at status, wanted 'up'"),
        (
            DOCUMENT,
            "checks.databases[1].state",
            None,
            f"{URL} answers JSON that has nothing at checks.databases[1].state",
        ),
        (DOCUMENT, "status.deeper", None, f"{URL} answers JSON that has nothing at status.deeper"),
        (b"<html>", "status", "ok", f"{URL} answers no JSON: body says <html>"),
        (b"", "status", "ok", f"{URL} answers no JSON: body is empty"),
        (b"[" * 100_000, "status", "ok", f"{URL} answers no JSON"),
    ],
)
def test_json_values_that_are_not(body, path, value, reason):
    assert http(body=body, json_path=path, json_value=value).startswith(reason)


@pytest.mark.parametrize(("days", "healthy"), [(30.0, True), (14.0, True), (13.9, False), (-1.0, False)])
def test_certificates(days, healthy):
    assert (http(days_left=days, tls_expiry_days=14) == "") is healthy


def test_the_certificate_reason_has_numbers():
    assert http(days_left=2.96, tls_expiry_days=14) == f"the certificate of {URL} ends in 3.0 days, wanted at least 14"


@pytest.mark.parametrize(
    ("code", "output", "reason"),
    [
        (0, "all fine", ""),
        (3, "no space", "check ended with status 3: it says no space"),
        (1, "", "check ended with status 1: it says nothing"),
        (0, "odd", "check ended without 'fine': it says odd"),
    ],
)
def test_commands(code, output, reason):
    assert judge_command({"command": ["check", "-x"], "body": "fine"}, code, output) == reason


@pytest.mark.parametrize(
    ("path", "valid"),
    [("a", True), ("a.b[0].c", True), ("[2].a", True), ("a[0][1]", True), ("", False), (".a", False), ("a.", False),
     ("a[x]", False), ("a..b", False), ("$.a", False), ("a b", False), ("a[*]", False), ("a\n", False)],
)  # fmt: skip
def test_paths(path, valid):
    assert is_path(path) is valid


def test_look_up_of_places():
    assert look_up([[1, 2], {"a": 3}], "[0][1]") == 2
    assert look_up([[1, 2], {"a": 3}], "[1].a") == 3


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        ([(True, 1), (True, 1)], (True, 100, "healthy")),
        ([(True, 3), (False, 1)], (False, 75, "degraded")),
        ([(True, 1), (False, 1)], (False, 50, "degraded")),
        ([(True, 1), (False, 2)], (False, 33, "unhealthy")),
        ([(False, 1)], (False, 0, "unhealthy")),
        ([(True, 1), (False, 0)], (False, 100, "degraded")),
        ([(True, 1), (None, 9)], (True, 100, "healthy")),
        ([(None, 1)], (False, 0, "unhealthy")),
        ([], (False, 0, "unhealthy")),
    ],
)
def test_score(probes, expected):
    results = [{"healthy": healthy, "weight": weight} for healthy, weight in probes]
    assert tuple(summarise(results).values()) == expected
