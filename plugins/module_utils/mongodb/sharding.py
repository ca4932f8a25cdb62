# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the sharded cluster that there is to the one that is wanted, one step at a time.

Pure functions on plain data. A state is a dict:

    shards: name -> replica_set, hosts, zones, draining
    databases: name -> its primary shard
    collections: namespace -> key, unique, balanced
    ranges: list of zone, collection, min, max; bounds are extended JSON in its relaxed form
    chunks: shard -> namespace -> count; jumbo: list of shard, collection, min, max
    balancer: whether it is on; held: whether it was stopped to be started again; window: HH:MM-HH:MM, or always
"""

from __future__ import annotations

import copy
import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .client import Document
from .predicates import address

ALWAYS = "always"
LOWEST = {"$minKey": 1}
# Databases that have no primary shard to move.
INTERNAL = ("admin", "config", "local")


class Step(t.NamedTuple):
    """One move, the command's arguments, and the state that it leads to.

    Actions: balancer, hold, release, window, add_shard, add_zone, remove_zone, add_range, remove_range,
    shard_collection, drain.
    """

    action: str
    message: str
    arguments: Document
    state: Document


def normalise(params: Document, state: Document) -> Document:
    """What is wanted, checked for itself and against what cannot be changed. Raises ScalingError."""
    shards = [dict(each, replica_set=each["replica_set"] or each["name"]) for each in params["shards"]]
    wanted = {
        "shards": _by_name("shards", shards),
        "zones": _by_name("zones", params["zones"]),
        "collections": _by_name("collections", params["collections"]),
        "balancer": params["balancer"],
        "hold": params["balancer_hold"],
        "window": _window(params["balancer_window"]),
        "databases_to": params["databases_to"],
    }
    if wanted["balancer"] and wanted["hold"]:
        raise ScalingError("balancer and balancer_hold are both true.", "Start it, or hold it.")
    for name, shard in wanted["shards"].items():
        _refuse_shard(name, shard, state["shards"].get(name))
    for name, collection in wanted["collections"].items():
        _refuse_collection(name, collection, state["collections"].get(name))
    keys = {name: each["key"] for name, each in {**state["collections"], **wanted["collections"]}.items()}
    wanted["ranges"] = [
        {
            "zone": name,
            "collection": each["collection"],
            "min": _bound(each["min"], keys.get(each["collection"], {})),
            "max": _bound(each["max"], keys.get(each["collection"], {})),
        }
        for name, zone in wanted["zones"].items()
        for each in zone["ranges"]
    ]
    return wanted


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


def view(state: Document, wanted: Document) -> Document:
    """A state as a diff shows it: all shards, and of the rest what the task speaks of."""
    shards = {
        name: {
            "replica_set": each["replica_set"],
            "zones": sorted(each["zones"]),
            **({"draining": True} if each["draining"] else {}),
        }
        for name, each in state["shards"].items()
    }
    made: Document = {"shards": shards}
    if wanted["zones"]:
        made["zones"] = {name: sorted(map(_text, _ranges_of(state["ranges"], name))) for name in wanted["zones"]}
    if wanted["collections"]:
        made["collections"] = {
            name: {"key": _key_text(state["collections"][name]["key"]), "unique": state["collections"][name]["unique"]}
            for name in wanted["collections"]
            if name in state["collections"]
        }
    if wanted["balancer"] is not None or wanted["hold"] is not None:
        made["balancer"] = state["balancer"]
    if wanted["hold"] is not None:
        made["balancer_hold"] = state["held"]
    if wanted["window"]:
        made["balancer_window"] = state["window"]
    return made


def overview(state: Document, sizes: t.Mapping[str, int]) -> Document:
    """A state as mongodb_cluster_info returns it; valid as options of mongodb_sharded_cluster."""
    counts: dict[str, int] = {}
    for shard in state["chunks"].values():
        for name, count in shard.items():
            counts[name] = counts.get(name, 0) + count
    return {
        "shards": [
            {
                "name": name,
                **shard,
                "databases": databases_of(state, name),
                "chunks": sum(state["chunks"].get(name, {}).values()),
                "bytes": sizes.get(name),
            }
            for name, shard in state["shards"].items()
        ],
        "zones": [
            {
                "name": zone,
                "ranges": [
                    {field: each[field] for field in ("collection", "min", "max")}
                    for each in _ranges_of(state["ranges"], zone)
                ],
            }
            for zone in sorted({zone for shard in state["shards"].values() for zone in shard["zones"]})
        ],
        "collections": [
            {"name": name, "key": each["key"], "unique": each["unique"], "chunks": counts.get(name, 0)}
            for name, each in sorted(state["collections"].items())
            if not name.startswith("config.")
        ],
        "jumbo": [f"{text} on {name}" for name in state["shards"] for text in jumbo_of(state, name)],
        "balancer": state["balancer"],
        "balancer_hold": state["held"],
        "balancer_window": state["window"],
    }


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


def databases_of(state: Document, shard: str) -> list[str]:
    """Databases whose unsharded collections are there."""
    return sorted(name for name, primary in state["databases"].items() if primary == shard and name not in INTERNAL)


def stuck(state: Document, shard: str) -> str:
    """Why chunks of a shard that is drained cannot leave it whatever the balancer does; empty when they can."""
    held = sorted(
        name
        for name in state["chunks"].get(shard, {})
        if not state["collections"].get(name, {"balanced": True})["balanced"]
    )
    if held:
        return f"balancing is disabled for {', '.join(held)}"
    if not state["balancer"]:
        return "the balancer is off"
    return ""


def jumbo_of(state: Document, shard: str) -> list[str]:
    """The chunks of a shard that are too big to move, in words."""
    return [
        f"{each['collection']} from {_plain(each['min'])} to {_plain(each['max'])}"
        for each in state["jumbo"]
        if each["shard"] == shard
    ]


def _by_name(option: str, entries: t.Sequence[Document]) -> dict[str, Document]:
    names = [each["name"] for each in entries]
    for name in {each for each in names if names.count(each) > 1}:
        raise ScalingError(f"{option}: {name} stands there twice.", "Give every one once.")
    return {each["name"]: each for each in entries}


def _window(text: str) -> str:
    if not text or text == ALWAYS:
        return text
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)", text)
    if not found or found.group(1, 2) == found.group(3, 4):
        raise ScalingError(f"balancer_window is '{text}'.", "Accepted is always, or such as 23:00-06:00.")
    start, stop, hours, minutes = (int(each) for each in found.groups())
    return f"{start:02d}:{stop:02d}-{hours:02d}:{minutes:02d}"


def _refuse_shard(name: str, told: Document, have: Document | None) -> None:
    if told["state"] == "absent":
        return
    if have is None:
        if not told["hosts"]:
            raise ScalingError(f"shards: {name} is to be added and has no hosts.", "Give members of its replica set.")
        return
    if have["replica_set"] != told["replica_set"]:
        raise ScalingError(
            f"shards: {name} is the replica set {have['replica_set']}, and {told['replica_set']} is wanted.",
            "A shard keeps its set; remove the shard first, or give the new set another name.",
        )
    if have["draining"]:
        raise ScalingError(
            f"shards: {name} is being drained, and is wanted.",
            "MongoDB cannot take that back: finish it with state absent, and add the shard again with empty data.",
        )


def _refuse_collection(name: str, told: Document, have: Document | None) -> None:
    if "." not in name.strip("."):
        raise ScalingError(f"collections: '{name}' is no namespace.", "Accepted is such as claims.files.")
    kinds = list(told["key"].values())
    if not kinds or any(isinstance(each, bool) or each not in (1, "hashed") for each in kinds):
        raise ScalingError(f"collections: {name} has the key {told['key']}.", "Accepted for a field are 1 and hashed.")
    if told["unique"] and "hashed" in kinds:
        raise ScalingError(f"collections: {name} has a hashed key, which cannot be unique.", "Choose one of the two.")
    if told["initial_chunks"] and "hashed" not in kinds:
        raise ScalingError(
            f"collections: {name} has initial_chunks and no hashed key.", "Leave them out, or hash a field."
        )
    if have is None:
        return
    if _key_text(have["key"]) != _key_text(told["key"]):
        raise ScalingError(
            f"collections: {name} is sharded by {_key_text(have['key'])}, and {_key_text(told['key'])} is wanted.",
            "Reshard it with MongoDB's reshardCollection first; this module does not move a collection to another key.",
        )
    if have["unique"] != told["unique"]:
        raise ScalingError(
            f"collections: the key of {name} is {'unique' if have['unique'] else 'not unique'}.",
            "That is chosen when a collection is sharded; leave unique as it is.",
        )


def _bound(told: Document, key: Document) -> Document:
    """A bound with all fields of the key, as the server completes it."""
    return {**told, **{field: LOWEST for field in key if field not in told}}


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
        for each in _ranges_of(state["ranges"], name):
            if each not in wanted["ranges"]:
                made = dict(state, ranges=[other for other in state["ranges"] if other != each])
                return Step("remove_range", f"take {_text(each)} from the zone {name}", each, made)
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
        return Step("add_range", f"give {_text(each)} to the zone {each['zone']}", each, made)
    return None


def _shard_collection(state: Document, wanted: Document) -> Step | None:
    for name, told in wanted["collections"].items():
        if name in state["collections"]:
            continue
        if not state["shards"]:
            raise ScalingError(f"collections: {name} is to be sharded, and there is no shard.", "Name shards, too.")
        made = copy.deepcopy(state)
        made["collections"][name] = {"key": told["key"], "unique": told["unique"], "balanced": True}
        return Step("shard_collection", f"shard {name} by {_key_text(told['key'])}", told, made)
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
        ranges = _ranges_of(state["ranges"], zone)
        if ranges and not others:
            raise ScalingError(
                f"{name} is the only shard of the zone {zone}, which has {_text(ranges[0])}.",
                "Put another shard into the zone, or take its ranges away first.",
            )


def _ranges_of(ranges: t.Iterable[Document], zone: str) -> list[Document]:
    return [each for each in ranges if each["zone"] == zone]


def _key_text(key: Document) -> str:
    # The server keeps 1 as a float where it was given as one.
    return ", ".join(f"{name}: {kind if isinstance(kind, str) else int(kind)}" for name, kind in key.items())


def _text(entry: Document) -> str:
    return f"{entry['collection']} from {_plain(entry['min'])} to {_plain(entry['max'])}"


def _plain(bound: Document) -> str:
    words = {"$minKey": "the lowest", "$maxKey": "the highest"}

    def one(value: t.Any) -> str:
        return next((words[name] for name in words if isinstance(value, dict) and name in value), str(value))

    return "{" + ", ".join(f"{name}: {one(value)}" for name, value in bound.items()) + "}"
