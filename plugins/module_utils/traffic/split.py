# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a split of a service's traffic is, and what a task makes of the one in force. Values in, values out."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

WHOLE = 100
BY_CHANCE = {"by": "chance", "name": ""}
NAMED = ("header", "cookie")

Document = t.Dict[str, t.Any]

NAMES = {"header": re.compile(r"[A-Za-z0-9-]+\Z"), "cookie": re.compile(r"[A-Za-z0-9_-]+\Z")}
VALUE = re.compile(r"[A-Za-z0-9_.:/@+-]+\Z")


class Split(t.NamedTuple):
    """Which version gets a request.

    Attributes:
        weights: version to its share of 100.
        match: requests that go to a version whatever its share: {by, name, value, version}, as they are tried.
        sticky: what a client keeps its version by: {by, name}; by is chance (nothing), address, header or cookie.
        mirror: the version that gets copies, and of how many of 100 requests: {version, percent}; empty for none.
    """

    weights: dict[str, int]
    match: list[Document]
    sticky: Document
    mirror: Document

    def view(self) -> Document:
        """As results and diffs show it."""
        return dict(self._asdict())


class State(t.NamedTuple):
    """A service as its router has it.

    Attributes:
        split: in force.
        versions: version to its number of servers that take requests.
        settled: whether the running process and the files that it starts from say the same.
    """

    split: Split
    versions: dict[str, int]
    settled: bool = True

    def view(self) -> Document:
        return dict(self.split.view(), settled=self.settled)


def ranges(weights: t.Mapping[str, int]) -> list[tuple[int, int, str]]:
    """First and last of the numbers 0 to 99 that each version gets.

    The order of the names alone decides, so that every load balancer gives a client the same version.
    """
    found, start = [], 0
    for version in sorted(weights):
        if weights[version]:
            found.append((start, start + weights[version] - 1, version))
            start += weights[version]
    return found


def in_order(rules: t.Iterable[Document]) -> list[Document]:
    """Match rules as they are tried: headers before cookies, by name; a header's name knows no case."""
    lowered = [dict(rule, name=rule["name"].lower() if rule["by"] == "header" else rule["name"]) for rule in rules]
    return sorted(lowered, key=lambda rule: (rule["by"] != "header", rule["name"], rule["value"]))


def wanted(state: State, parameters: Document) -> Split:
    """The split that the task wants; what it leaves out stays as it is.

    Raises:
        ScalingError: a wish that is no split of this service.
    """
    split = state.split
    if parameters.get("weights") is not None:
        split = split._replace(weights=_weights(parameters["weights"], state))
    if parameters.get("match") is not None:
        split = split._replace(match=_match(parameters["match"], state))
    if parameters.get("sticky") is not None:
        split = split._replace(sticky=_sticky(parameters["sticky"]))
    if parameters.get("mirror") is not None:
        split = split._replace(mirror=_mirror(parameters["mirror"], state))
    _refuse_dead(state, split)
    return split


def _weights(given: t.Mapping[str, t.Any], state: State) -> dict[str, int]:
    weights = dict.fromkeys(state.versions, 0)
    for version, share in given.items():
        _known("weights", str(version), state)
        if not re.match(r"\d{1,3}\Z", str(share)):
            raise ScalingError(
                f"weights: '{version}' has {share}.", "Give whole percent from 0 to 100, such as 95 and 5."
            )
        weights[str(version)] = int(share)
    total = sum(weights.values())
    if total != WHOLE:
        shares = ", ".join(f"{version} {share}" for version, share in sorted(weights.items()))
        raise ScalingError(f"weights: {shares} add up to {total}.", f"Give weights that add up to {WHOLE}.")
    return weights


def _match(given: t.Sequence[Document], state: State) -> list[Document]:
    rules, seen = [], {}
    for item in given:
        rule = {field: item[field] for field in ("by", "name", "value", "version")}
        _known("match", rule["version"], state)
        _plain("match", rule)
        if not VALUE.match(rule["value"]):
            raise ScalingError(
                f"match: value is '{rule['value']}'.", "Give letters, digits and the characters - _ . : / @ +."
            )
        rules.append(rule)
    rules = in_order(rules)
    for rule in rules:
        key = (rule["by"], rule["name"], rule["value"])
        if seen.setdefault(key, rule["version"]) != rule["version"]:
            raise ScalingError(
                f"match: {rule['by']} {rule['name']} with the value {rule['value']} goes to {seen[key]}"
                f" and to {rule['version']}.",
                "Give one version for each value.",
            )
    return [rule for number, rule in enumerate(rules) if rule not in rules[:number]]


def _sticky(given: Document) -> Document:
    sticky = {"by": given["by"], "name": given.get("name") or ""}
    if sticky["by"] in NAMED:
        _plain("sticky", sticky)
    elif sticky["name"]:
        raise ScalingError(f"sticky: by is {sticky['by']}, which has no name.", "Leave name out.")
    if sticky["by"] == "header":
        sticky["name"] = sticky["name"].lower()
    return sticky


def _mirror(given: Document, state: State) -> Document:
    if not given.get("version"):
        return {}
    _known("mirror", given["version"], state)
    percent = WHOLE if given.get("percent") is None else given["percent"]
    if not 0 <= percent <= WHOLE:
        raise ScalingError(f"mirror: percent is {percent}.", "Give whole percent from 0 to 100.")
    return {"version": given["version"], "percent": percent} if percent else {}


def _plain(option: str, given: Document) -> None:
    if not NAMES[given["by"]].match(given["name"]):
        raise ScalingError(
            f"{option}: '{given['name']}' is no name of a {given['by']}.",
            "Give letters, digits and -, for a cookie also _.",
        )


def _known(option: str, version: str, state: State) -> None:
    if version not in state.versions:
        known = ", ".join(sorted(state.versions)) or "none"
        raise ScalingError(
            f"{option}: there is no version '{version}' (there are: {known}).",
            "Correct it, or have servers of that version first: in the service's data and by the load balancer's role,"
            " in a cluster as pods with its label or as a Service.",
        )


def _refuse_dead(state: State, split: Split) -> None:
    """Nothing may be led to where nobody answers; what is led there already may be led away bit by bit."""
    more = {version for version, share in split.weights.items() if share > state.split.weights.get(version, 0)}
    more |= {rule["version"] for rule in split.match if rule not in state.split.match}
    dead = sorted(version for version in more if not state.versions[version])
    if dead:
        raise ScalingError(
            f"No server of version {', '.join(dead)} takes requests, so its share of them would be lost.",
            "Bring its servers up, or take them out of maintenance, and run this again.",
        )
