# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The PgBouncers in front of a cluster."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  poolers:
    description: PgBouncers in front of the cluster.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Host name or address of the admin console.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 6432
      user:
        description: User of the admin console; O(user) when left out. The password comes the same way.
        type: str
      databases:
        description: Names of the databases whose server is the primary; all when empty.
        type: list
        elements: str
        default: []
      primaries:
        description:
          - Directory on the pooler's host with a configuration for each member as the primary, called as the member
            with C(.ini), which the role C(pgbouncer) makes. The pooler reads the one of the new primary before its
            clients go on.
          - Empty if the address of its servers follows the primary by itself.
        type: path
        default: ""
"""
