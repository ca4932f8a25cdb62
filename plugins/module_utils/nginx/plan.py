# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the wanted states make of an upstream's servers. Values in, values out."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .upstream import WEIGHT_MAX, Server, Upstream

Servers = t.Dict[str, Server]
_PLAIN = re.compile(r"[A-Za-z0-9_.:/\[\]-]+\Z")
_WEIGHT = re.compile(r"\s*(\d+)\s*(%?)\s*\Z")


def weight_of(wanted: t.Any, configured: int) -> int:
    """A weight as a number: '50%' refers to the configured weight, '128' is absolute.

    A percentage above 0 never becomes 0, which would take the server out.
    """
    found = _WEIGHT.match(str(wanted))
    if found is None or (not found.group(2) and int(found.group(1)) > WEIGHT_MAX):
        raise ScalingError(
            f"Option 'weight' is '{wanted}'.",
            f"Give a percentage of the configured weight, as in 50%, or a number from 0 to {WEIGHT_MAX}.",
        )
    number = int(found.group(1))
    if not found.group(2):
        return number
    return min(WEIGHT_MAX, max(1, (configured * number + 50) // 100)) if number else 0


Resolve = t.Callable[[str], str]


def as_it_is(name: str) -> str:
    """A host name that NGINX is to look up itself."""
    return name


def apply(upstream: Upstream, wanted: t.Sequence[dict[str, t.Any]], resolve: Resolve = as_it_is) -> Servers:
    """The servers as they should be.

    Args:
        wanted: dicts with name, and any of state, weight, address, port (None: leave as it is).
        resolve: the address of a host name; empty when there is none, or not only one.
    """
    servers = dict(upstream.servers)
    for item in wanted:
        name, state = item["name"], item.get("state")
        _check(item)
        if state == "absent":
            servers.pop(name, None)
            continue
        if state == "present" and name not in servers:
            servers[name] = _new_server(upstream, item, resolve)
        server = servers.get(name) or upstream.server(name)
        servers[name] = _changed(server, item, resolve)
    return servers


def _check(item: dict[str, t.Any]) -> None:
    """Names and addresses become part of a configuration line and must not become more than that."""
    for option in ("name", "address"):
        value = item.get(option)
        if value is not None and not _PLAIN.match(value):
            raise ScalingError(
                f"Option '{option}' of a server is '{value}'.", "Give letters, digits and the characters - _ . : / [ ]."
            )


def _changed(server: Server, item: dict[str, t.Any], resolve: Resolve) -> Server:
    values: dict[str, t.Any] = {}
    if item.get("state") in ("ready", "drain", "maint"):
        values["state"] = item["state"]
    if item.get("weight") is not None:
        values["weight"] = weight_of(item["weight"], server.configured)
    address = item.get("address")
    if address and address not in (server.address, server.source):
        values.update(_place(address, resolve))
    if item.get("port"):
        values["port"] = item["port"]
    return server.changed(**values)


def _place(address: str, resolve: Resolve) -> dict[str, str]:
    """Where NGINX connects to. A name is kept beside its address: NGINX would refuse every reload without it."""
    found = resolve(address)
    return {"address": found, "source": address} if found not in ("", address) else {"address": address, "source": ""}


def _new_server(upstream: Upstream, item: dict[str, t.Any], resolve: Resolve) -> Server:
    """A server as its neighbours are: same port, weight and checks unless said otherwise; never a backup."""
    like = next((s for s in upstream.servers.values() if "backup" not in s.parameters), None)
    port = item.get("port") or (like.port if like else 0)
    if not port:
        raise ScalingError(
            f"Server '{item['name']}' of upstream '{upstream.name}' has no port, and no neighbour to take it from.",
            "Give option 'port'.",
        )
    weight = like.configured if like else 100
    return Server(
        item["name"],
        port=port,
        weight=weight,
        parameters=like.parameters if like else (),
        **_place(item.get("address") or item["name"], resolve),
    )
