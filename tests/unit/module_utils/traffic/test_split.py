# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.traffic.split import (
    BY_CHANCE,
    Split,
    State,
    in_order,
    ranges,
    wanted,
)

RULE = {"by": "header", "name": "x-version", "value": "canary", "version": "canary"}
STATE = State(Split({"stable": 95, "canary": 5}, [], dict(BY_CHANCE), {}), {"stable": 2, "canary": 1})


def test_every_number_belongs_to_one_version():
    for weights in ({"b": 95, "a": 5}, {"a": 0, "b": 100}, {"a": 33, "b": 33, "c": 34}):
        numbers = [number for first, last, _ in ranges(weights) for number in range(first, last + 1)]
        assert numbers == list(range(100))
        assert {v: last - first + 1 for first, last, v in ranges(weights)} == {v: w for v, w in weights.items() if w}


def test_the_order_of_the_weights_makes_no_difference():
    assert ranges({"b": 95, "a": 5}) == ranges({"a": 5, "b": 95}) == [(0, 4, "a"), (5, 99, "b")]


def test_what_is_left_out_stays():
    assert wanted(STATE, {}) == STATE.split
    assert wanted(STATE, {"weights": {"canary": 100}}) == STATE.split._replace(weights={"stable": 0, "canary": 100})
    asked = wanted(STATE, {"match": [dict(RULE, name="X-Version")]})
    assert asked == STATE.split._replace(match=[RULE])
    assert wanted(STATE._replace(split=asked), {"match": []}) == STATE.split
    assert wanted(STATE, {"sticky": {"by": "header", "name": "X-User"}}).sticky == {"by": "header", "name": "x-user"}
    mirrored = wanted(STATE, {"mirror": {"version": "canary", "percent": None}})
    assert mirrored.mirror == {"version": "canary", "percent": 100}
    assert wanted(STATE._replace(split=mirrored), {"mirror": {"version": None, "percent": 100}}) == STATE.split


def test_headers_come_before_cookies_and_a_header_knows_no_case():
    rules = [dict(RULE, by="cookie", name="A"), dict(RULE, name="X-B"), dict(RULE, name="x-a")]
    assert [(rule["by"], rule["name"]) for rule in in_order(rules)] == [
        ("header", "x-a"),
        ("header", "x-b"),
        ("cookie", "A"),
    ]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"weights": {"stable": 90, "canary": 5}}, "canary 5, stable 90 add up to 95"),
        ({"weights": {"stable": 110, "canary": -10}}, "'canary' has -10"),
        ({"weights": {"stable": 99.5, "canary": 0.5}}, "'stable' has 99.5. Give whole percent"),
        ({"weights": {"stable": True, "canary": 99}}, "'stable' has True"),
        ({"weights": {}}, "add up to 0"),
        ({"weights": {"beta": 100}}, r"no version 'beta' \(there are: canary, stable\)"),
        ({"match": [dict(RULE, version="beta")]}, "match: there is no version 'beta'"),
        ({"match": [dict(RULE, value="two words")]}, "value is 'two words'"),
        ({"match": [dict(RULE, value="#")]}, "value is '#'"),
        ({"match": [dict(RULE, name="x y")]}, "'x y' is no name of a header"),
        ({"match": [RULE, dict(RULE, version="stable")]}, "goes to canary and to stable"),
        ({"sticky": {"by": "cookie", "name": None}}, "'' is no name of a cookie"),
        ({"sticky": {"by": "address", "name": "x"}}, "by is address, which has no name"),
        ({"mirror": {"version": "beta", "percent": 1}}, "mirror: there is no version 'beta'"),
        ({"mirror": {"version": "canary", "percent": 101}}, "percent is 101"),
    ],
)
def test_what_is_no_split_is_refused(wish, words):
    with pytest.raises(ScalingError, match=words):
        wanted(STATE, wish)


def test_nothing_is_led_to_where_nobody_answers():
    dead = STATE._replace(versions={"stable": 2, "canary": 0})
    for wish in ({"weights": {"stable": 94, "canary": 6}}, {"match": [RULE]}):
        with pytest.raises(ScalingError, match="No server of version canary takes requests"):
            wanted(dead, wish)
    # What is there already may go away bit by bit.
    assert wanted(dead, {"weights": {"stable": 97, "canary": 3}}).weights["canary"] == 3
    assert wanted(dead, {"weights": {"stable": 100}}).weights["canary"] == 0
