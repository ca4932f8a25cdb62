# SPDX-License-Identifier: GPL-3.0-or-later
"""traffic_split against a real cluster: a Service's selector and kube-proxy, an HTTPRoute with Contour and Envoy."""

from __future__ import annotations

import collections
import contextlib
import functools
import http.client
import json
import re
import threading
import typing as t
import uuid

import pytest

from ..splits import assert_share
from .conftest import apply, deployment, get, kubectl, run_module, until

LABEL = "app.kubernetes.io/version"
VERSIONS = {"1.0.0": "stable", "2.0.0": "canary"}
BACKENDS = {name: f"claims-{name}" for name in VERSIONS.values()}
GATEWAY = {"name": "lab", "namespace": "gateway"}


@pytest.fixture(scope="module")
def space() -> t.Iterator[str]:
    """A namespace with two versions, a Service that chooses between them, and one for each of them."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    applied = apply(name, *(workload(version) for version in VERSIONS), *services())
    assert "failed" not in applied, applied["msg"]
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def workload(version: str, replicas: int = 1) -> dict[str, t.Any]:
    found = deployment(f"claims-{VERSIONS[version]}", f"localhost/claims-service:{version}", replicas)
    found["spec"]["template"]["metadata"]["labels"] = labels = {"app": "claims", LABEL: version}
    found["spec"]["selector"]["matchLabels"] = labels
    return found


def services() -> list[dict[str, t.Any]]:
    ports = [{"port": 80, "targetPort": 8080}]
    chooses = {"type": "NodePort", "selector": {"app": "claims", LABEL: "1.0.0"}, "ports": ports}
    each = {
        f"claims-{name}": {"selector": {"app": "claims", LABEL: version}, "ports": ports}
        for version, name in VERSIONS.items()
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        for name, spec in {"claims": chooses, **each}.items()
    ]


def split(space: str, router: str = "kubernetes", check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    more = {"backends": BACKENDS} if router == "gateway_api" else {}
    given = {"router": router, "namespace": space, "service": "claims", "wait_timeout": 60, **more, **options}
    return run_module("traffic_split", {name: value for name, value in given.items() if value is not None}, check)


@functools.lru_cache
def node() -> str:
    addresses = json.loads(kubectl("get", "nodes", "--output=json"))["items"][0]["status"]["addresses"]
    return next(each["address"] for each in addresses if each["type"] == "InternalIP")


def answers(port: int, number: int, headers: dict[str, str] | None = None) -> collections.Counter[str]:
    """Versions that answered on the node's own address; each request on a connection of its own."""
    address = node()
    found: collections.Counter[str] = collections.Counter()
    for _ in range(number):
        with contextlib.closing(http.client.HTTPConnection(address, port, timeout=10)) as connection:
            try:
                connection.request("GET", "/version", headers=headers or {})
                answer = connection.getresponse()
            except OSError as error:
                found[type(error).__name__] += 1
                continue
            answer.read()
            found[str(answer.headers["X-Service-Version"] if answer.status == 200 else answer.status)] += 1
    return found


@contextlib.contextmanager
def load(port: int, headers: dict[str, str] | None = None) -> t.Iterator[collections.Counter[str]]:
    """Requests, one after the other, as long as it lasts; who answered them is known when it is over."""
    found: collections.Counter[str] = collections.Counter()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            found.update(answers(port, 1, headers))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(20)


# A Service


def test_a_selector_leads_all_requests_to_the_other_version_and_back(space):
    port = get("service", "claims", space)["spec"]["ports"][0]["nodePort"]
    now = split(space)
    assert not now["changed"]
    assert (now["split"]["weights"], now["versions"]) == ({"1.0.0": 100, "2.0.0": 0}, {"1.0.0": 1, "2.0.0": 1})
    # Endpoints are told at once, and the node's rules follow.
    until(lambda: answers(port, 5) == {"1.0.0": 5})
    for version, other in (("2.0.0", "1.0.0"), ("1.0.0", "2.0.0")):
        predicted = split(space, check=True, weights={version: 100})
        assert answers(port, 5) == {other: 5}
        done = split(space, weights={version: 100})
        assert done["diff"] == predicted["diff"]
        assert done["split"]["weights"] == {version: 100, other: 0}
        until(lambda version=version: answers(port, 5) == {version: 5})
        assert not split(space, weights={version: 100})["changed"]


def test_a_change_of_the_selector_fails_no_request(space):
    port = get("service", "claims", space)["spec"]["ports"][0]["nodePort"]
    until(lambda: answers(port, 5) == {"1.0.0": 5})
    with load(port) as found:
        for version in ["2.0.0", "1.0.0"] * 4:
            assert split(space, weights={version: 100})["changed"]
            until(lambda version=version: answers(port, 3) == {version: 3})
    assert found.keys() == VERSIONS.keys(), found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": {"1.0.0": 50, "2.0.0": 50}}, "a Service leads all requests to one version. Use the router"),
        ({"weights": {"1.0.0": 60}}, "add up to 60"),
        ({"weights": {"3.0.0": 100}}, "there is no version '3.0.0' (there are: 1.0.0, 2.0.0)"),
        ({"match": [{"by": "header", "name": "x", "value": "y", "version": "2.0.0"}]}, "does not look into requests"),
        ({"mirror": {"version": "2.0.0"}}, "does not copy requests"),
        ({"sticky": {"by": "address"}}, "binds clients to pods"),
        ({"service": "no-such"}, "is not there. Apply it first"),
        ({"service": "claims-stable", "version_label": "no-such"}, "does not choose a version"),
    ],
)
def test_what_a_service_cannot_do_is_refused(space, options, words):
    before = get("service", "claims", space)
    failed = split(space, **options)
    assert words in failed["msg"]
    assert get("service", "claims", space) == before


def test_a_version_without_a_ready_pod_gets_nothing(space):
    kubectl("--namespace", space, "scale", "deployment/claims-canary", "--replicas=0")
    try:
        until(lambda: split(space)["versions"].get("2.0.0", 0) == 0)
        assert re.search("no version '2.0.0'|No server of version 2.0.0", split(space, weights={"2.0.0": 100})["msg"])
    finally:
        assert "failed" not in apply(space, workload("2.0.0"))


def test_a_selector_that_endpoints_do_not_follow_is_put_back(space):
    stable = json.loads(kubectl("--namespace", space, "get", "pods", f"--selector={LABEL}=1.0.0", "--output=json"))
    pod = stable["items"][0]
    kept = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "claims-kept", "labels": {"kubernetes.io/service-name": "claims"}},
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [pod["status"]["podIP"]],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": space},
            }
        ],
        "ports": [{"port": 8080, "protocol": "TCP"}],
    }
    assert "failed" not in apply(space, kept)
    try:
        failed = split(space, weights={"2.0.0": 100}, wait_timeout=2)
        assert f"still have pods of another version ({pod['metadata']['name']}), after 2 s" in failed["msg"]
        assert "has been put back" in failed["msg"]
        assert get("service", "claims", space)["spec"]["selector"][LABEL] == "1.0.0"
    finally:
        kubectl("--namespace", space, "delete", "endpointslice", "claims-kept")


def test_the_rights_that_are_documented_are_enough_and_needed(space):
    kubectl("--namespace", space, "create", "serviceaccount", "splitter")
    role(space, "get")
    kubectl(
        *("--namespace", space, "create", "rolebinding", "splitter"),
        *("--role=splitter", f"--serviceaccount={space}:splitter"),
    )
    config = json.loads(kubectl("config", "view", "--raw", "--flatten", "--output=json"))["clusters"][0]["cluster"]
    token = kubectl("--namespace", space, "create", "token", "splitter").strip()
    reached = {"host": config["server"], "token": token}
    with certificate(config) as path:
        assert split(space, ca_path=path, **reached)["split"]["weights"]["1.0.0"] == 100
        failed = split(space, check=True, ca_path=path, **reached, weights={"2.0.0": 100})
        assert "No permission" in failed["msg"] and "patch" in failed["msg"]
        assert token not in str(failed)
        role(space, "get", "patch")
        assert split(space, check=True, ca_path=path, **reached, weights={"2.0.0": 100})["changed"]


def role(space: str, *verbs: str) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["services"], "verbs": list(verbs)},
        {"apiGroups": ["", "discovery.k8s.io"], "resources": ["pods", "endpointslices"], "verbs": ["list"]},
    ]
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
    apply(space, {**kind, "metadata": {"name": "splitter"}, "rules": rules})


@contextlib.contextmanager
def certificate(cluster: dict[str, str]) -> t.Iterator[str]:
    import base64
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(base64.b64decode(cluster["certificate-authority-data"]))
        file.flush()
        yield file.name


# An HTTPRoute


@pytest.fixture
def route(space: str) -> t.Iterator[str]:
    """A route without rules, and its host name."""
    if not kubectl("get", "customresourcedefinitions", "--output=name").count("httproutes.gateway"):
        pytest.skip("needs the Gateway API")
    host = f"{uuid.uuid4().hex[:8]}.example"
    put(space, host, GATEWAY)
    yield host
    kubectl("--namespace", space, "delete", "httproute", "claims")


def put(space: str, host: str, parent: dict[str, str]) -> None:
    spec = {"parentRefs": [parent], "hostnames": [host]}
    document = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": spec}
    applied = apply(space, {**document, "metadata": {"name": "claims"}})
    assert "failed" not in applied, applied["msg"]


@pytest.fixture
def served(route: str) -> str:
    """The same behind the lab's gateway."""
    if not kubectl("get", "namespaces", "--output=name").count("namespace/gateway"):
        pytest.skip("needs the lab's gateway")
    kubectl("--namespace=gateway", "rollout", "status", "--timeout=120s", "deployment/gateway")
    return route


def test_weights_rules_and_copies_reach_the_proxy(space, served):
    host = {"Host": served}
    predicted = split(space, "gateway_api", check=True, weights={"stable": 80, "canary": 20})
    assert predicted["previous"]["weights"] == {"stable": 0, "canary": 0}
    done = split(space, "gateway_api", weights={"stable": 80, "canary": 20})
    assert done["diff"] == predicted["diff"]
    assert not split(space, "gateway_api", weights={"stable": 80, "canary": 20})["changed"]
    until(lambda: answers(8080, 1, host).keys() <= VERSIONS.keys())
    found = answers(8080, 400, host)
    assert found.keys() == VERSIONS.keys()
    assert_share(found["2.0.0"], 400, 20)
    # Whatever its weight, who asks for it gets it.
    rules = [
        {"by": "header", "name": "X-Version", "value": "new", "version": "canary"},
        {"by": "cookie", "name": "group", "value": "b.1", "version": "canary"},
    ]
    done = split(space, "gateway_api", weights={"stable": 100}, match=rules)
    assert done["split"]["match"] == [dict(rules[0], name="x-version"), rules[1]]
    until(lambda: answers(8080, 20, host) == {"1.0.0": 20})
    for headers in ({"X-VERSION": "new"}, {"Cookie": "group=b.1"}, {"Cookie": "a=1; group=b.1; c=2"}):
        assert answers(8080, 10, {**host, **headers}) == {"2.0.0": 10}
    for headers in (
        {"X-Version": "newer"},
        {"Cookie": "group=b.12"},
        {"Cookie": "mygroup=b.1"},
        {"Cookie": "group=bx1"},
    ):
        assert answers(8080, 10, {**host, **headers}) == {"1.0.0": 10}
    assert split(space, "gateway_api")["split"] == done["split"]
    # Copies come to a version that answers nobody.
    before = seen(space)
    split(space, "gateway_api", match=[], mirror={"version": "canary"})
    until(lambda: answers(8080, 1, host) and seen(space) > before)
    before = seen(space)
    assert answers(8080, 30, host) == {"1.0.0": 30}
    until(lambda: seen(space) == before + 30)
    assert split(space, "gateway_api", mirror={})["split"]["mirror"] == {}


def test_a_change_of_weights_fails_no_request(space, served):
    host = {"Host": served}
    assert split(space, "gateway_api", weights={"stable": 100})["changed"]
    until(lambda: answers(8080, 5, host) == {"1.0.0": 5})
    with load(8080, host) as found:
        for share in (5, 50, 100, 0) * 3:
            assert split(space, "gateway_api", weights={"canary": share, "stable": 100 - share})["changed"]
        until(lambda: answers(8080, 20, host) == {"1.0.0": 20})
    assert found.keys() == VERSIONS.keys(), found


def test_what_a_rule_has_besides_is_kept_and_holds_for_who_asks_for_a_version_too(space, served):
    paths = [{"path": {"type": "Exact", "value": "/version"}}, {"path": {"type": "PathPrefix", "value": "/claims"}}]
    named = {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {"set": [{"name": "X-Route", "value": "claims"}]},
    }
    rule = {"matches": paths, "filters": [named], "timeouts": {"request": "9s"}}
    steps = [{"op": "replace", "path": "/spec/rules", "value": [rule]}]
    kubectl("--namespace", space, "patch", "httproute", "claims", "--type=json", f"--patch={json.dumps(steps)}")
    match = [{"by": "header", "name": "x-version", "value": "new", "version": "canary"}]
    done = split(space, "gateway_api", weights={"stable": 100}, match=match, mirror={"version": "canary"})
    assert done["changed"], done
    assert not split(space, "gateway_api", weights={"stable": 100}, match=match, mirror={"version": "canary"})[
        "changed"
    ]
    until(lambda: answers(8080, 5, {"Host": served}) == {"1.0.0": 5})
    assert answers(8080, 5, {"Host": served, "X-Version": "new"}) == {"2.0.0": 5}
    split(space, "gateway_api", match=[], mirror={})
    (last,) = get("httproute", "claims", space)["spec"]["rules"]
    assert {name: last[name] for name in rule} == rule


def seen(space: str) -> int:
    """How many requests for its version the canary has answered."""
    pods = json.loads(kubectl("--namespace", space, "get", "pods", f"--selector={LABEL}=2.0.0", "--output=json"))
    name = pods["items"][0]["metadata"]["name"]
    metrics = kubectl("get", "--raw", f"/api/v1/namespaces/{space}/pods/{name}:8080/proxy/metrics")
    found = re.search(r'^claims_requests_total\{[^}]*route="/version"[^}]*\} ([0-9.e+]+)$', metrics, re.MULTILINE)
    return int(float(found[1])) if found else 0


def test_what_the_controller_refuses_is_put_back(space, served):
    assert "failed" not in split(space, "gateway_api", weights={"stable": 100})
    put(space, served, {**GATEWAY, "sectionName": "no-such"})
    before = get("httproute", "claims", space)["spec"]
    failed = split(space, "gateway_api", weights={"stable": 50, "canary": 50})
    assert "says Accepted is False" in failed["msg"] and "has been put back" in failed["msg"]
    assert get("httproute", "claims", space)["spec"] == before
    put(space, served, GATEWAY)
    assert split(space, "gateway_api", weights={"stable": 50, "canary": 50})["changed"]


def test_a_gateway_that_nobody_looks_after_is_named(space, route):
    put(space, route, {"name": "no-such"})
    before = get("httproute", "claims", space)["spec"]
    failed = split(space, "gateway_api", weights={"stable": 100}, wait_timeout=1)
    assert "no controller has said anything about the route at Gateway no-such, after 1 s" in failed["msg"]
    assert get("httproute", "claims", space)["spec"] == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sticky": {"by": "cookie", "name": "user"}}, "session persistence only as an experiment"),
        ({"backends": {"stable": "claims-stable", "canary": "no-such"}}, "of version canary is not there"),
        ({"backends": {"stable": "claims-stable", "canary": "claims-stable"}}, "is the Service of two versions"),
        ({"port": 81, "weights": {"stable": 100}}, "has the ports 80, not 81"),
        (
            {"match": [{"by": "header", "name": "x", "value": str(n), "version": "canary"} for n in range(16)]},
            "must have at most 16 items",
        ),
        ({"namespace": None}, "router is gateway_api but all of the following are missing: namespace"),
    ],
)
@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_what_a_route_cannot_do_is_refused(space, route, options, words, check):
    before = get("httproute", "claims", space)["spec"]
    assert words in split(space, "gateway_api", check, **options)["msg"]
    assert get("httproute", "claims", space)["spec"] == before


OTHERS = {
    "gateway_api": ("httproute", "/spec/rules/0/timeouts", {"request": "9s"}, {"stable": 100}),
    "kubernetes": ("service", "/spec/selector/tier", "other", {"2.0.0": 100}),
}


@pytest.mark.parametrize("router", OTHERS)
@pytest.mark.usefixtures("route")
def test_two_operators_do_not_overwrite_each_other(space, monkeypatch, router):
    """Another one writes between what this one reads and what it writes."""
    from ansible_collections.horizontal.scaling.plugins.module_utils.traffic import in_cluster

    kind, path, value, weights = OTHERS[router]
    refuse = in_cluster.InCluster.refuse

    def late(self, state, wanted):
        refuse(self, state, wanted)
        patch = json.dumps([{"op": "add", "path": path, "value": value}])
        kubectl("--namespace", space, "patch", kind, "claims", "--type=json", f"--patch={patch}")

    monkeypatch.setattr(in_cluster.InCluster, "refuse", late)
    try:
        failed = split(space, router, weights=weights)
        assert "has been changed by somebody else meanwhile. Run this again" in failed["msg"]
        assert str(value) in str(get(kind, "claims", space)["spec"])
    finally:
        kubectl("--namespace", space, "delete", "service", "claims")
        apply(space, *services())
