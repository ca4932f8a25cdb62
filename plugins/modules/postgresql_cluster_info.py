#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_cluster_info
short_description: Read roles, lag, slots and timelines of all members of a PostgreSQL cluster
version_added: "0.2.0"
description:
  - Reads all members side by side. One that does not answer is part of the result, with the reason.
  - RV(members) is valid input for O(horizontal.scaling.postgresql_primary#module:members) and for this module.
author:
  - The horizontal.scaling developers (@horizontal)
options:
  owner:
    description: User in whose name files and Unix sockets are opened, if the task runs as root.
    type: str
    default: postgres
extends_documentation_fragment:
  - horizontal.scaling.info_module
  - horizontal.scaling.postgresql_members
  - horizontal.scaling.postgresql_poolers
requirements:
  - psycopg 3
seealso:
  - module: horizontal.scaling.postgresql_primary
  - module: horizontal.scaling.postgresql_standby
  - name: PostgreSQL manual, monitoring
    description: The views of replication and their columns.
    link: https://www.postgresql.org/docs/current/monitoring-stats.html
"""

EXAMPLES = r"""
- name: Read the cluster
  horizontal.scaling.postgresql_cluster_info:
    members:
      - {name: db1, host: 192.0.2.31, slot: db1}
      - {name: db2, host: 192.0.2.32, slot: db2}
    user: cluster_manager
    passfile: /var/lib/postgresql/.pgpass
  register: cluster

- name: Fail unless there is exactly one primary and every other member streams
  ansible.builtin.assert:
    that:
      - cluster.primary | length > 0
      - cluster.members | rejectattr('role', 'eq', 'primary') | rejectattr('streaming') | length == 0
"""

RETURN = r"""
primary:
  description: Name of the primary; empty when there is none, or more than one.
  returned: success
  type: str
  sample: db1
primaries:
  description: Names of all members that take writes.
  returned: success
  type: list
  elements: str
  sample: [db1]
members:
  description: The members in the order in which they were given.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the member., type: str}
    host: {description: Where it is., type: str}
    port: {description: Its port., type: int}
    slot: {description: The slot that it uses., type: str}
    role: {description: "V(primary), V(standby) or V(down).", type: str}
    reason: {description: Why it is V(down)., type: str}
    upstream: {description: The member that it streams from., type: str}
    streaming: {description: Whether it streams right now., type: bool}
    applies_later:
      description: Whether its delay holds back WAL that it has. It follows another primary once it has applied that.
      type: bool
    timeline: {description: The timeline that it is on., type: int}
    lsn: {description: End of the WAL that it has written or received., type: str}
    lag_bytes: {description: Bytes that it is behind the primary in replaying; null without a primary., type: int}
    lag_seconds: {description: Age of the last replayed commit while more was received., type: float}
    sync_state: {description: "V(sync), V(quorum), V(potential) or V(async).", type: str}
    replay_paused: {description: Whether it has paused its replay., type: bool}
    version: {description: Version of the server., type: str}
    system_identifier: {description: Which cluster it belongs to., type: str}
    checksums: {description: Whether its data pages have checksums., type: bool}
    slots: {description: "Its replication slots: name, type, active, wal_status, bytes of retained WAL.", type: list}
    clones: {description: "Base backups that are being taken from it: phase, bytes, total.", type: list}
  sample:
    - name: db1
      host: 192.0.2.31
      port: 5432
      slot: db1
      role: primary
      upstream: ""
      streaming: false
      timeline: 1
      lsn: 0/3000148
      lag_bytes: 0
      lag_seconds: 0.0
      slots: [{name: db2, type: physical, active: true, wal_status: reserved, retained: 0, safe_wal_size: 1073741824}]
poolers:
  description: The poolers of O(poolers), in that order.
  returned: success
  type: list
  elements: dict
  contains:
    pooler: {description: Host and port of the admin console., type: str}
    reason: {description: Why it did not answer; empty if it did., type: str}
    databases:
      description: The databases that were asked for, where their server is, whether their clients are held back
        (paused), and its clients and server connections.
      type: list
  sample:
    - pooler: lb1:6432
      reason: ""
      databases:
        - name: claims
          host: 192.0.2.31
          port: 5432
          paused: false
          clients_active: 8
          clients_waiting: 0
          servers_active: 3
          servers_idle: 5
          longest_wait_seconds: 0.0
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.connection import cluster_options
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.info import gather
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.pooler import POOLERS


def main() -> None:
    run({**cluster_options(), "owner": {"type": "str", "default": "postgres"}, "poolers": POOLERS}, gather)


if __name__ == "__main__":
    main()
