# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change of roles by Patroni's API: our gates and poolers around its own proof."""

from __future__ import annotations

import contextlib
import time
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import gates, predicates, service
from .change import Task, after_promotion, read_back, wait_streaming
from .cluster import Reading, roles
from .failover import candidate_of, former_of, known_end_of, loss_gate
from .gates import Gate, Limits
from .patroni import RUNNING, Api, Silent, leader_of, synchronous_in
from .pooler import paused, resume
from .predicates import Document

# Patroni looks once a second whether it is done, for two times loop_wait or 20 s.
ANSWER_SECONDS = 60
# Patroni refuses before it begins when the candidate does not answer it within 2 s, in which clients wait: a busy host,
# or one that came back under another address, as Patroni with etcd keeps what a name meant for 10 min. Seconds for that
# to pass, and between two requests, in which clients go on.
NOT_BEGUN, REFUSED_SECONDS, PATIENCE_SECONDS = 412, 30, 5
# Seconds in which every Patroni has to have reached its server again.
AWAKE_SECONDS = 20


def switch(task: Task, reading: Reading, check_mode: bool) -> Outcome:
    """A planned switchover; raises ScalingError, after which the former primary serves on unless it says otherwise."""
    wanted, params = task.params["primary"], task.params
    if not reading.primaries:
        raise ScalingError(
            "No member is a primary, and Patroni has not found one yet.",
            "Wait for it, or promote a standby with mode=unplanned.",
        )
    now = reading.primaries[0]
    task.values.update(primary=wanted, former_primary=now, pause_seconds=0.0)
    with task.phases("gates"):
        limits = Limits(params["max_lag_bytes"], params["max_transaction_seconds"])
        # What the former primary comes back with is for Patroni to say, who has it no less than its primary.
        at_start = {name: str(2**31) for name in service.SIZED}
        task.check(
            [
                *gates.planned(reading, task.members, now, wanted, limits, at_start=at_start),
                agrees(_cluster(task, [now]), now),
            ]
        )
    before = roles(reading, task.members)
    others = [name for name in reading.documents if name != wanted]
    after = after_promotion(before, wanted, others, task.upstreams)
    if check_mode:
        return task.outcome(before, after, reading)
    with service.locked([task.client(name) for name in reading.documents]), ThreadPoolExecutor(1) as pool:
        with task.phases("prepare"):
            _wake(task, reading.documents)
            _await_synchronous(task, now)
            # Patroni makes one, too: this one makes it short.
            task.client(now).rows("CHECKPOINT")
            task.client(wanted).rows("CHECKPOINT")
        _switch_over(task, pool, reading, now)
        _follow(task, wanted, others)
    return read_back(task, before)


def _wake(task: Task, names: t.Iterable[str]) -> None:
    """Have every Patroni ask its server: after a restart the first answer takes 1 s to 1.8 s, and Patroni gives 2 s.

    Clients do not wait meanwhile. Raises ScalingError when one of the two that change roles does not say that it runs.
    """
    needed = (task.values["primary"], task.values["former_primary"])
    for name in names:
        api = _api(task, name)

        def state(api: Api = api) -> str:
            with contextlib.suppress(Silent):
                status, found = api.get("/patroni")
                return found.get("state", "") if isinstance(found, dict) else f"status {status}"
            return "silent"

        said, done = Deadline(AWAKE_SECONDS if name in needed else 0).wait_for(state, lambda word: word in RUNNING, 0.1)
        if not done and name in needed:
            raise ScalingError(
                f"Patroni of {name} says of its server that it is {said or 'unknown'}.",
                f"Look at the journal of Patroni there, or lead {name} back by rejoin. Nothing was changed.",
            )


def _await_synchronous(task: Task, now: str) -> None:
    """Have Patroni take the candidate for synchronous, or it refuses: after a restart it does so later than the server.

    Clients do not wait meanwhile. Raises ScalingError when it does not.
    """
    if not _api(task, now).document("/config").get("synchronous_mode"):
        return
    wanted = task.values["primary"]
    found, done = Deadline(AWAKE_SECONDS).wait_for(
        lambda: synchronous_in(_cluster(task, [now])), lambda names: wanted in names, 0.2
    )
    if not done:
        there = " and ".join(found) or "nobody"
        raise ScalingError(
            f"Patroni has {there} as the synchronous member, and promotes no other than that. Nothing was changed.",
            f"Switch over to {found[0]}." if found else "Its journal on the primary says why.",
        )


def _switch_over(task: Task, pool: ThreadPoolExecutor, reading: Reading, now: str) -> None:
    """Have Patroni do it, again as long as it has not begun; raises ScalingError with its last word."""
    deadline = Deadline(REFUSED_SECONDS)
    while True:
        began = time.monotonic()
        try:
            _hand_over(task, pool, reading, now)
        except ScalingError as error:
            if error.details.get("status") != NOT_BEGUN or not deadline.remaining:
                raise
            time.sleep(PATIENCE_SECONDS)
        else:
            task.values["pause_seconds"] = round(time.monotonic() - began, 4)
            return


def _hand_over(task: Task, pool: ThreadPoolExecutor, reading: Reading, now: str) -> None:
    wanted = task.values["primary"]
    with contextlib.ExitStack() as held:
        with task.phases("pause_poolers"):
            held.enter_context(paused(task.poolers, task.params["pooler_timeout"]))
        _promoted(task, pool.submit(_post, task, now, "/switchover", {"leader": now, "candidate": wanted}))
        _repoint(task, wanted, {name: each for name, each in reading.documents.items() if name not in (now, wanted)})
        task.lead_poolers(wanted)


def _repoint(task: Task, primary: str, standbys: t.Mapping[str, Document]) -> None:
    """Have the other standbys stream from the new leader at once: until one does, synchronous commits wait.

    Their Patroni sleeps for 2 s in a switchover before it does the same. Then it removes what stands here in
    postgresql.auto.conf, and puts its own words in place, so that what fails here is late and no more.
    """
    with task.phases("repoint"):
        for name, document in standbys.items():
            if name in task.upstreams:
                continue
            slot = document["settings"]["primary_slot_name"]
            if slot:
                # Patroni may be about to make it.
                with contextlib.suppress(ScalingError):
                    service.create_slot(task.client(primary), slot)
            with contextlib.suppress(ScalingError):
                service.follow(task.client(name), following(task, name, primary, document))


def following(task: Task, name: str, primary: str, document: Document) -> dict[str, str]:
    """How a standby of Patroni's is told to stream from a new leader; its slot has its own name whomever it follows."""
    told = predicates.parse_conninfo(task.follow_settings(name, primary, document)["primary_conninfo"])
    if "passfile" in told and task.params["passfile"]:
        # Patroni's file has the password for the former leader alone.
        told["passfile"] = task.params["passfile"]
    return {"primary_conninfo": predicates.quote_conninfo(told)}


def failover(task: Task, reading: Reading, check_mode: bool) -> Outcome:
    """Have Patroni promote a standby that it would not promote by itself; raises ScalingError."""
    former = _former_of(task, reading)
    wanted = candidate_of(task, reading)
    leader = leader_of(_cluster(task, reading.documents))
    task.values.update(primary=wanted, former_primary=former, pause_seconds=0.0)
    with task.phases("gates"):
        lost = task.values["loss"] = gates.loss(reading, wanted, known_end_of(task, reading, former))
        task.check(
            [
                gates.replays(reading.documents[wanted], wanted),
                loss_gate(task, lost),
                Gate(
                    "former_primary_gone",
                    not leader,
                    f"{leader} still has the leader's lock; Patroni takes it away after its ttl."
                    if leader
                    else "Nobody has the leader's lock.",
                ),
            ]
        )
    before = roles(reading, task.members)
    standbys = [name for name in reading.documents if name != wanted]
    after = after_promotion(before, wanted, standbys, task.upstreams)
    if check_mode:
        return task.outcome(before, after, reading)
    with service.locked([task.client(name) for name in reading.documents]), ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        _promoted(task, pool.submit(_post, task, wanted, "/failover", {"candidate": wanted}))
        task.lead_poolers(wanted)
        resume(task.poolers)
        task.values["pause_seconds"] = round(time.monotonic() - began, 4)
        _follow(task, wanted, standbys)
    return read_back(task, before)


def _former_of(task: Task, reading: Reading) -> str:
    """Who was the leader, or could have been: without one, Patroni has its replicas follow nobody."""
    with contextlib.suppress(ScalingError):
        return former_of(task, reading)
    return " or ".join(sorted(reading.errors)) or "the former primary"


def settle(task: Task, before: Document, standbys: t.Iterable[str]) -> Outcome:
    """Patroni leads everybody to the primary by itself: wait for it."""
    _follow(task, task.values["primary"], standbys)
    return read_back(task, before)


def agrees(cluster: Document, now: str) -> Gate:
    """Whether Patroni takes the primary for the leader, and is not told to leave the cluster alone."""
    leader = leader_of(cluster)
    if cluster.get("pause"):
        return Gate("patroni", False, "Patroni is paused: it would leave the former primary stopped. Resume it first.")
    if leader != now:
        return Gate("patroni", False, f"Patroni takes {leader or 'nobody'} for the leader, and {now} is the primary.")
    return Gate("patroni", True, f"Patroni has {now} as the leader.")


def _api(task: Task, name: str) -> Api:
    return Api(name, task.members[name].host, task.params["patroni"])


def _cluster(task: Task, names: t.Iterable[str]) -> Document:
    """The cluster in the words of the first Patroni that answers; raises Silent when none does."""
    error = Silent("No member answers, and so no Patroni is asked.")
    for name in names:
        try:
            return _api(task, name).document("/cluster")
        except Silent as silent:
            error = silent
    raise error


def _post(task: Task, name: str, path: str, body: Document) -> tuple[int, t.Any]:
    return _api(task, name).request("POST", path, body, ANSWER_SECONDS)


def _promoted(task: Task, request: Future[tuple[int, t.Any]]) -> None:
    """Wait until the new primary takes writes; raises ScalingError with Patroni's word when it refuses."""
    wanted = task.values["primary"]
    client = task.client(wanted)

    def read() -> bool:
        if request.done():
            status, answer = request.result()
            if status != 200:
                hint = "Nobody was promoted by this task. The journal of the primary's Patroni says more."
                if status == NOT_BEGUN:
                    hint += f" If {wanted} came back under another address, it is looked for at the former for 10 min."
                raise ScalingError(
                    f"Patroni did not make {wanted} the primary (status {status}): {str(answer)[:300].rstrip('.')}.",
                    hint,
                    status=status,
                )
        return client.value("SELECT pg_is_in_recovery()") is False

    with task.phases("promote"):
        _, done = Deadline(task.params["promote_timeout"]).wait_for(read, bool, 0.01, 0.05)
    if not done:
        raise ScalingError(
            f"{wanted} has not become the primary after {task.params['promote_timeout']:g} s.",
            "Patroni may still make it so: read the cluster with postgresql_cluster_info before anything else.",
        )


def _follow(task: Task, primary: str, names: t.Iterable[str]) -> None:
    with task.phases("follow"):
        for name in names:
            wait_streaming(task, task.upstreams.get(name, primary), name)
    with task.phases("checkpoint"):
        # pg_rewind takes the new timeline from the control file, which learns of it here.
        task.client(primary).rows("CHECKPOINT")
