#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mongodb_feature_compatibility
short_description: Have a MongoDB replica set's feature compatibility version, and check whether a binary may follow
version_added: "0.2.0"
description:
  - A major upgrade has two parts. Members are restarted with the next series' binary, one by one, and later the feature
    compatibility version is raised, from which there is no free way back.
  - Raised only to the series that every member runs, and with every member there. It is never lowered.
  - With O(binary), checks whether the members may be restarted with it. From one series to the next one only, with the
    feature compatibility version of the present one, and never to an older one.
  - One that was cut off on its way is finished by the next task that wants the same.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Checks the same.
    support: full
  diff_mode:
    description: Shows the feature compatibility version before and after.
    support: full
  idempotent:
    description: A set that has it is left alone.
    support: full
options:
  version:
    description: Feature compatibility version that is wanted, such as V(6.0). Empty leaves it as it is.
    type: str
    default: ""
  binary:
    description: Version of a binary that members are to be restarted with, such as V(6.0.5). Empty checks none.
    type: str
    default: ""
  primary_timeout:
    description: Seconds to wait for a primary when there is none.
    type: float
    default: 60
  set_timeout:
    description: Seconds that setting it may take.
    type: float
    default: 600
extends_documentation_fragment:
  - horizontal.scaling.mongodb_hosts
  - horizontal.scaling.mongodb_connection
notes:
  - In a sharded cluster it is set by hand through a router, for the whole cluster at once; this module refuses to set
    it for config servers or for a shard alone, and says so.
seealso:
  - module: horizontal.scaling.mongodb_cluster_info
  - name: MongoDB manual, setFeatureCompatibilityVersion
    description: What it changes, and what it takes to go back.
    link: https://www.mongodb.com/docs/manual/reference/command/setFeatureCompatibilityVersion/
"""

EXAMPLES = r"""
- name: See whether members may be restarted with another binary
  horizontal.scaling.mongodb_feature_compatibility:
    hosts: [db1, db2, db3]
    binary: 6.0.5
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt

- name: Have the features of the series that all members run by now
  horizontal.scaling.mongodb_feature_compatibility:
    hosts: [db1, db2, db3]
    version: "6.0"
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt
"""

RETURN = r"""
version:
  description: The feature compatibility version now, or what it would be.
  returned: success
  type: str
  sample: "6.0"
versions:
  description: What the members run, by address.
  returned: success
  type: dict
  sample: {"db1:27017": 6.0.5, "db2:27017": 6.0.5, "db3:27017": 6.0.5}
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.connection import CONNECTION, HOSTS
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.feature_compatibility import converge


def main() -> None:
    run(
        {
            **CONNECTION,
            **HOSTS,
            "version": {"type": "str", "default": ""},
            "binary": {"type": "str", "default": ""},
            "primary_timeout": {"type": "float", "default": 60},
            "set_timeout": {"type": "float", "default": 600},
        },
        converge,
    )


if __name__ == "__main__":
    main()
