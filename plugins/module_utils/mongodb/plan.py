# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the configuration that a set has to the one that is wanted, one safe reconfiguration at a time.

Pure functions. A step changes at most one vote, so that every majority of one configuration overlaps every majority of
the next one (the manual, "replSetReconfig"). Members join without a vote, all at once, and get it when they are synced.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .client import Document
from .predicates import address, arithmetic, electable, majority

MOST_VOTES, MOST_MEMBERS = 7, 50
# Option of a member: its field in the configuration.
FIELDS = {
    "priority": "priority",
    "votes": "votes",
    "hidden": "hidden",
    "delay": "secondaryDelaySecs",
    "tags": "tags",
    "arbiter": "arbiterOnly",
}


class Step(t.NamedTuple):
    """One move: prepare, give_vote, add_arbiter, take_vote, remove, or hand_over, which has no configuration."""

    action: str
    places: list[str]
    message: str
    config: Document | None


def target(config: Document, wanted: t.Sequence[Document], settings: Document) -> Document:
    """The configuration that is wanted; fields that nobody named stay as they are. Raises ScalingError."""
    known = {address(each["host"]): each for each in config["members"]}
    places = [address(each["host"]) for each in wanted]
    for place in {each for each in places if places.count(each) > 1}:
        raise ScalingError(f"members: {place} stands there twice.", "Give every member once.")
    number = max([int(each["_id"]) for each in config["members"]] + [-1])
    order = {place: index for index, place in enumerate(known)}
    made = []
    for entry, place in zip(wanted, places):
        if place in known:
            made.append(_changed(known[place], entry))
        else:
            number += 1
            made.append(_new(number, entry))
    # Those who are there keep their places, by which the server breaks ties.
    made.sort(key=lambda each: order.get(address(each["host"]), len(order) + int(each["_id"])))
    result = copy.deepcopy(config)
    result["members"] = made
    result["settings"] = {**result.get("settings", {}), **settings}
    _refuse(result)
    return result


def initial(name: str, config: Document, place: str, settings: Document, config_server: bool = False) -> Document:
    """What a set begins with: one member with its vote, who becomes the primary at once."""
    first = next(each for each in config["members"] if address(each["host"]) == place)
    if not electable(first):
        raise ScalingError(
            f"{place} cannot begin the set: it has priority {first['priority']:g} and {first['votes']} votes.",
            "Run the task on the host of a member that may become the primary.",
        )
    made: Document = {"_id": name, "version": 1, "members": [dict(first, _id=0)]}
    if config_server:
        made["configsvr"] = True
    return {**made, "settings": settings} if settings else made


def next_step(config: Document, wanted: Document, alive: t.Collection[str], primary: str) -> Step | None:
    """The next move towards `wanted`; None when there is nothing left. Raises ScalingError where it would be unsafe."""
    have = {address(each["host"]): each for each in config["members"]}
    want = {address(each["host"]): each for each in wanted["members"]}
    leading = have.get(primary, {})
    gives_up = bool(leading) and not electable(want.get(primary, {"priority": 0}))
    for step in (
        _prepare(config, wanted, have, want, primary if gives_up else ""),
        _take_vote(config, have, want, [place for place in have if place not in alive and place != primary]),
        _give_vote(config, have, want),
        _hand_over(want, primary) if gives_up else None,
        _take_vote(config, have, want, [place for place in have if place != primary]),
    ):
        if step:
            _refuse_loss(step, config, alive)
            return step
    return None


def view(config: Document, settings: t.Collection[str]) -> Document:
    """A configuration as a diff shows it: members by address, and the settings that the task speaks of."""
    return {
        "name": config["_id"],
        "members": {
            address(each["host"]): {option: each[field] for option, field in FIELDS.items() if field in each}
            for each in config["members"]
        },
        "settings": {name: config.get("settings", {}).get(name) for name in sorted(settings)},
    }


def summary(config: Document) -> Document:
    """Version, members and votes of a configuration, for the record of what was installed."""
    count = sum(int(each["votes"]) for each in config["members"])
    return {
        "version": int(config["version"]),
        "members": [address(each["host"]) for each in config["members"]],
        "votes": count,
        "majority": majority(count),
    }


def _changed(entry: Document, told: Document) -> Document:
    made = copy.deepcopy(entry)
    for option, field in FIELDS.items():
        if told.get(option) is not None:
            made[field] = told[option]
    if bool(made.get("arbiterOnly")) != bool(entry.get("arbiterOnly")):
        raise ScalingError(
            f"{address(entry['host'])} cannot become an arbiter, or cease to be one, while it is a member.",
            "Take it out of the set with one task, empty its data directory, and add it with the next one.",
        )
    return made


def _new(number: int, told: Document) -> Document:
    arbiter = bool(told.get("arbiter"))
    vote = 1 if told.get("votes") is None else told["votes"]
    plain = not (arbiter or told.get("hidden") or told.get("delay") or vote == 0)
    priority = told.get("priority")
    return {
        "_id": number,
        "host": address(told["host"]),
        "arbiterOnly": arbiter,
        "buildIndexes": True,
        "hidden": bool(told.get("hidden")),
        "priority": float(priority) if priority is not None else (1.0 if plain else 0.0),
        "tags": dict(told.get("tags") or {}),
        "secondaryDelaySecs": int(told.get("delay") or 0),
        "votes": vote,
    }


def _refuse(config: Document) -> None:
    members = config["members"]
    counted = [address(each["host"]) for each in members if int(each["votes"])]
    if len(counted) > MOST_VOTES:
        raise ScalingError(
            f"members: {len(counted)} members have votes, MongoDB allows {MOST_VOTES}.", "Give the others votes: 0."
        )
    if len(members) > MOST_MEMBERS:
        raise ScalingError(f"members: {len(members)} members, MongoDB allows {MOST_MEMBERS}.")
    if not any(electable(each) for each in members):
        raise ScalingError("members: nobody could become the primary.", "Give a member a vote and a priority above 0.")
    for each in members:
        place = address(each["host"])
        if int(each["votes"]) not in (0, 1):
            raise ScalingError(f"members: {place} has {each['votes']} votes.", "Accepted are 0 and 1.")
        if not 0 <= float(each["priority"]) <= 1000:
            raise ScalingError(f"members: {place} has priority {each['priority']}.", "Accepted are 0 to 1000.")
        why = [
            word
            for word, so in (
                ("has no vote", not int(each["votes"])),
                ("is hidden", each.get("hidden")),
                ("is delayed", each.get("secondaryDelaySecs")),
            )
            if so
        ]
        if why and float(each["priority"]) > 0:
            raise ScalingError(
                f"members: {place} {why[0]} and has priority {each['priority']:g}.", "Give it priority: 0."
            )


def _next(config: Document, members: list[Document]) -> Document:
    made = copy.deepcopy(config)
    made["members"] = copy.deepcopy(members)
    made["version"] = int(config["version"]) + 1
    # The server fills it in; with one of our own a set whose term has moved would refuse it.
    made.pop("term", None)
    return made


def _prepare(
    config: Document, wanted: Document, have: dict[str, Document], want: dict[str, Document], demoted: str
) -> Step | None:
    """Everything that moves no vote: fields, settings, members without votes in and out, newcomers still without."""
    members, moves = [], []
    for place, entry in have.items():
        if place not in want:
            if int(entry["votes"]):
                members.append(entry)
            else:
                moves.append(("remove", place))
        elif place == demoted or int(want[place]["votes"]) != int(entry["votes"]):
            members.append(entry)
        else:
            members.append(want[place])
            if want[place] != entry:
                moves.append(("change", place))
    for place, entry in want.items():
        if place not in have and not (entry["arbiterOnly"] and int(entry["votes"])):
            members.append(dict(entry, votes=0, priority=0.0))
            moves.append(("add", place))
    made = _next(config, members)
    made["settings"] = wanted["settings"]
    words = [f"{verb} {', '.join(places)}" for verb, places in _by_verb(moves)]
    if made["settings"] != config.get("settings", {}):
        words.append("change settings")
    if not words:
        return None
    added = [place for verb, place in moves if verb == "add"]
    late = f" ({'it votes' if len(added) == 1 else 'they vote'} once synced)" if added else ""
    return Step("prepare", added, f"{'; '.join(words)}{late}", made)


def _by_verb(moves: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    verbs = [verb for verb in ("add", "change", "remove") if any(verb == each for each, place in moves)]
    return [(verb, [place for each, place in moves if each == verb]) for verb in verbs]


def _give_vote(config: Document, have: dict[str, Document], want: dict[str, Document]) -> Step | None:
    count = sum(int(each["votes"]) for each in have.values())
    for place, entry in want.items():
        if int(entry["votes"]) and not int(have.get(place, {}).get("votes", 0)) and count < MOST_VOTES:
            if place in have:
                members = [entry if each == place else have[each] for each in have]
            else:
                members = [*have.values(), entry]
            action, verb = ("give_vote", "give a vote to") if place in have else ("add_arbiter", "add the arbiter")
            text = f"{verb} {place} ({count + 1} votes, majority {majority(count + 1)})"
            return Step(action, [place], text, _next(config, members))
    return None


def _take_vote(
    config: Document, have: dict[str, Document], want: dict[str, Document], of: t.Sequence[str]
) -> Step | None:
    count = sum(int(each["votes"]) for each in have.values())
    for place in of:
        if not int(have[place]["votes"]) or int(want.get(place, {}).get("votes", 0)):
            continue
        sums = f"({count - 1} votes, majority {majority(count - 1)})"
        if place in want:
            members = [want[each] if each == place else have[each] for each in have]
            return Step("take_vote", [place], f"take the vote of {place} {sums}", _next(config, members))
        members = [have[each] for each in have if each != place]
        return Step("remove", [place], f"remove {place} {sums}", _next(config, members))
    return None


def _hand_over(want: dict[str, Document], primary: str) -> Step:
    heirs = [place for place, entry in want.items() if electable(entry) and place != primary]
    return Step("hand_over", heirs, f"make another member than {primary} the primary", None)


def _refuse_loss(step: Step, config: Document, alive: t.Collection[str]) -> None:
    """Refuse a step for which the present configuration has no majority, or after which the next one has none."""
    there = set(alive) | (set(step.places) if step.action in ("give_vote", "add_arbiter", "prepare") else set())
    for when, document in (("now", config), ("then", step.config)):
        if document is None:
            continue
        sums = arithmetic(document, there)
        if not sums.holds:
            away = sorted(address(each["host"]) for each in document["members"] if address(each["host"]) not in there)
            raise ScalingError(
                f"Refused to {step.message}: there would be {sums}."
                if when == "then"
                else f"Refused to {step.message}: there are {sums}.",
                f"Bring {', '.join(away)} back, or remove from the set who is gone for good, first.",
            )
