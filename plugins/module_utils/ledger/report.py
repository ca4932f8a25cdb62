# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What rollout_info shows of the ledger."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.record import (
    OPEN,
    Record,
    public,
    seconds_between,
    timestamp,
)

from .document import Unreadable
from .service import check_service
from .stores import Store, Stores


def gather(parameters: dict[str, t.Any], check_mode: bool) -> Outcome:
    """Entry point of rollout_info; reads without the lock, since every write is one step."""
    if parameters["limit"] < 0:
        raise ScalingError(f"limit is {parameters['limit']}; give how many finished rollouts to return, 0 for all.")
    stores = Stores(parameters)
    named = [check_service(parameters["service"])] if parameters["service"] else stores.services()
    current: list[Record] = []
    history: list[Record] = []
    corrupt: list[dict[str, str]] = []
    for service in named:
        found, broken = _records(stores.of(service))
        finished = [record for record in found if record["state"] not in OPEN]
        current += [public(record) for record in found if record["state"] in OPEN]
        history += [public(record) for record in finished[: parameters["limit"] or None]]
        corrupt += [dict(item, service=service) for item in broken]
    history.sort(key=lambda record: record["started"], reverse=True)
    now = timestamp(time.time())
    return Outcome(
        current=current, history=history, lines=[_line(record, now) for record in [*current, *history]], corrupt=corrupt
    )


def _records(store: Store) -> tuple[list[Record], list[dict[str, str]]]:
    """Records, newest first, and what cannot be read; the latest is read first, as it may move to the history."""
    broken = [{"path": str(path), "reason": "set aside"} for path in store.corrupt()]
    latest: Record | None = None
    try:
        latest = store.read()
    except Unreadable as error:
        broken.append({"path": str(store.current), "reason": str(error)})
    past, unreadable = store.past()
    broken += [{"path": str(path), "reason": reason} for path, reason in unreadable]
    found = [latest] if latest else []
    return found + [record for record in past if not latest or record["id"] != latest["id"]], broken


def _line(record: Record, now: str) -> dict[str, t.Any]:
    """One row of a table."""
    done = sum(batch["state"] == "done" for batch in record["batches"])
    return {
        "service": record["service"],
        "id": record["id"],
        "version": record["version"],
        "from": record["from"],
        "state": record["state"],
        "started": record["started"],
        "seconds": round(seconds_between(record["started"], record["finished"] or now), 1),
        "batches": f"{done}/{len(record['batches'])}",
        "owner": record["owner"],
        "reason": record["reason"] or _asked(record),
    }


def _asked(record: Record) -> str:
    if record["state"] not in OPEN:
        return ""
    return "; ".join(
        f"{request['by']} asked to {name}" + (f": {request['reason']}" if request["reason"] else "")
        for name, request in sorted(record["requests"].items())
    )
