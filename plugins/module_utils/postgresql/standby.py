# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a member of this host a standby of another: read both, decide, do one thing, wait until it streams."""

from __future__ import annotations

import time

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments

from . import predicates, service
from .client import Client, Unreachable
from .connection import keywords
from .plan import Decision, Local, Upstream, decide
from .predicates import Document
from .tools import Tools

_STOP_SECONDS = 60


class Standby:
    """The parameters of one task, and what is reached by them."""

    def __init__(self, params: Document) -> None:
        self.params = params
        self.tools = Tools(params)
        primary = params["primary"]
        where = {"host": primary["host"], "port": primary["port"]}
        self.upstream = Client(
            primary["name"] or primary["host"], dict(keywords(primary), **where), self.tools.account, params["timeout"]
        )
        local = {"host": params["socket_directory"], "port": params["port"], "user": params["owner"]}
        self.local = Client(params["name"], local, self.tools.account, params["timeout"])
        own = {key: value for key, value in keywords(primary).items() if key != "dbname"}
        self.following = {
            key: str(value) for key, value in {**where, **own, "application_name": params["name"]}.items()
        }
        self.slot = params["slot"]

    def read_upstream(self) -> Upstream:
        """The server to stream from; raises ScalingError when it does not answer."""
        system, timeline, history = service.identify(self.upstream)
        document = service.read(self.upstream)
        return Upstream(
            name=self.upstream.name,
            system_identifier=system,
            timeline=timeline,
            history=history,
            position=predicates.position(document),
            in_recovery=document["in_recovery"],
            started=document["started"],
            oldest_wal=service.oldest_wal(self.upstream),
        )

    def read_local(self) -> Local:
        """The member as it is; raises ScalingError when it runs and does not answer."""
        tools = self.tools
        if tools.clone_was_cut_off():
            return Local("incomplete")
        if not tools.exists():
            return Local("missing" if tools.is_empty() else "unknown")
        running = bool(tools.pid())
        if running:
            document = self._settled()
            timeline, position = predicates.timeline(document), predicates.position(document)
            settings = document["settings"]
            following, slot = document["primary_conninfo"] or "", settings["primary_slot_name"] or ""
            archive = bool(settings["restore_command"])
            standby, started = document["in_recovery"], document["started"]
        control = tools.control()
        if not running:
            timeline, position = tools.end_of_wal(control)
            settings = tools.auto_conf()
            following, slot = settings.get("primary_conninfo", ""), settings.get("primary_slot_name", "")
            archive, standby, started = False, tools.is_standby(), ""
        return Local(
            state="present",
            running=running,
            standby=standby,
            system_identifier=control["system_identifier"],
            timeline=timeline,
            position=position,
            segment_size=control["segment_size"],
            rewindable=predicates.can_rewind(control),
            archive=archive,
            following=predicates.parse_conninfo(following),
            slot=slot,
            started=started,
        )

    def _settled(self) -> Document:
        """The running member once it takes connections; it may just be starting."""

        def look() -> Document | ScalingError:
            try:
                return service.read(self.local)
            except Unreachable as error:
                # 57P03: the database system is starting up.
                if error.details["sqlstate"] not in ("", "57P03"):
                    raise
                return error

        found, _ = Deadline(self.params["timeout"]).wait_for(look, lambda state: isinstance(state, dict))
        if isinstance(found, ScalingError):
            raise found
        return found

    def apply(self, decision: Decision, local: Local, upstream: Upstream) -> str:
        """Carry the decision out, up to a server that was told where to stream from; where discarded WAL is kept."""
        settings = {"primary_conninfo": predicates.quote_conninfo(self.following), "primary_slot_name": self.slot}
        standby = local.running and self._is_standby()
        if decision.action == "rewind":
            service.settle_timeline(self.upstream, upstream.timeline, Deadline(self.params["wait_timeout"]))
        if decision.action == "repoint" and standby:
            service.follow(self.local, settings)
            return ""
        self.local.close()
        self.tools.stop(Deadline(_STOP_SECONDS))
        kept = self._keep(decision, local)
        if decision.action == "rewind":
            if not predicates.was_shut_down(self.tools.control()):
                # Its crash recovery is pg_rewind's to do, in a mode that no standby has.
                self.tools.make_primary()
            self.tools.rewind(self._source(), self.params["copy_timeout"])
        elif decision.action == "clone":
            self._clone()
        self.tools.make_standby(settings)
        self.tools.start(self.params["start_timeout"])
        return kept

    def _keep(self, decision: Decision, local: Local) -> str:
        """What only this member has, for people who want it back."""
        if decision.data not in ("diverged", "ahead") or not self.params["keep_discarded"]:
            return ""
        begin = 0 if decision.discards is None else local.position - decision.discards
        return self.tools.keep_wal(local.timeline, begin, local.segment_size, self.params["keep_discarded"])

    def _is_standby(self) -> bool:
        return bool(self.local.value("SELECT pg_is_in_recovery()"))

    def _clone(self) -> None:
        outside = self.tools.tablespaces()
        if outside:
            raise ScalingError(
                f"The data directory has tablespaces outside of it ({', '.join(outside)}), which are not emptied here.",
                "Empty the data directory and these places by hand, then run the task again.",
            )
        self.tools.wipe()
        self.tools.clone(self._source(), self.slot, self.params["copy_timeout"])

    def _source(self) -> str:
        """What pg_basebackup and pg_rewind connect by; a password reaches them, and the server, in a file only."""
        return predicates.quote_conninfo(dict(self.following, dbname="postgres", application_name=self.params["name"]))

    def wait(self, mark: tuple[str, int]) -> tuple[Document, Document, bool]:
        """Both servers' documents once the member streams within the limits; raises ScalingError with its log line."""
        limits = self.params

        def look() -> tuple[Document, Document]:
            line = predicates.hopeless_line(self.tools.log_since(mark))
            # The document is read before the upstream's, so that the lag is never negative.
            document = self._settled()
            if line and not self.streams(document):
                raise self._not_streaming(line)
            if document["replay_paused"]:
                raise self._paused()
            if not self.tools.pid():
                raise self._not_streaming(predicates.alarming_line(self.tools.log_since(mark)))
            return document, service.read(self.upstream)

        def arrived(document: Document, upstream: Document) -> bool:
            return self.streams(document) and predicates.shares_timeline(document, upstream)

        def done(pair: tuple[Document, Document]) -> bool:
            document, upstream = pair
            if self.comes_later(document):
                return True
            near = predicates.is_delayed(document) or predicates.lag_seconds(document) <= limits["max_lag_seconds"]
            return arrived(document, upstream) and near and behind(document, upstream) <= limits["max_lag_bytes"]

        (document, upstream), reached = Deadline(limits["wait_timeout"]).wait_for(look, done, 0.05, 0.5)
        if not reached:
            if arrived(document, upstream):
                lag = behind(document, upstream)
                raise ScalingError(
                    f"{limits['name']} streams from {self.upstream.name}, and lags by {lag} bytes and"
                    f" {predicates.lag_seconds(document):.1f} s after {limits['wait_timeout']} s.",
                    "It goes on catching up: run the task again, or with a longer wait_timeout.",
                )
            raise self._not_streaming(predicates.alarming_line(self.tools.log_since(mark)))
        return document, upstream, reached

    def _paused(self) -> ScalingError:
        line = hide_assignments(predicates.pausing_line(self.tools.log_since(("", 0))))
        return ScalingError(
            f"{self.params['name']} has paused its replay and will not catch up."
            + (f" Its log says: {line}" if line else ""),
            "Take away the cause, then run pg_wal_replay_resume() on it, or restart it.",
            log=line,
        )

    def _not_streaming(self, line: str) -> ScalingError:
        said = f" Its log says: {hide_assignments(line)}" if line else " It logged no reason in the log_file."
        return ScalingError(
            f"{self.params['name']} does not stream from {self.upstream.name}.{said}", log=hide_assignments(line)
        )

    def streams(self, document: Document) -> bool:
        """Whether the member streams as it is told to; after a reload the former stream goes on for a moment."""
        receiver = document.get("receiver") or {}
        source = (receiver.get("sender_host"), str(receiver.get("sender_port")), receiver.get("slot_name") or "")
        wanted = (self.following["host"], self.following["port"], self.slot)
        return document["in_recovery"] and receiver.get("status") == "streaming" and source == wanted

    def comes_later(self, document: Document) -> bool:
        """Whether the member is told to stream as wanted, and does so once it has applied what its delay holds up."""
        told = predicates.parse_conninfo(document["primary_conninfo"] or "")
        where = (told.get("host"), told.get("port"), document["settings"]["primary_slot_name"])
        wanted = (self.following["host"], self.following["port"], self.slot)
        return predicates.applies_later(document) and not self.streams(document) and where == wanted

    def stale_slots(self) -> list[str]:
        """Slots on this member that were for standbys of its time as a primary."""
        if not self.params["remove_slots"] or not self.tools.pid():
            return []
        slots = service.read(self.local)["slots"]
        names = set(self.params["remove_slots"])
        return [
            s["slot_name"]
            for s in slots
            if s["slot_name"] in names and not s["active"] and s["slot_type"] == "physical"
        ]


def behind(document: Document, upstream: Document) -> int:
    """Bytes that a member is behind: in replaying, or in receiving if it is to replay later."""
    reached = (
        predicates.position(document)
        if predicates.is_delayed(document)
        else predicates.parse_lsn(document["replay_lsn"])
    )
    return max(0, predicates.position(upstream) - reached)


def converge(params: Document, check_mode: bool) -> Outcome:
    """Entry point of postgresql_standby; raises ScalingError."""
    standby = Standby(params)
    local = standby.read_local()
    upstream = standby.read_upstream()
    decision = decide(
        local, upstream, standby.following, standby.slot, replace=params["replace"], rewind=params["rewind"]
    )
    stale = standby.stale_slots() if decision.action in ("none", "repoint") and local.standby else []
    slot_there = not standby.slot or bool(
        standby.upstream.value("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", (standby.slot,))
    )
    before = _view(local, decision.data, stale, slot_there)
    after = dict(
        _view(local, "current", [], True),
        role="standby",
        running=True,
        primary=f"{standby.following['host']}:{standby.following['port']}",
        slot=standby.slot,
        follows_by={key: value for key, value in standby.following.items() if key not in ("host", "port")},
    )
    values = {
        "action": decision.action,
        "reason": decision.reason,
        "found": decision.data,
        "discarded_bytes": decision.discards or 0,
    }
    if check_mode:
        return Outcome(before, after, params["name"], **values, kept_wal="", removed_slots=stale, seconds={})
    return _carry_out(standby, (local, upstream), decision, (before, after), values)


def _carry_out(
    standby: Standby,
    servers: tuple[Local, Upstream],
    decision: Decision,
    views: tuple[Document, Document],
    values: Document,
) -> Outcome:
    before, after = views
    local, upstream = servers
    began = time.monotonic()
    if before != after and standby.slot:
        service.create_slot(standby.upstream, standby.slot)
    # From here on: a server that has asked in vain for the slot before is no hopeless case.
    mark = standby.tools.log_size()
    kept = standby.apply(decision, local, upstream) if decision.action != "none" else ""
    applied = time.monotonic()
    try:
        document, primary, _ = standby.wait(mark)
    except ScalingError as error:
        error.details.update(values)
        raise
    removed = (
        service.drop_slots(standby.local, standby.params["remove_slots"]) if standby.params["remove_slots"] else []
    )
    return Outcome(
        before,
        after,
        standby.params["name"],
        **values,
        kept_wal=kept,
        removed_slots=removed,
        seconds={"apply": round(applied - began, 3), "wait": round(time.monotonic() - applied, 3)},
        streaming=standby.streams(document),
        timeline=predicates.timeline(document),
        lag_bytes=behind(document, primary),
        lag_seconds=predicates.lag_seconds(document),
    )


def _view(local: Local, data: str, stale: list[str], slot_there: bool) -> Document:
    """A member as the diff shows it."""
    following = dict(local.following)
    host, port = following.pop("host", ""), following.pop("port", "")
    role = "none" if local.state != "present" else "standby" if local.standby else "primary"
    return {
        "role": role,
        "running": local.running,
        "data": data,
        "primary": f"{host}:{port}" if role == "standby" and host else "",
        "follows_by": {key: value for key, value in following.items() if "password" not in key}
        if role == "standby"
        else {},
        "slot": local.slot if role == "standby" else "",
        "slot_exists": slot_there,
        "stale_slots": stale,
    }
