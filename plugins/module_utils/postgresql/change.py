# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One change of roles: its parameters and phases, and the steps that a switchover and a failover share."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments

from . import predicates, service
from .account import Account
from .client import Client
from .cluster import Cluster, Reading, cascaded, roles, topology
from .gates import Gate
from .pooler import lead, poolers_of
from .predicates import Document
from .tools import Tools


class Phases:
    """Seconds of each phase, in the order in which they ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> t.Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - began, 4)


class Task:
    """One call of the module: its parameters, the members, and what was seen and done so far."""

    def __init__(self, params: Document) -> None:
        self.params = params
        local = params["local"]
        if local and not params["data_directory"]:
            raise ScalingError(f"data_directory is missing, which is needed on the host of {local}.")
        self.tools = Tools(params) if local else None
        self.cluster = Cluster(params, self.tools.account if self.tools else Account(params["owner"]))
        self.members = self.cluster.members
        self.poolers = poolers_of(params, self.cluster.account)
        for option in ("primary", "local"):
            if params[option] and params[option] not in self.members:
                raise ScalingError(
                    f"{option}: {params[option]} is not among members ({', '.join(self.members)}).", "Name one of them."
                )
        self.phases = Phases()
        self.gates: list[Gate] = []
        self.values: Document = {}
        self.upstreams: dict[str, str] = {}

    def read(self) -> Reading:
        """The members as they are; those in a cascade keep their upstream whatever happens."""
        reading = self.cluster.read()
        self.upstreams = cascaded(reading, self.members)
        return reading

    def host(self) -> Tools:
        """This host's member; raises ScalingError when the task was not told which one that is."""
        if self.tools is None:
            raise ScalingError("local is empty: this needs the host of a member.", "Name that member, and its data.")
        return self.tools

    def client(self, name: str) -> Client:
        return self.cluster.clients[name]

    def check(self, found: t.Iterable[Gate]) -> None:
        """Keep gates for the result; raises ScalingError that names every one that is not passed."""
        found = list(found)
        self.gates += found
        ignored = self.params["ignore_gates"]
        closed = [gate for gate in found if not gate.passed and gate.name not in ignored]
        if closed:
            raise ScalingError(
                "The roles are not changed: " + " ".join(f"[{gate.name}] {gate.message}" for gate in closed),
                "No role was changed.",
            )

    def outcome(self, before: Document, after: Document, reading: Reading) -> Outcome:
        return Outcome(before, after, "roles", **self.details(), members=topology(reading, self.members))

    def details(self) -> Document:
        """What a result has whether the task succeeded or failed."""
        return {
            **self.values,
            "gates": [gate._asdict() for gate in self.gates],
            "phases": self.phases.seconds,
        }

    def follow_settings(self, name: str, primary: str, like: Document) -> dict[str, str]:
        """How a member is told to stream from a primary: in the way it did, or another standby does, from elsewhere."""
        following = predicates.parse_conninfo(like["primary_conninfo"] or "")
        to = self.members[primary]
        following.update(host=to.host, port=str(to.port), application_name=name)
        return {
            "primary_conninfo": predicates.quote_conninfo(following),
            "primary_slot_name": self.members[name].slot,
        }

    def slots_on(self, primary: str, names: t.Iterable[str]) -> None:
        """Have the slots of members that will stream from a primary."""
        for name in names:
            if self.upstreams.get(name, primary) == primary != name and self.members[name].slot:
                service.create_slot(self.client(primary), self.members[name].slot)

    def held(self) -> list[str]:
        """Databases of poolers whose clients are held back, which no finished change leaves so."""
        return [f"{each.place}/{entry.name}" for each in self.poolers for entry in each.databases() if entry.paused]

    def astray(self, primary: str) -> list[str]:
        """Poolers that lead elsewhere, which no finished change leaves so either."""
        place = self.members[primary]
        return [each.place for each in self.poolers if not each.leads_to(place.host, place.port)]

    def lead_poolers(self, primary: str) -> None:
        """Have the poolers that it is for to say lead to the new primary; raises ScalingError after all were tried."""
        with self.phases("lead_poolers"):
            lead(self.poolers, primary, self.members[primary].host, self.members[primary].port)

    def close(self) -> None:
        self.cluster.close()
        for each in self.poolers:
            each.close()

    def unneeded_slots(self, name: str) -> list[str]:
        """Drop the slots on a standby of members that are not to stream from it.

        Those of its own cascade stay, which are not in use either while they go from one timeline to the next.
        """
        others = [each for each in self.members.values() if self.upstreams.get(each.name) != name]
        return service.drop_slots(self.client(name), [each.slot for each in others if each.slot])


def after_promotion(
    before: Document, wanted: str, standbys: t.Iterable[str], upstreams: t.Mapping[str, str]
) -> Document:
    """What will be: the standbys stream from the new primary, but for those that have another standby as upstream."""
    timeline = max(entry["timeline"] for entry in before.values()) + 1
    after = dict(before)
    after[wanted] = {"role": "primary", "upstream": "", "timeline": timeline}
    for name in standbys:
        after[name] = {"role": "standby", "upstream": upstreams.get(name, wanted), "timeline": timeline}
    return after


def promote(task: Task) -> None:
    wanted = task.params["primary"] or task.values["primary"]
    with task.phases("promote"):
        service.promote(task.client(wanted), Deadline(task.params["promote_timeout"]))


def follow_all(task: Task, reading: Reading, primary: str, names: t.Iterable[str]) -> None:
    """Point the running standbys at the primary; they need no restart. A cascade stays one."""
    names = list(names)
    with task.phases("repoint"):
        task.slots_on(primary, reading.documents)
        for name in names:
            if name not in task.upstreams:
                service.follow(task.client(name), task.follow_settings(name, primary, reading.documents[name]))
        for name in names:
            wait_streaming(task, task.upstreams.get(name, primary), name)
            task.unneeded_slots(name)


def rejoin(task: Task, primary: str, name: str, like: Document) -> None:
    """Start the former primary of this host as a standby, told where to stream from as another member is, or was."""
    tools = task.host()
    with task.phases("rejoin"):
        task.slots_on(primary, [name])
        tools.make_standby(task.follow_settings(name, primary, like))
        mark = tools.log_size()
        tools.start(task.params["start_timeout"])
        try:
            wait_streaming(task, primary, name)
        except ScalingError as error:
            line = predicates.alarming_line(tools.log_since(mark))
            raise ScalingError(f"{error} Its log says: {hide_assignments(line)}" if line else str(error)) from error
        task.unneeded_slots(name)
    with task.phases("checkpoint"):
        # pg_rewind takes the new timeline from the control file, which learns of it here.
        task.client(primary).rows("CHECKPOINT")


def wait_streaming(task: Task, primary: str, name: str) -> None:
    """Until the primary has a stream to the member, or the member is held up by its delay and comes later.

    `primary` may be another standby in a cascade, whose timeline the member reaches after it.
    """
    client = task.client(primary)
    upstream = service.read(client)

    def follows() -> bool:
        sent = "SELECT count(*) FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming'"
        if client.value(sent, (name,)) > 0 and service.shares_timeline(task.client(name), upstream):
            return True
        return service.is_held_up(task.client(name))

    _, done = Deadline(task.params["rejoin_timeout"]).wait_for(follows, bool, 0.02, 0.2)
    if not done:
        raise ScalingError(
            f"{name} does not stream from {primary} after {task.params['rejoin_timeout']:g} s.",
            f"Lead {name} back by rejoin.",
        )


def read_back(task: Task, before: Document) -> Outcome:
    reading = task.cluster.read()
    after = roles(reading, task.members)
    if reading.primaries != [task.values["primary"]]:
        found = " and ".join(reading.primaries) or "nobody"
        raise ScalingError(
            f"After the change {found} is the primary, not {task.values['primary']}.",
            members=topology(reading, task.members),
        )
    return task.outcome(before, after, reading)
