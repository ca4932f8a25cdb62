# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A set whose majority is gone for good: whether it may go on without it, and what that gives up.

Pure functions. The majority cannot agree any more, so one survivor is told the configuration by force, and what members
that are gone have acknowledged without it is lost. How much that is only they could say; what survivors know is told.
"""

from __future__ import annotations

import copy
import datetime
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .client import Document
from .predicates import address, arithmetic, electable, healthy, member_of, optime


class Force(t.NamedTuple):
    """The survivor that has most, the configuration that it is told, what is given up, and the step in words."""

    survivor: str
    config: Document
    loss: Document
    message: str


def plan(
    statuses: t.Mapping[str, Document],
    answering: t.Collection[str],
    config: Document,
    wanted: Document,
    give_up: t.Sequence[str],
) -> Force | None:
    """What to do by force; None where nobody who is given up is a member. Raises ScalingError where it may not be.

    Args:
        statuses: replSetGetStatus by address, of the members that gave it.
        answering: addresses of all who answered anything.
        config: the configuration that the survivors have.
        wanted: the configuration that is wanted in the end.
        give_up: addresses of members that are gone for good.
    """
    members = {address(each["host"]): each for each in config["members"]}
    gone = [place for place in members if place in give_up]
    if not gone:
        return None
    want = {address(each["host"]): each for each in wanted["members"]}
    alive = set(answering).union(*map(healthy, statuses.values()))
    _refuse(gone, want, alive, config)
    made = copy.deepcopy(config)
    made["members"] = [want.get(place, entry) for place, entry in members.items() if place not in gone]
    sums = arithmetic(made, alive)
    if not sums.holds:
        away = [place for place in map(address, (each["host"] for each in made["members"])) if place not in alive]
        raise ScalingError(
            f"Refused to go on without {', '.join(gone)}: there would be {sums}.",
            f"Bring {', '.join(away)} back, or name in give_up whoever else is gone for good.",
        )
    able = [
        (optime(member_of(statuses[place], place)), place)
        for place in (address(each["host"]) for each in made["members"] if electable(each))
        if place in statuses
    ]
    if not able:
        raise ScalingError(
            f"Refused to go on without {', '.join(gone)}: nobody who is left could become the primary.",
            "Give a survivor a vote and a priority above 0 in members.",
        )
    survivor = max(able)[1]
    lost = loss(statuses[survivor], survivor, gone)
    text = f"go on without {', '.join(gone)} by force ({sums.votes} votes, majority {sums.majority}); {in_words(lost)}"
    return Force(survivor, made, lost, text)


def still_heard(
    statuses: t.Mapping[str, Document], answering: t.Collection[str], give_up: t.Collection[str]
) -> set[str]:
    """Those who are given up, do not answer, and are healthy still in the eyes of a survivor."""
    return set().union(*map(healthy, statuses.values())).intersection(give_up).difference(answering)


def loss(status: Document, survivor: str, gone: t.Sequence[str]) -> Document:
    """What the survivor has, and what it knows of those who are gone, with times in UTC."""
    own = member_of(status, survivor)
    told = []
    for place in gone:
        entry = member_of(status, place)
        # The time of its last operation stays when it goes, its optime does not.
        told.append(
            {
                "host": place,
                "state": entry.get("stateStr", "UNKNOWN"),
                "last_heard": _time(entry.get("lastHeartbeatRecv")),
                "last_applied": _time(entry.get("lastAppliedWallTime")),
                "had_more": (entry.get("lastAppliedWallTime") or 0) > (own.get("lastAppliedWallTime") or 0),
            }
        )
    return {
        "survivor": survivor,
        "last_applied": _time(own.get("lastAppliedWallTime")),
        "last_committed": _time(status.get("optimes", {}).get("lastCommittedWallTime")),
        "members": told,
    }


def in_words(lost: Document) -> str:
    """The loss in a sentence."""
    more = [each["host"] for each in lost["members"] if each["had_more"]]
    heard = [f"{each['host']} {each['last_heard'] or 'never since its start'}" for each in lost["members"]]
    known = f"{', '.join(more)} had more" if more else "nobody is known to have had more"
    return (
        f"{lost['survivor']} has operations up to {lost['last_applied'] or 'an unknown time'}, "
        f"committed by a majority as far as it knows up to {lost['last_committed'] or 'an unknown time'}; "
        f"what was acknowledged without it later is lost ({known}; last heard: {', '.join(heard)})"
    )


def _refuse(gone: list[str], want: t.Mapping[str, Document], alive: set[str], config: Document) -> None:
    both = [place for place in gone if place in want]
    if both:
        raise ScalingError(
            f"{', '.join(both)} stands in members and in give_up.", "Leave out of members who is gone for good."
        )
    answers = [place for place in gone if place in alive]
    if answers:
        raise ScalingError(
            f"Refused to go on without {', '.join(gone)}: {', '.join(answers)} answers.",
            "Only who is gone for good can be given up; take others out by leaving them out of members.",
        )
    sums = arithmetic(config, alive)
    if sums.holds:
        raise ScalingError(
            f"Refused to force the set: there are {sums}.",
            f"With a majority nothing has to be given up: leave {', '.join(gone)} out of members, without give_up.",
        )


def _time(seconds: float | None) -> str:
    # Members that were never heard have the beginning of time.
    if not seconds or seconds <= 0:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
