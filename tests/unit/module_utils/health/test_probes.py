# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.health.probes import prepare
from ansible_collections.horizontal.scaling.plugins.modules.health_check import PROBE, plain_headers


def probe(**options):
    return dict({name: option.get("default") for name, option in PROBE.items()}, **options)


def prepared(**options):
    return prepare([probe(**options)])[0]


def test_an_address_is_taken_apart():
    made = prepared(url="https://claims.example.com/health?deep=1#part")
    assert made["target"] == {"tls": True, "host": "claims.example.com", "port": 443, "path": "/health?deep=1"}
    assert made["headers"] == {"Host": "claims.example.com"}
    assert made["name"] == "https://claims.example.com/health?deep=1#part"
    assert prepared(url="http://[::1]:8080")["target"] == {"tls": False, "host": "::1", "port": 8080, "path": "/"}


def test_a_password_in_an_address_is_sent_and_never_shown():
    options = probe(url="http://ops:p%40ss@app1:8080/health")
    (made,) = prepare([options])
    assert made["headers"]["Authorization"] == "Basic b3BzOnBAc3M="
    assert made["headers"]["Host"] == "app1:8080"
    for shown in (made["url"], made["name"], options["url"]):
        assert shown == "http://********@app1:8080/health"


def test_names_of_the_other_types():
    assert prepared(type="tcp", host="db1", port=5432)["name"] == "db1:5432"
    assert prepared(type="command", command=["true", "x"])["name"] == "true"
    assert prepared(type="command", command=["true"], name="disk")["name"] == "disk"


def test_only_secret_headers_are_masked():
    headers = {"Accept": "application/json", "X-Level": 1, "Authorization": "Bearer x", "X-Api-Key": "k", "Cookie": "c"}
    assert plain_headers({"probes": [{"headers": headers}, {"headers": None}]}) == {"application/json", "1"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"probes\[0\] has an url that is no address; give one such as"),
        ({"url": "app1:8080"}, "has an url that is no address"),
        ({"url": "ftp://app1/"}, "has an url that is no address"),
        ({"url": "http:///health"}, "has an url that is no address"),
        ({"url": "http://app1:99999/"}, "has an url that is no address"),
        ({"url": "http://app1/a b"}, "has an url that is no address"),
        ({"url": "http://app1/", "status": []}, r"has the status \[\]; give HTTP status codes from 100 to 599"),
        ({"url": "http://app1/", "status": [2000]}, r"has the status \[2000\]; give HTTP status codes"),
        ({"url": "http://app1/", "method": "GET /"}, "has the method 'GET /'; give an HTTP method"),
        ({"url": "http://app1/", "json_path": "$.a"}, r"has the json_path '\$.a'; give names joined by dots"),
        ({"url": "http://app1/", "headers": {"A": "b\r\nC: d"}}, "has the header 'A' with a line break"),
        (
            {"url": "http://app1/", "tls_expiry_days": 3},
            "has tls_expiry_days 3; give days from 0, with an https address",
        ),
        ({"url": "https://app1/", "tls_expiry_days": -1}, "has tls_expiry_days -1; give days from 0"),
        ({"url": "https://app1/", "tls_expiry_days": 1, "validate_certs": False}, "with an https address and validate"),
        ({"url": "http://app1/", "weight": -1}, "has the weight -1; give a whole number from 0"),
        ({"url": "http://app1/", "weight": 0}, "weight is 0 in every probe; give at least one probe a weight from 1"),
        ({"type": "tcp", "port": 1}, "has no host; give a name or an address"),
        ({"type": "tcp", "host": "db1"}, "has the port None; give a number from 1 to 65535"),
        ({"type": "tcp", "host": "db1", "port": 70000}, "has the port 70000; give a number from 1 to 65535"),
        ({"type": "command"}, "has no command; give a program and its arguments as a list"),
        ({"type": "command", "command": []}, "has no command; give a program"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(options, message):
    with pytest.raises(ScalingError, match=message):
        prepared(**options)


def test_the_number_of_probes_is_bounded():
    with pytest.raises(ScalingError, match="probes is an empty list; give at least one"):
        prepare([])
    with pytest.raises(ScalingError, match="probes has 1001 entries; give at most 1000"):
        prepare([probe(url="http://app1/")] * 1001)


def test_a_refusal_does_not_show_a_password():
    with pytest.raises(ScalingError) as error:
        prepared(url="http://ops:hidden@app1:port/")
    assert "hidden" not in str(error.value)
