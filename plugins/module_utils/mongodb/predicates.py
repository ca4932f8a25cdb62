# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a set's documents mean: pure functions on the answers of hello, replSetGetStatus and replSetGetConfig."""

from __future__ import annotations

import statistics
import typing as t

from .client import Document, split

PRIMARY, SECONDARY, ARBITER = "PRIMARY", "SECONDARY", "ARBITER"
SERVING = (PRIMARY, SECONDARY, ARBITER)


def address(place: str) -> str:
    """host:port of a member in one spelling: `host` is `host:27017`, and names are in lower case."""
    host, port = split(place)
    host = host.lower()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def member_of(status: Document, place: str) -> Document:
    """The member's entry in a status; empty when there is none."""
    wanted = address(place)
    return next((each for each in status.get("members", []) if address(each["name"]) == wanted), {})


def serves(entry: Document) -> bool:
    """Whether a member counts in a majority right now: it answers, and is past its initial sync and recovery."""
    return bool(entry.get("health")) and entry.get("stateStr") in SERVING


def healthy(status: Document) -> set[str]:
    """Addresses of the members that count in a majority right now."""
    return {address(each["name"]) for each in status.get("members", []) if serves(each)}


def primary_of(status: Document) -> str:
    """Address of the primary that a member sees; empty when it sees none."""
    found = (each["name"] for each in status.get("members", []) if each["stateStr"] == PRIMARY and each["health"])
    return next((address(name) for name in found), "")


def optime(entry: Document) -> tuple[int, int, int]:
    """Term, seconds and increment of the last operation that a member has applied, to be compared."""
    found = entry.get("optime") or {}
    seconds, increment = (found.get("ts") or [0, 0])[:2]
    return int(found.get("t", -1)), int(seconds), int(increment)


def lag_seconds(status: Document, place: str) -> float | None:
    """Seconds of operations that a member is behind the primary; None for an arbiter, or where one of them is away."""
    head = member_of(status, primary_of(status)) if primary_of(status) else {}
    entry = member_of(status, place)
    if not head or not serves(entry) or entry["stateStr"] == ARBITER:
        return None
    behind = optime(head)[1] - optime(entry)[1]
    # Operations have no earlier time than those of a former primary, however far ahead its clock was.
    written = [each.get("lastAppliedWallTime") for each in (head, entry)]
    return float(max(0, behind, int(written[0] - written[1]) if all(written) else 0))


def apart(clocks: t.Mapping[str, float]) -> dict[str, float]:
    """Seconds that each clock is ahead of what most of them tell, in tenths: answers take some hundredths to come."""
    middle = statistics.median(clocks.values()) if clocks else 0.0
    return {place: round(ahead - middle, 1) + 0.0 for place, ahead in clocks.items()}


def votes(config: Document) -> dict[str, int]:
    """Votes by address."""
    return {address(each["host"]): int(each.get("votes", 1)) for each in config["members"]}


def majority(count: int) -> int:
    """How many of so many votes it takes."""
    return count // 2 + 1


class Arithmetic(t.NamedTuple):
    """Votes that there are, that a majority takes, and that answer."""

    votes: int
    majority: int
    healthy: int

    @property
    def holds(self) -> bool:
        return self.healthy >= self.majority

    def __str__(self) -> str:
        return f"{self.votes} votes, of which {self.healthy} answer and {self.majority} are needed"


def arithmetic(config: Document, alive: t.Collection[str]) -> Arithmetic:
    """Whether those who are alive are a majority of a configuration."""
    counted = votes(config)
    total = sum(counted.values())
    return Arithmetic(total, majority(total), sum(count for place, count in counted.items() if place in alive))


def electable(entry: Document) -> bool:
    """Whether a configuration lets a member become primary."""
    return float(entry.get("priority", 1)) > 0 and int(entry.get("votes", 1)) > 0 and not entry.get("arbiterOnly")


def gates(status: Document, config: Document, wanted: str, avoid: str, max_lag: float) -> list[Document]:
    """The conditions under which `wanted` may take over; `avoid` is the primary that only has to give the role up."""
    entries = {address(each["host"]): each for each in config["members"]}
    entry = entries.get(wanted, {})
    seen = member_of(status, wanted)
    lag = lag_seconds(status, wanted)
    sums = arithmetic(config, healthy(status))
    priority = float(entry.get("priority", 0))
    above = {
        place: float(each["priority"])
        for place, each in entries.items()
        if electable(each) and float(each["priority"]) > priority and place != avoid
    }
    state = seen.get("stateStr", "unknown to the primary")
    return [
        _gate("electable", electable(entry), f"{wanted} has priority {priority:g} and {entry.get('votes', 0)} votes."),
        _gate("state", state == SECONDARY and bool(seen.get("health")), f"{wanted} is {state}."),
        _gate(
            "lag",
            lag is not None and lag <= max_lag,
            f"{wanted} is {'an unknown time' if lag is None else f'{lag:g} s'} behind; {max_lag:g} s are accepted.",
        ),
        _gate("majority", sums.holds, f"There are {sums}."),
        _gate(
            "priority",
            not above,
            f"{', '.join(f'{place} ({value:g})' for place, value in above.items())} would take over again by priority."
            if above
            else f"Nobody has a higher priority than {wanted} ({priority:g}).",
        ),
    ]


def best_candidate(status: Document, config: Document, avoid: str) -> str:
    """Who should take over from `avoid`: of those with the highest priority the most advanced; empty without one."""
    able = [
        (float(each["priority"]), optime(member_of(status, each["host"])), -index, address(each["host"]))
        for index, each in enumerate(config["members"])
        if electable(each)
        and address(each["host"]) != avoid
        and serves(member_of(status, each["host"]))
        and not each.get("secondaryDelaySecs")
    ]
    return max(able)[3] if able else ""


def _gate(name: str, passed: bool, message: str) -> Document:
    return {"name": name, "passed": passed, "message": message}


def trouble(entry: Document) -> str:
    """Why a member that was added will not come up by waiting; empty while it may."""
    if entry.get("authenticated") is False:
        return "it and the primary do not know each other's key"
    text = entry.get("lastHeartbeatMessage", "")
    words = ("replica set ids do not match", "authentication", "unauthorized", "not authorized", "replica set names")
    return text if any(each in text.lower() for each in words) else ""
