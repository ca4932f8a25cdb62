# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A sharded cluster through its routers, or read from its config servers: the state as plain data, and verbs.

The collections of `config` are documented in the manual, "Config Database", as far as they are read here.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from . import service, sharding
from .client import Client, Document, Refused, Unreachable
from .connection import login_of
from .predicates import address

# A move of a database takes as long as its data needs; the task's own deadlines end sooner.
MOVE_SECONDS = 7 * 86400
MAJORITY = {"w": "majority", "wtimeout": 60000}
# Beside the balancer's settings: it was stopped for a while, whoever is to start it again.
HELD = "heldByHorizontalScaling"
SHARD_NOT_FOUND = 70
# Somebody else moves the same database, or has moved it.
BUSY = (46, 117, 249)


class Routers:
    """Those that are given; one of them is asked, and the next one when it gives no answer.

    Every verb below may be sent twice with the same outcome, or is looked after by who calls it.
    """

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self._clients = [Client(address(each), params, login_of(params)) for each in params["routers"]]
        self._anonymous = [Client(address(each), params, None) for each in params["routers"]]

    @property
    def place(self) -> str:
        return self._clients[0].place

    def command(self, name: str, value: t.Any = 1, /, **fields: t.Any) -> Document:
        """A command's answer from the first router that gives one; raises Refused, or Unreachable when none does."""
        errors = []
        for _turn in range(len(self._clients)):
            try:
                return self._clients[0].command(name, value, **fields)
            except Unreachable as error:
                errors.append(str(error))
                self._clients[0].close()
                self._clients.append(self._clients.pop(0))
        raise Unreachable(" ".join(errors))

    def check(self) -> None:
        """Raise ScalingError unless one answers, and all who answer are routers."""
        errors = []
        for client in self._anonymous:
            try:
                found = service.hello(client)
            except Unreachable as error:
                errors.append(str(error))
                continue
            if found.get("msg") != "isdbgrid":
                raise ScalingError(f"{client.place} is no router, but a mongod.", "Name hosts where mongos listens.")
        if len(errors) == len(self._anonymous):
            raise Unreachable(" ".join(errors))

    def close(self) -> None:
        for client in (*self._clients, *self._anonymous):
            client.close()


Asked = t.Union[Routers, Client]


def read(asked: Asked) -> Document:
    """The cluster's state, as sharding.py has it, from a router or a config server."""
    collections = {
        each["_id"]: {
            "key": {field: kind if isinstance(kind, str) else int(kind) for field, kind in each["key"].items()},
            "unique": bool(each.get("unique")),
            "balanced": not each.get("noBalance"),
            "uuid": each["uuid"],
        }
        for each in _all(asked, "collections")
        if not each.get("dropped") and "key" in each
    }
    names = {each.pop("uuid"): name for name, each in collections.items()}
    settings = {each["_id"]: each for each in _all(asked, "settings")}
    balancer = settings.get("balancer", {})
    window = balancer.get("activeWindow")
    return {
        "shards": {each["_id"]: _shard(each) for each in sorted(_all(asked, "shards"), key=lambda each: each["_id"])},
        "databases": {each["_id"]: each["primary"] for each in _all(asked, "databases")},
        "collections": collections,
        "ranges": [
            {"zone": each["tag"], "collection": each["ns"], "min": to_plain(each["min"]), "max": to_plain(each["max"])}
            for each in _all(asked, "tags")
        ],
        "chunks": _chunks(asked, names),
        "jumbo": [
            {
                "shard": each["shard"],
                "collection": names.get(each["uuid"], "?"),
                "min": to_plain(each["min"]),
                "max": to_plain(each["max"]),
            }
            for each in _all(asked, "chunks", {"jumbo": True})
        ],
        "balancer": not balancer.get("stopped") and balancer.get("mode", "full") != "off",
        "held": bool(balancer.get(HELD)),
        "window": f"{_clock(window['start'])}-{_clock(window['stop'])}" if window else sharding.ALWAYS,
    }


def owned_bytes(asked: Asked) -> dict[str, int]:
    """Bytes of documents by shard; empty where the server cannot tell, as before 6.0.3."""
    try:
        stages = [{"$shardedDataDistribution": {}}]
        answer = asked.command("aggregate", 1, pipeline=stages, cursor={"batchSize": 10000}, seconds=60)
    except Refused:
        return {}
    sums: dict[str, int] = {}
    for collection in answer["cursor"]["firstBatch"]:
        for each in collection["shards"]:
            sums[each["shardName"]] = sums.get(each["shardName"], 0) + int(each["ownedSizeBytes"] or 0)
    return sums


def set_balancer(routers: Routers, enabled: bool, seconds: float) -> None:
    """Start it; or stop it, which waits for the move that is under way."""
    name = "balancerStart" if enabled else "balancerStop"
    routers.command(name, 1, maxTimeMS=int(seconds * 1000), seconds=seconds)


def note_hold(routers: Routers, held: bool) -> None:
    """Have the cluster itself know that the balancer is to be started again, whatever becomes of this run."""
    _set_balancer_fields(routers, {"$set": {HELD: True}} if held else {"$unset": {HELD: True}})


def balancer_rounds(routers: Routers) -> int:
    """Rounds that the balancer has ended since the config servers' last election."""
    return int(routers.command("balancerStatus")["numBalancerRounds"])


def set_window(routers: Routers, window: str) -> None:
    """When the balancer may work; the manual has this one changed in `config.settings` itself."""
    start, _dash, stop = window.partition("-")
    change = (
        {"$unset": {"activeWindow": True}}
        if window == sharding.ALWAYS
        else {"$set": {"activeWindow": {"start": start, "stop": stop}}}
    )
    _set_balancer_fields(routers, change)


def _set_balancer_fields(routers: Routers, change: Document) -> None:
    updates = [{"q": {"_id": "balancer"}, "u": change, "upsert": True}]
    routers.command("update", "settings", database="config", updates=updates, writeConcern=MAJORITY)


def add_shard(routers: Routers, name: str, connection: str) -> None:
    routers.command("addShard", connection, name=name, seconds=60)


def add_zone(routers: Routers, shard: str, zone: str) -> None:
    routers.command("addShardToZone", shard, zone=zone, seconds=30)


def remove_zone(routers: Routers, shard: str, zone: str) -> None:
    routers.command("removeShardFromZone", shard, zone=zone, seconds=30)


def set_range(routers: Routers, entry: Document, present: bool) -> None:
    """Give a range of a collection to its zone, or take it from it."""
    low, high = from_plain(entry["min"]), from_plain(entry["max"])
    zone = entry["zone"] if present else None
    routers.command("updateZoneKeyRange", entry["collection"], min=low, max=high, zone=zone, seconds=30)


def shard_collection(routers: Routers, told: Document) -> None:
    """Shard a collection, and make it and its database if need be."""
    fields: Document = {"key": dict(told["key"]), "unique": told["unique"]}
    if told["initial_chunks"]:
        fields["numInitialChunks"] = told["initial_chunks"]
    if told["presplit_hashed_zones"]:
        fields["presplitHashedZones"] = True
    routers.command("shardCollection", told["name"], **fields, seconds=300)


def remove_shard(routers: Routers, name: str) -> Document:
    """Begin to drain a shard, tell how far it is, or take it out when it is empty: all by the same command."""
    try:
        answer = service.plain(routers.command("removeShard", name, seconds=60))
    except Refused as error:
        if error.code == SHARD_NOT_FOUND:
            return {"state": "completed"}
        raise
    return answer


def move_primary(routers: Routers, database: str, shard: str) -> bool:
    """Have another shard be the database's primary, with its unsharded collections; False where that is under way."""
    try:
        routers.command("movePrimary", database, to=shard, seconds=MOVE_SECONDS)
    except Refused as error:
        if error.code in BUSY:
            return False
        raise
    return True


def to_plain(document: t.Mapping[str, t.Any]) -> Document:
    """A document as extended JSON in its relaxed form."""
    from bson import json_util

    return json.loads(json_util.dumps(document, json_options=json_util.RELAXED_JSON_OPTIONS))


def from_plain(document: Document) -> t.Mapping[str, t.Any]:
    """Extended JSON as the driver takes it, with the order of fields."""
    from bson import json_util
    from bson.son import SON

    options = json_util.JSONOptions(document_class=SON)
    return json_util.loads(json.dumps(document), json_options=options)


def _all(asked: Asked, collection: str, query: Document | None = None) -> list[Document]:
    """A collection of `config`, to its end; what is read there is short, but for chunks that are jumbo."""
    answer = asked.command("find", collection, database="config", filter=query or {}, batchSize=1000)["cursor"]
    found = list(answer["firstBatch"])
    while answer["id"]:
        answer = asked.command("getMore", answer["id"], database="config", collection=collection)["cursor"]
        found += answer["nextBatch"]
    return found


def _chunks(asked: Asked, names: t.Mapping[t.Any, str]) -> dict[str, dict[str, int]]:
    stages = [{"$group": {"_id": {"shard": "$shard", "uuid": "$uuid"}, "count": {"$sum": 1}}}]
    answer = asked.command(
        "aggregate", "chunks", database="config", pipeline=stages, cursor={"batchSize": 100000}, seconds=30
    )
    sums: dict[str, dict[str, int]] = {}
    for each in answer["cursor"]["firstBatch"]:
        if each["_id"]["uuid"] in names:
            sums.setdefault(each["_id"]["shard"], {})[names[each["_id"]["uuid"]]] = int(each["count"])
    return sums


def _shard(document: Document) -> Document:
    replica_set, _slash, hosts = document["host"].partition("/")
    return {
        "replica_set": replica_set,
        "hosts": sorted(hosts.split(",")),
        "zones": sorted(document.get("tags") or []),
        "draining": bool(document.get("draining")),
    }


def _clock(text: str) -> str:
    hour, _colon, minute = text.partition(":")
    return f"{int(hour):02d}:{minute}"
