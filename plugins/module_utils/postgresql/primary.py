# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What postgresql_primary does: look at the members, then do nothing, finish, switch or fail over."""

from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import by_patroni, pooler, predicates, service
from .change import Task, follow_all, read_back, rejoin
from .cluster import Reading, roles, topology, upstream_of
from .failover import failover
from .predicates import Document
from .switchover import resume, switch


def converge(params: Document, check_mode: bool) -> Outcome:
    """Entry point of postgresql_primary; raises ScalingError."""
    task = Task(params)
    try:
        with task.phases("read"):
            reading = task.read()
        return _choose(task, reading, check_mode)
    except ScalingError as error:
        for name, value in task.details().items():
            error.details.setdefault(name, value)
        raise
    finally:
        task.close()


def _choose(task: Task, reading: Reading, check_mode: bool) -> Outcome:
    wanted, local, mode = task.params["primary"], task.params["local"], task.params["mode"]
    primaries = reading.primaries
    if len(primaries) > 1:
        raise ScalingError(
            f"{' and '.join(primaries)} are primaries at the same time: the cluster is split.",
            "Decide which one has the data to keep, stop the other at once, and lead it back by rejoin.",
            members=topology(reading, task.members),
        )
    if primaries and wanted in (primaries[0], ""):
        return _settle(task, reading, primaries[0], check_mode)
    if mode == "unplanned":
        if primaries:
            raise ScalingError(
                f"{primaries[0]} is the primary and answers: this is no case for a failover.",
                "Make a planned switchover, with mode=planned.",
            )
        return (by_patroni.failover if task.params["patroni"] else failover)(task, reading, check_mode)
    if not wanted:
        raise ScalingError("primary: a planned switchover needs the name of the member to promote.")
    if task.params["patroni"]:
        return by_patroni.switch(task, reading, check_mode)
    if primaries:
        if local != primaries[0]:
            raise ScalingError(
                f"{primaries[0]} is the primary, and a planned switchover runs on its host; local is '{local}'.",
                f"Run the task on the host of {primaries[0]}.",
            )
        return switch(task, reading, check_mode)
    return resume(task, reading, check_mode)


def _settle(task: Task, reading: Reading, primary: str, check_mode: bool) -> Outcome:
    """The primary is the wanted one: have the standbys follow it that a change which was cut off left behind."""
    before = roles(reading, task.members)
    running = reading.documents
    astray = [
        name
        for name, document in running.items()
        if name != primary and upstream_of(document, task.members, told=True) not in running
    ]
    local = task.params["local"]
    stopped = [local] if local and local != primary and local not in running and _stopped_for_good(task) else []
    task.values.update(primary=primary, former_primary="", pause_seconds=0.0)
    standby = {"role": "standby", "upstream": primary, "timeline": before[primary]["timeline"]}
    # A copy for each, or the diff would show YAML's references.
    after = dict(before, **{name: dict(standby) for name in astray + stopped})
    held = task.held()
    if held:
        before["held_clients"] = held
    lost = task.astray(primary)
    if lost:
        before["poolers_elsewhere"] = lost
    if check_mode or before == after:
        return task.outcome(before, after, reading)
    task.lead_poolers(primary)
    pooler.resume(task.poolers)
    if task.params["patroni"]:
        return by_patroni.settle(task, before, [name for name in running if name != primary])
    with service.locked([task.client(name) for name in running]):
        follow_all(task, reading, primary, astray)
        for name in stopped:
            rejoin(task, primary, name, running[primary])
    return read_back(task, before)


def _stopped_for_good(task: Task) -> bool:
    """Whether this host's member was stopped and told to be a standby, and only its start is missing."""
    tools = task.host()
    return not tools.pid() and tools.is_standby() and predicates.was_shut_down(tools.control())
