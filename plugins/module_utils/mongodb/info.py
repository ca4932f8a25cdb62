# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What mongodb_cluster_info gathers."""

from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import predicates, router, service, sharding
from .client import Client, Document, Refused
from .cluster import Cluster, Reading, check_login, topology


def gather(params: Document, check_mode: bool) -> Outcome:
    """Entry point of mongodb_cluster_info; a member that does not answer, or a set without a primary, is no error."""
    cluster = Cluster(params, params["hosts"])
    try:
        return _gather(cluster, params)
    finally:
        cluster.close()


def _gather(cluster: Cluster, params: Document) -> Outcome:
    reading = cluster.read()
    check_login(reading, params["user"])
    routers = [place for place, each in reading.hellos.items() if each.get("msg") == "isdbgrid"]
    if routers:
        sharded = _sharding(cluster.clients[routers[0]], reading)
        return Outcome(name="", primary="", members=[], errors=reading.errors, **{**_nothing(), "sharding": sharded})
    if not reading.statuses:
        return Outcome(name=reading.name, primary="", members=[], errors=reading.errors, **_nothing())
    teller = cluster.clients[reading.primary or next(iter(reading.statuses))]
    config, committed = _configuration(teller, bool(reading.primary))
    sums = predicates.arithmetic(config, predicates.healthy(reading.status))
    return Outcome(
        name=config["_id"],
        primary=reading.primary,
        members=topology(reading, config),
        errors=reading.errors,
        term=int(reading.status.get("term", 0)),
        config_version=int(config["version"]),
        config_committed=committed,
        votes=sums.votes,
        majority=sums.majority,
        healthy_votes=sums.healthy,
        settings=service.plain(config.get("settings", {})),
        sharding=_sharding(teller, reading) if config.get("configsvr") else {},
        **_server(teller, reading),
    )


def _configuration(client: Client, primary: bool) -> tuple[Document, bool]:
    """The configuration, also of a primary that has stepped down since it was read."""
    try:
        return service.configuration(client, primary)
    except Refused:
        return service.configuration(client, primary=False)


def _nothing() -> Document:
    empty = {"term": 0, "config_version": 0, "config_committed": False, "votes": 0, "majority": 0, "healthy_votes": 0}
    return {
        **empty,
        "settings": {},
        "sharding": {},
        "version": "",
        "feature_compatibility_version": "",
        "oplog_seconds": None,
    }


def _sharding(client: Client, reading: Reading) -> Document:
    """The cluster that a router or a config server belongs to; only routers know how much data there is."""
    try:
        return sharding.overview(router.read(client), router.owned_bytes(client))
    except ScalingError as error:
        reading.errors[client.place] = str(error)
        return {}


def _server(client: Client, reading: Reading) -> Document:
    """Versions, and how far back the oplog of who answers reaches: so long may a member be away."""
    try:
        compatibility = client.command("getParameter", 1, featureCompatibilityVersion=1)
        oplog = service.plain(client.command("serverStatus", 1, oplog=1, metrics=0, wiredTiger=0)).get("oplog", {})
        version = client.command("buildInfo")["version"]
    except ScalingError as error:
        reading.errors[client.place] = str(error)
        return {"version": "", "feature_compatibility_version": "", "oplog_seconds": None}
    ends = [oplog.get(name) for name in ("earliestOptime", "latestOptime")]
    return {
        "version": version,
        "feature_compatibility_version": compatibility["featureCompatibilityVersion"]["version"],
        "oplog_seconds": ends[1][0] - ends[0][0] if all(ends) else None,
    }
