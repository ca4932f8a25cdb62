# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What mongodb_sharded_cluster does: read the cluster, take one step, read it again, until it is as wanted."""

from __future__ import annotations

import contextlib

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import router, service, sharding, sharding_options, sharding_plan
from .client import Client, Document, Refused, library
from .predicates import address

NAMESPACE_EXISTS = 48
# Rounds of the balancer without a move until chunks that are too big are held to be the reason; a round lasts as long
# as its moves.
IDLE_ROUNDS = 3


class Run:
    """One run of the module."""

    def __init__(self, params: Document, check_mode: bool) -> None:
        library()
        self.params = params
        self.check_mode = check_mode
        self.routers = router.Routers(params)
        self.steps: list[str] = []
        self.progress: list[Document] = []
        self._idle_since: tuple[int, int] = (-1, 0)

    def converge(self) -> Outcome:
        self._wait_for_a_router()
        first = router.read(self.routers)
        wanted = sharding_options.normalise(self.params, first)
        # All of it before anything is touched, so that what is refused leaves the cluster as it was.
        planned = sharding_plan.steps_to(first, wanted)
        self._refuse_strangers(first, wanted)
        before = sharding.view(first, wanted)
        if self.check_mode:
            self.steps = [step.message for step in planned]
            return self._outcome(before, sharding.view(planned[-1].state if planned else first, wanted))
        state = first
        while (step := sharding_plan.next_step(state, wanted)) is not None:
            if len(self.steps) > 2 * len(planned):
                raise ScalingError(
                    f"After {len(self.steps)} steps the cluster is not as wanted: somebody else changes it, too.",
                    "Run the task again when they have ended.",
                    steps=self.steps,
                )
            self._take(step, wanted)
            self.steps.append(step.message)
            state = self._read_back(step, wanted)
        return self._outcome(before, sharding.view(state, wanted))

    def _wait_for_a_router(self) -> None:
        problems: list[ScalingError] = []

        def answers() -> bool:
            try:
                self.routers.check()
            except router.Unreachable as error:
                problems.append(error)
                return False
            return True

        if not Deadline(self.params["reach_timeout"]).wait_for(answers, bool)[1]:
            raise problems[-1]

    def _refuse_strangers(self, state: Document, wanted: Document) -> None:
        """A new shard has to be a replica set of that name of which a member answers."""
        for name, told in wanted["shards"].items():
            if told["state"] == "absent" or name in state["shards"]:
                continue
            errors = []
            for place in map(address, told["hosts"]):
                client = Client(place, self.params, None)
                try:
                    found = service.hello(client).get("setName", "")
                except ScalingError as error:
                    errors.append(str(error))
                    continue
                finally:
                    client.close()
                if found != told["replica_set"]:
                    raise ScalingError(
                        f"shards: {place} belongs to {found or 'no replica set'}, and {told['replica_set']} is wanted.",
                        "Check the shard's hosts, or begin the set first.",
                    )
            if len(errors) == len(told["hosts"]):
                raise ScalingError(
                    f"The shard {name} is to be added, and no member answers: {' '.join(errors)}", "Start them first."
                )

    def _take(self, step: sharding_plan.Step, wanted: Document) -> None:
        arguments = step.arguments
        try:
            if step.action == "balancer":
                router.set_balancer(self.routers, wanted["balancer"], self.params["balancer_timeout"])
            elif step.action == "hold":
                router.note_hold(self.routers, True)
                router.set_balancer(self.routers, False, self.params["balancer_timeout"])
            elif step.action == "release":
                router.set_balancer(self.routers, True, self.params["balancer_timeout"])
                router.note_hold(self.routers, False)
            elif step.action == "window":
                router.set_window(self.routers, wanted["window"])
            elif step.action == "add_shard":
                router.add_shard(self.routers, arguments["name"], arguments["connection"])
            elif step.action == "add_zone":
                router.add_zone(self.routers, **arguments)
            elif step.action == "remove_zone":
                router.remove_zone(self.routers, **arguments)
            elif step.action == "shard_collection":
                router.shard_collection(self.routers, arguments)
            elif step.action == "drain":
                self._drain(arguments["shard"], arguments["absent"])
            else:
                router.set_range(self.routers, arguments, present=step.action == "add_range")
        except Refused as error:
            raise ScalingError(
                f"Could not {step.message}: {error}",
                "What was done before stays; put it right, and run the same task again.",
                steps=self.steps,
                progress=self.progress,
            ) from error

    def _read_back(self, step: sharding_plan.Step, wanted: Document) -> Document:
        """The state after a step; raises ScalingError where the step is not to be seen in it."""

        def there(state: Document) -> bool:
            return sharding.view(state, wanted) == sharding.view(step.state, wanted)

        state, ok = Deadline(self.params["timeout"]).wait_for(lambda: router.read(self.routers), there)
        following = sharding_plan.next_step(state, wanted)
        if not ok and following is not None and following.message == step.message:
            raise ScalingError(
                f"The cluster took the command to {step.message}, and is as it was.",
                "Somebody else may change it at the same time; run the task again when they have ended.",
                steps=self.steps,
            )
        return state

    def _drain(self, name: str, absent: list[str]) -> None:
        """Have the balancer take all chunks away, then move the databases, then have the shard forgotten.

        The cluster itself keeps how far it is, so any later run goes on from there.
        """
        deadline = Deadline(self.params["drain_timeout"])

        def look() -> Document:
            answer = router.remove_shard(self.routers, name)
            if answer["state"] != "ongoing":
                return answer
            remaining = answer["remaining"]
            state = router.read(self.routers)
            jumbo = sharding.jumbo_of(state, name)
            self._note(deadline, name, remaining, jumbo)
            if remaining["chunks"]:
                self._refuse_stuck(state, name, remaining, jumbo)
            else:
                self._move_databases(state, name, absent)
            return answer

        answer, ok = deadline.wait_for(look, lambda each: each["state"] == "completed", interval=0.5, slowest=5)
        if not ok:
            left = self.progress[-1] if self.progress else answer
            raise ScalingError(
                f"{name} is not drained after {deadline.elapsed:.0f} s: {left.get('chunks', '?')} chunks and "
                f"{left.get('databases', '?')} databases are left.",
                "The balancer goes on, within its window; the same task waits for it and goes on from there.",
                steps=self.steps,
                progress=self.progress,
            )

    def _note(self, deadline: Deadline, name: str, remaining: Document, jumbo: list[str]) -> None:
        """Keep how far it is, whenever that has changed."""
        found = {"shard": name, "chunks": remaining["chunks"], "databases": remaining["dbs"], "jumbo": jumbo}
        last = self.progress[-1] if self.progress else {}
        if {field: last.get(field) for field in found} != found:
            size = router.owned_bytes(self.routers).get(name)
            self.progress.append({"seconds": round(deadline.elapsed, 1), **found, "bytes": size})

    def _refuse_stuck(self, state: Document, name: str, remaining: Document, jumbo: list[str]) -> None:
        why = sharding.stuck(state, name)
        if not why and jumbo and (remaining["chunks"] <= len(jumbo) or self._idle(remaining["chunks"])):
            why = f"too big to move {'is' if len(jumbo) == 1 else 'are'} {'; '.join(jumbo)}"
        if why:
            hint = (
                "Clear the flag with clearJumboFlag if they are smaller by now, or give the collection a finer key; "
                if jumbo
                else "Enable it; "
            )
            raise ScalingError(
                f"{name} keeps {remaining['chunks']} chunks: {why}.",
                f"{hint}the same task goes on from there.",
                steps=self.steps,
                progress=self.progress,
            )

    def _idle(self, chunks: int) -> bool:
        """Whether the balancer has moved nothing for some rounds. One chunk that is too big can hold others up."""
        rounds = router.balancer_rounds(self.routers)
        if chunks != self._idle_since[0] or rounds < self._idle_since[1]:
            self._idle_since = chunks, rounds
        return rounds - self._idle_since[1] >= IDLE_ROUNDS

    def _move_databases(self, state: Document, name: str, absent: list[str]) -> None:
        for database in sharding.databases_of(state, name):
            heir = sharding_plan.target(state, absent, self.params["databases_to"])
            try:
                moved = router.move_primary(self.routers, database, heir)
            except Refused as error:
                if error.code != NAMESPACE_EXISTS and "already exists" not in str(error):
                    raise
                raise ScalingError(
                    f"{database} cannot move from {name} to {heir}: {error}",
                    f"A move that was cut off leaves copies of its unsharded collections on {heir}: drop them on that "
                    "shard itself, or name another shard in databases_to; the same task goes on from there.",
                    steps=self.steps,
                    progress=self.progress,
                ) from error
            if not moved:
                # Somebody else moves it; the next look tells.
                return
            state = router.read(self.routers)

    def _outcome(self, before: Document, after: Document) -> Outcome:
        return Outcome(before, after, header="sharded cluster", steps=self.steps, progress=self.progress)


def converge(params: Document, check_mode: bool) -> Outcome:
    """Entry point of mongodb_sharded_cluster."""
    run = Run(params, check_mode)
    try:
        return run.converge()
    finally:
        with contextlib.suppress(Exception):
            run.routers.close()
