#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mongodb_replica_set
short_description: Have a MongoDB replica set with exactly these members
version_added: "0.2.0"
description:
  - Leads a replica set to the wanted members, settings and default concerns in one task. The primary is found from any
    member that answers, also when it changes meanwhile.
  - One reconfiguration changes at most one vote, and the next one waits until a majority has it. New members join
    without a vote, all of them side by side, and get it once they are synced. Members that leave give their vote up one
    by one; the primary among them hands over first.
  - A step for which there is no majority, or after which there would be none, is refused with the count of votes.
    A reconfiguration is forced only by O(give_up).
  - Fields of a member or of the settings that the task does not name stay as they are.
  - State is read from the set alone, so that a run that was cut off is finished by the next one. Of two runs at once
    the server refuses the one whose configuration is not the next one.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Computes the same steps, and takes for granted that new members will be synced.
    support: full
  diff_mode:
    description: Shows members, named settings and named concerns, before and after.
    support: full
  idempotent:
    description: A set that is as wanted is left alone.
    support: full
options:
  name:
    description: Name of the set, C(replication.replSetName) of every member.
    type: str
    required: true
  members:
    description:
      - All members of the set. One that is not listed is removed.
      - RV(horizontal.scaling.mongodb_cluster_info#module:members) can be given as it is.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Where the other members and the clients reach it, as C(host) or C(host:port), with port 27017 if
          none is given. It identifies the member.
        type: str
        required: true
      priority:
        description: How much it is wanted as the primary, 0 to 1000; 0 keeps it from becoming one. New members get
          1, or 0 if another option demands that.
        type: float
      votes:
        description: Votes in elections, 0 or 1. New members get 1. At most seven members have one.
        type: int
      hidden:
        description: Whether clients are not told of it. Needs O(members[].priority=0).
        type: bool
      delay:
        description: Seconds by which it applies operations later. Needs O(members[].priority=0).
        type: int
      tags:
        description: Tags for read preferences and write concerns, as names and values.
        type: dict
      arbiter:
        description: Whether it only votes and has no data. It cannot be changed while it is a member.
        type: bool
      state: &observed
        description: Observed by M(horizontal.scaling.mongodb_cluster_info); accepted so that its result can be given as
          it is, and not looked at.
        type: raw
      healthy: *observed
      reachable: *observed
      lag_seconds: *observed
      sync_source: *observed
      uptime_seconds: *observed
      clock_seconds: *observed
      reason: *observed
  local:
    description:
      - C(host) or C(host:port) of the member on the host where the task runs. Needed only until the set has been begun.
      - There the set is initiated with this one member, and O(user) is created through the localhost exception, with
        the roles C(clusterAdmin) and C(userAdminAnyDatabase). Then the others are added.
      - A set is only begun if all members answer and none belongs to a set.
    type: str
    default: ""
  give_up:
    description:
      - Members that are gone for good, as C(host) or C(host:port), without whom the others are no majority. The set
        goes on without them by force, and what they acknowledged without the survivors is lost. RV(loss) says what is
        known of that, in check mode before anything is done.
      - Refused as long as a majority answers, as long as one of them answers, if O(members) has one of them, and if the
        others would be no majority among themselves. Who is no member any more is passed over.
      - Whether they are gone, or only out of reach of this host and the survivors, cannot be seen from here. See to it
        that they do not come up again with their data, since they could elect a primary of their own before they hear
        of the survivors.
    type: list
    elements: str
    default: []
  settings:
    description: Fields of the configuration's C(settings), such as C(electionTimeoutMillis) and C(chainingAllowed).
    type: dict
    default: {}
  default_write_concern:
    description: Write concern of operations that name none, C(majority) or a number. It is set before members change.
      Empty leaves it alone. MongoDB keeps one from being unset.
    type: str
    default: ""
  default_read_concern:
    description: Read concern of operations that name none. Empty leaves it alone.
    type: str
    choices: ["", local, available, majority]
    default: ""
  max_lag_seconds:
    description: Seconds that a member may be behind the primary to count as synced.
    type: float
    default: 10
  reach_timeout:
    description: Seconds to wait until members answer, such as those that were just started.
    type: float
    default: 30
  primary_timeout:
    description: Seconds to wait for a primary.
    type: float
    default: 60
  commit_timeout:
    description: Seconds that a reconfiguration may take until a majority has it.
    type: float
    default: 60
  sync_timeout:
    description: Seconds that all members together may take for their initial sync. It goes on after the task has given
      up, and the same task goes on from there.
    type: float
    default: 86400
extends_documentation_fragment:
  - horizontal.scaling.mongodb_connection
seealso:
  - module: horizontal.scaling.mongodb_primary
  - module: horizontal.scaling.mongodb_cluster_info
  - name: MongoDB manual, replSetReconfig
    description: What one reconfiguration may change.
    link: https://www.mongodb.com/docs/manual/reference/command/replSetReconfig/
"""

EXAMPLES = r"""
- name: Have a set of three
  horizontal.scaling.mongodb_replica_set:
    name: claims
    local: db1
    members:
      - {host: db1, priority: 2}
      - {host: db2}
      - {host: db3}
    default_write_concern: majority
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt

- name: Say which steps would lead to five members, two of them in another place
  horizontal.scaling.mongodb_replica_set:
    name: claims
    members:
      - {host: db1}
      - {host: db2}
      - {host: db3}
      - {host: db4, tags: {place: north}, priority: 0.5}
      - {host: db5, tags: {place: north}, priority: 0.5}
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt
  check_mode: true
  register: planned

- name: Say what is given up with two members of three that are gone for good
  horizontal.scaling.mongodb_replica_set:
    name: claims
    members:
      - {host: db1}
    give_up: [db2, db3]
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt
  check_mode: true
  register: planned
"""

RETURN = r"""
name:
  description: Name of the set.
  returned: success
  type: str
  sample: claims
steps:
  description: What was done, or would be, in its order; after a failed wait what was done before it.
  returned: success
  type: list
  elements: str
  sample:
    - add db4:27017, db5:27017 (they vote once synced)
    - give a vote to db4:27017 (4 votes, majority 3)
    - give a vote to db5:27017 (5 votes, majority 3)
configurations:
  description: Every configuration that was installed, in its order.
  returned: success
  type: list
  elements: dict
  sample:
    - {version: 7, members: ["db1:27017", "db2:27017", "db3:27017", "db4:27017"], votes: 4, majority: 3}
loss:
  description: What O(give_up) gives up, or would, as far as the survivor knows; empty where nothing is given up.
  returned: success
  type: dict
  contains:
    survivor:
      description: The member that has most of those that are left, and that is told the configuration.
      type: str
      sample: db1:27017
    last_applied:
      description: Time of its last operation, in UTC.
      type: str
      sample: "2026-05-04T10:12:13.120000Z"
    last_committed:
      description: Time of the last operation of which it knows that a majority had it; empty where it does not know.
      type: str
      sample: "2026-05-04T10:12:13.120000Z"
    members:
      description: Members that are given up.
      type: list
      elements: dict
      contains:
        host:
          description: Which one.
          type: str
          sample: db2:27017
        state:
          description: How the survivor sees it.
          type: str
          sample: (not reachable/healthy)
        last_heard:
          description: When the survivor last heard from it; empty where it has not since its own start.
          type: str
          sample: "2026-05-04T10:12:14.003000Z"
        last_applied:
          description: Time of the last operation that it is known to have had; empty where none is known.
          type: str
          sample: "2026-05-04T10:12:13.120000Z"
        had_more:
          description: Whether it is known to have had more than the survivor. What V(false) leaves open is what it
            acknowledged after it was last heard.
          type: bool
          sample: false
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.connection import CONNECTION, MEMBERS
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.replica_set import converge


def main() -> None:
    run(
        {
            **CONNECTION,
            **MEMBERS,
            "name": {"type": "str", "required": True},
            "local": {"type": "str", "default": ""},
            "give_up": {"type": "list", "elements": "str", "default": []},
            "settings": {"type": "dict", "default": {}},
            "default_write_concern": {"type": "str", "default": ""},
            "default_read_concern": {
                "type": "str",
                "choices": ["", "local", "available", "majority"],
                "default": "",
            },
            "max_lag_seconds": {"type": "float", "default": 10},
            "reach_timeout": {"type": "float", "default": 30},
            "primary_timeout": {"type": "float", "default": 60},
            "commit_timeout": {"type": "float", "default": 60},
            "sync_timeout": {"type": "float", "default": 86400},
        },
        converge,
    )


if __name__ == "__main__":
    main()
