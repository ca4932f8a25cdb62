# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What turns a member into a standby of another: nothing, re-pointing, rewinding or cloning; pure."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from . import predicates
from .predicates import History

# What a data directory may hold and still be replaced by a clone, each with all before it.
REPLACEABLE = ("never", "stale", "diverged", "any")


class Local(t.NamedTuple):
    """The member as it is on this host.

    Attributes:
        state: missing, unknown (files, but no cluster), incomplete (a clone that was cut off) or present.
        position: end of the WAL that it holds, in bytes; `timeline` is the one that it lies on.
        following: keywords of its primary_conninfo; `slot` its primary_slot_name.
    """

    state: str
    running: bool = False
    standby: bool = False
    system_identifier: str = ""
    timeline: int = 0
    position: int = 0
    segment_size: int = 16 << 20
    rewindable: bool = False
    archive: bool = False
    following: t.Mapping[str, str] = {}
    slot: str = ""
    started: str = ""


class Upstream(t.NamedTuple):
    """The server to stream from; `oldest_wal` is the oldest file it has, without its timeline, empty when unknown."""

    name: str
    system_identifier: str
    timeline: int
    history: History
    position: int
    in_recovery: bool
    oldest_wal: str = ""
    started: str = ""


class Decision(t.NamedTuple):
    """What is done to the data, and why.

    Attributes:
        data: current, behind, stale, diverged, ahead, foreign, unknown or missing: what was found.
        action: none, repoint, rewind or clone.
        reason: a sentence for people.
        discards: bytes of WAL that the member has and the upstream has not; None when they cannot be compared.
    """

    data: str
    action: str
    reason: str
    discards: int | None = 0


def decide(
    local: Local, upstream: Upstream, following: t.Mapping[str, str], slot: str, *, replace: str, rewind: bool
) -> Decision:
    """The least that makes the member stream; raises ScalingError for what nobody has allowed."""
    if local.started and local.started == upstream.started and local.system_identifier == upstream.system_identifier:
        raise ScalingError(f"primary: {upstream.name} is this member itself.", "Name another member to stream from.")
    data, reason, discards = compare(local, upstream)
    if data == "current":
        right = local.running and local.standby and dict(local.following) == dict(following) and local.slot == slot
        return Decision(data, "none" if right else "repoint", reason)
    if data == "missing":
        return Decision(data, "clone", reason)
    if local.running and not local.standby and (data == "ahead" or upstream.in_recovery):
        raise ScalingError(
            f"This member runs as a primary, and {reason}.",
            f"Make {upstream.name} the primary with postgresql_primary first, or stop this member.",
            decision=Decision(data, "refused", reason, discards)._asdict(),
        )
    if data == "diverged" and rewind and local.rewindable:
        return Decision(data, "rewind", reason, discards)
    allowed = REPLACEABLE[REPLACEABLE.index(replace) :: -1]
    if _word(data) in allowed:
        return Decision(data, "clone", reason, discards)
    if data == "diverged" and rewind:
        reason += ", and it has neither data checksums nor wal_log_hints, which pg_rewind needs"
    raise ScalingError(
        f"The data directory is not replaced: {reason}.",
        f"Allow it by replace={_word(data)}" + (" or rewind=true." if data == "diverged" and local.rewindable else "."),
        decision=Decision(data, "refused", reason, discards)._asdict(),
    )


_WITHOUT_CLUSTER: dict[str, tuple[str, str, int | None]] = {
    "missing": ("missing", "there is no data yet", 0),
    "incomplete": ("missing", "an earlier clone was cut off", 0),
    "unknown": ("unknown", "it has files that are no PostgreSQL cluster", None),
}


def compare(local: Local, upstream: Upstream) -> tuple[str, str, int | None]:
    """What the data are in relation to the upstream's: a word, a reason, and the bytes that only the member has."""
    name, where = upstream.name, predicates.format_lsn(local.position)
    if local.state in _WITHOUT_CLUSTER:
        return _WITHOUT_CLUSTER[local.state]
    if local.system_identifier != upstream.system_identifier:
        reason = f"it belongs to the cluster {local.system_identifier}, and {name} to {upstream.system_identifier}"
        return "foreign", reason, None
    if local.timeline == upstream.timeline:
        return _on_the_same_timeline(local, upstream)
    fork = predicates.fork_of(upstream.history, local.timeline)
    if fork is None:
        reason = f"it is on timeline {local.timeline}, which {name} on timeline {upstream.timeline} never was on"
        return "ahead", reason, None
    if local.position > fork or (local.running and not local.standby):
        reason = (
            f"it has WAL up to {where} on timeline {local.timeline}, which {name} left at {predicates.format_lsn(fork)}"
            f" for timeline {upstream.timeline}"
        )
        return "diverged", reason, max(0, local.position - fork)
    return _behind(local, upstream)


def _on_the_same_timeline(local: Local, upstream: Upstream) -> tuple[str, str, int | None]:
    where = predicates.format_lsn(local.position)
    if local.position > upstream.position:
        reason = (
            f"it has WAL up to {where} on timeline {local.timeline}, and {upstream.name} only up to"
            f" {predicates.format_lsn(upstream.position)}"
        )
        return "ahead", reason, local.position - upstream.position
    if local.running and not local.standby:
        return "ahead", f"{upstream.name} is on the same timeline {local.timeline} without having been promoted", 0
    return _behind(local, upstream)


def _behind(local: Local, upstream: Upstream) -> tuple[str, str, int | None]:
    where = predicates.format_lsn(local.position)
    needed = predicates.segment_name(0, local.position, local.segment_size)[8:]
    if upstream.oldest_wal and needed < upstream.oldest_wal and not local.archive:
        oldest = predicates.segment_start("0" * 8 + upstream.oldest_wal, local.segment_size)
        reason = f"it ends at {where}, and {upstream.name} has WAL from {predicates.format_lsn(oldest)} on only"
        return "stale", reason, 0
    return "current", f"{upstream.name} has all WAL that follows {where} on timeline {local.timeline}", 0


def _word(data: str) -> str:
    """The word of `replace` that allows such data to be replaced."""
    return {"stale": "stale", "diverged": "diverged", "ahead": "diverged"}.get(data, "any")
