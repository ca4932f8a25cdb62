#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_config
short_description: Have the configuration that all members of a Patroni cluster share
version_added: "0.2.0"
description:
  - Brings Patroni's dynamic configuration, which lies in its store and not in files, to what is wanted of it. Keys that
    O(config) does not have are left as they are.
  - Patroni reloads what can be reloaded within one C(loop_wait). What needs a restart waits for one.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Reads the configuration and computes what it would be.
    support: full
  diff_mode:
    description: Shows the configuration before and after.
    support: full
  idempotent:
    description: A configuration that is as wanted is not sent.
    support: full
options:
  host:
    description: Host name or address of any member.
    type: str
    required: true
  config:
    description: What is wanted, by the names of Patroni's manual; dictionaries are merged, and a null removes a key.
    type: dict
    required: true
extends_documentation_fragment:
  - horizontal.scaling.patroni_api
seealso:
  - module: horizontal.scaling.patroni_member
  - name: Patroni manual, dynamic configuration
    description: The keys, and their rule that loop_wait + 2 * retry_timeout <= ttl.
    link: https://patroni.readthedocs.io/en/latest/dynamic_configuration.html
"""

EXAMPLES = r"""
- name: Notice a lost leader sooner
  horizontal.scaling.patroni_config:
    host: db1
    password: "{{ vault_patroni_password }}"
    ca_path: /etc/postgresql/15/main/ca.crt
    config: {ttl: 20, loop_wait: 5, retry_timeout: 5}
"""

RETURN = r"""
config:
  description: The configuration as it is now, or would be.
  returned: success
  type: dict
  sample: {ttl: 20, loop_wait: 5, retry_timeout: 5}
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.dynamic_configuration import converge
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.patroni import API


def main() -> None:
    run({**API, "host": {"type": "str", "required": True}, "config": {"type": "dict", "required": True}}, converge)


if __name__ == "__main__":
    main()
