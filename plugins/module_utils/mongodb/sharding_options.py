# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What mongodb_sharded_cluster is told, checked before anything is planned. Pure functions."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .client import Document
from .sharding import ALWAYS, key_text

LOWEST = {"$minKey": 1}


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
    if key_text(have["key"]) != key_text(told["key"]):
        raise ScalingError(
            f"collections: {name} is sharded by {key_text(have['key'])}, and {key_text(told['key'])} is wanted.",
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
