# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Gateway API as a router: an HTTPRoute whose rules share requests out between the Services of the versions.

The last rule has the weights. What else it has (paths, filters, timeouts) is its owner's. For each rule by header or
cookie a copy of it stands before it, that asks for the header as well and leads to one version: of matches with the
same path, the one with more headers wins, then the rule that comes first.

https://gateway-api.sigs.k8s.io/reference/spec/#httproutespec
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import endpoints
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.service import in_parallel

from .in_cluster import Answer, InCluster, refuse_stickiness
from .split import BY_CHANCE, WHOLE, Document, Split, State, in_order

# What a rule without matches means.
_EVERYTHING = [{"path": {"type": "PathPrefix", "value": "/"}}]
# A whole header, since some gateways look for an expression anywhere in it, and others compare the whole.
_BEFORE, _AFTER = r"^(.*; *)?", r"(;.*)?$"
_COOKIE = re.compile(re.escape(_BEFORE) + r"(?P<name>[A-Za-z0-9_-]+)=(?P<value>.+)" + re.escape(_AFTER))


class GatewayApi(InCluster):
    """One HTTPRoute."""

    field = ("spec", "rules")

    def __init__(self, parameters: Document) -> None:
        super().__init__(parameters, "gateway.networking.k8s.io/v1", "HTTPRoute")
        self._names = {str(version): str(name) for version, name in parameters["backends"].items()}
        self._port = parameters["port"]
        self._backends: dict[str, Document] = {}
        twice = sorted({name for name in self._names.values() if [*self._names.values()].count(name) > 1})
        if twice or not self._names:
            raise ScalingError(
                f"backends: {f'{twice[0]} is the Service of two versions' if twice else 'there is no version'}.",
                "Name a Service for each version.",
            )

    def read(self) -> State:
        """The rules, what the gateway's controller says about them, and who takes requests."""
        self._look()
        if not self._value():
            raise ScalingError(f"{self.key} has no rules.", "Leave rules out where it is applied: then it gets one.")
        keys = {version: Identity("v1", "Service", self.key.namespace, name) for version, name in self._names.items()}
        services = dict(zip(keys, in_parallel(self._cluster.read, keys.values())))
        slices = self._slices(self._names.values())
        for version, key in keys.items():
            found = services[version]
            if found is None:
                raise ScalingError(f"backends: {key} of version {version} is not there.", "Correct it, or apply it.")
            self._backends[version] = backend(found, self._port)
        split = self.meant(self._found)
        written = self.value(split) == self._value()
        versions = {version: len(endpoints.ready(slices, name)) for version, name in self._names.items()}
        return State(split, versions, settled=written and accepted(self._found).done)

    def refuse(self, state: State, split: Split) -> None:
        """Raises ScalingError for what an HTTPRoute cannot do."""
        refuse_stickiness(
            split,
            "the Gateway API has session persistence only as an experiment, and it binds clients to pods",
            "Leave sticky out, or use a load balancer before the cluster.",
        )
        super().refuse(state, split)

    def value(self, split: Split) -> list[Document]:
        return rules_of(plain(self._value()[-1]), split, self._backends)

    def meant(self, document: Document) -> Split:
        return split_of(document["spec"]["rules"], self._backends, str(self.key))

    def answer(self) -> Answer:
        self._look()
        return accepted(self._found)


def backend(service: Document, port: int | None) -> Document:
    """How a route refers to a Service.

    Raises:
        ScalingError: the Service has other ports.
    """
    name, ports = service["metadata"]["name"], [each["port"] for each in service["spec"].get("ports") or []]
    if port not in (None, *ports) or (port is None and len(ports) != 1):
        raise ScalingError(
            f"backends: Service {name} has the ports {', '.join(map(str, ports)) or 'none'}"
            + (", and not one alone." if port is None else f", not {port}."),
            "Say by port which one gets the requests.",
        )
    return {"group": "", "kind": "Service", "name": name, "port": ports[0] if port is None else port}


def plain(rule: Document) -> Document:
    """A rule without what a split says."""
    kept = {name: value for name, value in rule.items() if name not in ("backendRefs", "filters")}
    filters = [each for each in rule.get("filters") or [] if each["type"] != "RequestMirror"]
    return {**kept, "filters": filters} if filters else kept


def rules_of(rule: Document, split: Split, backends: t.Mapping[str, Document]) -> list[Document]:
    """The rules of a route for a split.

    Args:
        rule: what all rules have in common, as `plain` gives it.
        backends: how a route refers to a version.
    """
    filters = [*rule.get("filters", [])]
    if split.mirror:
        mirror: Document = {"backendRef": backends[split.mirror["version"]]}
        if split.mirror["percent"] != WHOLE:  # left out it means all, also to gateways that do not know it
            mirror["percent"] = split.mirror["percent"]
        filters.append({"type": "RequestMirror", "requestMirror": mirror})
    rule = {**rule, **({"filters": filters} if filters else {})}
    # Names of rules are unique within a route.
    copied = {name: value for name, value in rule.items() if name != "name"}
    rules = []
    for wish in split.match:
        matches = [{**each, "headers": [*each.get("headers", []), _header(wish)]} for each in _matches(rule)]
        rules.append({**copied, "matches": matches, "backendRefs": [{**backends[wish["version"]], "weight": WHOLE}]})
    shares = [{**backends[version], "weight": split.weights.get(version, 0)} for version in sorted(backends)]
    return [*rules, {**rule, "backendRefs": shares}]


def _matches(rule: Document) -> list[Document]:
    return rule.get("matches") or _EVERYTHING


def _header(wish: Document) -> Document:
    if wish["by"] == "header":
        return {"type": "Exact", "name": wish["name"], "value": wish["value"]}
    pattern = f"{_BEFORE}{wish['name']}={re.escape(wish['value'])}{_AFTER}"
    return {"type": "RegularExpression", "name": "cookie", "value": pattern}


def split_of(rules: t.Sequence[Document], backends: t.Mapping[str, Document], what: str) -> Split:
    """The split that rules mean.

    Args:
        what: names the route.

    Raises:
        ScalingError: they mean something that is no split between the versions.
    """
    versions = {reference["name"]: version for version, reference in backends.items()}
    last, found = rules[-1], []
    if "sessionPersistence" in last:
        raise ScalingError(
            f"{what} has sessionPersistence, by which clients stay whatever the weights are.", "Take it away."
        )
    mirror = _mirror(last, versions, what)
    for number, rule in enumerate(rules[:-1]):
        wish = _wish(rule, last, versions, what)
        copied = wish and rules_of(plain(last), Split({}, [wish], {}, {}), backends)[0]
        if not copied or plain(rule) != plain(copied) or _mirror(rule, versions, what) != mirror:
            raise ScalingError(
                f"{what}: rule {number + 1} is neither the last one nor the last one with a header or cookie that leads"
                " to one version.",
                "Give the split a route of its own, with one rule; a path may be in several routes.",
            )
        found.append(wish)
    return Split(_weights(last, versions, what), in_order(found), dict(BY_CHANCE), mirror)


def _wish(rule: Document, last: Document, versions: t.Mapping[str, str], what: str) -> Document:
    """What a copy of the last rule asks for by header or cookie; empty when it is something else."""
    common = _matches(last)[0].get("headers", [])
    headers = [each for each in _matches(rule)[0].get("headers", []) if each not in common]
    shares = {version: share for version, share in _shares(rule, versions, what).items() if share}
    if len(headers) != 1 or len(shares) != 1:
        return {}
    (header,), (version,) = headers, shares
    if header["type"] == "Exact":
        return {"by": "header", "name": header["name"], "value": header["value"], "version": version}
    cookie = _COOKIE.fullmatch(header["value"])
    if header["name"] != "cookie" or not cookie:
        return {}
    value = re.sub(r"\\(.)", r"\1", cookie["value"])
    return {"by": "cookie", "name": cookie["name"], "value": value, "version": version}


def _shares(rule: Document, versions: t.Mapping[str, str], what: str) -> dict[str, int]:
    """Version to what a rule gives it, relative to the others."""
    shares: dict[str, int] = {}
    for reference in rule.get("backendRefs") or []:
        share = reference.get("weight", 1)
        version = _version(reference, versions)
        if version and not reference.get("filters"):
            shares[version] = shares.get(version, 0) + share
        elif share:
            raise ScalingError(
                f"{what} leads requests to {reference.get('kind', 'Service')} {reference['name']}"
                + (", which has filters of its own." if version else ", which is not among backends."),
                "Name it in backends, or take it out of the route; filters belong to the rule.",
            )
    return shares


def _version(reference: Document, versions: t.Mapping[str, str]) -> str:
    """The version that a reference means; empty for what is no Service of the route's namespace, or none of ours."""
    ours = reference.get("kind", "Service") == "Service" and not reference.get("group") and "namespace" not in reference
    return versions.get(reference["name"], "") if ours else ""


def _weights(rule: Document, versions: t.Mapping[str, str], what: str) -> dict[str, int]:
    """Whole percent; what they cannot say is rounded so that they add up."""
    shares = _shares(rule, versions, what)
    total = sum(shares.values())
    weights = dict.fromkeys(versions.values(), 0)
    if not total:
        return weights
    exact = {version: share * WHOLE / total for version, share in shares.items()}
    weights.update({version: int(share) for version, share in exact.items()})
    missing = WHOLE - sum(weights.values())
    for version in sorted(exact, key=lambda version: (int(exact[version]) - exact[version], version))[:missing]:
        weights[version] += 1
    return weights


def _mirror(rule: Document, versions: t.Mapping[str, str], what: str) -> Document:
    found = [each["requestMirror"] for each in rule.get("filters") or [] if each["type"] == "RequestMirror"]
    if not found:
        return {}
    version = _version(found[0]["backendRef"], versions)
    if len(found) > 1 or "fraction" in found[0] or not version:
        raise ScalingError(
            f"{what} copies requests in another way than to one version, in whole percent.",
            "Take its RequestMirror filters away, and give mirror.",
        )
    percent = found[0].get("percent", WHOLE)
    return {"version": version, "percent": percent} if percent else {}


def accepted(route: Document) -> Answer:
    """What the controllers of its gateways say about a route as it is now.

    https://gateway-api.sigs.k8s.io/geps/gep-1364/
    """
    namespace, generation = route["metadata"]["namespace"], route["metadata"]["generation"]
    parents = route["spec"].get("parentRefs") or []
    if not parents:
        return Answer(False, "the route has no parentRefs, so that it belongs to no gateway", refused=True)
    waiting = []
    for parent in parents:
        name = f"{parent.get('kind', 'Gateway')} {parent['name']}"
        found = [
            each
            for each in (route.get("status") or {}).get("parents") or []
            if _parent(each["parentRef"], namespace) == _parent(parent, namespace)
        ]
        if not found:
            waiting.append(f"no controller has said anything about the route at {name}")
        for each in found:
            answer = _accepted(each, generation)
            if answer.refused:
                return answer._replace(reason=f"{each['controllerName']} at {name} says {answer.reason}")
            if not answer.done:
                waiting.append(f"{each['controllerName']} at {name} has not looked at the change")
    return Answer(not waiting, "; ".join(waiting))


def _parent(reference: Document, namespace: str) -> tuple[t.Any, ...]:
    return (
        reference.get("group", "gateway.networking.k8s.io"),
        reference.get("kind", "Gateway"),
        reference.get("namespace", namespace),
        reference["name"],
        reference.get("sectionName"),
        reference.get("port"),
    )


def _accepted(parent: Document, generation: int) -> Answer:
    now = {each["type"]: each for each in parent["conditions"] if each.get("observedGeneration", 0) >= generation}
    for kind, good in (("Accepted", "True"), ("ResolvedRefs", "True"), ("PartiallyInvalid", "False")):
        found = now.get(kind)
        if found and found["status"] != good:
            words = ": ".join(filter(None, [found.get("reason"), found.get("message", "").rstrip(".")]))
            return Answer(False, f"{kind} is {found['status']} ({words})", refused=True)
    return Answer("Accepted" in now and "ResolvedRefs" in now)
