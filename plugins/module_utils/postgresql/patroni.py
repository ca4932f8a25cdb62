# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Patroni's REST API: questions to a member, requests in the name of the operator; and what its answers mean."""

from __future__ import annotations

import json
import ssl
import typing as t
from urllib.error import HTTPError, URLError

from ansible.module_utils.urls import open_url

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .predicates import Document

API: dict[str, t.Any] = {
    "port": {"type": "int", "default": 8009},
    "user": {"type": "str", "default": "patroni"},
    "password": {"type": "str", "required": True, "no_log": True},
    "ca_path": {"type": "path", "required": True},
    "timeout": {"type": "float", "default": 5},
}

# What a member says of itself once its server is there for clients; a replica's is "streaming" from Patroni 3.1 on.
RUNNING = ("running", "streaming", "in archive recovery")
SYNCHRONOUS = ("sync_standby", "quorum_standby")
LEADERS = ("leader", "standby_leader")


class Silent(ScalingError):
    """A Patroni that gave no answer."""


class Api:
    """The API of one member's Patroni, with its certificate verified.

    Args:
        name: what messages call the member.
        host: address or host name, which its certificate has.
        options: port, user, password, ca_path and timeout, as in `API`.
    """

    def __init__(self, name: str, host: str, options: t.Mapping[str, t.Any]) -> None:
        self.name = name
        self._host = f"[{host}]" if ":" in host else host
        self._options = options

    def get(self, path: str) -> tuple[int, t.Any]:
        """Status and document of a question; raises Silent."""
        return self._ask("GET", path)

    def request(self, method: str, path: str, body: Document, seconds: float | None = None) -> tuple[int, t.Any]:
        """Status and answer of a change; raises Silent."""
        return self._ask(method, path, json.dumps(body), seconds)

    def document(self, path: str) -> Document:
        """The document of a question that has to succeed; raises ScalingError."""
        status, found = self.get(path)
        if status != 200 or not isinstance(found, dict):
            raise ScalingError(f"Patroni of {self.name} answered {path} with status {status}: {str(found)[:200]}")
        return found

    def _ask(self, method: str, path: str, data: str | None = None, seconds: float | None = None) -> tuple[int, t.Any]:
        options = self._options
        try:
            with open_url(
                f"https://{self._host}:{options['port']}{path}",
                method=method,
                data=data,
                headers={"Content-Type": "application/json"},
                url_username=options["user"],
                url_password=options["password"],
                force_basic_auth=True,
                ca_path=options["ca_path"],
                timeout=seconds or options["timeout"],
                use_proxy=False,
                follow_redirects="none",
            ) as answer:
                return answer.status, parse(answer.read())
        except HTTPError as error:
            return error.code, parse(error.read())
        except (URLError, OSError, ssl.SSLError) as error:
            reason = getattr(error, "reason", None) or error
            raise Silent(
                f"Patroni of {self.name} ({self._host}:{options['port']}) does not answer: {reason}.",
                "Check that it runs there, and that its certificate has this name.",
            ) from error


def parse(body: bytes) -> t.Any:
    """JSON where it is JSON, otherwise text."""
    text = body.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def leader_of(cluster: Document) -> str:
    """Name of the leader out of GET /cluster; empty without one."""
    return next((member["name"] for member in cluster["members"] if member["role"] in LEADERS), "")


def synchronous_in(cluster: Document) -> list[str]:
    """Names of the members that Patroni has noted as synchronous, out of GET /cluster."""
    return [member["name"] for member in cluster["members"] if member["role"] in SYNCHRONOUS]


def member_of(cluster: Document, name: str) -> Document:
    """A member out of GET /cluster; empty when Patroni does not know it (yet)."""
    return next((member for member in cluster["members"] if member["name"] == name), {})


def is_running(cluster: Document, name: str) -> bool:
    """Whether a member's server is there for clients, in a cluster that has a leader."""
    return bool(leader_of(cluster)) and member_of(cluster, name).get("state") in RUNNING


def streams_to(api: Api) -> set[str]:
    """Names of the standbys that stream from a member, by its own word; none when it does not answer."""
    try:
        status, found = api.get("/patroni")
    except Silent:
        return set()
    rows = found.get("replication", []) if status == 200 and isinstance(found, dict) else []
    return {row["application_name"] for row in rows if row["state"] == "streaming"}


def merged(config: Document, wanted: t.Mapping[str, t.Any]) -> Document:
    """A dynamic configuration with what is wanted of it; None removes a key, as PATCH /config does."""
    result = dict(config)
    for key, value in wanted.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result[key] if isinstance(result.get(key), dict) else {}, value)
        else:
            result[key] = value
    return result
