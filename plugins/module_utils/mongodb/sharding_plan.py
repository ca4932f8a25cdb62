# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the sharded cluster that there is to the one that is wanted, one step at a time.

Pure functions on states as sharding.py has them, and on options as sharding_options.py returns them.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .client import Document
from .predicates import address
from .sharding import ALWAYS, databases_of, key_text, range_text, ranges_of, stuck


class Step(t.NamedTuple):
    """One move, the command's arguments, and the state that it leads to.

    Actions: balancer, hold, release, window, add_shard, add_zone, remove_zone, add_range, remove_range,
    shard_collection, drain.
    """

    action: str
    message: str
    arguments: Document
    state: Document


def next_step(state: Document, wanted: Document) -> Step | None:
    """The next move towards what is wanted; None when there is nothing left. Raises ScalingError where it cannot be."""
    for make in (
        _hold,
        _balancer,
        _window_step,
        _add_shard,
        _remove_range,
        _zones,
        _add_range,
        _shard_collection,
        _drain,
    ):
        step = make(state, wanted)
        if step:
            return step
    return None


def steps_to(state: Document, wanted: Document) -> list[Step]:
    """All steps to what is wanted; raises ScalingError where one of them cannot be."""
    steps: list[Step] = []
    while (step := next_step(steps[-1].state if steps else state, wanted)) is not None:
        steps.append(step)
    return steps


def target(state: Document, leaving: t.Collection[str], preferred: str) -> str:
    """The shard that databases move to: the one that is named, or the one that is the primary of the fewest."""
    staying = [name for name, each in state["shards"].items() if not each["draining"] and name not in leaving]
    if preferred:
        if preferred not in staying:
            raise ScalingError(
                f"databases_to is {preferred}, which is no shard that stays.",
                f"Accepted is one of {', '.join(sorted(staying)) or 'none'}.",
            )
        return preferred
    if not staying:
        raise ScalingError("No shard would be left.", "A cluster keeps one shard at least; add another one first.")
    return min(staying, key=lambda name: (list(state["databases"].values()).count(name), name))


def _balancer(state: Document, wanted: Document) -> Step | None:
    if wanted["balancer"] is None or wanted["balancer"] == state["balancer"]:
        return None
    made = dict(state, balancer=wanted["balancer"])
    return Step("balancer", f"{'start' if wanted['balancer'] else 'stop'} the balancer", {}, made)


def _hold(state: Document, wanted: Document) -> Step | None:
    """One that is off already was stopped by somebody else, who will start it."""
    if wanted["hold"] and state["balancer"]:
        return Step("hold", "stop the balancer for a while", {}, dict(state, balancer=False, held=True))
    if wanted["hold"] is False and state["held"]:
        return Step("release", "start the balancer again", {}, dict(state, balancer=True, held=False))
    return None


def _window_step(state: Document, wanted: Document) -> Step | None:
    if not wanted["window"] or wanted["window"] == state["window"]:
        return None
    text = "at any time" if wanted["window"] == ALWAYS else f"from {wanted['window'].replace('-', ' to ')} only"
    return Step("window", f"let the balancer work {text}", {}, dict(state, window=wanted["window"]))


def _add_shard(state: Document, wanted: Document) -> Step | None:
    for name, told in wanted["shards"].items():
        if told["state"] == "absent" or name in state["shards"]:
            continue
        hosts = [address(each) for each in told["hosts"]]
        made = copy.deepcopy(state)
        made["shards"][name] = {
            "replica_set": told["replica_set"],
            "hosts": hosts,
            "zones": [],
            "draining": False,
        }
        arguments = {"name": name, "connection": f"{told['replica_set']}/{','.join(hosts)}"}
        return Step("add_shard", f"add the shard {name}", arguments, made)
    return None


def _remove_range(state: Document, wanted: Document) -> Step | None:
    for name in wanted["zones"]:
        for each in ranges_of(state["ranges"], name):
            if each not in wanted["ranges"]:
                made = dict(state, ranges=[other for other in state["ranges"] if other != each])
                return Step("remove_range", f"take {range_text(each)} from the zone {name}", each, made)
    return None


def _zones(state: Document, wanted: Document) -> Step | None:
    """Zones of shards; a zone goes to its new shards before it leaves the former ones."""
    named = {
        name: each
        for name, each in wanted["shards"].items()
        if each["state"] == "present" and each["zones"] is not None
    }
    for name, told in named.items():
        for zone in told["zones"]:
            if zone not in state["shards"][name]["zones"]:
                made = copy.deepcopy(state)
                made["shards"][name]["zones"].append(zone)
                return Step("add_zone", f"put {name} into the zone {zone}", {"shard": name, "zone": zone}, made)
    for name, told in named.items():
        for zone in state["shards"][name]["zones"]:
            if zone not in told["zones"]:
                _refuse_last_of_zone(state, name, [zone])
                made = copy.deepcopy(state)
                made["shards"][name]["zones"].remove(zone)
                return Step("remove_zone", f"take {name} out of the zone {zone}", {"shard": name, "zone": zone}, made)
    return None


def _add_range(state: Document, wanted: Document) -> Step | None:
    for each in wanted["ranges"]:
        if each in state["ranges"]:
            continue
        if not any(each["zone"] in shard["zones"] for shard in state["shards"].values()):
            raise ScalingError(f"zones: no shard is in the zone {each['zone']}.", "Name it in a shard's zones.")
        made = dict(state, ranges=[*state["ranges"], each])
        return Step("add_range", f"give {range_text(each)} to the zone {each['zone']}", each, made)
    return None


def _shard_collection(state: Document, wanted: Document) -> Step | None:
    for name, told in wanted["collections"].items():
        if name in state["collections"]:
            continue
        if not state["shards"]:
            raise ScalingError(f"collections: {name} is to be sharded, and there is no shard.", "Name shards, too.")
        made = copy.deepcopy(state)
        made["collections"][name] = {"key": told["key"], "unique": told["unique"], "balanced": True}
        return Step("shard_collection", f"shard {name} by {key_text(told['key'])}", told, made)
    return None


def _drain(state: Document, wanted: Document) -> Step | None:
    absent = [name for name, each in wanted["shards"].items() if each["state"] == "absent"]
    for name in absent:
        if name not in state["shards"]:
            continue
        heir = target(state, absent, wanted["databases_to"])
        _refuse_last_of_zone(state, name, state["shards"][name]["zones"])
        why = stuck(state, name)
        chunks = sum(state["chunks"].get(name, {}).values())
        if why and (chunks or not state["balancer"]):
            raise ScalingError(
                f"{name} cannot be drained of its {chunks} chunks: {why}.", "Enable it first; it was left as it is."
            )
        databases = databases_of(state, name)
        made = copy.deepcopy(state)
        del made["shards"][name]
        made["databases"].update(dict.fromkeys(databases, heir))
        for namespace, count in made["chunks"].pop(name, {}).items():
            there = made["chunks"].setdefault(heir, {})
            there[namespace] = there.get(namespace, 0) + count
        moved = f", move {', '.join(databases)} to {heir}" if databases else ""
        verb = "go on draining" if state["shards"][name]["draining"] else "drain"
        text = f"{verb} {name} of {chunks} {'chunk' if chunks == 1 else 'chunks'}{moved}, and remove it"
        return Step("drain", text, {"shard": name, "absent": absent}, made)
    return None


def _refuse_last_of_zone(state: Document, name: str, zones: t.Iterable[str]) -> None:
    for zone in zones:
        others = [each for each, shard in state["shards"].items() if each != name and zone in shard["zones"]]
        ranges = ranges_of(state["ranges"], zone)
        if ranges and not others:
            raise ScalingError(
                f"{name} is the only shard of the zone {zone}, which has {range_text(ranges[0])}.",
                "Put another shard into the zone, or take its ranges away first.",
            )
