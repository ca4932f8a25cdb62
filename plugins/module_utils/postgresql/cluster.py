# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All members of a cluster: read them side by side, and show them as one topology."""

from __future__ import annotations

import contextlib
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from . import predicates, service
from .account import Account
from .client import Client, library
from .connection import keywords
from .predicates import Document


class Member(t.NamedTuple):
    """Where a member is; `slot` is the physical slot that it uses on whomever it streams from."""

    name: str
    host: str
    port: int
    slot: str


class Reading(t.NamedTuple):
    """The members' documents by name, and why those that are missing did not answer."""

    documents: dict[str, Document]
    errors: dict[str, str]

    @property
    def primaries(self) -> list[str]:
        return [name for name, document in self.documents.items() if not document["in_recovery"]]


class Cluster:
    """A connection to each member."""

    def __init__(self, params: Document, account: Account) -> None:
        library()
        self.members = {
            entry["name"]: Member(entry["name"], entry["host"], entry["port"], entry["slot"] or "")
            for entry in params["members"]
        }
        if len(self.members) < len(params["members"]):
            raise ScalingError("members: a name stands there twice.", "Give every member a name of its own.")
        common = keywords(params)
        self.clients = {
            name: Client(name, dict(common, host=member.host, port=member.port), account, params["timeout"])
            for name, member in self.members.items()
        }
        self.account = account

    def read(self) -> Reading:
        """Every member's document; one that does not answer is no error here."""

        def one(client: Client) -> Document | ScalingError:
            if client.connected:
                with contextlib.suppress(ScalingError):
                    return service.read(client)
                # A stopped server leaves a dead connection behind; the next one tells how things are.
                client.close()
            try:
                return service.read(client)
            except ScalingError as error:
                return error

        # The account's switch belongs to the whole process, so it stands around the threads and not in each.
        with self.account.acting(), ThreadPoolExecutor(len(self.clients) or 1) as pool:
            found = dict(zip(self.clients, pool.map(one, self.clients.values())))
        documents = {name: each for name, each in found.items() if isinstance(each, dict)}
        return Reading(documents, {name: str(each) for name, each in found.items() if name not in documents})

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


def upstream_of(document: Document, members: t.Mapping[str, Member], *, told: bool = False) -> str:
    """Name of the member that a standby streams from, or is told to stream from; empty when it is none of them."""
    if told:
        following = predicates.parse_conninfo(document["primary_conninfo"] or "")
        place = (following.get("host"), int(following.get("port") or 5432))
    else:
        receiver = document.get("receiver") or {}
        if receiver.get("status") != "streaming":
            return ""
        place = (receiver.get("sender_host"), receiver.get("sender_port"))
    return next((name for name, member in members.items() if (member.host, member.port) == place), "")


def cascaded(reading: Reading, members: t.Mapping[str, Member]) -> dict[str, str]:
    """The standbys that are told to stream from another standby which answers, and from which."""
    found = {}
    for name, document in reading.documents.items():
        upstream = upstream_of(document, members, told=True) if document["in_recovery"] else ""
        if upstream in reading.documents and reading.documents[upstream]["in_recovery"]:
            found[name] = upstream
    return found


def topology(reading: Reading, members: t.Mapping[str, Member]) -> list[Document]:
    """The members as results show them; without connection strings, and with no value that moves by itself but lag."""
    head = max((predicates.position(d) for d in reading.documents.values() if not d["in_recovery"]), default=0)
    shown = []
    for name, member in members.items():
        common = {"name": name, "host": member.host, "port": member.port, "slot": member.slot}
        document = reading.documents.get(name)
        if document is None:
            shown.append({**common, "role": "down", "reason": reading.errors[name]})
            continue
        upstream = upstream_of(document, members) if document["in_recovery"] else ""
        source = reading.documents.get(upstream)
        position = predicates.position(document)
        applied = predicates.parse_lsn(document["replay_lsn"]) if document["in_recovery"] else position
        shown.append(
            {
                **common,
                "role": "standby" if document["in_recovery"] else "primary",
                "upstream": upstream,
                "streaming": (document.get("receiver") or {}).get("status") == "streaming",
                "applies_later": predicates.applies_later(document),
                "timeline": predicates.timeline(document),
                "lsn": predicates.format_lsn(position),
                "lag_bytes": max(0, head - applied) if head else None,
                "lag_seconds": predicates.lag_seconds(document),
                "sync_state": predicates.sync_state(source, name) if source else "",
                "replay_paused": document["replay_paused"],
                "version": document["settings"]["server_version"],
                "system_identifier": document["system_identifier"],
                "checksums": document["settings"]["data_checksums"] == "on",
                "slots": [predicates.slot_view(row, position) for row in document["slots"]],
                "clones": [
                    {"phase": b["phase"], "bytes": b["backup_streamed"], "total": b["backup_total"]}
                    for b in document["backups"]
                ],
            }
        )
    return shown


def roles(reading: Reading, members: t.Mapping[str, Member]) -> Document:
    """What a change of roles changes, as the diff shows it."""
    return {
        each["name"]: {"role": each["role"], "upstream": each.get("upstream", ""), "timeline": each.get("timeline", 0)}
        for each in topology(reading, members)
    }
