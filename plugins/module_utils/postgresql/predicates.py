# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pure functions on what PostgreSQL and its programs say: text and rows in, plain data out."""

from __future__ import annotations

import re
import typing as t

Document = t.Dict[str, t.Any]
# (timeline, position at which it ended), oldest first.
History = t.List[t.Tuple[int, int]]

_LSN = re.compile(r"^([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})$")
_SEGMENT = re.compile(r"^[0-9A-F]{24}$")
# What the receiver, and the recovery that it feeds, say; clients of a standby fail for reasons of their own.
_RECEIVER = ("primary server", "WAL stream", "system identifier differs", "timeline")
# Reasons that no amount of waiting takes away.
_HOPELESS = (
    "requested WAL segment",
    "requested starting point",
    "highest timeline",
    "new timeline",
    "system identifier differs",
    "replication slot",
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "certificate",
    "does not match host name",
    "replication role",
    "permission denied",
    "role ",
)
# The former receiver's hold on a slot ends when the primary notices; a cascade's source may have to catch up.
_PASSING = ("is active for PID", "the database system is", "Connection refused", "is ahead of the WAL flush position")
_ALARM = re.compile(r"\b(FATAL|PANIC|new timeline)\b")


def parse_lsn(text: str | None) -> int:
    """A position such as 0/3000060 as a number of bytes; 0 for none."""
    match = _LSN.match(text or "")
    return (int(match.group(1), 16) << 32) + int(match.group(2), 16) if match else 0


def format_lsn(position: int) -> str:
    """A number of bytes as PostgreSQL writes a position."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def parse_control(text: str) -> Document:
    """What pg_controldata prints (C locale), as far as decisions need it."""
    lines = dict(re.findall(r"^([^:\n]+):[ \t]*(.*)$", text, re.MULTILINE))
    return {
        "system_identifier": lines.get("Database system identifier", ""),
        "state": lines.get("Database cluster state", ""),
        "checkpoint": parse_lsn(lines.get("Latest checkpoint location")),
        "redo": parse_lsn(lines.get("Latest checkpoint's REDO location")),
        "timeline": int(lines.get("Latest checkpoint's TimeLineID", 0)),
        "recovery_end": parse_lsn(lines.get("Minimum recovery ending location")),
        "recovery_timeline": int(lines.get("Min recovery ending loc's timeline", 0)),
        "segment_size": int(lines.get("Bytes per WAL segment", 16 << 20)),
        "checksums": lines.get("Data page checksum version", "0") != "0",
        "log_hints": lines.get("wal_log_hints setting", "off") == "on",
    }


# What pg_control says of a cluster that was a primary when it ended, however it did.
PRIMARY_STATES = ("in production", "shut down", "shutting down", "in crash recovery")


def was_shut_down(control: Document) -> bool:
    """Whether a primary ended cleanly, its shutdown checkpoint being the last record."""
    return control["state"] == "shut down"


def can_rewind(control: Document) -> bool:
    """Whether the pages' changes were logged so that pg_rewind finds all of them."""
    return control["checksums"] or control["log_hints"]


def parse_history(text: str) -> History:
    """A timeline history file: the earlier timelines and where each ended."""
    found = re.findall(r"^\s*(\d+)\s+([0-9A-Fa-f]+/[0-9A-Fa-f]+)", text, re.MULTILINE)
    return [(int(timeline), parse_lsn(end)) for timeline, end in found]


def fork_of(history: History, timeline: int) -> int | None:
    """Where a server with this history left a timeline; None when it never was on it."""
    return next((end for number, end in history if number == timeline), None)


def segment_name(timeline: int, position: int, size: int) -> str:
    """Name of the WAL file that holds a position."""
    per_id = 0x100000000 // size
    number = position // size
    return f"{timeline:08X}{number // per_id:08X}{number % per_id:08X}"


def segment_start(name: str, size: int) -> int:
    """First position of a WAL file."""
    return (int(name[8:16], 16) * (0x100000000 // size) + int(name[16:24], 16)) * size


def segments(names: t.Iterable[str]) -> list[str]:
    """The WAL files among names, sorted."""
    return sorted(name for name in names if _SEGMENT.match(name))


def end_of_waldump(text: str) -> int:
    """Where pg_waldump found no further record; 0 when it does not say."""
    found = re.findall(
        r"(?:error in WAL record|could not find (?:a valid record|next record))[^\n]*?\b([0-9A-F]+/[0-9A-F]+)(?:[^\n]*?"
        r"(?:at|after) ([0-9A-F]+/[0-9A-F]+))?",
        text,
    )
    return max((parse_lsn(lsn) for pair in found for lsn in pair if lsn), default=0)


def position(document: Document) -> int:
    """The last position that a running member holds: written on a primary, received or replayed on a standby."""
    if not document["in_recovery"]:
        return parse_lsn(document["current_lsn"])
    return max(parse_lsn(document["receive_lsn"]), parse_lsn(document["replay_lsn"]))


def timeline(document: Document) -> int:
    """The timeline that a running member is on, which its control file tells only after a checkpoint."""
    if not document["in_recovery"]:
        return int(document["wal_file"][:8], 16)
    receiver = document.get("receiver") or {}
    return max(document["control_timeline"], document["recovery_timeline"] or 0, receiver.get("received_tli") or 0)


def shares_timeline(document: Document, upstream: Document) -> bool:
    """Whether a member that streams has come to its primary's timeline.

    After a promotion it is sent the rest of the former timeline first, and counts as streaming meanwhile. An upstream
    that is a standby itself may be on its way, too, so that nothing is asked of its cascade.
    """
    return upstream["in_recovery"] or timeline(document) == timeline(upstream)


def streams_to(document: Document) -> set[str]:
    """Names of the standbys that stream from a member right now."""
    return {row["application_name"] for row in document["senders"] if row["state"] == "streaming"}


def sync_state(upstream: Document, name: str) -> str:
    """sync, quorum, potential, async; empty for a member that does not stream from it."""
    return next((row["sync_state"] for row in upstream["senders"] if row["application_name"] == name), "")


def lag_seconds(document: Document) -> float:
    """Seconds since the last replayed commit, 0 for a standby that has replayed all it received."""
    if not document["in_recovery"] or parse_lsn(document["replay_lsn"]) >= parse_lsn(document["receive_lsn"]):
        return 0.0
    return max(0.0, float(document["replay_age"] or 0))


def applies_later(document: Document) -> bool:
    """Whether a standby is held up by its recovery_min_apply_delay.

    It takes notice of a new primary_conninfo only when it has applied all that it holds, and until then starts no
    receiver either: xlogrecovery.c asks for more WAL, and looks at the receiver, when it runs out of it.
    """
    return document["in_recovery"] and document["startup_wait"] == "RecoveryApplyDelay"


def is_delayed(document: Document) -> bool:
    """Whether a standby is told to apply WAL later than it could."""
    return document["in_recovery"] and document["settings"]["recovery_min_apply_delay"] != "0"


def slot_view(row: Document, now: int) -> Document:
    """A slot as results show it; `retained` is the WAL that it keeps, in bytes."""
    start = parse_lsn(row.get("restart_lsn"))
    return {
        "name": row["slot_name"],
        "type": row["slot_type"],
        "active": row["active"],
        "wal_status": row.get("wal_status") or "",
        "retained": max(0, now - start) if start else 0,
        "safe_wal_size": row.get("safe_wal_size"),
    }


def hopeless_line(log: str) -> str:
    """The first line of a standby's log that says why it will never stream; empty when there is none."""
    for line in _receiver_lines(log):
        if any(words in line for words in _HOPELESS) and not any(words in line for words in _PASSING):
            return line
    return ""


def pausing_line(log: str) -> str:
    """The last line of a server's log that says why it paused its replay; empty when a person did."""
    return next((line.strip() for line in reversed(log.splitlines()) if "insufficient parameter settings" in line), "")


def alarming_line(log: str) -> str:
    """The last line of a server's log that reports a failure, the receiver's before those of others."""
    every = [line.strip() for line in log.splitlines() if _ALARM.search(line)]
    return next(reversed(_receiver_lines(log) or every), "")


def _receiver_lines(log: str) -> list[str]:
    lines = [line.strip() for line in log.splitlines() if _ALARM.search(line)]
    return [line for line in lines if any(words in line for words in _RECEIVER)]


def quote_conninfo(values: t.Mapping[str, t.Any]) -> str:
    """A connection string of libpq; empty values are left out."""

    def quoted(value: t.Any) -> str:
        text = str(value).replace("\\", "\\\\").replace("'", "\\'")
        return text if re.match(r"^[A-Za-z0-9_./:-]+$", text) else f"'{text}'"

    return " ".join(f"{name}={quoted(value)}" for name, value in values.items() if value not in (None, ""))


def parse_conninfo(text: str) -> dict[str, str]:
    """The keywords of a connection string in libpq's key=value form."""
    pairs = re.findall(r"([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))", text or "")
    return {name: re.sub(r"\\(.)", r"\1", quoted or plain) for name, quoted, plain in pairs}


def public_conninfo(text: str) -> dict[str, str]:
    """A connection string's keywords without its secrets."""
    return {name: value for name, value in parse_conninfo(text).items() if "password" not in name}
