# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lead the servers of one or many balancers to their wanted state: read all, plan all, apply, wait, read back."""

from __future__ import annotations

import ipaddress
import socket
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import predicates
from .client import Client, parse_address
from .commands import spell
from .plan import WANTED, Document, Key, Plan, path, plan, resolve, view
from .service import Balancer, Snapshot


class _Work:
    """One balancer's part of the task."""

    def __init__(self, balancer: Balancer, snapshot: Snapshot, made: Plan) -> None:
        self.balancer = balancer
        self.snapshot = snapshot
        self.plan = made
        self.pending: set[Key] = set(made.drain)
        self.left: dict[Key, int] = {}


def converge(parameters: Document, check_mode: bool) -> Outcome:
    """Entry point of haproxy_server; raises ScalingError."""
    works = _plan_all(parameters)
    for work in works:
        _require_admin(work)
    if check_mode:
        return _outcome(works, check_mode=True)
    try:
        drained, saved = _apply(works, parameters)
        return _outcome(works, check_mode=False, seconds=drained, state_file=saved)
    except ScalingError as error:
        error.details.setdefault("commands", _commands(works))
        raise


def _apply(works: t.Sequence[_Work], parameters: Document) -> tuple[float, str]:
    """Carry the plans out; seconds of draining and the state file that was written."""
    deadline = Deadline(parameters["drain_timeout"])
    state_file = _state_file(parameters)
    saved = False
    for work in works:
        work.balancer.apply(work.plan.first)
        # Before the wait, so that a reload or a killed task in between loses nothing.
        saved |= bool(work.plan.first) and work.balancer.save_state(state_file)
    drained = _drain(works, deadline)
    for work in works:
        _finish(work, deadline)
        if work.plan.maint or work.plan.remove:
            saved |= work.balancer.save_state(state_file)
    return drained, state_file if saved else ""


def _plan_all(parameters: Document) -> list[_Work]:
    """Read every balancer before any is written to, so that one that is down or asked for the impossible stops all."""
    addresses = list(dict.fromkeys(parameters["sockets"]))
    if not addresses:
        raise ScalingError("sockets: the list is empty.", "Name at least one runtime API socket.")
    for entry in parameters["servers"]:
        if entry.get("balancer") and entry["balancer"] not in addresses:
            raise ScalingError(
                f"servers: balancer '{entry['balancer']}' of {entry['backend']}/{entry['name']} is not among sockets"
                f" ({', '.join(addresses)})."
            )
    works = []
    for address in addresses:
        balancer = Balancer(Client(address, parameters["timeout"]))
        snapshot = balancer.read()
        wanted = resolve(parameters["servers"], snapshot.servers, address, snapshot.algorithms)
        _resolve_addresses(wanted, snapshot.servers)
        made = plan(wanted, snapshot.servers, snapshot.version, parameters["drain_then"], snapshot.algorithms)
        works.append(_Work(balancer, snapshot, made))
    return works


def _resolve_addresses(wanted: dict[Key, Document], current: t.Sequence[Document]) -> None:
    """Host names become addresses, since HAProxy takes nothing else at run time; its own name for a server is kept."""
    known = {(server["backend"], server["name"]): server for server in current}
    for key, wish in wanted.items():
        name = wish.get("address")
        if not name:
            continue
        server = known.get(key)
        if server and server["address"] and name.lower() == server["fqdn"].lower():
            wish["address"] = server["address"]
            continue
        try:
            wish["address"] = ipaddress.ip_address(name).compressed
        except ValueError:
            try:
                wish["address"] = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0]
            except OSError as error:
                raise ScalingError(
                    f"servers: address '{name}' of {path(key)} is no IP address and does not resolve on this host.",
                    "Give an IP address.",
                ) from error


def _require_admin(work: _Work) -> None:
    if work.plan.changes and work.snapshot.level != "admin":
        raise ScalingError(
            f"The HAProxy socket {work.balancer.address} has level {work.snapshot.level}, which cannot change servers.",
            "Use a 'stats socket' with 'level admin'.",
            balancer=work.balancer.address,
        )


def _state_file(parameters: Document) -> str:
    """The state file belongs to one process of this host; with several local sockets it would mix them."""
    local = [address for address in set(parameters["sockets"]) if parse_address(address)[0] == "unix"]
    return parameters["state_file"] or "" if len(local) == 1 else ""


def _drain(works: t.Sequence[_Work], deadline: Deadline) -> float:
    """Wait until every drained server was seen without sessions once; those due for maintenance get it at once."""
    if not any(work.pending for work in works):
        return 0.0

    def look() -> int:
        for work in works:
            if work.pending:
                counted = work.balancer.sessions(work.pending)
                work.left = {key: count for key, count in counted.items() if count}
                ended = work.pending - set(work.left)
                work.pending -= ended
                _maintain(work, ended)
        return sum(len(work.pending) for work in works)

    deadline.wait_for(look, lambda count: count == 0, interval=0.05, slowest=0.5)
    return round(deadline.elapsed, 3)


def _maintain(work: _Work, keys: t.Iterable[Key]) -> None:
    version = work.snapshot.version
    due = [key for key in work.plan.maint if key in set(keys)]
    work.balancer.apply([text for key in due for text in spell("state", version, server=path(key), state="maint")])


def _finish(work: _Work, deadline: Deadline) -> None:
    _maintain(work, work.pending)
    for key in work.plan.remove:
        work.balancer.delete(key, work.snapshot.version, deadline.remaining)


def _commands(works: t.Sequence[_Work]) -> dict[str, list[str]]:
    return {work.balancer.address: work.plan.commands(work.snapshot.version) for work in works if work.plan.changes}


def _outcome(works: t.Sequence[_Work], check_mode: bool, seconds: float = 0.0, state_file: str = "") -> Outcome:
    before: Document = {}
    after: Document = {}
    documents: list[Document] = []
    remaining: dict[str, int] = {}
    for work in works:
        servers = _predicted(work) if check_mode else _read_back(work)
        before[work.balancer.address] = work.plan.before
        after[work.balancer.address] = {path((found["backend"], found["name"])): view(found) for found in servers}
        documents += servers
        for key, count in work.left.items():
            remaining[path(key)] = remaining.get(path(key), 0) + count
    return Outcome(
        before={"servers": before},
        after={"servers": after},
        header="HAProxy servers",
        servers=documents,
        commands=_commands(works),
        remaining_sessions=remaining,
        drain_seconds=seconds,
        state_file=state_file,
    )


def _predicted(work: _Work) -> list[Document]:
    known = {path((server["backend"], server["name"])): server for server in work.snapshot.servers}
    documents = []
    for name, values in work.plan.after.items():
        backend, _, server = name.partition("/")
        blank = {"balancer": work.balancer.address, "backend": backend, "name": server}
        documents.append(dict(known.get(name, blank), **values))
    return documents


def _read_back(work: _Work) -> list[Document]:
    """The addressed servers as the process now has them; raises ScalingError where it does not have what was asked."""
    servers = {
        path((server["backend"], server["name"])): server
        for server in (work.balancer.read().servers if work.plan.changes else work.snapshot.servers)
    }
    for name, values in work.plan.after.items():
        server = servers.get(name)
        if server is None:
            raise ScalingError(f"Server {name} is missing in HAProxy at {work.balancer.address} after the change.")
        for field in WANTED:
            if server[field] != values[field]:
                raise ScalingError(
                    f"HAProxy at {work.balancer.address} has {field} {server[field]} for {name}, not {values[field]},"
                    f" after the change{_why(server)}."
                )
    for name in work.plan.before:
        if name not in work.plan.after and name in servers:
            raise ScalingError(f"Server {name} is still in HAProxy at {work.balancer.address} after its removal.")
    return [servers[name] for name in work.plan.after]


def _why(server: Document) -> str:
    if server["admin_mask"] & (predicates.INHERITED_MAINT | predicates.INHERITED_DRAIN):
        return ": it tracks another server and inherits that one's state"
    return ""
