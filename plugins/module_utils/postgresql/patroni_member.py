# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What patroni_member does: wait until Patroni has this host's member run, or have it cloned anew."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.command import run_bounded
from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments

from .patroni import Api, Silent, is_running, leader_of, member_of, streams_to
from .predicates import Document

ALARMS = ("ERROR", "FATAL", "CRITICAL", "Exception", "error:")
# What no amount of waiting takes away, once it was said twice: a new primary may not know its users for a moment.
HOPELESS = ("password authentication failed", "no pg_hba.conf entry", "certificate verify failed", "system ID mismatch")
# What a member's state says when Patroni has given up on its server for now.
FAILED = ("start failed", "crashed", "initdb failed", "custom bootstrap failed")


def converge(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """Entry point of patroni_member; raises ScalingError."""
    api = Api(params["name"], params["host"], params)
    before = _look(api, params)
    if params["reinitialize"] == "always" or (params["reinitialize"] == "needed" and not before["running"]):
        return _reinitialize(api, params, before, check_mode)
    after = before if before["running"] or check_mode else _wait(api, params)
    return Outcome(None, None, **after)


def view(name: str, cluster: Document, receivers: t.Container[str]) -> Document:
    """What results show of a member, out of GET /cluster and the names of those to whom others stream."""
    found = member_of(cluster, name)
    return {
        "running": is_running(cluster, name) and (leader_of(cluster) == name or name in receivers),
        "state": found.get("state", "unknown"),
        "role": found.get("role", ""),
        "leader": leader_of(cluster),
        "timeline": found.get("timeline"),
        "paused": bool(cluster.get("pause")),
    }


def _look(api: Api, params: Document) -> Document:
    try:
        cluster = api.document("/cluster")
    except Silent as error:
        return {**view(params["name"], {"members": []}, ()), "state": f"silent: {error}"}
    name, receivers = params["name"], set()
    if is_running(cluster, name) and leader_of(cluster) != name:
        # Its own word says that it runs, and only the other side's that it gets something.
        for member in cluster["members"]:
            if member["name"] != name and member.get("host"):
                receivers |= streams_to(Api(member["name"], member["host"], params))
    return view(name, cluster, receivers)


def _reinitialize(api: Api, params: Document, before: Document, check_mode: bool) -> Outcome:
    name = params["name"]
    if before["leader"] in ("", name):
        raise ScalingError(
            f"{name} is not cloned: the leader is {before['leader'] or 'nobody'}.",
            "There has to be another member as the leader, to clone from.",
        )
    states = {"state": before["state"]}, {"state": "cloned anew"}
    if check_mode:
        return Outcome(*states, name, **before)
    status, answer = api.request("POST", "/reinitialize", {"force": True})
    if status != 200:
        raise ScalingError(f"Patroni of {name} refused to clone with status {status}: {str(answer)[:200]}")
    # It says what it did before for a moment still.
    Deadline(params["deadline"]).wait_for(lambda: _look(api, params), lambda seen: not seen["running"], 0.1, 0.2)
    return Outcome(*states, name, **_wait(api, params))


def _wait(api: Api, params: Document) -> Document:
    name, deadline = params["name"], Deadline(params["deadline"])
    restarts, began = _restarts(params["service"]), time.time()

    def read() -> Document:
        seen = _look(api, params)
        stuck = not seen["running"] and is_hopeless(_journal(params["service"], f"--since=@{began:.0f}"))
        if stuck or seen["state"] in FAILED or _restarts(params["service"]) > restarts + 1:
            raise ScalingError(f"{name} does not run ({seen['state']}). {_last_words(params['service'])}")
        return seen

    seen, done = deadline.wait_for(read, lambda state: state["running"], 0.2, 1)
    if not done:
        raise ScalingError(
            f"After {params['deadline']:g} s {name} does not stream ({seen['state']}), and the leader is"
            f" {seen['leader'] or 'nobody'}. {_last_words(params['service'])}"
        )
    return seen


def _restarts(service: str) -> int:
    """How often systemd has restarted Patroni by itself; one that it gave up is restarted no more, and silent."""
    _, text = run_bounded(["systemctl", "show", "--property=NRestarts", "--value", service], 10)
    return int(text) if text.strip().isdigit() else 0


def is_hopeless(lines: t.Iterable[str]) -> bool:
    """Whether a journal says the same reason for the second time that only a person takes away."""
    said = [words for line in lines for words in HOPELESS if words in line]
    return any(said.count(words) > 1 for words in said)


def _journal(service: str, which: str) -> list[str]:
    _, text = run_bounded(["journalctl", "--unit", service, which, "--output=cat", "--no-pager"], 10)
    return [line.strip() for line in text.splitlines()]


def _last_words(service: str) -> str:
    """The last lines of its journal that report a failure."""
    lines = _journal(service, "--lines=200")
    bad = [line for line in lines if any(word in line for word in ALARMS)]
    return "The journal says: " + hide_assignments(" / ".join((bad or lines)[-2:])) if lines else ""
