# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the servers that are and the servers that are wanted to the commands between them; pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .commands import Version, spell
from .predicates import UNRESOLVED_MAINT

Document = t.Dict[str, t.Any]
Key = t.Tuple[str, str]

WANTED = ("state", "weight", "address", "port")
_ADDED = ("check", "options")
_NAME = re.compile(r"^[A-Za-z0-9_.:-]+$")
_OPTIONS = re.compile(r"^[^\n\r;<\\]*$")


class Plan:
    """What one balancer is told, computed before anything is sent.

    Attributes:
        before, after: the normalised states of the addressed servers, by backend/name.
        first: commands that are sent at once.
        drain: servers whose sessions must have ended before `maint` and `remove` are due.
        maint: servers that go from drain to maintenance afterwards.
        remove: servers that are deleted last.
    """

    def __init__(self) -> None:
        self.before: dict[str, Document] = {}
        self.after: dict[str, Document] = {}
        self.first: list[str] = []
        self.drain: list[Key] = []
        self.maint: list[Key] = []
        self.remove: list[Key] = []

    @property
    def changes(self) -> bool:
        return bool(self.first or self.maint or self.remove)

    def commands(self, version: Version) -> list[str]:
        """Every command of the plan in order, for people to read."""
        texts = list(self.first)
        for key in self.maint:
            texts += spell("state", version, server=path(key), state="maint")
        for key in self.remove:
            texts += spell("delete", version, server=path(key))
        return texts


def path(key: Key) -> str:
    """A server as HAProxy's commands name it."""
    return f"{key[0]}/{key[1]}"


def view(document: Document) -> Document:
    """The part of a server's document that this collection administers."""
    return {name: document[name] for name in WANTED}


def resolve(
    entries: t.Sequence[Document], current: t.Sequence[Document], balancer: str, backends: t.Iterable[str] = ()
) -> dict[Key, Document]:
    """The entries that concern this balancer by server, with `*` expanded; raises ScalingError for unknown ones.

    Args:
        backends: backends of the balancer beyond those that have servers.
    """
    names = sorted({server["backend"] for server in current}.union(backends))
    known = {(server["backend"], server["name"]): server for server in current}
    wanted: dict[Key, Document] = {}
    for entry in entries:
        if entry.get("balancer") not in (None, "", balancer):
            continue
        for key in _keys(entry, known, balancer, names):
            wish = {name: entry[name] for name in WANTED + _ADDED if entry.get(name) not in (None, "")}
            merged = wanted.setdefault(key, {})
            for name, value in wish.items():
                if merged.get(name, value) != value:
                    raise ScalingError(
                        f"servers: {path(key)} is asked to have {name} {merged[name]} and {name} {value} in one task.",
                        "Keep one of the two entries.",
                    )
                merged[name] = value
    return wanted


def _keys(entry: Document, known: dict[Key, Document], balancer: str, backends: t.Sequence[str]) -> list[Key]:
    backend, name, state = entry["backend"], entry["name"], entry.get("state")
    if backend == "*":
        found = [key for key in known if key[1] == name]
        if state == "present":
            raise ScalingError(f"servers: backend '*' cannot be used to add {name}.", "Name the backend.")
        if not found and state != "absent":
            names = listed({key[1] for key in known})
            raise ScalingError(f"No backend of HAProxy at {balancer} has a server {name}; there are {names}.")
        return found
    if (backend, name) in known:
        return [(backend, name)]
    if backend not in backends:
        raise ScalingError(f"HAProxy at {balancer} has no backend {backend}; there are {listed(backends)}.")
    if state == "present" and not _NAME.match(name):
        raise ScalingError(
            f"servers: name '{name}' is not one that HAProxy accepts.",
            "Use letters, digits, '-', '_', '.' and ':'.",
        )
    if state not in ("present", "absent"):
        names = listed({key[1] for key in known if key[0] == backend})
        raise ScalingError(
            f"Backend {backend} of HAProxy at {balancer} has no server {name}; there are {names}.",
            "Use state present to add one at run time.",
        )
    return [(backend, name)]


def plan(
    wanted: t.Mapping[Key, Document],
    current: t.Sequence[Document],
    version: Version,
    drain_then: str = "drain",
    algorithms: t.Mapping[str, str] | None = None,
) -> Plan:
    """The commands that lead from the current servers to the wanted ones.

    Args:
        wanted: as `resolve` gives it, addresses being IP addresses.
        current: servers as predicates.servers gives them.
        version: (major, minor) of HAProxy.
        drain_then: the state that a drained server ends in, drain or maint.
        algorithms: balancing algorithm by backend, where known.
    """
    return _Planner(version, drain_then, algorithms or {}).plan(wanted, current)


class _Planner:
    def __init__(self, version: Version, drain_then: str, algorithms: t.Mapping[str, str]) -> None:
        self.version = version
        self.drain_then = drain_then
        self.algorithms = algorithms
        self.made = Plan()

    def plan(self, wanted: t.Mapping[Key, Document], current: t.Sequence[Document]) -> Plan:
        known = {(server["backend"], server["name"]): server for server in current}
        opening: list[str] = []
        closing: list[str] = []
        for key, wish in wanted.items():
            server = known.get(key)
            if server is None:
                if wish.get("state") == "present":
                    opening += self._add(key, wish)
                continue
            self.made.before[path(key)] = view(server)
            if wish.get("state") == "absent":
                closing += self._remove(key, server)
                continue
            commands = self._change(key, wish, server)
            (opening if self.made.after[path(key)]["state"] == "ready" else closing).extend(commands)
        # Capacity comes back before other capacity goes, so that no backend is empty in between.
        self.made.first = opening + closing
        return self.made

    def _spell(self, verb: str, key: Key, **values: t.Any) -> list[str]:
        return spell(verb, self.version, server=path(key), **values)

    def _change(self, key: Key, wish: Document, server: Document) -> list[str]:
        after = view(server)
        values: list[str] = []
        address, port = wish.get("address", after["address"]), wish.get("port") or after["port"]
        if (address, port) != (after["address"], after["port"]):
            _require_address(key, server)
            after.update(address=address, port=port)
            values += self._spell("address", key, address=address, port=port)
        if "weight" in wish:
            algorithm = self.algorithms.get(key[0], "")
            weight = target_weight(wish["weight"], server["initial_weight"], path(key), algorithm)
            if weight != after["weight"]:
                after["weight"] = weight
                values += self._spell("weight", key, weight=weight)
        self.made.after[path(key)] = after
        state = wish.get("state")
        if state in (None, "present"):
            return values
        if state == "ready" and server.get("admin_mask", 0) & UNRESOLVED_MAINT:
            raise ScalingError(
                f"{path(key)} cannot be ready: its host name {server['fqdn']} does not resolve for HAProxy.",
                "Repair the name, then reload HAProxy if it has no resolvers section.",
            )
        commands = self._state(key, state, after["state"])
        after["state"] = "maint" if state == "drain" and self.drain_then == "maint" else state
        # A server that opens is given its address and weight before its first request.
        return values + commands if state == "ready" else commands + values

    def _state(self, key: Key, state: str, now: str) -> list[str]:
        """Commands that are due at once; what must wait for the sessions goes into the plan."""
        if state == "drain":
            then_maint = self.drain_then == "maint"
            if then_maint and now == "maint":
                return []
            self.made.drain.append(key)
            if then_maint:
                self.made.maint.append(key)
        return [] if now == state else self._spell("state", key, state=state)

    def _remove(self, key: Key, server: Document) -> list[str]:
        self._spell("delete", key)  # a version that cannot is refused now rather than after the drain
        self.made.remove.append(key)
        if server["state"] == "maint":
            return []
        self.made.drain.append(key)
        self.made.maint.append(key)
        return [] if server["state"] == "drain" else self._spell("state", key, state="drain")

    def _add(self, key: Key, wish: Document) -> list[str]:
        address, port = wish.get("address"), wish.get("port")
        if not address or not port:
            raise ScalingError(f"servers: {path(key)} does not exist yet, and adding it needs address and port.")
        if self.algorithms.get(key[0]) == "static-rr":
            raise ScalingError(
                f"Backend {key[0]} balances with static-rr, to which HAProxy adds no servers at run time.",
                "Use roundrobin, leastconn or random, or add the server to the configuration and reload.",
            )
        if str(wish.get("weight", "")).endswith("%"):
            raise ScalingError(
                f"servers: weight {wish['weight']} of {path(key)} refers to nothing, since the server is to be added.",
                "Give a number from 0 to 256.",
            )
        weight = target_weight(wish.get("weight", 1), 1, path(key), "")
        options = wish.get("options", "").strip()
        if not _OPTIONS.match(options):
            raise ScalingError(f"servers: options of {path(key)} must be one line without ';', '<' and '\\'.")
        self.made.after[path(key)] = {"state": "ready", "weight": weight, "address": address, "port": port}
        values = {"endpoint": endpoint(address, port), "options": f" weight {weight} {options}".rstrip()}
        if wish.get("check", True):
            return self._spell("add_checked", key, **values) + self._spell("start_checked", key)
        return self._spell("add", key, **values) + self._spell("state", key, state="ready")


def _require_address(key: Key, server: Document) -> None:
    """HAProxy 2.6 refuses the address of a server that has none, and still takes it out of maintenance, addressless."""
    if not server["address"]:
        name = f", since its host name {server['fqdn']} does not resolve" if server.get("fqdn") else ""
        raise ScalingError(
            f"{path(key)} has no IP address in HAProxy{name}, and HAProxy changes none that is not there.",
            "Change the configuration and reload, or remove the server and add it again.",
        )


def target_weight(weight: t.Any, initial: int, server: str, algorithm: str) -> int:
    """The absolute weight that HAProxy makes of a wanted one; `N%` refers to the configured weight.

    Raises ScalingError for what HAProxy would refuse, and for a percentage that it would round down to no traffic.
    """
    match = re.match(r"^(\d{1,5})(%?)$", str(weight).strip())
    number = int(match.group(1)) if match else -1
    relative = bool(match and match.group(2))
    if match is None or (not relative and number > 256):
        raise ScalingError(
            f"servers: weight '{weight}' of {server} is neither a number from 0 to 256 nor a percentage such as 50%."
        )
    target = min(256, initial * number // 100) if relative else number
    if relative and number > 0 and initial > 0 and target == 0:
        raise ScalingError(
            f"servers: weight {weight} of the configured {initial} of {server} is 0, which would stop its traffic.",
            "Give the server a configured weight of 100, or an absolute weight here.",
        )
    if algorithm == "static-rr" and target not in (0, initial):
        raise ScalingError(
            f"servers: {server} is balanced with static-rr, which accepts only weight 0 and the configured {initial}.",
            "Use a dynamic algorithm such as leastconn or roundrobin in the backend.",
        )
    return target


def endpoint(address: str, port: int) -> str:
    """address:port as HAProxy writes it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def listed(names: t.Iterable[str], limit: int = 20) -> str:
    """Names for a message, sorted, with the number of those that were left out."""
    every = sorted(names)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more or "none"
