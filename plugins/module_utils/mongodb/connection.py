# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options by which modules reach members."""

from __future__ import annotations

import typing as t

CONNECTION: dict[str, t.Any] = {
    "user": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "auth_database": {"type": "str", "default": "admin"},
    "tls": {"type": "bool", "default": True},
    "tls_ca_file": {"type": "path", "default": ""},
    "tls_certificate_key_file": {"type": "path", "default": "", "no_log": False},
    "timeout": {"type": "float", "default": 5},
}

HOSTS: dict[str, t.Any] = {"hosts": {"type": "list", "elements": "str", "required": True}}

# Fields of a member that mongodb_cluster_info returns, beyond those that mongodb_replica_set looks at.
OBSERVED = (
    "state",
    "healthy",
    "reachable",
    "lag_seconds",
    "sync_source",
    "uptime_seconds",
    "clock_seconds",
    "reason",
)

# And fields of a shard that mongodb_sharded_cluster does not look at.
OBSERVED_OF_SHARD = ("draining", "databases", "chunks", "bytes")

MEMBERS: dict[str, t.Any] = {
    "members": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "host": {"type": "str", "required": True},
            "priority": {"type": "float"},
            "votes": {"type": "int"},
            "hidden": {"type": "bool"},
            "delay": {"type": "int"},
            "tags": {"type": "dict"},
            "arbiter": {"type": "bool"},
            **{name: {"type": "raw"} for name in OBSERVED},
        },
    }
}


def login_of(params: t.Mapping[str, t.Any]) -> tuple[str, str, str] | None:
    """User, password and database of a module's parameters; None where no user is given."""
    if not params["user"]:
        return None
    return params["user"], params["password"], params["auth_database"]
