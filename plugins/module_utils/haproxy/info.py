# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What haproxy_info gathers."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import predicates
from .client import Client
from .plan import listed
from .service import Balancer, Snapshot


def gather(parameters: dict[str, t.Any], check_mode: bool) -> Outcome:
    """Entry point of haproxy_info; raises ScalingError when a balancer does not answer."""
    found: dict[str, list[t.Any]] = {"servers": [], "backends": [], "frontends": [], "process": [], "tables": []}
    for address in dict.fromkeys(parameters["sockets"]):
        client = Client(address, parameters["timeout"])
        snapshot = Balancer(client).read()
        _known("backends", parameters["backends"], snapshot.algorithms, address)
        found["servers"] += [server for server in snapshot.servers if _chosen(server["backend"], parameters)]
        found["backends"] += [
            backend
            for backend in predicates.proxies(address, snapshot.stat, "BACKEND")
            if _chosen(backend["name"], parameters)
        ]
        found["frontends"] += predicates.proxies(address, snapshot.stat, "FRONTEND")
        found["process"].append(_process(snapshot))
        found["tables"] += _tables(client, parameters["tables"])
    return Outcome(**found)


def _process(snapshot: Snapshot) -> dict[str, t.Any]:
    return {
        "balancer": snapshot.balancer,
        "version": snapshot.info.get("Version", ""),
        "level": snapshot.level,
        "node": snapshot.info.get("node", ""),
        "pid": snapshot.info.get("Pid", 0),
        "uptime": snapshot.info.get("Uptime_sec", 0),
        "connections": snapshot.info.get("CurrConns", 0),
        "info": snapshot.info,
    }


def _known(option: str, wanted: t.Iterable[str], names: t.Iterable[str], address: str) -> None:
    present = set(names)
    for name in wanted:
        if name not in present:
            raise ScalingError(f"{option}: HAProxy at {address} has no {name}; there are {listed(present)}.")


def _chosen(backend: str, parameters: dict[str, t.Any]) -> bool:
    return not parameters["backends"] or backend in parameters["backends"]


def _tables(client: Client, with_entries: t.Sequence[str]) -> list[dict[str, t.Any]]:
    tables = predicates.parse_table_list(client.ask(["show table"])[0])
    _known(
        "tables", [name for name in with_entries if name != "*"], [table["name"] for table in tables], client.address
    )
    for table in tables:
        table["balancer"] = client.address
    wanted = [table for table in tables if table["name"] in with_entries or "*" in with_entries]
    for table, text in zip(wanted, client.ask([f"show table {table['name']}" for table in wanted]) if wanted else []):
        table["entries"] = predicates.parse_table(text)
    return tables
