# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A planned switchover, on the host of the present primary: stop it, prove that the other has everything, promote."""

from __future__ import annotations

import contextlib
import time

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import gates, predicates, service
from .change import Task, after_promotion, follow_all, promote, read_back, rejoin
from .cluster import Reading, roles, upstream_of
from .gates import Limits
from .pooler import paused
from .pooler import resume as resume_poolers


def switch(task: Task, reading: Reading, check_mode: bool) -> Outcome:
    """A planned switchover from the member of this host."""
    now, wanted, params = task.params["local"], task.params["primary"], task.params
    task.values.update(primary=wanted, former_primary=now, pause_seconds=0.0)
    if not task.host().runs(reading.documents[now]["checkpointer"]):
        raise ScalingError(
            f"{params['data_directory']} on this host is not what the primary {now} runs on.",
            f"Run the task on the host of {now}, and see that its address among members is right.",
        )
    with task.phases("gates"):
        limits = Limits(params["max_lag_bytes"], params["max_transaction_seconds"])
        at_start = task.host().settings_at_start(service.SIZED)
        task.check(gates.planned(reading, task.members, now, wanted, limits, at_start=at_start))
    before = roles(reading, task.members)
    after = after_promotion(before, wanted, [name for name in reading.documents if name != wanted], task.upstreams)
    if check_mode:
        return task.outcome(before, after, reading)
    with service.locked([task.client(name) for name in reading.documents]):
        made = _prepare(task, reading)
        began = time.monotonic()
        with contextlib.ExitStack() as held:
            try:
                with task.phases("pause_poolers"):
                    held.enter_context(paused(task.poolers, params["pooler_timeout"]))
                _stop_and_transfer(task, reading)
            except ScalingError as error:
                raise _put_back(task, error, made, stopped="stop" in task.phases.seconds) from error
            promote(task)
            task.lead_poolers(wanted)
        task.values["pause_seconds"] = round(time.monotonic() - began, 4)
        others = [name for name in reading.documents if name not in (now, wanted)]
        follow_all(task, reading, wanted, others)
        rejoin(task, wanted, now, reading.documents[wanted])
    return read_back(task, before)


def resume(task: Task, reading: Reading, check_mode: bool) -> Outcome:
    """No member is a primary: go on with a switchover that was cut off after the stop."""
    local, wanted = task.params["local"], task.params["primary"]
    silent = f"{' and '.join(reading.errors)} without an answer" if reading.errors else "all are standbys"
    unclear = f"No member is a primary: {silent}."
    hint = "Start the former primary, or promote the most advanced standby with mode=unplanned."
    if not task.tools or local in reading.documents or task.tools.pid() or wanted not in reading.documents:
        raise ScalingError(unclear, hint)
    control = task.tools.control()
    candidate = reading.documents[wanted]
    if (
        not predicates.was_shut_down(control)
        or upstream_of(candidate, task.members, told=True) != local
        or predicates.timeline(candidate) != control["timeline"]
    ):
        raise ScalingError(unclear, hint)
    task.values.update(primary=wanted, former_primary=local, pause_seconds=0.0, resumed=True)
    before = roles(reading, task.members)
    after = after_promotion(
        before,
        wanted,
        [local, *(name for name in reading.documents if name != wanted)],
        task.upstreams,
    )
    if check_mode:
        return task.outcome(before, after, reading)
    with service.locked([task.client(name) for name in reading.documents]):
        task.slots_on(wanted, task.members)
        try:
            _transfer(task, reading)
        except ScalingError as error:
            raise _put_back(task, error, [], stopped=True) from error
        promote(task)
        task.lead_poolers(wanted)
        resume_poolers(task.poolers)
        follow_all(task, reading, wanted, [name for name in reading.documents if name != wanted])
        rejoin(task, wanted, local, candidate)
    return read_back(task, before)


def _prepare(task: Task, reading: Reading) -> list[str]:
    """Everything that can be done while clients still write; names of the slots that were made."""
    now, wanted = task.params["local"], task.params["primary"]
    there = {row["slot_name"] for row in reading.documents[wanted]["slots"]}
    made = [m.slot for m in task.members.values() if m.slot and m.slot not in there]
    with task.phases("prepare"):
        try:
            task.slots_on(wanted, reading.documents)
            # A short shutdown checkpoint, and a short restart of the old primary.
            task.client(now).rows("CHECKPOINT")
            task.client(wanted).rows("CHECKPOINT")
        except ScalingError:
            with contextlib.suppress(ScalingError):
                service.drop_slots(task.client(wanted), made)
            raise
    return made


def _stop_and_transfer(task: Task, reading: Reading) -> None:
    tools = task.host()
    with task.phases("stop"):
        task.client(task.params["local"]).close()
        tools.stop(Deadline(task.params["stop_timeout"]))
    _transfer(task, reading)


def _transfer(task: Task, reading: Reading) -> None:
    """Prove that the candidate has all that the stopped primary wrote, and keep that one from coming back writable."""
    tools = task.host()
    now, wanted = task.params["local"], task.params["primary"]
    with task.phases("transfer"):
        control = tools.control()
        if not predicates.was_shut_down(control):
            raise ScalingError(f"{now} did not shut down cleanly; its control file says '{control['state']}'.")
        # The shutdown checkpoint is the last record: whoever has replayed it has everything.
        end = control["checkpoint"]
        task.values["shutdown_lsn"] = predicates.format_lsn(end)
        client = task.client(wanted)
        replayed, done = Deadline(task.params["catch_up_timeout"]).wait_for(
            lambda: predicates.parse_lsn(client.value("SELECT pg_last_wal_replay_lsn()::text")),
            lambda lsn: lsn > end,
            0.005,
            0.05,
        )
        if not done:
            raise ScalingError(
                f"{wanted} has replayed up to {predicates.format_lsn(replayed)} after"
                f" {task.params['catch_up_timeout']:g} s, and the shutdown checkpoint of {now} is at"
                f" {predicates.format_lsn(end)}."
            )
        tools.make_standby(task.follow_settings(now, wanted, reading.documents[wanted]))


def _put_back(task: Task, error: ScalingError, slots: list[str], *, stopped: bool) -> ScalingError:
    """Make the member the primary again if it was stopped; the error with what came of that."""
    tools = task.host()
    now, wanted = task.params["local"], task.params["primary"]
    try:
        with task.phases("put_back"):
            with contextlib.suppress(ScalingError):
                service.drop_slots(task.client(wanted), slots)
            if not stopped:
                return ScalingError(str(error), f"{now} was not stopped.", **error.details)
            tools.make_primary()
            tools.stop_at_once(Deadline(task.params["stop_timeout"]))
            tools.start(task.params["start_timeout"])
        return ScalingError(str(error), f"Everything was put back: {now} is the primary again.", **error.details)
    except ScalingError as second:
        return ScalingError(
            f"{error} Putting things back failed, too: {second}",
            f"No member is a primary now. Start {now} by hand; {wanted} was not promoted.",
            **error.details,
        )
