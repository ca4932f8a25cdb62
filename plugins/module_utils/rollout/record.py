# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of a rollout: its states, and what every action makes of it. Values in, values out; nothing is stored.

A function that changes a record returns a new one and raises ScalingError when the action is refused.
"""

from __future__ import annotations

import copy
import json
import re
import typing as t
from datetime import datetime, timezone

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments

Record = t.Dict[str, t.Any]

OPEN = ("running", "paused")
OUTCOMES = ("succeeded", "failed", "rolled_back", "aborted")
# state -> action -> states it may lead to; an action that is not listed is refused.
TRANSITIONS = {
    "none": {"begin": ("running",)},
    "running": {
        "advance": ("running", "paused"),
        "pause": ("running", "paused"),
        "resume": ("running",),
        "abort": ("running",),
        "take_over": ("running",),
        "finish": OUTCOMES,
    },
    "paused": {
        "advance": ("running", "paused"),
        "pause": ("paused",),
        "resume": ("running",),
        "abort": ("paused",),
        "take_over": ("running",),
        "finish": OUTCOMES,
    },
}
TRANSITIONS.update({outcome: {"begin": ("running",), "finish": (outcome,)} for outcome in OUTCOMES})

FIRST_PHASE = "draining"  # only here a batch can be held or called off
PHASE = re.compile(r"^[a-z][a-z0-9_]{0,39}\Z")
OWNER = re.compile(r"^[^\s\x00-\x1f]{1,200}\Z")


def timestamp(seconds: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one timestamp to another."""
    return (_parsed(later) - _parsed(earlier)).total_seconds()


def _parsed(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")


def public(record: Record) -> Record:
    """The record without its token."""
    return {key: value for key, value in record.items() if key != "token"}


def summary(record: Record | None) -> str:
    """What of a record tells whether something changed, as text: everything but identities and times."""
    if record is None:
        return ""
    lines = [
        f"{record['service']} to {record['version']}: {record['state']}, {record['direction']}",
        f"held by {record['owner']}, holder number {record['fence']}",
    ]
    lines += [f"{name} asked for by {asked['by']}" for name, asked in sorted(record["requests"].items())]
    lines += [f"reason: {record['reason']}"] if record["reason"] else []
    for batch in record["batches"]:
        kept = " " + json.dumps(batch["evidence"], sort_keys=True) if batch["evidence"] else ""
        lines.append(f"batch {batch['number']}: {batch['state']} {batch['phase']}".rstrip() + kept)
    return "\n".join(lines) + "\n"


def position(record: Record) -> str:
    """Where a rollout stands, in words."""
    total = len(record["batches"])
    active = [batch for batch in record["batches"] if batch["state"] == "active"]
    if active:
        return f"batch {active[0]['number']} of {total} ({active[0]['phase']})"
    done = sum(batch["state"] == "done" for batch in record["batches"])
    return f"{done} of {total} batches done"


def allow(record: Record | None, action: str, service: str) -> None:
    """Refuse an action that the record's state does not allow."""
    state = record["state"] if record else "none"
    if action in TRANSITIONS[state]:
        return
    if action == "begin" and record:
        raise ScalingError(
            f"Rollout {record['id']} of {service} to {record['version']} is {state}: held by {record['owner']} since "
            f"{record['started']}, at {position(record)}, last step {record['updated']}.",
            "Wait for it, or, if nobody is running it, take it over: deploy again with rollout_unfinished=resume to "
            "finish it, or with rollout_unfinished=rollback to go back.",
            holder={
                "id": record["id"],
                "owner": record["owner"],
                "since": record["started"],
                "updated": record["updated"],
                "at": position(record),
            },
        )
    ended = (
        f"the last one, {record['id']}, ended as {state} at {record['finished']}" if record else "there was none yet"
    )
    details = {"requested": "fenced"} if action == "advance" else {}
    raise ScalingError(f"{service} has no open rollout to {action.replace('_', ' ')}: {ended}.", **details)


def check_token(record: Record, token: str) -> None:
    """Refuse whoever does not hold the rollout any more."""
    if not token:
        raise ScalingError("token is empty; give the token that action begin or take_over returned.")
    if token != record["token"]:
        raise ScalingError(
            f"token is not the one of rollout {record['id']}: {record['owner']} holds it since {record['held_since']}.",
            "This run must stop and leave the hosts alone.",
            requested="fenced",
        )


def check_owner(owner: str) -> str:
    """Who acts, as a word."""
    if not OWNER.match(owner or ""):
        raise ScalingError(f"owner is '{owner}'; give who acts, without spaces, as user@controller.")
    return owner


def begin(plan: t.Mapping[str, t.Any], service: str, owner: str, now: str, *, token: str, rollout_id: str) -> Record:
    """A new record of a plan that has steps."""
    _check_plan(plan, service)
    return {
        "id": rollout_id,
        "service": service,
        "strategy": plan.get("strategy", "rolling"),
        "version": plan["version"],
        "from": plan.get("from", ""),
        "state": "running",
        "direction": "forward",
        "owner": check_owner(owner),
        "held_since": now,
        "fence": 1,
        "token": token,
        "started": now,
        "updated": now,
        "finished": "",
        "waiting": "",
        "requests": {},
        "reason": "",
        "plan": copy.deepcopy(dict(plan)),
        "batches": [
            {
                "number": batch["number"],
                "hosts": list(batch["hosts"]),
                "state": "pending",
                "phase": "",
                "phases": {},
                "phases_back": {},
                "evidence": {},
            }
            for batch in plan["batches"]
        ],
        "events": [{"time": now, "what": "begun", "by": owner}],
    }


def _check_plan(plan: t.Any, service: str) -> None:
    wanted = "give the plan that rollout_plan returned"
    if not isinstance(plan, dict) or not plan:
        raise ScalingError(f"plan is missing; {wanted}.")
    if plan.get("service") != service:
        raise ScalingError(f"plan is for service '{plan.get('service')}', not '{service}'; {wanted} for {service}.")
    batches = plan.get("batches")
    if not plan.get("version") or not isinstance(batches, list) or not batches:
        raise ScalingError(f"plan has no version or no batches, so there is nothing to roll out; {wanted}.")
    for place, batch in enumerate(batches, start=1):
        if not isinstance(batch, dict) or batch.get("number") != place or not batch.get("hosts"):
            raise ScalingError(f"plan's batch {place} lacks its number or its hosts; {wanted}, as it is.")


def advance(record: Record, request: t.Mapping[str, t.Any], now: str) -> tuple[Record, str]:
    """Enter a phase of a batch.

    Args:
        request: token, batch, phase, evidence, direction (empty: as the record goes).

    Returns:
        The record, and ``go``, ``wait`` (a pause is asked for) or ``aborted``. Only the first phase of a batch that
        goes forward is ever held: a way back is never stopped half-way.
    """
    check_token(record, request["token"])
    phase = request["phase"]
    if not PHASE.match(phase or ""):
        raise ScalingError(f"phase is '{phase}'; give a word of small letters, digits and _, such as draining or done.")
    batch = _find_batch(record, request["batch"])
    direction = request.get("direction") or _direction(record, batch, phase)
    if phase == FIRST_PHASE and (direction == "forward" or batch["state"] == "pending"):
        if "abort" in record["requests"]:
            return _deliver_abort(record, now), "aborted"
        if "pause" in record["requests"]:
            return _hold(record, now), "wait"
    what = f"batch {batch['number']} {phase}" + (" (way back)" if direction == "back" else "")
    evidence = request.get("evidence") or {}
    known = {key: batch["evidence"].get(key) for key in evidence} == dict(evidence)
    if record["events"][-1]["what"] == what and known and record["state"] == "running":
        return record, "go"
    after = changed(record, now, what, record["owner"], state="running", waiting="", direction=direction)
    target = _find_batch(after, request["batch"])
    times = "phases_back" if direction == "back" else "phases"
    if phase == FIRST_PHASE:
        target[times] = {}
    target[times][phase] = now
    target["phase"] = phase
    target["state"] = _batch_state(phase, direction)
    target["evidence"].update(copy.deepcopy(dict(evidence)))
    return after, "go"


def _find_batch(record: Record, number: t.Any) -> dict[str, t.Any]:
    total = len(record["batches"])
    if isinstance(number, int) and 1 <= number <= total:
        return record["batches"][number - 1]
    raise ScalingError(f"batch is {number}; rollout {record['id']} has the batches 1 to {total}.")


def _direction(record: Record, batch: t.Mapping[str, t.Any], phase: str) -> str:
    """Without being told: whoever touches a batch again after it was done goes back."""
    if phase == "taken_back" or (phase == FIRST_PHASE and batch["state"] in ("done", "taken_back")):
        return "back"
    return record["direction"]


def _batch_state(phase: str, direction: str) -> str:
    if phase == "taken_back" or (phase == "done" and direction == "back"):
        return "taken_back"
    return "done" if phase == "done" else "active"


def _deliver_abort(record: Record, now: str) -> Record:
    asked = record["requests"]["abort"]
    if record["direction"] == "back":
        return record
    return changed(
        record,
        now,
        "abort taken up",
        record["owner"],
        state="running",
        waiting="",
        direction="back",
        reason=f"aborted by {asked['by']}" + (f": {asked['reason']}" if asked["reason"] else ""),
    )


def _hold(record: Record, now: str) -> Record:
    if record["state"] == "paused" and record["waiting"]:
        return dict(record, waiting=now, updated=now)  # a sign of life
    return changed(record, now, "waiting", record["owner"], state="paused", waiting=now)


def give_up_waiting(record: Record, token: str, now: str) -> Record:
    """Nobody resumed it in time: it stays paused, and nobody waits for it any more."""
    check_token(record, token)
    return changed(record, now, "gave up waiting", record["owner"], state="paused", waiting="")


def finish(record: Record, token: str, outcome: str, reason: str, now: str) -> Record:
    """Close the rollout and give the lock back."""
    if outcome not in OUTCOMES:
        raise ScalingError(f"outcome is '{outcome}'; give {', '.join(OUTCOMES[:-1])} or {OUTCOMES[-1]}.")
    check_token(record, token)
    if record["state"] in OUTCOMES:
        if record["state"] == outcome:
            return record
        raise ScalingError(f"outcome is '{outcome}', but rollout {record['id']} ended as {record['state']} already.")
    open_batches = [str(batch["number"]) for batch in record["batches"] if batch["state"] != "done"]
    if outcome == "succeeded" and open_batches:
        raise ScalingError(
            f"outcome is 'succeeded', but of rollout {record['id']} these batches are not done: "
            f"{', '.join(open_batches[:10])}.",
            "Finish them, or give failed, rolled_back or aborted.",
        )
    why = clean(reason) or record["reason"]
    return changed(record, now, outcome, record["owner"], state=outcome, finished=now, waiting="", reason=why)


def take_over(
    record: Record, owner: str, token: str, now: str, *, quiet: float, force: bool = False, direction: str = ""
) -> Record:
    """Give the rollout to another run and fence the old one off.

    Args:
        quiet: seconds without a step after which the old run counts as gone.
        force: take it over even so.
        direction: ``forward`` [default] to go on, ``back`` to go back.
    """
    check_owner(owner)
    age = seconds_between(record["updated"], now)
    left = record["state"] == "paused" and not record["waiting"]
    if age < quiet and not left and not force:
        raise ScalingError(
            f"Rollout {record['id']} of {record['service']} is {record['state']} at {position(record)}, and "
            f"{record['owner']} made its last step {max(0.0, age):.0f} s ago, so that run may be alive.",
            f"Wait until it is quiet for {quiet:.0f} s, or set force_take_over if you know that it is gone.",
        )
    return changed(
        record,
        now,
        f"taken over from {record['owner']}",
        owner,
        state="running",
        owner=owner,
        held_since=now,
        fence=record["fence"] + 1,
        token=token,
        waiting="",
        requests={},
        direction=direction or "forward",
        reason=record["reason"] if direction == "back" else "",
    )


def changed(record: Record, updated: str, what: str, by: str, at: str = "", **values: t.Any) -> Record:
    """A copy with new values and an event; ``at`` is the event's time where it is not ``updated``."""
    after = copy.deepcopy(record)
    after.update(values, updated=updated)
    after["events"].append({"time": at or updated, "what": what, "by": by})
    return after


def clean(reason: str) -> str:
    """A reason without secrets, of bounded length."""
    return hide_assignments((reason or "").strip())[:2000]
