#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_member
short_description: Have this host's member of a Patroni cluster run, cloned anew if that is wanted
version_added: "0.2.0"
description:
  - Waits until Patroni has the member's server run in a cluster that has a leader. Stops early, with the last words of
    the journal, when Patroni has given up or is not there.
  - On request it has Patroni replace the member's data by a clone of the leader's.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Reads the member, and says whether it would be cloned. It does not wait.
    support: full
  diff_mode:
    description: Shows that the member is cloned.
    support: full
  idempotent:
    description: A member that runs is left alone, unless O(reinitialize=always).
    support: full
options:
  name:
    description: Name of the member.
    type: str
    required: true
  host:
    description: Host name or address of the member, as its certificate has it.
    type: str
    required: true
  reinitialize:
    description: Whether the member's data is thrown away and cloned from the leader; V(needed) does so if it does not
      run now.
    type: str
    choices: [never, needed, always]
    default: never
  service:
    description: Systemd unit of Patroni, whose journal is read.
    type: str
    default: patroni
  deadline:
    description: Seconds until it has to run; a clone of much data takes its time.
    type: float
    default: 300
extends_documentation_fragment:
  - horizontal.scaling.patroni_api
seealso:
  - module: horizontal.scaling.patroni_config
  - module: horizontal.scaling.postgresql_primary
  - name: Patroni manual, REST API
    description: The states of members, and C(POST /reinitialize).
    link: https://patroni.readthedocs.io/en/latest/rest_api.html
"""

EXAMPLES = r"""
- name: Wait until this member runs
  horizontal.scaling.patroni_member:
    name: db2
    host: db2
    password: "{{ vault_patroni_password }}"
    ca_path: /etc/postgresql/15/main/ca.crt
"""

RETURN = r"""
running:
  description: Whether its server is there for clients, in a cluster that has a leader.
  returned: success
  type: bool
  sample: true
state:
  description: Its state in Patroni's words.
  returned: success
  type: str
  sample: streaming
role:
  description: Its role in Patroni's words.
  returned: success
  type: str
  sample: replica
leader:
  description: Name of the leader; empty without one.
  returned: success
  type: str
  sample: db1
timeline:
  description: The timeline that it is on, if it runs.
  returned: success
  type: int
  sample: 1
paused:
  description: Whether Patroni was told to leave the cluster alone.
  returned: success
  type: bool
  sample: false
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.patroni import API
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.patroni_member import converge


def main() -> None:
    run(
        {
            **API,
            "name": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "reinitialize": {"type": "str", "choices": ["never", "needed", "always"], "default": "never"},
            "service": {"type": "str", "default": "patroni"},
            "deadline": {"type": "float", "default": 300},
        },
        converge,
    )


if __name__ == "__main__":
    main()
