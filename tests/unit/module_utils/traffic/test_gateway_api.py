# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import re

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.traffic import gateway_api
from ansible_collections.horizontal.scaling.plugins.module_utils.traffic.split import BY_CHANCE, Split
from ansible_collections.horizontal.scaling.tests.unit.module_utils.kubernetes.recorded import documents

BACKENDS = {
    version: {"group": "", "kind": "Service", "name": f"claims-{version}", "port": 80}
    for version in ("stable", "canary")
}
HEADER = {"by": "header", "name": "x-version", "value": "canary", "version": "canary"}
COOKIE = {"by": "cookie", "name": "group-b", "value": "a+b.c", "version": "canary"}
# As the server has it once its defaults are in.
RULE = {
    "name": "claims",
    "matches": [{"path": {"type": "PathPrefix", "value": "/claims"}}, {"path": {"type": "Exact", "value": "/"}}],
    "filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": "claims.example"}}],
    "timeouts": {"request": "10s"},
}


def split(weights=None, match=(), mirror=None):
    return Split(weights or {"stable": 95, "canary": 5}, list(match), dict(BY_CHANCE), mirror or {})


def read(rules):
    return gateway_api.split_of(rules, BACKENDS, "HTTPRoute test/claims")


@pytest.mark.parametrize(
    "wanted",
    [
        split(),
        split({"stable": 0, "canary": 100}, [HEADER, COOKIE]),
        split(match=[dict(HEADER, value="a"), dict(HEADER, value="b", version="stable")]),
        split(match=[HEADER], mirror={"version": "canary", "percent": 100}),
        split(mirror={"version": "canary", "percent": 7}),
    ],
    ids=["weights", "header and cookie", "two values", "all copied", "some copied"],
)
def test_a_split_as_rules_and_back(wanted):
    rules = gateway_api.rules_of(RULE, wanted, BACKENDS)
    assert read(rules) == wanted
    assert gateway_api.plain(rules[-1]) == RULE
    assert gateway_api.rules_of(gateway_api.plain(rules[-1]), wanted, BACKENDS) == rules


def test_what_a_rule_asks_for_is_added_to_every_match_and_leads_to_one_version():
    first, last = gateway_api.rules_of(RULE, split(match=[HEADER]), BACKENDS)
    header = {"type": "Exact", "name": "x-version", "value": "canary"}
    assert first["matches"] == [{**each, "headers": [header]} for each in RULE["matches"]]
    assert first["backendRefs"] == [{**BACKENDS["canary"], "weight": 100}]
    assert (first["timeouts"], first["filters"]) == (RULE["timeouts"], RULE["filters"])
    assert "name" not in first and last["name"] == "claims"
    assert [each["weight"] for each in last["backendRefs"]] == [5, 95]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("group-b=a+b.c", True),
        ("user=x; group-b=a+b.c", True),
        ("group-b=a+b.c; user=x", True),
        ("user=x;group-b=a+b.c;z=1", True),
        ("group-b=a+b.c2", False),
        ("group-b=a+bbc", False),
        ("xgroup-b=a+b.c", False),
        ("user=group-b=a+b.c", False),
    ],
)
def test_a_cookie_is_a_whole_one(header, found):
    pattern = gateway_api.rules_of(RULE, split(match=[COOKIE]), BACKENDS)[0]["matches"][0]["headers"][0]["value"]
    # Gateways look for it anywhere, or compare the whole.
    assert bool(re.search(pattern, header)) == bool(re.fullmatch(pattern, header)) == found


def test_weights_that_others_wrote_become_percent():
    def of(**weights):
        references = [{**BACKENDS[version], "weight": weight} for version, weight in weights.items()]
        return read([{**RULE, "backendRefs": references}]).weights

    assert of(stable=1) == {"stable": 100, "canary": 0}
    assert of(stable=1, canary=1) == {"stable": 50, "canary": 50}
    assert of(stable=2, canary=1) == {"stable": 67, "canary": 33}
    assert of(stable=0) == {"stable": 0, "canary": 0}
    assert read([RULE]).weights == {"stable": 0, "canary": 0}


def changed(**values):
    first, last = copy.deepcopy(gateway_api.rules_of(RULE, split(match=[HEADER]), BACKENDS))
    return [{**first, **values}, last]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([{"matches": [{}], "backendRefs": [{"name": "other", "port": 80}]}], "Service other, which is not among"),
        (
            [{**RULE, "backendRefs": [{**BACKENDS["stable"], "namespace": "elsewhere", "weight": 1}]}],
            "claims-stable, which is not among backends",
        ),
        ([{**RULE, "backendRefs": [{**BACKENDS["stable"], "filters": [{}]}]}], "has filters of its own"),
        ([{**RULE, "sessionPersistence": {}}], "clients stay whatever"),
        ([{**RULE, "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "x"}}}]}], "copies"),
        (changed(timeouts={"request": "20s"}), "rule 1 is neither"),
        (changed(filters=[]), "rule 1 is neither"),
        (changed(matches=[{"path": {"type": "PathPrefix", "value": "/admin"}}]), "rule 1 is neither"),
        (changed(backendRefs=gateway_api.rules_of(RULE, split(), BACKENDS)[0]["backendRefs"]), "rule 1 is neither"),
    ],
)
def test_rules_that_are_no_split_are_refused(rules, words):
    with pytest.raises(ScalingError, match=words):
        read(rules)


def test_the_port_is_the_only_one_or_the_one_that_is_named():
    service = {"metadata": {"name": "claims-stable"}, "spec": {"ports": [{"port": 80}]}}
    both = {"metadata": {"name": "claims-stable"}, "spec": {"ports": [{"port": 80}, {"port": 81}]}}
    assert gateway_api.backend(service, None) == BACKENDS["stable"]
    assert gateway_api.backend(both, 81)["port"] == 81
    for found, port in ((both, None), (service, 81)):
        with pytest.raises(ScalingError, match="Service claims-stable has the ports 80.*Say by port"):
            gateway_api.backend(found, port)


def recorded(name):
    (found,) = [each for each in documents("split") if (each["kind"], each["metadata"]["name"]) == ("HTTPRoute", name)]
    return found


def test_a_route_is_accepted_when_the_controller_has_seen_this_state_of_it():
    route = recorded("claims")
    assert gateway_api.accepted(route).done
    route["metadata"]["generation"] += 1
    answer = gateway_api.accepted(route)
    assert (answer.done, answer.refused) == (False, False)
    assert "projectcontour.io/gateway-controller at Gateway lab has not looked at the change" in answer.reason
    del route["status"]["parents"][0]["conditions"][0]["observedGeneration"]
    assert not gateway_api.accepted(route).done


def test_a_controller_that_refuses_is_quoted_and_none_is_waited_for():
    refused = gateway_api.accepted(recorded("refused"))
    assert refused.refused and "says Accepted is False (NoMatchingParent" in refused.reason
    answer = gateway_api.accepted(recorded("unattended"))
    assert not answer.refused and "no controller has said anything about the route at Gateway no-such" in answer.reason
    lost = recorded("claims")
    del lost["spec"]["parentRefs"]
    assert gateway_api.accepted(lost).refused


def test_part_of_a_route_is_not_enough():
    route = recorded("claims")
    route["status"]["parents"][0]["conditions"].append(
        {"type": "PartiallyInvalid", "status": "True", "observedGeneration": route["metadata"]["generation"]}
    )
    assert gateway_api.accepted(route).refused
    route = recorded("claims")
    route["spec"]["parentRefs"].append({"name": "other"})
    assert "at Gateway other" in gateway_api.accepted(route).reason


def test_what_the_server_gives_back_is_what_was_written():
    route = recorded("claims")
    rules = route["spec"]["rules"]
    found = read(rules)
    assert found == split({"stable": 90, "canary": 10}, [HEADER, COOKIE], {"version": "canary", "percent": 7})
    assert gateway_api.rules_of(gateway_api.plain(rules[-1]), found, BACKENDS) == rules
