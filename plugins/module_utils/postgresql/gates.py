# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the roles may change: named gates on the members' documents, and whom to promote; pure."""

from __future__ import annotations

import typing as t

from . import predicates
from .cluster import Member, Reading, upstream_of
from .predicates import Document
from .service import SIZED

# Twice what a standby lets pass between two of its reports (wal_receiver_status_interval).
SILENT_SECONDS = 20


class Gate(t.NamedTuple):
    """One condition; `message` says what was found, and what is accepted when it is not met."""

    name: str
    passed: bool
    message: str


class Limits(t.NamedTuple):
    """What is accepted, in bytes and seconds."""

    lag_bytes: int
    transaction_seconds: float


def planned(
    reading: Reading,
    members: t.Mapping[str, Member],
    now: str,
    wanted: str,
    limits: Limits,
    *,
    at_start: t.Mapping[str, str],
) -> list[Gate]:
    """The gates of a planned switchover from the primary `now` to the standby `wanted`.

    Args:
        at_start: the settings of service.SIZED that `now` comes back with.
    """
    primary = reading.documents[now]
    gates = [_answers(reading, wanted)]
    candidate = reading.documents.get(wanted)
    if candidate is None:
        return gates
    return [
        *gates,
        _one_cluster(reading),
        _candidate_streams(primary, candidate, now, wanted),
        _others_stream(reading, members, now, wanted),
        _lag(primary, candidate, wanted, limits.lag_bytes),
        _timelines(reading, now),
        _synchronous(primary, wanted),
        _transactions(primary, limits.transaction_seconds),
        _logical_slots(primary, now),
        _backups(reading),
        replays(candidate, wanted),
        _configuration(reading, now, wanted, at_start),
    ]


def _answers(reading: Reading, wanted: str) -> Gate:
    if wanted in reading.documents:
        return Gate("candidate_answers", True, f"{wanted} answers.")
    return Gate(
        "candidate_answers", False, f"{wanted} does not answer: {reading.errors.get(wanted, 'it is no member')}"
    )


def _one_cluster(reading: Reading) -> Gate:
    found = {name: document["system_identifier"] for name, document in reading.documents.items()}
    same = len(set(found.values())) == 1
    text = ", ".join(f"{name} {identifier}" for name, identifier in found.items())
    return Gate(
        "system_identifier", same, "All members are of one cluster." if same else f"The clusters differ: {text}."
    )


def _candidate_streams(primary: Document, candidate: Document, now: str, wanted: str) -> Gate:
    streams = candidate["in_recovery"] and wanted in predicates.streams_to(primary)
    return Gate(
        "candidate_streams",
        streams,
        f"{wanted} streams from {now}."
        if streams
        else f"{now} has no stream to {wanted}; lead it there by rejoin first.",
    )


def _others_stream(reading: Reading, members: t.Mapping[str, Member], now: str, wanted: str) -> Gate:
    primary = reading.documents[now]
    silent = {row["application_name"] for row in primary["senders"] if (row["silent"] or 0) > SILENT_SECONDS}
    bad = []
    for name in members:
        document = reading.documents.get(name)
        if name in (now, wanted):
            bad += [f"{name} has been silent for more than {SILENT_SECONDS} s"] if name in silent else []
        elif document is None:
            bad.append(f"{name} does not answer")
        elif predicates.applies_later(document):
            # It may have no stream until it has applied what it holds; its slot keeps WAL for it.
            bad += [] if upstream_of(document, members, told=True) else [f"{name} is told to stream from nobody"]
        elif not upstream_of(document, members) and name not in predicates.streams_to(primary):
            bad.append(f"{name} streams from nobody")
        elif name in silent:
            bad.append(f"{name} has been silent for more than {SILENT_SECONDS} s")
    return Gate("replicas_stream", not bad, "; ".join(bad) + "." if bad else "All replicas stream.")


def _lag(primary: Document, candidate: Document, wanted: str, limit: int) -> Gate:
    lag = max(0, predicates.position(primary) - predicates.parse_lsn(candidate["replay_lsn"]))
    return Gate("lag", lag <= limit, f"{wanted} is {lag} bytes behind in replaying; {limit} are accepted.")


def _timelines(reading: Reading, now: str) -> Gate:
    found = {
        name: predicates.timeline(document)
        for name, document in reading.documents.items()
        if not predicates.applies_later(document)
    }
    bad = [f"{name} is on {timeline}" for name, timeline in found.items() if timeline != found[now]]
    message = f"{now} is on timeline {found[now]}, {', '.join(bad)}." if bad else f"All are on timeline {found[now]}."
    return Gate("timeline", not bad, message)


def _synchronous(primary: Document, wanted: str) -> Gate:
    names = primary["settings"]["synchronous_standby_names"]
    if not names:
        return Gate("synchronous", True, "Replication is asynchronous.")
    state = predicates.sync_state(primary, wanted)
    return Gate(
        "synchronous",
        state in ("sync", "quorum"),
        f"synchronous_standby_names is {names}, and {wanted} is {state or 'not there'}; sync or quorum is accepted.",
    )


def _transactions(primary: Document, limit: float) -> Gate:
    long = [row for row in primary["transactions"] if row["seconds"] > limit]
    if not long:
        return Gate("transactions", True, f"No transaction is older than {limit:g} s.")
    first = long[0]
    who = (
        f"process {first['pid']} of {first['user']} ({first['application'] or 'no application_name'}, {first['state']})"
    )
    return Gate(
        "transactions",
        False,
        f"{len(long)} transactions are older than {limit:g} s, the oldest {first['seconds']:.0f} s, in {who}.",
    )


def _logical_slots(primary: Document, now: str) -> Gate:
    found = [row["slot_name"] for row in primary["slots"] if row["slot_type"] == "logical"]
    message = (
        f"{now} has the logical slots {', '.join(found)}, which do not move."
        if found
        else "There are no logical slots."
    )
    return Gate("logical_slots", not found, message)


def _backups(reading: Reading) -> Gate:
    busy = [name for name, document in reading.documents.items() if document["backups"]]
    message = f"A base backup or clone is being taken from {', '.join(busy)}." if busy else "No base backup is running."
    return Gate("backups", not busy, message)


def replays(candidate: Document, wanted: str) -> Gate:
    """Whether a standby applies what it receives."""
    delay = candidate["settings"]["recovery_min_apply_delay"]
    if candidate["replay_paused"]:
        return Gate("replay", False, f"{wanted} has paused its replay.")
    return Gate(
        "replay", delay == "0", f"{wanted} applies WAL with recovery_min_apply_delay {delay} ms; 0 is accepted."
    )


def _configuration(reading: Reading, now: str, wanted: str, at_start: t.Mapping[str, str]) -> Gate:
    """A standby stops replaying when its primary has more of some settings than itself."""
    bad = []
    documents = reading.documents
    for name, document in documents.items():
        if document["version"] // 10000 != documents[now]["version"] // 10000:
            bad.append(f"{name} is version {document['settings']['server_version']}")
        for setting in SIZED:
            least = int(documents[wanted]["settings"][setting])
            found = int(at_start[setting] if name == now else document["settings"][setting])
            if found < least:
                bad.append(f"{name} has {setting} {found}, less than {least} on {wanted}")
    return Gate("configuration", not bad, "; ".join(bad) + "." if bad else "The settings that have to agree do.")


def most_advanced(reading: Reading) -> str:
    """The standby that a failover promotes: the one with the most WAL on the highest timeline; empty without any."""
    ranked = [
        (predicates.timeline(document), predicates.position(document), name)
        for name, document in reading.documents.items()
        if document["in_recovery"] and replays(document, name).passed
    ]
    # Of equals the first by name, so that two runs choose the same.
    ranked.sort(key=lambda entry: (-entry[0], -entry[1], entry[2]))
    return ranked[0][2] if ranked else ""


def loss(reading: Reading, wanted: str, known_end: int) -> Document:
    """What promoting a standby gives up: bytes, whether that is all, and from what it is known.

    Args:
        known_end: where the former primary's WAL ended, 0 when that is unknown.
    """
    mine = predicates.position(reading.documents[wanted])
    others = max(predicates.position(document) for document in reading.documents.values())
    return {
        "bytes": max(known_end, others) - mine,
        "exact": bool(known_end),
        "basis": "the end of the former primary's WAL" if known_end else "the standbys alone",
        "candidate_lsn": predicates.format_lsn(mine),
        "known_lsn": predicates.format_lsn(max(known_end, others)),
    }
