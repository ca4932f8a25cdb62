# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions on what pgBackRest says of its repositories: which backups there are, and which one leads to a target."""

from __future__ import annotations

import datetime
import re

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .predicates import Document, parse_lsn

TARGETS = ("latest", "immediate", "time", "name", "lsn")
# Of a repository, as `pgbackrest info` counts them: no stanza at all, or no data of it.
_NO_STANZA = (1, 3)
_TIME = re.compile(
    r"^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*(Z|[+-]\d{2}(?::?\d{2})?)$",
    re.IGNORECASE,
)


def view(document: list[Document], stanza: str, now: float) -> Document:
    """Repositories and backups of one stanza, backups from the oldest to the newest.

    Args:
        document: what `pgbackrest info --output=json` printed.
        now: seconds since 1970, for ages.
    """
    entry = next((each for each in document if each["name"] == stanza), {})
    repositories = [
        {"repository": each["key"], "ok": each["status"]["code"] == 0, "status": each["status"]["message"]}
        for each in entry.get("repo", [])
    ]
    missing = [each["key"] for each in entry.get("repo", []) if each["status"]["code"] in _NO_STANZA]
    systems = {(each["repo-key"], each["id"]): each for each in entry.get("db", [])}
    backups = [_backup(each, systems, now) for each in entry.get("backup", [])]
    backups.sort(key=lambda each: each["stopped"])
    good = [each for each in backups if not each["error"]]
    return {
        "repositories": repositories,
        "missing_repositories": missing if entry.get("repo") else None,
        "backups": backups,
        "latest": good[-1] if good else {},
    }


def _backup(each: Document, systems: Document, now: float) -> Document:
    database = each["database"]
    return {
        "label": each["label"],
        "type": each["type"],
        "repository": database["repo-key"],
        "started": each["timestamp"]["start"],
        "stopped": each["timestamp"]["stop"],
        "age_seconds": max(0, int(now - each["timestamp"]["stop"])),
        "seconds": each["timestamp"]["stop"] - each["timestamp"]["start"],
        "start_lsn": (each.get("lsn") or {}).get("start") or "",
        "stop_lsn": (each.get("lsn") or {}).get("stop") or "",
        "bytes": each["info"]["size"],
        "error": bool(each.get("error")),
        "system_identifier": str(systems.get((database["repo-key"], database["id"]), {}).get("system-id", "")),
        "version": systems.get((database["repo-key"], database["id"]), {}).get("version", ""),
    }


def parse_time(text: str) -> datetime.datetime:
    """A target's time, which has to name its zone; raises ScalingError."""
    match = _TIME.match(text.strip())
    if match:
        zone = "+00:00" if match.group(3).upper() == "Z" else match.group(3).replace(":", "")
        if zone[-3] != ":":
            zone = f"{zone[:3]}:{zone[3:] or '00'}"
        clock, _, fraction = match.group(2).partition(".")
        clock = clock if clock.count(":") == 2 else f"{clock}:00"
        try:
            return datetime.datetime.strptime(
                f"{match.group(1)} {clock}.{fraction or '0'} {zone[:3]}{zone[4:]}", "%Y-%m-%d %H:%M:%S.%f %z"
            )
        except ValueError:
            pass
    raise ScalingError(
        f"target: '{text}' is no time with its zone.",
        "Accepted is for example 2026-01-31 12:00:00+00 or 2026-01-31T12:00:00Z.",
    )


def choose(found: Document, wish: Document, now: float) -> tuple[Document, str]:
    """(backup, target as pgBackRest takes it) from which to replay WAL up to a target; raises ScalingError.

    The newest backup that had ended before the target. Nobody knows when a name was given, so that one is reached
    from the oldest.

    Args:
        found: what `view` made.
        wish: target_type, target, backup and repository, as pgbackrest_restore takes them.
        now: seconds since 1970.
    """
    kind, target, label, repository = (wish[name] for name in ("target_type", "target", "backup", "repository"))
    there = [each for each in found["backups"] if each["repository"] == repository and not each["error"]]
    if not there:
        states = "; ".join(f"repository {each['repository']}: {each['status']}" for each in found["repositories"])
        raise ScalingError(
            f"Repository {repository} has no usable backup ({states or 'the stanza is unknown'}).",
            "Run the playbook backup.",
        )
    if label and label not in [each["label"] for each in there]:
        raise ScalingError(
            f"backup: '{label}' is not in repository {repository}.",
            f"It has {', '.join(each['label'] for each in there)}.",
        )
    chosen = [each for each in there if label in ("", each["label"])]
    if kind == "time":
        moment = parse_time(target)
        seconds = moment.timestamp()
        if seconds > now:
            raise ScalingError(
                f"target: {target} has not come yet.", "Give a time in the past, or the target type latest."
            )
        before = [each for each in chosen if each["stopped"] < seconds]
        if not before:
            raise ScalingError(
                f"target: {target} lies before {_stamp(chosen[0]['stopped'])}, when the backup {chosen[0]['label']} had"
                " ended.",
                "Give a later time, or another repository that keeps older backups.",
            )
        utc = moment.astimezone(datetime.timezone.utc)
        return before[-1], utc.strftime("%Y-%m-%d %H:%M:%S.%f+00")
    if kind == "lsn":
        position = parse_lsn(target)
        before = [each for each in chosen if each["stop_lsn"] and parse_lsn(each["stop_lsn"]) <= position]
        if not before:
            raise ScalingError(
                f"target: {target} lies before {chosen[0]['stop_lsn']}, where the backup {chosen[0]['label']} ends.",
                "Give a later position, or another repository that keeps older backups.",
            )
        return before[-1], target
    if kind == "name":
        return chosen[0], target
    return chosen[-1], ""


def _stamp(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S+00")
