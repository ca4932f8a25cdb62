# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options by which modules reach members, and what libpq makes of them."""

from __future__ import annotations

import typing as t

PASSED = ("user", "dbname", "password", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey")

# Fields of a member that postgresql_cluster_info returns, beyond those that say where it is.
OBSERVED = (
    "role",
    "reason",
    "upstream",
    "streaming",
    "applies_later",
    "timeline",
    "lsn",
    "lag_bytes",
    "lag_seconds",
    "sync_state",
    "replay_paused",
    "version",
    "system_identifier",
    "checksums",
    "slots",
    "clones",
)

CONNECTION: dict[str, t.Any] = {
    "user": {"type": "str"},
    "dbname": {"type": "str", "default": "postgres"},
    "password": {"type": "str", "no_log": True},
    "passfile": {"type": "path", "no_log": False},
    "sslmode": {"type": "str", "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]},
    "sslrootcert": {"type": "path"},
    "sslcert": {"type": "path"},
    "sslkey": {"type": "path", "no_log": False},
}

SERVER: dict[str, t.Any] = {
    "data_directory": {"type": "path", "required": True},
    "bin_directory": {"type": "path", "default": ""},
    "config_file": {"type": "path", "default": ""},
    "service": {"type": "str", "default": ""},
    "log_file": {"type": "path", "default": ""},
    "owner": {"type": "str", "default": "postgres"},
}


def keywords(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """libpq's keywords out of a module's options."""
    return {name: options.get(name) for name in PASSED if options.get(name) not in (None, "")}


def primary_options() -> dict[str, t.Any]:
    """The server that a standby streams from: everything but a password, which would end in its settings."""
    options = {name: spec for name, spec in CONNECTION.items() if name != "password"}
    return {
        **options,
        "name": {"type": "str"},
        "host": {"type": "str", "required": True},
        "port": {"type": "int", "default": 5432},
        "user": {"type": "str", "required": True},
    }


def cluster_options() -> dict[str, t.Any]:
    """All members, and the one way in which they are reached."""
    member = {
        "name": {"type": "str", "required": True},
        "host": {"type": "str", "required": True},
        "port": {"type": "int", "default": 5432},
        "slot": {"type": "str", "default": ""},
    }
    member.update({name: {"type": "raw"} for name in OBSERVED})
    return {
        **CONNECTION,
        "user": {"type": "str", "required": True},
        "members": {"type": "list", "elements": "dict", "required": True, "options": member},
        "timeout": {"type": "float", "default": 5},
    }
