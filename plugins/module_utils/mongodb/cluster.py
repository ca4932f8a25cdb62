# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All members of a set: found from any that answers, read side by side, shown as one topology."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from . import predicates, service
from .client import AUTHENTICATION_FAILED, Client, Document, Refused, Unreachable, library
from .connection import login_of
from .predicates import address


class Reading(t.NamedTuple):
    """What members say, by address: of themselves (hello), of the set (status), or why they say nothing.

    And the seconds that their clocks are ahead of this host's.
    """

    hellos: dict[str, Document]
    statuses: dict[str, Document]
    errors: dict[str, str]
    refusals: dict[str, int]
    clocks: dict[str, float]

    @property
    def name(self) -> str:
        """The set's name; empty when nobody has a configuration. Raises ScalingError where there are two sets."""
        names = {each["setName"]: place for place, each in self.hellos.items() if each.get("setName")}
        if len(names) > 1:
            told = ", ".join(f"{place} to {name}" for name, place in sorted(names.items()))
            raise ScalingError(f"The members belong to different replica sets: {told}.", "Name the members of one set.")
        return next(iter(names), "")

    @property
    def primary(self) -> str:
        """Address of the primary, which is the one with the highest term where a former one does not know yet."""
        claims = [
            (self.statuses.get(place, {}).get("term", -1), place)
            for place, each in self.hellos.items()
            if each.get("isWritablePrimary")
        ]
        return max(claims)[1] if claims else ""

    @property
    def status(self) -> Document:
        """The set as its primary sees it, or else as one who answers does; empty when nobody does."""
        if self.primary in self.statuses:
            return self.statuses[self.primary]
        return max(self.statuses.values(), key=lambda each: each.get("term", -1), default={})

    @property
    def unauthenticated(self) -> bool:
        """Whether members answer, and none of them knows this user with this password."""
        return not self.statuses and AUTHENTICATION_FAILED in self.refusals.values()


class Cluster:
    """A connection to each member."""

    def __init__(self, params: t.Mapping[str, t.Any], places: t.Iterable[str]) -> None:
        library()
        self._params = params
        self.clients: dict[str, Client] = {}
        # A member that is no part of the set knows no users, and an arbiter never does.
        self._anonymous: dict[str, Client] = {}
        self.know(places)

    def know(self, places: t.Iterable[str]) -> bool:
        """Have a client for these, too; whether there was a new one among them."""
        new = [each for each in map(address, places) if each not in self.clients]
        for place in new:
            self.clients[place] = Client(place, self._params, login_of(self._params))
            self._anonymous[place] = Client(place, self._params, None)
        return bool(new)

    def anonymous(self, place: str) -> Client:
        """A connection to a member without a login, for what it tells everybody."""
        return self._anonymous[place]

    def forget(self, places: t.Iterable[str]) -> None:
        """Ask these no more, until somebody names them."""
        for place in places:
            for known in (self.clients, self._anonymous):
                if place in known:
                    known.pop(place).close()

    def read(self) -> Reading:
        """Everybody's documents, also of members that only the others name; who does not answer is no error."""
        reading = self._read()
        told = [
            place
            for hello in reading.hellos.values()
            for field in ("hosts", "passives", "arbiters")
            for place in hello.get(field, [])
        ]
        told += [each["name"] for status in reading.statuses.values() for each in status.get("members", [])]
        return self._read() if self.know(told) else reading

    def _read(self) -> Reading:
        result = Reading({}, {}, {}, {}, {})

        def one(place: str) -> None:
            try:
                found = _again(service.hello, self._anonymous[place])
                result.hellos[place] = found
                if found.get("setName"):
                    result.clocks[place] = found["localTime"] - time.time()
                if found.get("setName") and not found.get("arbiterOnly"):
                    result.statuses[place] = _again(service.status, self.clients[place])
            except Refused as error:
                result.refusals[place] = error.code
                result.errors[place] = str(error)
            except ScalingError as error:
                result.errors[place] = str(error)

        with ThreadPoolExecutor(len(self.clients) or 1) as pool:
            list(pool.map(one, self.clients))
        return result

    def led(self, user: str, seconds: float) -> Reading:
        """Everybody's documents, with a primary; raises ScalingError when the user is refused, or there is none."""
        reading = self.read()
        check_login(reading, user)
        return reading if reading.primary else self.wait_for_primary(Deadline(seconds))

    def wait_for_primary(self, deadline: Deadline) -> Reading:
        """Read until there is a primary; raises ScalingError with what the members say instead."""
        reading, found = deadline.wait_for(self.read, lambda each: bool(each.primary))
        if not found:
            raise no_primary(reading, deadline.elapsed)
        return reading

    def close(self) -> None:
        for client in (*self.clients.values(), *self._anonymous.values()):
            client.close()


def _again(verb: t.Callable[[Client], Document], client: Client) -> Document:
    """Ask; and once more if there was a connection already, which is a former one where the member was restarted."""
    connected = client.connected
    try:
        return verb(client)
    except Unreachable:
        client.close()
        if not connected:
            raise
        return verb(client)


def check_login(reading: Reading, user: str) -> None:
    """Raise ScalingError where the members answer and refuse the user."""
    if reading.unauthenticated:
        places = ", ".join(sorted(reading.refusals))
        raise ScalingError(
            f"The user '{user}' is refused by {places}: the name or the password is wrong.", "Check user and password."
        )


def no_primary(reading: Reading, seconds: float) -> ScalingError:
    """Why there is no primary, with who is there and how many it takes."""
    entries = reading.status.get("members", [])
    told = [f"{address(each['name'])} is {each['stateStr']}" for each in entries] or [
        f"{place}: {text}" for place, text in sorted(reading.errors.items())
    ]
    sums = ""
    if "votingMembersCount" in reading.status:
        count = reading.status["votingMembersCount"]
        there = len([each for each in entries if predicates.serves(each)])
        sums = f" Of {count} votes a majority takes {predicates.majority(count)}; {there} members answer each other."
    return ScalingError(
        f"There is no primary after {seconds:.0f} s: {'; '.join(told)}.{sums}",
        "Start the members that are away, and look at their logs. If a majority is gone for good, mongodb_replica_set "
        "goes on without it by give_up, and says in check mode what that would lose.",
    )


def topology(reading: Reading, config: Document) -> list[Document]:
    """The members as results show them, in the configuration's order; valid as mongodb_replica_set's members."""
    shown = []
    clocks = predicates.apart(reading.clocks)
    for entry in config["members"]:
        place = address(entry["host"])
        seen = predicates.member_of(reading.status, place)
        own = reading.hellos.get(place)
        shown.append(
            {
                "host": place,
                "priority": float(entry["priority"]),
                "votes": int(entry["votes"]),
                "hidden": bool(entry.get("hidden")),
                "delay": int(entry.get("secondaryDelaySecs") or 0),
                "tags": dict(entry.get("tags") or {}),
                "arbiter": bool(entry.get("arbiterOnly")),
                "state": seen.get("stateStr", "UNKNOWN"),
                "healthy": predicates.serves(seen),
                "reachable": own is not None,
                "lag_seconds": predicates.lag_seconds(reading.status, place),
                "sync_source": seen.get("syncSourceHost", ""),
                "uptime_seconds": int(seen.get("uptime", 0)),
                "clock_seconds": clocks.get(place),
                "reason": seen.get("lastHeartbeatMessage", "")
                or predicates.trouble(seen)
                or reading.errors.get(place, ""),
            }
        )
    return shown
