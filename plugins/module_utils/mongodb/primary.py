# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What mongodb_primary does: have a named member, or any but one, take over without losing a write.

The primary steps down, which it does only once an electable secondary has everything. So that the wanted one wins, the
others are frozen meanwhile, which ends by itself should this run be cut off: nothing durable is changed.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import predicates, service
from .client import Client, Document
from .cluster import Cluster, Reading
from .predicates import address

# Seconds in which a frozen member seeks no election, and in which the former primary does not.
PERIOD = 60
# Seconds that a stepdown waits for a secondary to have everything, while clients wait.
CATCH_UP = 10
# Seconds that a member may take to replicate from another one.
CHANGE = 10


class Wish(t.NamedTuple):
    """Who is to be the primary: `wanted`, or if that is empty the best of `allowed` but `avoid`."""

    wanted: str
    avoid: str
    allowed: t.Collection[str]
    max_lag: float


def converge(params: Document, check_mode: bool) -> Outcome:
    """Entry point of mongodb_primary."""
    cluster = Cluster(params, params["hosts"])
    try:
        return _converge(cluster, params, check_mode)
    finally:
        cluster.close()


def _converge(cluster: Cluster, params: Document, check_mode: bool) -> Outcome:
    reading = cluster.led(params["user"], params["primary_timeout"])
    wanted = address(params["primary"]) if params["primary"] else ""
    avoid = address(params["avoid"]) if params["avoid"] else ""
    present = reading.primary
    config, _committed = service.configuration(cluster.clients[present])
    members = [address(each["host"]) for each in config["members"]]
    for place in filter(None, (wanted, avoid)):
        if place not in members:
            raise ScalingError(f"{place} is no member of {config['_id']}.", f"Accepted are {', '.join(members)}.")
    wish = Wish(wanted, avoid, members, params["max_lag_seconds"])
    after, gates, pause = present, [], 0.0
    if present == avoid or (wanted and present != wanted):
        if check_mode:
            after, gates = check(reading, config, wish)
        else:
            after, gates, pause = hand_over(cluster, reading, config, wish)
    if avoid and not check_mode:
        lead_away(cluster, after, avoid)
    return _outcome(present, after, gates, pause)


def check(reading: Reading, config: Document, wish: Wish) -> tuple[str, list[Document]]:
    """Who takes over, and the gates that were passed; raises ScalingError with those that were not."""
    wanted = wish.wanted
    if not wanted:
        able = dict(config, members=[each for each in config["members"] if address(each["host"]) in wish.allowed])
        wanted = predicates.best_candidate(reading.status, able, wish.avoid)
        if not wanted:
            raise ScalingError(
                f"Nobody can take over from {wish.avoid}: no other member that answers may become the primary.",
                "Bring another member up, or give one a vote and a priority.",
            )
    gates = predicates.gates(reading.status, config, wanted, wish.avoid, wish.max_lag)
    failed = {each["name"]: each["message"] for each in gates if not each["passed"]}
    if failed:
        # What a member that was started this moment does not pass, either.
        passing = set(failed) <= {"state", "lag"}
        raise ScalingError(
            f"{wanted} does not take over from {reading.primary}: {' '.join(failed.values())}",
            "Nothing was changed. A member that was started this moment catches up by itself: run this again once "
            "show_clusters tells that it is a SECONDARY with little lag. If it stays away, its log has the reason."
            if passing
            else "Nothing was changed; put that right, or choose another member.",
            gates=gates,
        )
    return wanted, gates


def hand_over(cluster: Cluster, reading: Reading, config: Document, wish: Wish) -> tuple[str, list[Document], float]:
    """Have another member be the primary: who it is, the gates, seconds without a primary. Raises ScalingError."""
    wanted, gates = check(reading, config, wish)
    present = reading.primary
    # A majority needs the others with the next primary, and a second would pass until they have found it as their
    # source, since nobody is ahead of them then.
    _lead(cluster, present, lambda place, source: place == wanted and source != present)
    _lead(cluster, wanted, lambda _place, source: source != wanted)
    _wait_until_even(cluster.clients[present], wanted, wish.max_lag)
    others = [
        address(each["host"])
        for each in config["members"]
        if predicates.electable(each) and address(each["host"]) not in (present, wanted)
    ]
    frozen = []
    try:
        # A run that was cut off may have left it frozen.
        service.freeze(cluster.clients[wanted], 0)
        for place in others:
            # One who is away cannot win an election either.
            with contextlib.suppress(ScalingError):
                service.freeze(cluster.clients[place], PERIOD)
                frozen.append(place)
        began = time.monotonic()
        service.step_down(cluster.clients[present], PERIOD, CATCH_UP)
        pause = _wait_until_primary(cluster.clients[wanted], began)
    finally:
        # Who only had to give the role up might take it back by priority before it is restarted.
        for place in frozen if wish.avoid else [*frozen, present]:
            with contextlib.suppress(ScalingError):
                service.freeze(cluster.clients[place], 0)
    _wait_until_known(cluster, wanted)
    return wanted, gates, pause


def lead_away(cluster: Cluster, primary: str, avoid: str) -> None:
    """Have members that replicate from `avoid` replicate from the primary.

    Without it they would notice only some time after its end, and a majority of few members has to wait for them.
    """
    _lead(cluster, primary, lambda _place, source: source == avoid)


def _lead(cluster: Cluster, target: str, astray: t.Callable[[str, str], bool]) -> None:
    """Have members replicate from `target` for whom `astray` (member, its source) holds.

    That one of them does not, or that nobody can be asked now, is no error: clients may wait somewhat longer.
    """

    def others(reading: Reading) -> list[str]:
        sources = {place: status.get("syncSourceHost") for place, status in reading.statuses.items()}
        return [
            place for place, source in sources.items() if source and place != target and astray(place, address(source))
        ]

    reading = cluster.read()
    # As the configuration spells it.
    name = predicates.member_of(reading.status, target).get("name")
    for place in others(reading) if name and reading.primary else ():
        with contextlib.suppress(ScalingError):
            service.sync_from(cluster.clients[place], name)
            # They change with the next entry that they get, which where nobody writes is some seconds away.
            service.note(cluster.clients[reading.primary], f"{place} replicates from {name}")
    Deadline(CHANGE).wait_for(cluster.read, lambda seen: not others(seen), 0.05, 0.5)


def _wait_until_even(client: Client, wanted: str, max_lag: float) -> None:
    """Wait until the next primary has what the present one had a moment ago; so the stepdown need not wait long."""
    first = service.status(client)
    goal = predicates.optime(predicates.member_of(first, predicates.primary_of(first)))
    Deadline(max_lag).wait_for(
        lambda: predicates.optime(predicates.member_of(service.status(client), wanted)), lambda has: has >= goal, 0.05
    )


def _wait_until_primary(client: Client, began: float) -> float:
    """Have the wanted member elected, which nobody but it seeks; seconds since `began`."""

    def look() -> bool:
        if service.hello(client).get("isWritablePrimary"):
            return True
        # It may be in an election already, since the former primary asks one who is even to begin.
        with contextlib.suppress(ScalingError):
            service.step_up(client)
        return bool(service.hello(client).get("isWritablePrimary"))

    _won, ok = Deadline(PERIOD).wait_for(look, bool, 0.05, 0.2)
    if not ok:
        raise ScalingError(
            f"{client.place} was not elected within {PERIOD} s after the primary had stepped down.",
            "The members elect one among themselves now; look at the set with mongodb_cluster_info.",
        )
    return time.monotonic() - began


def _wait_until_known(cluster: Cluster, wanted: str) -> None:
    """Drivers ask the members who the primary is: wait until those that answer name the new one."""

    def agreed(reading: Reading) -> bool:
        return reading.primary == wanted and all(
            address(each.get("primary", wanted)) == wanted and "primary" in each
            for each in reading.hellos.values()
            if each.get("setName")
        )

    _reading, ok = Deadline(PERIOD).wait_for(cluster.read, agreed)
    if not ok:
        raise ScalingError(
            f"{wanted} was elected, and not every member names it as the primary after {PERIOD} s.",
            "Look at the set with mongodb_cluster_info.",
        )


def _outcome(before: str, after: str, gates: list[Document], pause: float) -> Outcome:
    return Outcome(
        {"primary": before},
        {"primary": after},
        header="primary",
        primary=after,
        former_primary=before if before != after else "",
        gates=gates,
        pause_seconds=round(pause, 3),
    )
