#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mongodb_sharded_cluster
short_description: Have shards, zones, sharded collections and the balancer of a MongoDB cluster as wanted
version_added: "0.2.0"
description:
  - Leads a sharded cluster to the wanted shards, zones, sharded collections and balancer in one task, through its
    routers.
  - A shard that is wanted absent is drained by the balancer; then its databases, with their unsharded collections, move
    to another shard; then it is taken out of the cluster. The task waits for all of it.
  - Everything is planned before anything is touched. What cannot be, such as a removal of a zone's last shard, is
    refused with the cluster left as it was.
  - Shards, zones and collections that the task does not name are left alone.
  - Shards, zones and collections of RV(horizontal.scaling.mongodb_cluster_info#module:sharding) are valid input.
  - State is read from the cluster alone, so that a run that was cut off, also in the middle of a removal, is finished
    by the next one.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Plans the same steps, and takes for granted that a drain will end.
    support: full
  diff_mode:
    description: Shows all shards, and the zones, collections and settings that the task names, before and after.
    support: full
  idempotent:
    description: A cluster that is as wanted is left alone. What a removed shard keeps on its disks is not looked at.
    support: full
options:
  routers:
    description: Routers (C(mongos)), as C(host) or C(host:port), with port 27017 if none is given. The first one that
      answers is asked, and another one when it ceases to.
    type: list
    elements: str
    required: true
  shards:
    description: Shards that are wanted, or wanted no more.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the shard, which it keeps for life.
        type: str
        required: true
      state:
        description:
          - V(absent) drains it and takes it out of the cluster. Its data files stay on its hosts; a shard that comes
            back needs empty ones.
          - A drain that has begun cannot be taken back, so V(present) is refused until it has ended.
        type: str
        choices: [present, absent]
        default: present
      replica_set:
        description: Name of its replica set; the name of the shard when empty. It runs with C(clusterRole) V(shardsvr).
        type: str
        default: ""
      hosts:
        description: Members of its replica set, needed to add it. Others are found by the cluster itself, so what it
          has is not compared with these.
        type: list
        elements: str
        default: []
      zones:
        description: All zones of the shard. Left out, they stay as they are.
        type: list
        elements: str
      draining: &observed
        description: Observed by M(horizontal.scaling.mongodb_cluster_info); accepted so that its result can be given as
          it is, and not looked at.
        type: raw
      databases: *observed
      chunks: *observed
      bytes: *observed
  zones:
    description: Zones with their ranges. Those that are not named are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the zone; a shard has to be in it.
        type: str
        required: true
      ranges:
        description: All ranges of the zone.
        type: list
        elements: dict
        default: []
        suboptions:
          collection:
            description: Namespace, as C(database.collection).
            type: str
            required: true
          min:
            description:
              - Lower bound by the fields of the shard key, which belongs to the range. Fields left out at the end are
                the lowest.
              - 'Values are plain, or extended JSON such as C({"$minKey": 1}).'
            type: dict
            required: true
          max:
            description: Upper bound, which does not belong to it.
            type: dict
            required: true
  collections:
    description: Collections that are wanted sharded. They and their databases are made if need be.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Namespace, as C(database.collection).
        type: str
        required: true
      key:
        description: The shard key, fields in their order, each V(1) or V(hashed). Another key than the collection has
          is refused. A collection with documents needs an index that begins so.
        type: dict
        required: true
      unique:
        description: Whether the key is unique.
        type: bool
        default: false
      initial_chunks:
        description: Chunks that an empty collection with a hashed key begins with; 0 leaves it to MongoDB, which takes
          two for each shard. Looked at only when it is sharded.
        type: int
        default: 0
      presplit_hashed_zones:
        description: Whether an empty collection with a hashed key begins with chunks by its zones. Looked at only when
          it is sharded.
        type: bool
        default: false
      chunks: *observed
  balancer:
    description: Whether the balancer moves chunks. A removal needs it. Left out, it stays as it is.
    type: bool
  balancer_hold:
    description:
      - V(true) stops the balancer for a while, after the move that is under way, and has the cluster note that;
        V(false) starts it again where that is noted. One that was off before stays off. Left out, it stays as it is.
      - The note is a field of the balancer's document in C(config.settings), so that any later task can start it again.
    type: bool
  balancer_window:
    description: When it may, by the config servers' clock, such as V(23:00-06:00), or V(always). Empty leaves it alone.
    type: str
    default: ""
  databases_to:
    description: Shard that databases of a removed one move to; when empty, the one that is the primary of the fewest.
    type: str
    default: ""
  reach_timeout:
    description: Seconds to wait until a router answers, such as one that was just started.
    type: float
    default: 30
  balancer_timeout:
    description: Seconds that stopping the balancer may take, since it ends the move that is under way.
    type: float
    default: 300
  drain_timeout:
    description: Seconds that one shard's removal may take. The drain goes on after the task has given up, and the same
      task goes on from there.
    type: float
    default: 86400
extends_documentation_fragment:
  - horizontal.scaling.mongodb_connection
notes:
  - Before MongoDB 7.0 nothing keeps clients from writing to unsharded collections while their database moves, and such
    writes can be lost; let applications pause them, or shard the collections first. See the manual, C(movePrimary).
  - The user needs the role C(clusterAdmin).
seealso:
  - module: horizontal.scaling.mongodb_replica_set
  - module: horizontal.scaling.mongodb_cluster_info
  - name: MongoDB manual, Remove Shards from a Sharded Cluster
    description: The order in which a shard is emptied.
    link: https://www.mongodb.com/docs/manual/tutorial/remove-shards-from-cluster/
  - name: MongoDB manual, Zones
    description: What zones and their ranges do.
    link: https://www.mongodb.com/docs/manual/core/zone-sharding/
"""

EXAMPLES = r"""
- name: Have two shards, a zone and a sharded collection
  horizontal.scaling.mongodb_sharded_cluster:
    routers: [router1, router2]
    shards:
      - {name: claims_a, hosts: [a1, a2, a3], zones: [north]}
      - {name: claims_b, hosts: [b1, b2, b3]}
    zones:
      - name: north
        ranges:
          - {collection: claims.files, min: {region: north}, max: {region: nortj}}
    collections:
      - {name: claims.files, key: {region: 1, number: 1}}
      - {name: claims.patients, key: {number: hashed}}
    balancer_window: 23:00-06:00
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt

- name: Remove a shard, and wait until its data is elsewhere
  horizontal.scaling.mongodb_sharded_cluster:
    routers: [router1, router2]
    shards:
      - {name: claims_b, state: absent}
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt
"""

RETURN = r"""
steps:
  description: What was done, or would be, in its order; after a failure what was done before it.
  returned: always
  type: list
  elements: str
  sample:
    - start the balancer
    - drain claims_b of 11 chunks, move claims to claims_a, and remove it
progress:
  description: How far a removal was, whenever that has changed; also after a failure.
  returned: always
  type: list
  elements: dict
  contains:
    seconds: {description: Seconds since the removal began in this run., type: float}
    shard: {description: The shard., type: str}
    chunks: {description: Chunks that are left., type: int}
    databases: {description: Databases whose primary shard it is., type: int}
    bytes: {description: Bytes of documents in the chunks that are left; null before MongoDB 6.0.3., type: int}
    jumbo: {description: Chunks that are too big to move., type: list}
  sample:
    - {seconds: 0.1, shard: claims_b, chunks: 11, databases: 1, bytes: 222000, jumbo: []}
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.connection import (
    CONNECTION,
    OBSERVED_OF_SHARD,
)
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.sharded_cluster import converge

SHARD = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "replica_set": {"type": "str", "default": ""},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "zones": {"type": "list", "elements": "str"},
    **{name: {"type": "raw"} for name in OBSERVED_OF_SHARD},
}
RANGE = {
    "collection": {"type": "str", "required": True},
    "min": {"type": "dict", "required": True},
    "max": {"type": "dict", "required": True},
}
ZONE = {
    "name": {"type": "str", "required": True},
    "ranges": {"type": "list", "elements": "dict", "default": [], "options": RANGE},
}
COLLECTION = {
    "name": {"type": "str", "required": True},
    "key": {"type": "dict", "required": True, "no_log": False},
    "unique": {"type": "bool", "default": False},
    "initial_chunks": {"type": "int", "default": 0},
    "presplit_hashed_zones": {"type": "bool", "default": False},
    "chunks": {"type": "raw"},
}


def main() -> None:
    run(
        {
            **CONNECTION,
            "routers": {"type": "list", "elements": "str", "required": True},
            "shards": {"type": "list", "elements": "dict", "default": [], "options": SHARD},
            "zones": {"type": "list", "elements": "dict", "default": [], "options": ZONE},
            "collections": {"type": "list", "elements": "dict", "default": [], "options": COLLECTION},
            "balancer": {"type": "bool"},
            "balancer_hold": {"type": "bool"},
            "balancer_window": {"type": "str", "default": ""},
            "databases_to": {"type": "str", "default": ""},
            "reach_timeout": {"type": "float", "default": 30},
            "balancer_timeout": {"type": "float", "default": 300},
            "drain_timeout": {"type": "float", "default": 86400},
        },
        converge,
    )


if __name__ == "__main__":
    main()
