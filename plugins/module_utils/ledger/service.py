# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verbs of the ledger: read a record, decide, write it back."""

from __future__ import annotations

import secrets
import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout import record as records
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout import requests
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.plan import SERVICE

from .document import Overtaken, Unreadable
from .stores import Store

POLL = 0.2  # seconds between two looks at a pause
OVERTAKEN = 30.0  # seconds in which others may write first; each of them takes milliseconds
SIGN_OF_LIFE = 5.0  # seconds between two writes of a run that waits
Record = t.Dict[str, t.Any]
Change = t.TypeVar("Change")


def check_service(service: str) -> str:
    """The name of a service; it becomes the name of a directory or an object."""
    if not SERVICE.match(service) or service in (".", ".."):
        raise ScalingError(
            f"service is '{service}'; give a name of letters, digits and _.- that starts with a letter or digit, "
            "such as claims-service."
        )
    return service


class Ledger:
    """The actions on the rollouts of one service.

    Args:
        store: where records are kept.
        check_mode: compute, and write nothing.
        clock: seconds since the epoch.
    """

    def __init__(self, store: Store, check_mode: bool = False, clock: t.Callable[[], float] = time.time) -> None:
        self._store = store
        self._check_mode = check_mode
        self._clock = clock

    def run(self, request: dict[str, t.Any]) -> Outcome:
        """Do ``request['action']``; the request holds the module's options."""
        action = request["action"]
        if action == "begin":
            return self._begin(request)
        if action == "advance":
            return self._advance(request)
        before, after, _verdict = self._change(action, lambda record: (_decide(record, request, self._now()), ""))
        return _outcome(before, after, with_token=action == "take_over")

    def _now(self) -> str:
        return records.timestamp(self._clock())

    def _begin(self, request: dict[str, t.Any]) -> Outcome:
        _check_keep(request["history"])
        fresh = self._fresh(request)
        if self._check_mode:
            records.allow(self._read(request["discard_corrupt"]), "begin", self._store.service)
            return _outcome(None, fresh, with_token=True)
        self._store.create()

        def change(mine: Record | None) -> Record:
            before = self._read(request["discard_corrupt"])
            if mine and before and before["token"] == mine["token"]:
                return mine
            records.allow(before, "begin", self._store.service)
            if before and request["seen"] is not None and before["id"] != request["seen"]:
                raise ScalingError(
                    f"Rollout {before['id']} of {self._store.service} by {before['owner']} began and ended after"
                    " this plan was made.",
                    "Run again, which plans anew.",
                )
            fresh = self._fresh(request)  # its identity sorts after whatever held the lock
            if request["discard_corrupt"]:
                for path in self._store.discard_corrupt():
                    event = {
                        "time": fresh["started"],
                        "what": f"begun over a corrupt record, kept as {path}",
                        "by": fresh["owner"],
                    }
                    fresh["events"].insert(0, event)
            if before:
                self._store.archive(before, request["history"])
            self._store.write(fresh)
            return fresh

        return _outcome(None, self._written(change), with_token=True)

    def _written(self, change: t.Callable[[Record | None], Change]) -> Change:
        """Do a change under the lock, and anew on what is there then when somebody else was first.

        ``change`` gets the record of its attempt before, which may be there: an answer can be lost.
        """
        deadline = Deadline(OVERTAKEN)
        mine: Record | None = None
        while True:
            try:
                with self._store.locked():
                    return change(mine)
            except Overtaken as error:
                mine = error.record or mine
                if not deadline.remaining:
                    raise ScalingError(
                        f"The ledger of {self._store.service} was changed by others each time it was to be written.",
                        "Look at who does; every operator writes a few times in a rollout.",
                    ) from None
                deadline.sleep(0.02)

    def _fresh(self, request: dict[str, t.Any]) -> Record:
        """A new record; its identity is its begin to the millisecond, so that names of files sort by time."""
        now = self._now()
        digits = "".join(letter for letter in now if letter not in "-:.")
        return records.begin(
            request["plan"],
            self._store.service,
            request["owner"],
            now,
            token=_new_token(1),
            rollout_id=f"{digits}-{secrets.token_hex(1)}",
        )

    def _advance(self, request: dict[str, t.Any]) -> Outcome:
        if request["pause_timeout"] < 0:
            raise ScalingError(f"pause_timeout is {request['pause_timeout']}; give seconds, 0 to stop at once.")
        first, after, verdict = self._enter(request)
        if verdict == "wait" and not self._check_mode:
            after, verdict = self._wait(request)
        if verdict == "go":
            return _outcome(first, after)
        if verdict == "wait":
            if not self._check_mode:
                _before, after, _verdict = self._change(
                    "advance", lambda record: (records.give_up_waiting(record, request["token"], self._now()), "")
                )
            raise _paused(after, request)
        raise _aborted(after)

    def _enter(self, request: dict[str, t.Any]) -> tuple[Record, Record, str]:
        return self._change("advance", lambda record: records.advance(record, request, self._now()))

    def _wait(self, request: dict[str, t.Any]) -> tuple[Record, str]:
        """Look at the record until the pause is taken back, the rollout is called off, or the time is over."""
        seen: list[t.Any] = [None, 0.0, None]  # signature, when the next sign of life is due, (record, verdict)

        def look() -> tuple[Record, str]:
            if seen[0] != self._store.signature() or time.monotonic() >= seen[1]:
                _before, after, verdict = self._enter(request)
                seen[:] = [self._store.signature(), time.monotonic() + SIGN_OF_LIFE, (after, verdict)]
            return seen[2]

        deadline = Deadline(request["pause_timeout"])
        found, _done = deadline.wait_for(look, lambda state: state[1] != "wait", interval=POLL, slowest=POLL)
        return found

    def _change(self, action: str, decide: t.Callable[[Record], tuple[Record, str]]) -> tuple[Record, Record, str]:
        """One read, decision and write under the lock."""
        if self._check_mode:
            before = self._open(action)
            after, verdict = decide(before)
            return before, after, verdict
        if not self._store.exists():
            records.allow(None, action, self._store.service)
        first: list[tuple[Record, Record, str]] = []

        def change(mine: Record | None) -> tuple[Record, Record, str]:
            before = self._open(action)
            if mine and before == mine:
                return first[0]
            after, verdict = decide(before)
            if after is not before:
                first[:] = [(before, after, verdict)]
                self._store.write(after)
            return before, after, verdict

        return self._written(change)

    def _open(self, action: str) -> Record:
        record = self._read(False)
        records.allow(record, action, self._store.service)
        return t.cast(Record, record)

    def _read(self, discard: bool) -> Record | None:
        """The latest record; one that cannot be read is set aside and stops everything until a person looked at it."""
        try:
            record, kept, why = self._store.read(), self._store.corrupt(), "see the file"
        except Unreadable as error:
            record, why = None, str(error)
            kept = [self._store.current if self._check_mode else self._store.set_aside()]
        if not kept or discard:
            return record
        raise ScalingError(
            f"The record of the last rollout of {self._store.service} is corrupt ({why}); it is kept as "
            f"{kept[-1]}, and nothing is known of where that rollout stood.",
            "Look at which versions the hosts run and which take traffic, then begin with discard_corrupt=true.",
            corrupt=[str(path) for path in kept],
        )


def _decide(record: Record, request: dict[str, t.Any], now: str) -> Record:
    """The actions that look at the record once."""
    action, token, owner, reason = request["action"], request["token"], request["owner"], request["reason"]
    if action == "pause":
        if token:
            return requests.stop_here(record, token, reason, now)
        return requests.pause(record, owner, reason, now)
    if action == "resume":
        return requests.resume(record, owner, now)
    if action == "abort":
        return requests.abort(record, owner, reason, now)
    if action == "finish":
        return records.finish(record, token, request["outcome"], reason, now)
    return records.take_over(
        record,
        owner,
        _new_token(record["fence"] + 1),
        now,
        quiet=request["take_over_after"],
        force=request["force_take_over"],
        direction=request["direction"],
    )


def _new_token(fence: int) -> str:
    return f"{fence}-{secrets.token_hex(16)}"


def _check_keep(history: int) -> None:
    if history < 1:
        raise ScalingError(f"history is {history}; give how many finished rollouts are kept, at least 1.")


def _outcome(before: Record | None, after: Record, with_token: bool = False) -> Outcome:
    values: dict[str, t.Any] = {"rollout": records.public(after)}
    if with_token:
        values["token"] = after["token"]
    header = f"rollout of {after['service']} to {after['version']}"
    return Outcome(records.summary(before), records.summary(after), header, **values)


def _paused(record: Record, request: t.Mapping[str, t.Any]) -> ScalingError:
    asked = record["requests"].get("pause", {})
    why = f" ({asked['reason']})" if asked.get("reason") else ""
    return ScalingError(
        f"Rollout {record['id']} of {record['service']} is paused before batch {request['batch']} of "
        f"{len(record['batches'])}: {asked.get('by', 'somebody')} asked for it{why}, and nobody resumed it within "
        f"{request['pause_timeout']:g} s.",
        "Deploy again with rollout_unfinished=resume to go on, or with rollout_unfinished=rollback to go back.",
        requested="paused",
        rollout=records.public(record),
    )


def _aborted(record: Record) -> ScalingError:
    asked = record["requests"].get("abort", {})
    why = f": {asked['reason']}" if asked.get("reason") else ""
    return ScalingError(
        f"Rollout {record['id']} of {record['service']} was aborted by {asked.get('by', 'somebody')}{why}.",
        requested="aborted",
        rollout=records.public(record),
    )
