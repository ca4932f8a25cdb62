#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mongodb_primary
short_description: Have a named member, or any but one, be the primary of a MongoDB replica set
version_added: "0.2.0"
description:
  - Hands the role of primary over in one task. After the gates are passed, the present primary steps down, which
    MongoDB does only once a secondary that may be elected has everything; otherwise it stays the primary and the task
    fails.
  - So that the wanted member wins, the other ones are frozen meanwhile, and it is told to seek election at once,
    without waiting for the election timeout. The freeze ends with the task, or after 60 s should that be cut off.
    Priorities are not touched.
  - The task ends when every member that answers names the new primary, which is what drivers go by.
  - Before the stepdown the others are told to replicate from the next primary (C(replSetSyncFrom)), and with O(avoid)
    those that replicate from that one to replicate from the primary. Otherwise writes for a majority wait for a second
    or more until they have found another source by themselves.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Checks the same gates and chooses the same member.
    support: full
  diff_mode:
    description: Shows the primary before and after.
    support: full
  idempotent:
    description: A set with such a primary is left alone. From whom members replicate, which they choose anew at any
      time, is not told as a change.
    support: full
options:
  primary:
    description: Member that is wanted as the primary, as C(host) or C(host:port). One of a lower priority than
      another's is refused, since that one would take over again.
    type: str
    default: ""
  avoid:
    description: Member that is not to be the primary, such as one that will be restarted. Of those with the highest
      priority the most advanced takes over. With a higher priority than theirs it will take over again, after 60 s or
      when it has been restarted. Members that replicate from it are led to the primary, whoever that is.
    type: str
    default: ""
  max_lag_seconds:
    description: Seconds that the next primary may be behind when this begins.
    type: float
    default: 10
  primary_timeout:
    description: Seconds to wait for a primary when there is none.
    type: float
    default: 60
extends_documentation_fragment:
  - horizontal.scaling.mongodb_hosts
  - horizontal.scaling.mongodb_connection
notes:
  - Drivers with retryable writes and reads, which is their default, see a pause and no error.
  - C(replSetStepUp) is not in MongoDB's manual; the servers use it among themselves for the same purpose.
seealso:
  - module: horizontal.scaling.mongodb_replica_set
  - module: horizontal.scaling.mongodb_cluster_info
  - name: MongoDB manual, replSetStepDown
    description: What a stepdown waits for.
    link: https://www.mongodb.com/docs/manual/reference/command/replSetStepDown/
  - name: MongoDB manual, replSetSyncFrom
    description: How a member is led to another source.
    link: https://www.mongodb.com/docs/manual/reference/command/replSetSyncFrom/
"""

EXAMPLES = r"""
- name: Have db2 be the primary
  horizontal.scaling.mongodb_primary:
    hosts: [db1, db2, db3]
    primary: db2
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt

- name: Have anybody but db1 be the primary, before it is restarted
  horizontal.scaling.mongodb_primary:
    hosts: [db1, db2, db3]
    avoid: db1
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt
"""

RETURN = r"""
primary:
  description: The member that is the primary now, or would be.
  returned: success
  type: str
  sample: db2:27017
former_primary:
  description: The member that was the primary before; empty when nothing had to change.
  returned: success
  type: str
  sample: db1:27017
gates:
  description: The conditions that were checked.
  returned: success, or when one of them is not met
  type: list
  elements: dict
  sample: [{name: lag, passed: true, message: "db2:27017 is 0 s behind; 10 s are accepted."}]
pause_seconds:
  description: Seconds from the stepdown until the new primary took writes.
  returned: success
  type: float
  sample: 0.12
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.connection import CONNECTION, HOSTS
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.primary import converge


def main() -> None:
    run(
        {
            **CONNECTION,
            **HOSTS,
            "primary": {"type": "str", "default": ""},
            "avoid": {"type": "str", "default": ""},
            "max_lag_seconds": {"type": "float", "default": 10},
            "primary_timeout": {"type": "float", "default": 60},
        },
        converge,
    )


if __name__ == "__main__":
    main()
