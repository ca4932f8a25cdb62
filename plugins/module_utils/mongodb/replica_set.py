# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What mongodb_replica_set does: read the set, take one safe step, wait for it, until it is as wanted."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import forced, plan, predicates, primary, service
from .client import AUTHENTICATION_FAILED, INCOMPATIBLE, UNAUTHORIZED, Client, Document, Refused
from .cluster import Cluster, Reading, check_login
from .predicates import address


class Run:
    """One run of the module."""

    def __init__(self, params: Document, check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self.give_up = [address(each) for each in params["give_up"]]
        self.cluster = Cluster(params, [*(each["host"] for each in params["members"]), *self.give_up])
        self.settings: Document = params["settings"]
        self.local = address(params["local"]) if params["local"] else ""
        self.steps: list[str] = []
        self.joined: list[str] = []
        self.configurations: list[Document] = []
        self.loss: Document = {}

    def converge(self) -> Outcome:
        places = [address(each["host"]) for each in self.params["members"]]
        reading = self._all_answer(places)
        name = reading.name
        if name and name != self.params["name"]:
            raise ScalingError(
                f"The members belong to the replica set {name}, and {self.params['name']} is wanted.",
                "A set keeps its name for life; name it so, or check the members' addresses.",
            )
        if not name:
            before: Document = {}
            empty: Document = {"_id": self.params["name"], "version": 0, "members": [], "settings": {}}
            self._check_local(places)
            first = plan.target(empty, self.params["members"], self.settings)
            config_server = "configsvr" in reading.hellos[self.local]
            config = plan.initial(self.params["name"], first, self.local, self.settings, config_server)
            self.steps.append(f"initiate {self.params['name']} with {self.local}")
            if self.check_mode:
                return self._outcome(before, self._foretell_all(config, reading))
            self._initiate(config)
            reading = self._first_user(self.cluster.wait_for_primary(Deadline(self.params["primary_timeout"])))
        else:
            force, before = self._forced(reading)
            if force and self.check_mode:
                wanted = plan.target(force.config, self.params["members"], self.settings)
                alive = {place for place in reading.hellos if place in predicates.votes(force.config)}
                return self._outcome(before, self._foretell_rest(force.config, wanted, alive, force.survivor, reading))
            if force:
                self._force(force)
            reading = self._authenticated(reading if not force else self.cluster.read())
            before = before or self._read_view(reading)
        return self._steps(before, reading)

    def _forced(self, reading: Reading) -> tuple[forced.Force | None, Document]:
        """What has to be done by force, since the majority is given up, and the view before; nothing otherwise."""
        if not self.give_up:
            return None, {}
        check_login(reading, self.params["user"])
        # Survivors take a member for healthy until its heartbeats have been missing for a while.
        reading, _ok = Deadline(self.params["reach_timeout"]).wait_for(
            self.cluster.read, lambda each: not forced.still_heard(each.statuses, each.hellos, self.give_up)
        )
        if not reading.statuses:
            return None, {}
        teller = self.cluster.clients[max(reading.statuses, key=lambda place: reading.statuses[place].get("term", -1))]
        config, _committed = service.configuration(teller, primary=False)
        wanted = plan.target(config, self.params["members"], self.settings)
        force = forced.plan(reading.statuses, set(reading.hellos), config, wanted, self.give_up)
        if force is None:
            self._forget_the_gone()
            return None, {}
        self._refuse_strangers(reading, config)
        self.loss = force.loss
        self.steps.append(force.message)
        return force, self._view(config, self._read_defaults(teller))

    def _forget_the_gone(self) -> None:
        """They would be asked, and waited for, in every look."""
        wanted = {address(each["host"]) for each in self.params["members"]}
        self.cluster.forget(each for each in self.give_up if each not in wanted)

    def _force(self, force: forced.Force) -> None:
        service.force(self.cluster.clients[force.survivor], force.config)
        self._forget_the_gone()
        reading = self.cluster.wait_for_primary(Deadline(self.params["primary_timeout"]))
        self.configurations.append(plan.summary(self._wait_until_committed(reading)))

    def _all_answer(self, places: list[str]) -> Reading:
        """A reading; until nobody has a configuration for sure, everybody has to answer."""
        deadline = Deadline(self.params["reach_timeout"])
        reading, _ok = deadline.wait_for(
            self.cluster.read, lambda each: bool(each.name) or all(place in each.hellos for place in places)
        )
        if not reading.name:
            away = [place for place in places if place not in reading.hellos]
            if away:
                told = " ".join(reading.errors[place] for place in away)
                raise ScalingError(
                    f"Nobody is in a replica set yet, and these do not answer: {told}",
                    "A set is only begun when all answer, since those who are away could have one already.",
                )
            plain = [place for place in places if not reading.hellos[place].get("isreplicaset")]
            if plain:
                raise ScalingError(
                    f"{', '.join(plain)} runs without a replica set's name.",
                    "Start mongod with replication.replSetName.",
                )
        return reading

    def _check_local(self, places: list[str]) -> None:
        if self.local not in places:
            raise ScalingError(
                f"No member is in a replica set yet, and local is '{self.params['local']}'.",
                f"Run the task on the host of one of {', '.join(places)} and name it in local: the set begins there.",
            )

    def _loopback(self) -> Client:
        return Client(self.local, self.params, None, loopback=True)

    def _initiate(self, config: Document) -> None:
        client = self._loopback()
        try:
            service.initiate(client, config)
        finally:
            client.close()
        self.configurations.append(plan.summary(config))

    def _first_user(self, reading: Reading) -> Reading:
        """Make the user that this task logs in as, if nobody has a user yet; the reading with it."""
        if not self.params["user"] or not reading.unauthenticated or self.check_mode or not self.local:
            return reading
        client = self._loopback()
        try:
            user, password, database = self.params["user"], self.params["password"], self.params["auth_database"]
            service.create_manager(client, user, password, database)
            self.steps.append(f"create the user {user}")
        except Refused as error:
            if error.code not in (UNAUTHORIZED, AUTHENTICATION_FAILED):
                raise
        finally:
            client.close()
        # A driver keeps away for some seconds from a server that has refused its login.
        for each in self.cluster.clients.values():
            each.close()
        return self.cluster.read()

    def _authenticated(self, reading: Reading) -> Reading:
        if reading.unauthenticated and self.local and reading.hellos.get(self.local, {}).get("isWritablePrimary"):
            reading = self._first_user(reading)
        check_login(reading, self.params["user"])
        if not reading.primary:
            reading = self.cluster.wait_for_primary(Deadline(self.params["primary_timeout"]))
        return reading

    def _client(self, reading: Reading) -> Client:
        return self.cluster.clients[reading.primary]

    def _wanted_defaults(self) -> Document:
        """The default concerns that the task names."""
        made: Document = {}
        if self.params["default_write_concern"]:
            made["default_write_concern"] = self.params["default_write_concern"]
        if self.params["default_read_concern"]:
            made["default_read_concern"] = self.params["default_read_concern"]
        return made

    def _read_defaults(self, client: Client) -> Document:
        if not self._wanted_defaults():
            return {}
        found = service.defaults(client)
        named = {
            "default_write_concern": str(found["write"].get("w", "")) if found["write_is_set"] else "",
            "default_read_concern": found["read"],
        }
        return {name: named[name] for name in self._wanted_defaults()}

    def _view(self, config: Document, defaults: Document) -> Document:
        return service.plain({**plan.view(config, self.settings), **defaults})

    def _read_view(self, reading: Reading) -> Document:
        client = self._client(reading)
        return self._view(service.configuration(client)[0], self._read_defaults(client))

    def _steps(self, before: Document, reading: Reading) -> Outcome:
        deadline = Deadline(self.params["sync_timeout"])
        config, _committed = service.configuration(self._client(reading))
        # Before anybody else: what they ask for must be what is there, and not more than that.
        self._refuse_strangers(reading, config)
        wanted = plan.target(config, self.params["members"], self.settings)
        self._set_defaults(self._client(reading))
        alive = predicates.healthy(reading.status)
        leading = reading.primary
        for _turn in range(4 * plan.MOST_MEMBERS):
            step = plan.next_step(config, wanted, alive, leading)
            if step is None:
                break
            if self.check_mode:
                self.steps.append(step.message)
                config, alive, leading = self._foretell(step, config, alive, leading, reading)
                continue
            if step.action == "prepare":
                self.joined += step.places
            if step.action == "give_vote":
                self._wait_until_synced(step.places, deadline)
            self._take(step, config, reading)
            self.steps.append(step.message)
            reading = self.cluster.wait_for_primary(Deadline(self.params["primary_timeout"]))
            config = self._wait_until_committed(reading)
            if step.config is not None:
                self.configurations.append(plan.summary(config))
            alive, leading = predicates.healthy(reading.status), reading.primary
        if not self.check_mode:
            # Who was away before is not waited for, nor is a member that this run did not touch.
            self._wait_until_synced(self.joined, deadline)
            return self._outcome(before, self._read_view(reading))
        return self._outcome(before, self._view(config, self._wanted_defaults()))

    def _refuse_strangers(self, reading: Reading, config: Document) -> None:
        """Nobody is added who does not answer, or who has another set's configuration."""
        members = {address(each["host"]) for each in config["members"]}
        new = [
            place for place in map(address, (each["host"] for each in self.params["members"])) if place not in members
        ]
        if not all(place in reading.hellos for place in new):
            # Such as those that were just started.
            reading, _ok = Deadline(self.params["reach_timeout"]).wait_for(
                self.cluster.read, lambda each: all(place in each.hellos for place in new)
            )
        for place in new:
            if place not in reading.hellos:
                raise ScalingError(
                    f"{place} is to be added and does not answer: {reading.errors[place]}", "Start mongod there first."
                )
            if reading.hellos[place].get("setName"):
                raise ScalingError(
                    f"{place} is to be added and is in a replica set already, of the same name and with other members.",
                    "Give it an empty data directory, if that set is not needed, and start mongod there again.",
                )
            if not reading.hellos[place].get("isreplicaset"):
                raise ScalingError(
                    f"{place} is to be added and runs without a replica set's name.",
                    f"Start mongod there with replication.replSetName {self.params['name']}.",
                )

    def _set_defaults(self, client: Client) -> None:
        wanted = self._wanted_defaults()
        have = self._read_defaults(client)
        if have == wanted:
            return
        self._say_defaults()
        if not self.check_mode:
            write = self.params["default_write_concern"]
            service.set_defaults(
                client, int(write) if write.isdigit() else write or None, self.params["default_read_concern"]
            )

    def _foretell_all(self, config: Document, reading: Reading) -> Document:
        """The steps of a set that is to be begun; the view of what it will be."""
        if self.params["user"]:
            self.steps.append(f"create the user {self.params['user']}")
        if self._wanted_defaults():
            self._say_defaults()
        wanted = plan.target(config, self.params["members"], self.settings)
        return self._foretell_rest(config, wanted, {self.local}, self.local, reading)

    def _foretell_rest(
        self, config: Document, wanted: Document, alive: set[str], leading: str, reading: Reading
    ) -> Document:
        """All steps from a configuration on; the view of what it will be."""
        while (step := plan.next_step(config, wanted, alive, leading)) is not None:
            self.steps.append(step.message)
            config, alive, leading = self._foretell(step, config, alive, leading, reading)
        return self._view(config, self._wanted_defaults())

    def _say_defaults(self) -> None:
        told = ", ".join(f"{name} to {value}" for name, value in sorted(self._wanted_defaults().items()))
        self.steps.append(f"set {told}")

    def _foretell(
        self, step: plan.Step, config: Document, alive: set[str], leading: str, reading: Reading
    ) -> tuple[Document, set[str], str]:
        """What check mode goes on with after a step: newcomers come up, and the best heir takes over."""
        if step.config is not None:
            return step.config, alive | set(step.places), leading
        heir = predicates.best_candidate(reading.status, config, leading)
        return config, alive, heir or step.places[0]

    def _take(self, step: plan.Step, config: Document, reading: Reading) -> None:
        if step.config is None:
            wish = primary.Wish("", reading.primary, step.places, self.params["max_lag_seconds"])
            primary.hand_over(self.cluster, reading, config, wish)
            return
        try:
            service.reconfigure(self._client(reading), step.config, self.params["commit_timeout"])
        except Refused as error:
            if error.code != INCOMPATIBLE or "greater than old" not in str(error):
                raise
            raise ScalingError(
                f"Somebody else has changed {self.params['name']} since this run has read it: {error}",
                "Run the task again when the other one has ended.",
                steps=self.steps,
            ) from error

    def _wait_until_committed(self, reading: Reading) -> Document:
        client = self._client(reading)
        (config, _committed), ok = Deadline(self.params["commit_timeout"]).wait_for(
            lambda: service.configuration(client), lambda each: each[1]
        )
        if not ok:
            waited = self.params["commit_timeout"]
            raise ScalingError(
                f"Version {config['version']} of the configuration has no majority after {waited:g} s.",
                "Look at the members with mongodb_cluster_info; the same task goes on from there.",
            )
        return config

    def _wait_until_synced(self, places: t.Collection[str], deadline: Deadline) -> None:
        """Wait for initial syncs, and until these are near the primary."""
        delayed = {address(each["host"]) for each in self.params["members"] if each.get("delay")}
        last: dict[str, str] = {}

        def look() -> Document:
            return self.cluster.wait_for_primary(Deadline(self.params["primary_timeout"])).status

        def done(status: Document) -> bool:
            last.clear()
            for place in places:
                entry = predicates.member_of(status, place)
                why = predicates.trouble(entry)
                if why:
                    raise ScalingError(
                        f"{place} cannot come up as a member: {why}.",
                        "Check its keyfile, or give it an empty data directory; the same task goes on from there.",
                        steps=self.steps,
                    )
                state = entry.get("stateStr", "not a member yet")
                lag = predicates.lag_seconds(status, place)
                near = (
                    state == predicates.ARBITER
                    or place in delayed
                    or (lag is not None and lag <= self.params["max_lag_seconds"])
                )
                if not predicates.serves(entry) or not near:
                    last[place] = state if lag is None else f"{state}, {lag:g} s behind"
            return not last

        _status, ok = deadline.wait_for(look, done, interval=0.2)
        if not ok:
            told = "; ".join(f"{place} is {state}" for place, state in sorted(last.items()))
            raise ScalingError(
                f"Not all members are synced after {deadline.elapsed:.0f} s: {told}.",
                "Their initial sync goes on; the same task waits for it and goes on from there.",
                steps=self.steps,
            )

    def _outcome(self, before: Document, after: Document) -> Outcome:
        return Outcome(
            before,
            after,
            header=f"replica set {self.params['name']}",
            name=self.params["name"],
            steps=self.steps,
            configurations=self.configurations,
            loss=self.loss,
        )


def converge(params: Document, check_mode: bool) -> Outcome:
    """Entry point of mongodb_replica_set."""
    run = Run(params, check_mode)
    try:
        return run.converge()
    finally:
        with contextlib.suppress(Exception):
            run.cluster.close()
