#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mongodb_cluster_info
short_description: Read members, lag, votes and versions of a MongoDB replica set, or the shards of a cluster
version_added: "0.2.0"
description:
  - Reads all members side by side, also those that only the others name. One that does not answer is part of the
    result, with the reason; so is a set without a primary.
  - RV(members) is valid input for O(horizontal.scaling.mongodb_replica_set#module:members).
  - A router, or a member of the config servers, tells of the sharded cluster, too. RV(sharding.shards),
    RV(sharding.zones) and RV(sharding.collections) are valid input for M(horizontal.scaling.mongodb_sharded_cluster).
author:
  - The horizontal.scaling developers (@horizontal)
extends_documentation_fragment:
  - horizontal.scaling.info_module
  - horizontal.scaling.mongodb_hosts
  - horizontal.scaling.mongodb_connection
seealso:
  - module: horizontal.scaling.mongodb_replica_set
  - module: horizontal.scaling.mongodb_primary
  - module: horizontal.scaling.mongodb_sharded_cluster
  - name: MongoDB manual, replSetGetStatus
    description: Where most of it comes from.
    link: https://www.mongodb.com/docs/manual/reference/command/replSetGetStatus/
"""

EXAMPLES = r"""
- name: Read the set
  horizontal.scaling.mongodb_cluster_info:
    hosts: [db1, db2, db3]
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt
  register: cluster

- name: Fail unless there is a primary, and two more votes than a majority takes
  ansible.builtin.assert:
    that:
      - cluster.primary | length > 0
      - cluster.healthy_votes >= cluster.majority + 2
"""

RETURN = r"""
name:
  description: Name of the set; empty when nobody has a configuration.
  returned: success
  type: str
  sample: claims
primary:
  description: The primary, as host:port; empty when there is none.
  returned: success
  type: str
  sample: db1:27017
members:
  description: The members in the order of the configuration; none when nobody who answers is in a set.
  returned: success
  type: list
  elements: dict
  contains:
    host: {description: "Where it is, as host:port.", type: str}
    priority: {description: How much it is wanted as the primary., type: float}
    votes: {description: Its votes., type: int}
    hidden: {description: Whether clients are not told of it., type: bool}
    delay: {description: Seconds by which it applies operations later., type: int}
    tags: {description: Its tags., type: dict}
    arbiter: {description: Whether it only votes., type: bool}
    state: {description: "Its state as the primary sees it, such as V(SECONDARY) or V(STARTUP2).", type: str}
    healthy: {description: Whether it counts in a majority right now., type: bool}
    reachable: {description: Whether it answers this host., type: bool}
    lag_seconds: {description: Seconds that it is behind the primary; null when that is not known., type: float}
    sync_source: {description: The member that it copies operations from., type: str}
    uptime_seconds: {description: Seconds since the primary first heard of it., type: int}
    clock_seconds: {description: Seconds that its clock is ahead of the members' median; null if unknown., type: float}
    reason: {description: "What its last heartbeat said, or why it does not answer.", type: str}
  sample:
    - host: db1:27017
      priority: 1.0
      votes: 1
      hidden: false
      delay: 0
      tags: {}
      arbiter: false
      state: PRIMARY
      healthy: true
      reachable: true
      lag_seconds: 0.0
      sync_source: ""
      uptime_seconds: 86400
      clock_seconds: 0.0
      reason: ""
errors:
  description: Why members do not answer, by host:port.
  returned: success
  type: dict
  sample: {}
term:
  description: Number of the last election.
  returned: success
  type: int
  sample: 4
config_version:
  description: Version of the configuration.
  returned: success
  type: int
  sample: 7
config_committed:
  description: Whether a majority has it.
  returned: success
  type: bool
  sample: true
votes:
  description: Votes that there are.
  returned: success
  type: int
  sample: 3
majority:
  description: Votes that an election takes.
  returned: success
  type: int
  sample: 2
healthy_votes:
  description: Votes of the members that count right now.
  returned: success
  type: int
  sample: 3
settings:
  description: The configuration's settings.
  returned: success
  type: dict
  sample: {electionTimeoutMillis: 10000}
sharding:
  description: The sharded cluster, told by routers and config servers; empty for other replica sets.
  returned: success
  type: dict
  contains:
    shards:
      description: The shards.
      type: list
      elements: dict
      contains:
        name: {description: Its name., type: str}
        replica_set: {description: Its replica set., type: str}
        hosts: {description: "The set's members, as host:port.", type: list}
        zones: {description: Its zones., type: list}
        draining: {description: Whether it is being removed., type: bool}
        databases: {description: Databases whose primary shard it is., type: list}
        chunks: {description: Chunks that it has., type: int}
        bytes: {description: "Bytes of documents in them; null unless a router of 6.0.3 or later tells.", type: int}
    zones: {description: Zones of shards with their ranges., type: list}
    collections: {description: "Sharded collections with their keys and chunks.", type: list}
    jumbo: {description: "Chunks that are too big to move, in words.", type: list}
    balancer: {description: Whether it is on., type: bool}
    balancer_hold: {description: Whether it was stopped for a while and is to be started again., type: bool}
    balancer_window: {description: "When it works, such as V(23:00-06:00), or V(always).", type: str}
  sample:
    shards:
      - name: claims_a
        replica_set: claims_a
        hosts: ["a1:27017", "a2:27017", "a3:27017"]
        zones: [north]
        draining: false
        databases: [claims]
        chunks: 12
        bytes: 734003200
    zones: [{name: north, ranges: [{collection: claims.files, min: {region: n}, max: {region: o}}]}]
    collections: [{name: claims.files, key: {region: 1, number: 1}, unique: false, chunks: 12}]
    jumbo: []
    balancer: true
    balancer_hold: false
    balancer_window: always
version:
  description: Version of the server that was asked, the primary if there is one.
  returned: success
  type: str
  sample: 6.0.5
feature_compatibility_version:
  description: What that server's data is compatible with.
  returned: success
  type: str
  sample: "6.0"
oplog_seconds:
  description: Seconds that its oplog reaches back; a member that is away for longer needs an initial sync.
  returned: success
  type: int
  sample: 172800
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.connection import CONNECTION, HOSTS
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.info import gather


def main() -> None:
    run({**CONNECTION, **HOSTS}, gather)


if __name__ == "__main__":
    main()
