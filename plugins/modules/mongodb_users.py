#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mongodb_users
short_description: Have users of a MongoDB replica set with their roles and passwords
version_added: "0.2.0"
description:
  - Creates, changes and removes users in one task, on the primary, which is found from any member that answers.
  - Whether a password has to be changed is found out by a login with it, so that a second run changes nothing. Roles
    are exactly those that are listed.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Compares in the same way, which includes the logins.
    support: full
  diff_mode:
    description: Shows roles, and whether a password changes; never a password.
    support: full
  idempotent:
    description: Users that are as wanted are left alone.
    support: full
options:
  users:
    description: The users. Others are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      database:
        description: Database that the user belongs to, and logs in by.
        type: str
        default: admin
      password:
        description: Password, which is needed unless O(users[].state=absent).
        type: str
        default: ""
      roles:
        description: Roles, each a name for one in O(users[].database), or a dictionary of C(role) and C(db).
        type: list
        elements: raw
        default: []
      state:
        description: Whether the user is wanted.
        type: str
        choices: [present, absent]
        default: present
  primary_timeout:
    description: Seconds to wait for a primary when there is none.
    type: float
    default: 60
extends_documentation_fragment:
  - horizontal.scaling.mongodb_hosts
  - horizontal.scaling.mongodb_connection
seealso:
  - module: horizontal.scaling.mongodb_replica_set
  - name: MongoDB manual, built-in roles
    description: The roles that there are.
    link: https://www.mongodb.com/docs/manual/reference/built-in-roles/
"""

EXAMPLES = r"""
- name: Have the application's user, and none for the one that was replaced
  horizontal.scaling.mongodb_users:
    hosts: [db1, db2, db3]
    users:
      - name: claims
        password: "{{ claims_database_password }}"
        roles: [{role: readWrite, db: claims}]
      - {name: adjudication, state: absent}
    user: manager
    password: "{{ mongodb_manager_password }}"
    tls_ca_file: /etc/mongodb/ca.crt
"""

RETURN = r""" # """

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.connection import CONNECTION, HOSTS
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.users import converge


def main() -> None:
    user = {
        "name": {"type": "str", "required": True},
        "database": {"type": "str", "default": "admin"},
        "password": {"type": "str", "default": "", "no_log": True},
        "roles": {"type": "list", "elements": "raw", "default": []},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    run(
        {
            **CONNECTION,
            **HOSTS,
            "users": {"type": "list", "elements": "dict", "required": True, "options": user},
            "primary_timeout": {"type": "float", "default": 60},
        },
        converge,
    )


if __name__ == "__main__":
    main()
