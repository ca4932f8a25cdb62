# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Promote a standby without its primary: only with the proof that it is gone, and with the loss said before."""

from __future__ import annotations

import socket
import time

from ansible_collections.horizontal.scaling.plugins.module_utils.core.command import run_bounded
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments

from . import gates, predicates, service
from .change import Task, after_promotion, follow_all, promote, read_back
from .cluster import Reading, roles, topology, upstream_of
from .gates import Gate
from .pooler import resume
from .predicates import Document

FENCE_SECONDS = 60


def failover(task: Task, reading: Reading, check_mode: bool) -> Outcome:
    """Make the most advanced standby, or the one asked for within max_loss_bytes, the primary; raises ScalingError."""
    former = former_of(task, reading)
    wanted = candidate_of(task, reading)
    task.values.update(primary=wanted, former_primary=former, pause_seconds=0.0)
    known_end = known_end_of(task, reading, former)
    with task.phases("gates"):
        lost = task.values["loss"] = gates.loss(reading, wanted, known_end)
        task.check([gates.replays(reading.documents[wanted], wanted), loss_gate(task, lost)])
        # Last, since a fence is nothing to run for a change that is refused anyway.
        task.check([_gone(task, reading, former, check_mode)])
    before = roles(reading, task.members)
    standbys = [name for name in reading.documents if name != wanted]
    after = after_promotion(before, wanted, standbys, task.upstreams)
    if check_mode:
        return task.outcome(before, after, reading)
    with service.locked([task.client(name) for name in reading.documents]):
        if task.tools and task.params["local"] == former:
            task.tools.make_standby(task.follow_settings(former, wanted, reading.documents[wanted]))
        task.slots_on(wanted, reading.documents)
        began = time.monotonic()
        reading = _read_again(task, wanted, known_end)
        promote(task)
        task.lead_poolers(wanted)
        resume(task.poolers)
        task.values["pause_seconds"] = round(time.monotonic() - began, 4)
        follow_all(task, reading, wanted, standbys)
        # pg_rewind takes the new timeline from the control file, which learns of it here.
        task.client(wanted).rows("CHECKPOINT")
    return read_back(task, before)


def candidate_of(task: Task, reading: Reading) -> str:
    """The standby that was asked for, or the most advanced one; raises ScalingError when it does not answer."""
    wanted = task.params["primary"] or gates.most_advanced(reading)
    if wanted not in reading.documents:
        raise ScalingError(
            f"{wanted} does not answer: {reading.errors[wanted]}"
            if wanted
            else "There is no standby that could be promoted."
        )
    return wanted


def former_of(task: Task, reading: Reading) -> str:
    """The member that the standbys were told to stream from and that does not answer; raises ScalingError."""
    told = {upstream_of(document, task.members, told=True) for document in reading.documents.values()}
    found = sorted(name for name in told if name in reading.errors) or sorted(reading.errors)
    if len(found) == 1:
        return found[0]
    raise ScalingError(
        f"It is not clear who was the primary: the standbys follow {', '.join(sorted(told - {''})) or 'nobody'}, and"
        f" {', '.join(found) or 'nobody'} does not answer.",
        "Name all members, or start the former primary.",
        members=topology(reading, task.members),
    )


def known_end_of(task: Task, reading: Reading, former: str) -> int:
    """Where the former primary's WAL ended: read on its own host, or as the operator knows it; 0 when unknown."""
    if task.tools and task.params["local"] == former and not task.tools.pid():
        control = task.tools.control()
        systems = {document["system_identifier"] for document in reading.documents.values()}
        if control["state"] not in predicates.PRIMARY_STATES or {control["system_identifier"]} != systems:
            raise ScalingError(
                f"The data in {task.params['data_directory']} are not those of the former primary {former}: they are of"
                f" cluster {control['system_identifier']}, in the state '{control['state']}'.",
                f"Run the task on the host of {former}, or without local and with a fence_command.",
            )
        return task.tools.end_of_wal(control)[1]
    given = task.params["last_known_lsn"]
    if given and not predicates.parse_lsn(given):
        raise ScalingError(f"last_known_lsn: '{given}' is no position in the WAL.", "Give one such as 0/3000060.")
    return predicates.parse_lsn(given)


def loss_gate(task: Task, lost: Document) -> Gate:
    limit, accepted = task.params["max_loss_bytes"], task.params["accept_unknown_loss"]
    what = (
        f"{lost['bytes']} bytes of WAL are lost by promoting {task.values['primary']} at {lost['candidate_lsn']}, going"
        f" by {lost['basis']} ({lost['known_lsn']}); max_loss_bytes is {limit}."
    )
    if not lost["exact"]:
        what = (
            f"At least {what} Where the WAL of {task.values['former_primary']} ended is unknown: give last_known_lsn,"
            " or accept_unknown_loss=true."
        )
    return Gate("loss", lost["bytes"] <= limit and (lost["exact"] or accepted), what)


def _gone(task: Task, reading: Reading, former: str, check_mode: bool) -> Gate:
    """The proof that the former primary takes no write any more."""
    name, command = "former_primary_gone", task.params["fence_command"]
    if task.tools and task.params["local"] == former:
        pid = task.tools.pid()
        said = f"runs as process {pid} and does not answer; stop it first" if pid else "does not run on this host"
        return Gate(name, not pid, f"{former} {said}.")
    if command:
        return Gate(name, True, f"It would be fenced by {command[0]}." if check_mode else fence(command))
    streaming = [each for each, document in reading.documents.items() if upstream_of(document, task.members) == former]
    if streaming:
        return Gate(name, False, f"{', '.join(streaming)} still streams from {former}, which is alive.")
    member = task.members[former]
    if refused(member.host, member.port, task.params["timeout"]):
        return Gate(name, True, f"The host of {former} refuses connections to port {member.port}.")
    return Gate(
        name,
        False,
        f"{former} is silent, which proves nothing: it may still take writes. Give a fence_command that stops it.",
    )


def _read_again(task: Task, wanted: str, known_end: int) -> Reading:
    """Nothing may have changed between the gates and the lock; raises ScalingError."""
    reading = task.cluster.read()
    if reading.primaries or wanted not in reading.documents:
        raise ScalingError(
            f"Meanwhile {' and '.join(reading.primaries) or 'nobody'} is the primary: nothing was promoted.",
            "Run the task again.",
        )
    lost = task.values["loss"] = gates.loss(reading, wanted, known_end)
    task.check([loss_gate(task, lost)])
    return reading


def refused(host: str, port: int, seconds: float) -> bool:
    """Whether the host itself says that nobody listens there; silence proves nothing."""
    try:
        with socket.create_connection((host, port), seconds):
            return False
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


def fence(command: list[str]) -> str:
    """Run the fence command; raises ScalingError unless it succeeded."""
    status, text = run_bounded(command, FENCE_SECONDS)
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "no output")
    if status:
        raise ScalingError(
            f"fence_command ended with status {status}: {hide_assignments(last)}", "Nothing was promoted."
        )
    return f"It was fenced by {command[0]}."
