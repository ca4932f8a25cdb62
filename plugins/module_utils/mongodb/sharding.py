# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of a sharded cluster, and what can be told from it.

Pure functions on plain data. A state is a dict:

    shards: name -> replica_set, hosts, zones, draining
    databases: name -> its primary shard
    collections: namespace -> key, unique, balanced
    ranges: list of zone, collection, min, max; bounds are extended JSON in its relaxed form
    chunks: shard -> namespace -> count; jumbo: list of shard, collection, min, max
    balancer: whether it is on; held: whether it was stopped to be started again; window: HH:MM-HH:MM, or always
"""

from __future__ import annotations

import typing as t

from .client import Document

ALWAYS = "always"
# Databases that have no primary shard to move.
INTERNAL = ("admin", "config", "local")


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
        made["zones"] = {name: sorted(map(range_text, ranges_of(state["ranges"], name))) for name in wanted["zones"]}
    if wanted["collections"]:
        made["collections"] = {
            name: {"key": key_text(state["collections"][name]["key"]), "unique": state["collections"][name]["unique"]}
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
                    for each in ranges_of(state["ranges"], zone)
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


def ranges_of(ranges: t.Iterable[Document], zone: str) -> list[Document]:
    return [each for each in ranges if each["zone"] == zone]


def key_text(key: Document) -> str:
    # The server keeps 1 as a float where it was given as one.
    return ", ".join(f"{name}: {kind if isinstance(kind, str) else int(kind)}" for name, kind in key.items())


def range_text(entry: Document) -> str:
    return f"{entry['collection']} from {_plain(entry['min'])} to {_plain(entry['max'])}"


def _plain(bound: Document) -> str:
    words = {"$minKey": "the lowest", "$maxKey": "the highest"}

    def one(value: t.Any) -> str:
        return next((words[name] for name in words if isinstance(value, dict) and name in value), str(value))

    return "{" + ", ".join(f"{name}: {one(value)}" for name, value in bound.items()) + "}"
