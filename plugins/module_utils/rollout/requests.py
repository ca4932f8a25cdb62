# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What others may ask of a rollout that runs elsewhere: to pause, to go on, to go back."""

from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .record import Record, changed, check_owner, check_token, clean, position, seconds_between

WAITER_SILENT = 15.0  # seconds after which a run that waits counts as gone


def is_unattended(record: Record, now: str) -> bool:
    """Whether a paused rollout has no run that would go on."""
    if record["state"] != "paused":
        return False
    return not record["waiting"] or seconds_between(record["waiting"], now) > WAITER_SILENT


def pause(record: Record, owner: str, reason: str, now: str) -> Record:
    """Ask the run to stop before its next batch."""
    check_owner(owner)
    if record["state"] == "paused" or "pause" in record["requests"]:
        return record
    _check_comes(record, "pause")
    return _requested(record, "pause", owner, reason, now)


def stop_here(record: Record, token: str, reason: str, now: str) -> Record:
    """The run itself stops, and leaves the rollout paused for whoever takes it over."""
    check_token(record, token)
    if is_unattended(record, now):
        return record
    return changed(
        record, now, "paused", record["owner"], state="paused", waiting="", reason=clean(reason) or record["reason"]
    )


def resume(record: Record, owner: str, now: str) -> Record:
    """Take a pause back; the run that waits goes on."""
    check_owner(owner)
    if is_unattended(record, now):
        raise ScalingError(
            f"Rollout {record['id']} of {record['service']} is paused at {position(record)}, and no run is waiting.",
            "Deploy again with rollout_unfinished=resume to finish it, or with rollout_unfinished=rollback to go back.",
        )
    if "pause" not in record["requests"] and record["state"] == "running":
        return record
    requests = {name: request for name, request in record["requests"].items() if name != "pause"}
    return changed(record, now, "resumed", owner, state="running", waiting="", requests=requests)


def abort(record: Record, owner: str, reason: str, now: str) -> Record:
    """Ask the run to stop before its next batch and go back."""
    check_owner(owner)
    if is_unattended(record, now):
        raise ScalingError(
            f"Rollout {record['id']} of {record['service']} is paused at {position(record)}, and no run would go back.",
            "Deploy again with rollout_unfinished=rollback to go back.",
        )
    if "abort" in record["requests"]:
        return record
    _check_comes(record, "abort")
    return _requested(record, "abort", owner, reason, now)


def _check_comes(record: Record, action: str) -> None:
    """Refuse what no batch would meet any more, rather than promise it."""
    if record["direction"] == "back":
        raise ScalingError(f"Rollout {record['id']} of {record['service']} goes back, and nothing holds that.")
    if not any(batch["state"] == "pending" for batch in record["batches"]):
        raise ScalingError(
            f"It is too late to {action} rollout {record['id']} of {record['service']}: it is at {position(record)},"
            " and no other batch begins after that.",
            "Wait for its end; the playbook rollback goes back then.",
        )


def _requested(record: Record, name: str, owner: str, reason: str, now: str) -> Record:
    requests = dict(record["requests"])
    requests[name] = {"by": owner, "time": now, "reason": clean(reason)}
    # What others ask is no sign of life of the run: `updated` stays.
    return changed(record, record["updated"], f"{name} requested", owner, at=now, requests=requests)
