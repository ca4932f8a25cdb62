# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers as results show them: the same keys as HAProxy's."""

from __future__ import annotations

import socket
import typing as t

from .process import Process
from .upstream import Server


def addresses_of(server: Server) -> list[tuple[str, int]]:
    """What NGINX connects to: a name is looked up as NGINX did at its last reload."""
    try:
        found = socket.getaddrinfo(server.address, server.port, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return []
    return sorted({(str(entry[4][0]), server.port) for entry in found})


def address_of(name: str) -> str:
    """The only address of a host name; empty when it has none, or several (NGINX then uses all of them)."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None, proto=socket.IPPROTO_TCP)}
    except (OSError, UnicodeError):
        return ""
    return found.pop() if len(found) == 1 else ""


def servers_of(upstreams: t.Iterable[tuple[str, t.Iterable[Server]]], process: Process) -> list[dict[str, t.Any]]:
    """One dict a server, in the order of the configuration.

    ``sessions`` counts the workers' established connections to the server, idle kept-alive ones among them.
    """
    master = process.master()
    workers = process.workers(master) if master else []
    connections = process.connections(worker.pid for worker in workers)
    balancer = socket.gethostname()
    return [
        dict(
            server.facts(),
            balancer=balancer,
            backend=name,
            name=server.name,
            health="nocheck",
            initial_weight=server.configured,
            backup="backup" in server.parameters,
            resolved=server.address if server.source else "",
            sessions=sum(connections.get(address, 0) for address in addresses_of(server)),
        )
        for name, servers in upstreams
        for server in servers
    ]
