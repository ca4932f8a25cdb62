#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_primary
short_description: Have a named member be the primary of a PostgreSQL cluster
version_added: "0.2.0"
description:
  - Leads a cluster of streaming replication to the wanted state that O(primary) is its primary, and the others stream
    from it. Every step is read from the members first, so that a run that was cut off is finished by the next one.
  - O(mode=planned) runs on the host of the present primary. It checks gates, stops it, proves by its shutdown
    checkpoint that O(primary) has replayed everything, promotes it, points the other standbys to it and brings the
    former primary back as a standby. Whatever fails before the promotion puts everything back.
  - O(mode=unplanned) promotes a standby when the primary is gone, and refuses to unless that is proven; it says before
    how many bytes of WAL are lost, and keeps to O(max_loss_bytes).
  - An advisory lock on every member that answers keeps out a second change of roles.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Reads the members, checks the same gates and computes the same roles. A fence command is not run.
    support: full
  diff_mode:
    description: Shows role, upstream and timeline of every member, before and after.
    support: full
  idempotent:
    description: A cluster with the wanted primary is left alone.
    support: full
options:
  primary:
    description: Name of the member that is wanted as the primary. Empty chooses the most advanced standby,
      if the mode is V(unplanned).
    type: str
    default: ""
  mode:
    description: Whether the present primary takes part, or is gone.
    type: str
    choices: [planned, unplanned]
    default: planned
  local:
    description:
      - Name of the member whose data are on the host where the task runs; O(data_directory) is needed with it.
      - Required for a planned switchover. In a failover on the host of the former primary it proves that this one does
        not run, reads where its WAL ended, and keeps it from coming back writable.
    type: str
    default: ""
  data_directory:
    description: Data directory of the member on this host, an absolute path. Required with O(local).
    type: path
    required: false
    default: ""
  poolers:
    description:
      - PgBouncers whose clients are held back while the primary changes, by C(PAUSE) of each of their databases, so
        that they see a pause instead of an error. Whatever happens, they go on afterwards, and untouched if that is
        before the promotion.
      - They have to pool by transaction. Where they lead is changed by O(poolers[].primaries), or their server's
        address follows the primary by itself, such as a balancer's.
  pooler_timeout:
    description: Seconds that all poolers together may take until their clients are held back.
    type: float
    default: 5
  max_lag_bytes:
    description: Bytes of WAL that O(primary) may be behind in replaying when a planned switchover begins.
    type: int
    default: 16777216
  max_transaction_seconds:
    description: Age in seconds that a client's transaction may have when a planned switchover begins; it is cut off.
    type: float
    default: 15
  ignore_gates:
    description: Names of gates that do not stop the change; they are still checked and returned.
    type: list
    elements: str
    default: []
  patroni:
    description:
      - How Patroni's API is reached on every member's host, if Patroni runs the cluster. The roles are changed by it
        then, after the same gates, and the task may run on any host; O(local) is not needed.
      - It is Patroni that proves that the new primary has everything, restarts the former one as a standby, and keeps
        out a second primary.
    type: dict
    suboptions:
      port:
        description: Port of the API.
        type: int
        default: 8009
      user:
        description: User of the API.
        type: str
        default: patroni
      password:
        description: Its password.
        type: str
        required: true
      ca_path:
        description: File with the authorities' certificates, as PEM, by which the API's is verified.
        type: path
        required: true
      timeout:
        description: Seconds for an answer.
        type: float
        default: 5
  stop_timeout:
    description: Seconds that the present primary may take for its fast shutdown, which waits for every standby that
      streams, while clients wait. It is put back then.
    type: float
    default: 10
  catch_up_timeout:
    description: Seconds that O(primary) may take to replay the rest after the stop.
    type: float
    default: 10
  promote_timeout:
    description: Seconds that a promotion may take.
    type: float
    default: 60
  rejoin_timeout:
    description: Seconds that each standby may take to stream from the new primary.
    type: float
    default: 60
  start_timeout:
    description: Seconds that a server may take to start.
    type: float
    default: 300
  fence_command:
    description:
      - Command, as a list of words, that cuts the former primary off for good, such as a power switch's. It runs where
        the task runs, after the other gates, and must end with status 0 only if that one cannot take a write any more.
    type: list
    elements: str
    default: []
  last_known_lsn:
    description: Where the former primary's WAL ended, if that is known from elsewhere, such as V(0/3000060).
    type: str
    default: ""
  max_loss_bytes:
    description: Bytes of WAL that a failover may lose.
    type: int
    default: 0
  accept_unknown_loss:
    description: Promote although nobody knows where the former primary's WAL ended.
    type: bool
    default: false
extends_documentation_fragment:
  - horizontal.scaling.postgresql_members
  - horizontal.scaling.postgresql_server
  - horizontal.scaling.postgresql_poolers
requirements:
  - psycopg 3
notes:
  - Clients of the former primary lose their connections, unless they come through one of O(poolers). They find the
    new one by several hosts and C(target_session_attrs=read-write), or by a pooler or load balancer before them.
  - Logical replication slots do not move with the primary; a planned switchover refuses while there are any.
seealso:
  - module: horizontal.scaling.postgresql_standby
  - module: horizontal.scaling.postgresql_cluster_info
  - name: PostgreSQL manual, failover
    description: What a failover needs, and why the former primary has to be shut out.
    link: https://www.postgresql.org/docs/current/warm-standby-failover.html
"""

EXAMPLES = r"""
- name: Have db2 be the primary (on the host of the present one, db1)
  horizontal.scaling.postgresql_primary:
    primary: db2
    local: db1
    data_directory: /var/lib/postgresql/15/main
    config_file: /etc/postgresql/15/main/postgresql.conf
    service: postgresql@15-main
    members: &members
      - {name: db1, host: 192.0.2.31, slot: db1}
      - {name: db2, host: 192.0.2.32, slot: db2}
      - {name: db3, host: 192.0.2.33, slot: db3}
    user: cluster_manager
    passfile: /var/lib/postgresql/.pgpass

- name: Promote the most advanced standby, after db1 was cut off
  horizontal.scaling.postgresql_primary:
    mode: unplanned
    members: *members
    user: cluster_manager
    fence_command: [/usr/local/sbin/power-off, db1]
    max_loss_bytes: 1048576
    accept_unknown_loss: true
"""

RETURN = r"""
primary:
  description: The member that is the primary now, or would be.
  returned: once it is chosen
  type: str
  sample: db2
former_primary:
  description: The member that was the primary before, or those that could have been when more than one is gone under
    Patroni; empty when nothing had to change.
  returned: once it is known
  type: str
  sample: db1
gates:
  description: The conditions that were checked.
  returned: always
  type: list
  elements: dict
  sample: [{name: lag, passed: true, message: db2 is 0 bytes behind in replaying; 16777216 are accepted.}]
phases:
  description: Seconds of each phase that ran, in their order.
  returned: always
  type: dict
  sample: {read: 0.02, gates: 0.0, prepare: 0.1, stop: 0.15, transfer: 0.02, promote: 0.05, repoint: 0.1, rejoin: 0.4}
pause_seconds:
  description: Seconds from the stop of the former primary until the new one took writes.
  returned: once the primary is chosen
  type: float
  sample: 0.22
shutdown_lsn:
  description: Where the former primary's shutdown checkpoint lies, which the new one has replayed.
  returned: after a planned switchover
  type: str
  sample: 0/5000028
resumed:
  description: Whether a switchover that was cut off was finished.
  returned: when it was
  type: bool
  sample: true
loss:
  description: What a failover loses; V(exact) is whether it is known where the former primary's WAL ended.
  returned: for a failover
  type: dict
  sample: {bytes: 0, exact: true, basis: the end of the former primary's WAL, known_lsn: 0/5000028}
members:
  description: The members as M(horizontal.scaling.postgresql_cluster_info) returns them.
  returned: success
  type: list
  elements: dict
  sample: [{name: db2, role: primary, host: 192.0.2.32, port: 5432, timeline: 2}]
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.connection import (
    SERVER,
    cluster_options,
)
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.patroni import API
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.pooler import POOLERS
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.primary import converge


def main() -> None:
    run(
        {
            **SERVER,
            **cluster_options(),
            "data_directory": {"type": "path", "default": ""},
            "primary": {"type": "str", "default": ""},
            "mode": {"type": "str", "choices": ["planned", "unplanned"], "default": "planned"},
            "local": {"type": "str", "default": ""},
            "poolers": POOLERS,
            "pooler_timeout": {"type": "float", "default": 5},
            "max_lag_bytes": {"type": "int", "default": 16777216},
            "max_transaction_seconds": {"type": "float", "default": 15},
            "patroni": {"type": "dict", "options": API},
            "ignore_gates": {"type": "list", "elements": "str", "default": []},
            "stop_timeout": {"type": "float", "default": 10},
            "catch_up_timeout": {"type": "float", "default": 10},
            "promote_timeout": {"type": "float", "default": 60},
            "rejoin_timeout": {"type": "float", "default": 60},
            "start_timeout": {"type": "float", "default": 300},
            "fence_command": {"type": "list", "elements": "str", "default": []},
            "last_known_lsn": {"type": "str", "default": ""},
            "max_loss_bytes": {"type": "int", "default": 0},
            "accept_unknown_loss": {"type": "bool", "default": False},
        },
        converge,
    )


if __name__ == "__main__":
    main()
