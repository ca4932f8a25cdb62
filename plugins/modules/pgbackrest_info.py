#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_info
short_description: Read repositories, backups and their age from pgBackRest
version_added: "0.2.0"
description:
  - Runs on any host that has pgBackRest's configuration, and reads all of its repositories.
  - A stanza that does not exist yet is no error.
author:
  - The horizontal.scaling developers (@horizontal)
options:
  stanza:
    description: Name of the cluster in pgBackRest's configuration.
    type: str
    required: true
  owner:
    description: User in whose name pgBackRest runs, if the task runs as root.
    type: str
    default: postgres
extends_documentation_fragment:
  - horizontal.scaling.info_module
seealso:
  - module: horizontal.scaling.pgbackrest_restore
  - name: pgBackRest, info command
    description: What is read.
    link: https://pgbackrest.org/command.html#command-info
"""

EXAMPLES = r"""
- name: Read the backups
  horizontal.scaling.pgbackrest_info:
    stanza: main
  register: backups

- name: Fail when the last backup is older than a day and a half
  ansible.builtin.assert:
    that: backups.latest.age_seconds | default(1000000) < 129600
"""

RETURN = r"""
repositories:
  description: Each repository, and whether it is usable.
  returned: success
  type: list
  elements: dict
  sample: [{repository: 1, ok: true, status: ok}]
missing_repositories:
  description: Numbers of repositories that do not know the stanza; null when none was told of.
  returned: success
  type: list
  elements: int
  sample: []
backups:
  description: All backups, from the oldest to the newest. Times are seconds since 1970.
  returned: success
  type: list
  elements: dict
  sample:
    - label: 20260131-010000F
      type: full
      repository: 1
      started: 1769821200
      stopped: 1769821260
      seconds: 60
      age_seconds: 3600
      start_lsn: 0/5000028
      stop_lsn: 0/5000138
      bytes: 31457280
      error: false
      system_identifier: "7300000000000000001"
      version: "15"
latest:
  description: The newest backup without errors; empty when there is none.
  returned: success
  type: dict
  sample: {label: 20260131-010000F, age_seconds: 3600}
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.pgbackrest import gather


def main() -> None:
    run({"stanza": {"type": "str", "required": True}, "owner": {"type": "str", "default": "postgres"}}, gather)


if __name__ == "__main__":
    main()
