# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.traffic import described

RULE = {"by": "header", "name": "X-Version", "value": "canary", "version": "canary"}
SERVICE = {
    "name": "claims",
    "servers": [{"name": "app1", "version": "stable"}, {"name": "app2", "version": "canary"}],
    "split": {"weights": {"stable": 100}, "match": [RULE], "sticky": {"by": "header", "name": "X-User"}},
}


def with_split(**values):
    return dict(SERVICE, split={**SERVICE["split"], **values})


def test_a_split_as_the_data_have_it():
    assert described.versions_of(SERVICE) == ["canary", "stable"]
    split = described.split_of(SERVICE)
    assert split.weights == {"canary": 0, "stable": 100}
    assert split.match == [dict(RULE, name="x-version")]
    assert split.sticky == {"by": "header", "name": "x-user"}
    assert described.configured(split) == "canary 0, stable 100, header x-user, header x-version canary canary"
    assert described.refusals(SERVICE, ["claims", "members"], "haproxy") == []


def test_versions_may_be_numbers():
    service = {
        "name": "claims",
        "servers": [{"name": "app1", "version": 1}, {"name": "app2", "version": 2}],
        "split": {"weights": {1: 90, 2: 10}},
    }
    assert described.refusals(service, [], "nginx") == []
    assert described.split_of(service).weights == {"1": 90, "2": 10}


def test_a_service_without_a_split():
    plain = {"name": "claims", "servers": [{"name": "app1"}], "split": {}}
    assert described.versions_of(plain) == described.refusals(plain, [], "nginx") == []
    assert described.refusals(dict(SERVICE, split={}), [], "nginx") == [
        "servers have a version, accepted without split is none"
    ]


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (with_split(weights={"stable": 90}), "split.weights add up to 90, accepted is 100"),
        (
            with_split(weights={"stable": 99.5, "canary": 0.5}),
            "split.weights has 99.5, 0.5, accepted are whole percent",
        ),
        (with_split(weights={"stable": 50, "beta": 50}), "split.weights has beta, which is no server's version"),
        (with_split(match=[dict(RULE, version="beta")]), "split.match names beta, which is no server's version"),
        (with_split(match=[RULE, dict(RULE, name="x-version")]), "the value 'canary' of header x-version twice"),
        (with_split(match=[dict(RULE, value="a|b")]), "split.match has the value 'a|b'"),
        (with_split(match=[dict(RULE, name="X Y")]), "split names the header 'X Y'"),
        (with_split(sticky={"by": "cookie"}), "split names the cookie ''"),
        (with_split(sticky={"by": "address", "name": "x"}), "split.sticky has a name, accepted with address is none"),
        (with_split(sticky={"by": "cookie", "name": "a-b"}), "NGINX can read none with -"),
        (dict(with_split(sticky={}), sticky_cookie="SERVER"), "give split.sticky as well"),
        (dict(SERVICE, mode="tcp"), "accepted with mode tcp is none"),
        (dict(SERVICE, name="a"), "there is a service a.b"),
        (dict(SERVICE, servers=[*SERVICE["servers"], {"name": "app3"}]), "a server has the version ''"),
        (dict(SERVICE, servers=[*SERVICE["servers"], {"name": "app3", "version": "Stable"}]), "more than capitals"),
    ],
)
def test_what_is_no_split_is_refused(service, words):
    (found,) = described.refusals(service, ["a.b", "claims"], "nginx")
    assert words in found


def test_a_cookie_with_a_dash_is_only_nginx_concern():
    assert described.refusals(with_split(sticky={"by": "cookie", "name": "a-b"}), [], "haproxy") == []
