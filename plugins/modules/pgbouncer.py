#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer
short_description: Hold the clients of a PgBouncer back, let them go on, and lead its databases to a server
version_added: "0.2.0"
description:
  - Runs on the pooler's host, by its admin console on the UNIX socket, where its owner needs no password.
  - Leads databases to another server by the configuration that O(config_file) includes, and a C(RELOAD); no client
    loses its connection. What runs afterwards is read back, since PgBouncer itself is silent about a file that it
    could not read.
  - Holds clients back by C(PAUSE), between their transactions, in the order C(PAUSE), C(RELOAD), C(RESUME).
  - If clients do not let go of their server connections within O(timeout), they all go on, and the task fails and names
    those that did not.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Reads the console and the files, and computes the same result.
    support: full
  diff_mode:
    description: Shows the included configuration, and host, port and pause of every database.
    support: full
  idempotent:
    description: A pooler in the wanted state is left alone.
    support: full
options:
  state:
    description: Whether clients are held back (V(paused)) or served (V(running)); left as it is when not given.
    type: str
    choices: [running, paused]
  databases:
    description: Names of the pooler's databases that O(state) is about; all when empty.
    type: list
    elements: str
    default: []
  include:
    description:
      - Absolute path of the configuration that O(config_file) is to include, and nothing else. It says by its section
        C(databases) where each one's server is.
      - Left as it is when empty.
    type: path
    default: ""
  config_file:
    description: The configuration that the pooler is started with; it is there already.
    type: path
    default: /etc/pgbouncer/pgbouncer.ini
  timeout:
    description: Seconds that all transactions together may take until their clients are held back.
    type: float
    default: 5
  socket_directory:
    description: Directory of the pooler's UNIX socket.
    type: path
    default: /var/run/postgresql
  port:
    description: Port of the pooler, which is part of the socket's name.
    type: int
    default: 6432
  owner:
    description: User that the pooler runs as.
    type: str
    default: postgres
requirements:
  - psycopg 3
seealso:
  - module: horizontal.scaling.postgresql_primary
  - name: PgBouncer, admin console
    description: PAUSE, RESUME, RELOAD and SET.
    link: https://www.pgbouncer.org/usage.html#admin-console
"""

EXAMPLES = r"""
- name: Hold the clients of one database back while something is done
  horizontal.scaling.pgbouncer:
    state: paused
    databases: [claims]
    timeout: 3

- name: Let all go on, at another server
  horizontal.scaling.pgbouncer:
    state: running
    include: /etc/pgbouncer/primaries/db2.ini
"""

RETURN = r"""
include:
  description: The configuration that O(config_file) includes.
  returned: success
  type: str
  sample: /etc/pgbouncer/primaries/db2.ini
databases:
  description: Where each database's server is, and whether its clients are held back.
  returned: success
  type: dict
  sample: {claims: {host: db2, port: 5432, paused: false}}
holders:
  description: The clients that kept their server connections.
  returned: when O(timeout) has passed
  type: list
  elements: str
  sample: [claims from 192.0.2.11:51234 (batch) in process 4711 on the server since 2026-01-01 12:00:00 UTC]
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.pgbouncer import converge


def main() -> None:
    run(
        {
            "state": {"type": "str", "choices": ["running", "paused"]},
            "databases": {"type": "list", "elements": "str", "default": []},
            "include": {"type": "path", "default": ""},
            "config_file": {"type": "path", "default": "/etc/pgbouncer/pgbouncer.ini"},
            "timeout": {"type": "float", "default": 5},
            "socket_directory": {"type": "path", "default": "/var/run/postgresql"},
            "port": {"type": "int", "default": 6432},
            "owner": {"type": "str", "default": "postgres"},
        },
        converge,
    )


if __name__ == "__main__":
    main()
