#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_standby
short_description: Have a PostgreSQL member stream from another one
version_added: "0.2.0"
description:
  - Runs on the member's host and leads it to the wanted state that it streams from O(primary), whatever it is now.
    Nothing, a running standby of another member, a stopped or crashed one, and a former primary are all led there.
  - Decides between doing nothing, re-pointing, rewinding (C(pg_rewind)) and cloning (C(pg_basebackup)) from the system
    identifiers, the timelines and their histories, the end of the member's own WAL, and the WAL that O(primary) still
    has. RV(action) and RV(reason) say which and why, in check mode, too.
  - A data directory is emptied only if it was proven that O(primary) has all that it has, or if O(replace) allows more.
  - Waits until the member streams and lags no more than O(max_lag_bytes) and O(max_lag_seconds), and fails as soon as
    the server's log says that this cannot come true, with that line.
  - A member with C(recovery_min_apply_delay) need not have applied what it received. While it holds WAL back,
    PostgreSQL does not change its stream. Then the member is left told what to do, and RV(streaming) is false.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Reads both servers and computes the same decision. Only C(pg_rewind) itself knows whether the member
      still has its WAL back to the last common checkpoint.
    support: full
  diff_mode:
    description: Shows role, state of the data, where the member streams from and its slots, before and after.
    support: full
  idempotent:
    description: A member that streams as wanted is left alone.
    support: full
options:
  name:
    description: Name of the member, which O(primary) sees as C(application_name).
    type: str
    required: true
  primary:
    description: The server to stream from; another standby for a cascade.
    type: dict
    required: true
    suboptions:
      name:
        description: Its name in messages; the host when left out.
        type: str
      host:
        description: Host name, address or directory of the Unix socket.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 5432
      user:
        description: User with C(REPLICATION), and the rights for C(pg_rewind) that docs/postgresql.md lists.
        type: str
        required: true
      dbname:
        description: Database for what is read by SQL.
        type: str
        default: postgres
      passfile:
        description:
          - File of passwords as libpq reads it, on the member's host, readable by O(owner) alone.
          - The server goes on using it. There is no option for a password itself, since it would stand in the server's
            settings.
        type: path
      sslmode:
        description: How TLS is asked for; C(prefer) is libpq's own default, which protects against nobody.
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
      sslrootcert:
        description: File of the certificate authorities.
        type: path
      sslcert:
        description: File of the client's certificate.
        type: path
      sslkey:
        description: File of the client's key.
        type: path
  slot:
    description: Physical replication slot on O(primary), created when it is missing. Empty for none.
    type: str
    default: ""
  remove_slots:
    description: Physical slots to drop on this member, left from its time as a primary. Those in use stay.
    type: list
    elements: str
    default: []
  replace:
    description:
      - What the data directory may hold and still be replaced by a clone.
      - V(stale) is data of the same history whose continuation O(primary) has no WAL for any more. V(diverged) adds
        data that O(primary) does not have, which are lost then. V(any) adds other clusters and whatever else is there.
    type: str
    choices: [never, stale, diverged, any]
    default: stale
  rewind:
    description: Rewind a member that has diverged. What only this member had is discarded, RV(discarded_bytes).
    type: bool
    default: true
  keep_discarded:
    description: Directory to which the WAL that only this member has is copied before it is rewound or replaced. Empty
      for none.
    type: path
    default: ""
  max_lag_bytes:
    description: Bytes of WAL that the member may be behind in replaying, or in receiving if it has a delay.
    type: int
    default: 16777216
  max_lag_seconds:
    description: Seconds that the last replayed commit may be old while more was received. Not asked of a member with a
      delay.
    type: float
    default: 10
  wait_timeout:
    description: Seconds to wait until the member streams within the limits.
    type: float
    default: 60
  copy_timeout:
    description: Seconds that cloning or rewinding may take.
    type: float
    default: 86400
  start_timeout:
    description: Seconds that the server may take to start.
    type: float
    default: 300
  port:
    description: Port of the member.
    type: int
    default: 5432
  socket_directory:
    description: Directory of the member's Unix socket, over which O(owner) has to be let in as superuser.
    type: path
    default: /var/run/postgresql
  timeout:
    description: Seconds to wait for a server's answer.
    type: float
    default: 10
extends_documentation_fragment:
  - horizontal.scaling.postgresql_server
requirements:
  - psycopg 3
notes:
  - The module runs as root or as O(owner). As root it starts PostgreSQL's programs and opens sockets as O(owner).
seealso:
  - module: horizontal.scaling.postgresql_primary
  - module: horizontal.scaling.postgresql_cluster_info
  - name: PostgreSQL manual, log-shipping standby servers
    description: Streaming replication and its slots.
    link: https://www.postgresql.org/docs/current/warm-standby.html
  - name: PostgreSQL manual, pg_rewind
    description: What rewinding needs.
    link: https://www.postgresql.org/docs/current/app-pgrewind.html
"""

EXAMPLES = r"""
- name: Have this host stream from db1
  horizontal.scaling.postgresql_standby:
    name: db2
    data_directory: /var/lib/postgresql/15/main
    config_file: /etc/postgresql/15/main/postgresql.conf
    service: postgresql@15-main
    log_file: /var/log/postgresql/postgresql-15-main.log
    primary:
      name: db1
      host: 192.0.2.31
      user: replicator
      passfile: /var/lib/postgresql/.pgpass
      sslmode: verify-full
      sslrootcert: /etc/ssl/certs/ca-certificates.crt
    slot: db2

- name: Take a former primary back although it can only be cloned
  horizontal.scaling.postgresql_standby:
    name: db1
    data_directory: /srv/postgresql
    primary: {host: 192.0.2.32, user: replicator}
    replace: diverged
"""

RETURN = r"""
action:
  description: What was done to the data, or would be; V(none), V(repoint), V(rewind) or V(clone).
  returned: success
  type: str
  sample: rewind
reason:
  description: Why, in a sentence.
  returned: success
  type: str
  sample: it has WAL up to 0/50001E0 on timeline 1, which db2 left at 0/5000110 for timeline 2
found:
  description: What the data were in relation to those of O(primary); V(current), V(stale), V(diverged), V(ahead),
    V(foreign), V(unknown) or V(missing).
  returned: success
  type: str
  sample: diverged
discarded_bytes:
  description: Bytes of WAL that only this member had.
  returned: success
  type: int
  sample: 208
kept_wal:
  description: Where the discarded WAL was copied to; empty if nothing was discarded, or O(keep_discarded) is empty.
  returned: success
  type: str
  sample: /var/lib/postgresql/discarded/main-1-0-5000110
removed_slots:
  description: Slots of this member that were dropped.
  returned: success
  type: list
  elements: str
  sample: [db2]
seconds:
  description: Seconds that the change and the wait took.
  returned: success
  type: dict
  sample: {apply: 2.1, wait: 0.3}
streaming:
  description: Whether it streams from O(primary); if not, it does so once it has applied what its delay holds back.
  returned: when not in check mode
  type: bool
  sample: true
timeline:
  description: The timeline that the member is on.
  returned: when not in check mode
  type: int
  sample: 2
lag_bytes:
  description: Bytes of WAL that the member is behind in replaying, or in receiving if it has a delay.
  returned: when not in check mode
  type: int
  sample: 0
lag_seconds:
  description: Age of the last replayed commit in seconds; 0 when all that was received is replayed.
  returned: when not in check mode
  type: float
  sample: 0.0
log:
  description: The line of the server's log that says why it does not stream.
  returned: failure
  type: str
  sample: 'FATAL:  database system identifier differs between the primary and standby'
decision:
  description: What was found and refused.
  returned: failure
  type: dict
  sample: {data: ahead, action: refused, reason: "it is on timeline 3, which db1 never was on", discards: null}
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.connection import SERVER, primary_options
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.plan import REPLACEABLE
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.standby import converge


def main() -> None:
    run(
        {
            **SERVER,
            "name": {"type": "str", "required": True},
            "primary": {"type": "dict", "required": True, "options": primary_options()},
            "slot": {"type": "str", "default": ""},
            "remove_slots": {"type": "list", "elements": "str", "default": []},
            "replace": {"type": "str", "choices": list(REPLACEABLE), "default": "stale"},
            "rewind": {"type": "bool", "default": True},
            "keep_discarded": {"type": "path", "default": ""},
            "max_lag_bytes": {"type": "int", "default": 16777216},
            "max_lag_seconds": {"type": "float", "default": 10},
            "wait_timeout": {"type": "float", "default": 60},
            "copy_timeout": {"type": "float", "default": 86400},
            "start_timeout": {"type": "float", "default": 300},
            "port": {"type": "int", "default": 5432},
            "socket_directory": {"type": "path", "default": "/var/run/postgresql"},
            "timeout": {"type": "float", "default": 10},
        },
        converge,
    )


if __name__ == "__main__":
    main()
