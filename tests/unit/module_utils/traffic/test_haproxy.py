# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.maps import parse_list
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.service import Balancer
from ansible_collections.horizontal.scaling.plugins.module_utils.traffic import haproxy
from ansible_collections.horizontal.scaling.tests.unit.module_utils.haproxy.recorded import FIXTURES, Client

FILES = parse_list((FIXTURES / "maps_2.6.txt").read_text())
HEADER, COOKIE, WEIGHTS = (
    f"/etc/haproxy/splits/claims/{name}.map"
    for name in (
        "match.header.x-version",
        "match.cookie.version",
        "weights.cookie.user",
    )
)
ENTRIES = {HEADER: [("canary", "canary")], COOKIE: [], WEIGHTS: [("0:4", "canary"), ("5:99", "stable")]}
SERVICE = {
    "name": "claims",
    "servers": [{"name": "app1", "version": "stable"}, {"name": "app2", "version": "canary"}],
    "split": {
        "weights": {"stable": 95, "canary": 5},
        "match": [{"by": "header", "name": "X-Version", "value": "canary", "version": "canary"}],
    },
}


def test_the_names_of_the_maps_say_what_is_looked_at():
    found = haproxy.places(FILES, "claims")
    assert [(place.use, place.by, place.name, place.root) for place in found] == [
        ("match", "header", "x-version", "/etc/haproxy"),
        ("match", "cookie", "version", "/etc/haproxy"),
        ("weights", "cookie", "user", "/etc/haproxy"),
    ]
    assert haproxy.places(FILES, "claim") == []
    (by_chance,) = haproxy.places(["/x/splits/a.b/weights.chance.map"], "a.b")
    assert (by_chance.by, by_chance.name) == ("chance", "")


def test_versions_are_backends_and_count_servers_that_take_requests():
    stat = (FIXTURES / "stat_split_2.6.txt").read_text()
    snapshot = Balancer(Client(**{"show stat": stat})).read()
    assert haproxy.versions_of(snapshot, "claims") == {"canary": 0, "stable": 2}
    assert haproxy.versions_of(snapshot, "other") == {}


def test_the_split_that_maps_mean_and_back():
    places = haproxy.places(FILES, "claims")
    split = haproxy.split_of(places, ENTRIES, ["canary", "stable", "beta"])
    assert split.weights == {"canary": 5, "stable": 95, "beta": 0}
    assert split.match == [{"by": "header", "name": "x-version", "value": "canary", "version": "canary"}]
    assert split.sticky == {"by": "cookie", "name": "user"}
    assert {place.file: haproxy.entries_of(place, split) for place in places} == ENTRIES


def test_the_first_entry_that_has_a_number_counts():
    found = haproxy.numbers([("7", "a"), ("0:9", "b"), ("5:200", "c")])
    assert (found[7], found[6], found[9], found[10], found[99], len(found)) == ("a", "b", "b", "c", "c", 100)


def test_maps_of_a_service_and_what_was_set_at_run_time():
    rules, weights = haproxy.described_maps(SERVICE, {})
    assert (rules["path"], weights["path"]) == ("claims/match.header.x-version.map", "claims/weights.chance.map")
    assert (rules["lines"][1:], weights["lines"][1:]) == (["canary canary"], ["0:4 canary", "5:99 stable"])
    there = {weights["path"]: "\n".join(["# managed", weights["lines"][0], "0:49 canary", "50:99 stable"])}
    assert haproxy.described_maps(SERVICE, there)[1]["lines"][1:] == ["0:49 canary", "50:99 stable"]
    changed = dict(SERVICE, split={"weights": {"stable": 90, "canary": 10}})
    assert haproxy.described_maps(changed, there)[0]["lines"][1:] == ["0:9 canary", "10:99 stable"]
    # Another service's file of the same words does not count.
    assert haproxy.described_maps(SERVICE, {"x" + path: text for path, text in there.items()})[1] == weights
