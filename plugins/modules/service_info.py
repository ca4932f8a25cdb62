#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_info
short_description: Which version of a service runs on this host
version_added: "0.1.0"
description:
  - Reads the releases of a service, the current one, and its systemd unit.
  - A service that is not there yet is no error; its version is empty.
options:
  name:
    description: Name of the service.
    type: str
    required: true
  root:
    description: Directory of the service. The default is C(/opt/) and O(name).
    type: path
  unit:
    description: The systemd unit. The default is O(name) with C(.service).
    type: str
  restart_on:
    description: Files and directories that the service reads at its start, for RV(restart_pending).
    type: list
    elements: path
    default: []
  needs:
    description: What the service needs on this host, for RV(missing).
    type: dict
    suboptions:
      packages:
        description: Names of packages, as dpkg or rpm know them.
        type: list
        elements: str
        default: []
      users:
        description: Names of users.
        type: list
        elements: str
        default: []
      groups:
        description: Names of groups.
        type: list
        elements: str
        default: []
extends_documentation_fragment:
  - horizontal.scaling.info_module
seealso:
  - module: horizontal.scaling.service_release
author: The horizontal.scaling developers (@horizontal)
"""

EXAMPLES = r"""
- name: Read which version runs
  horizontal.scaling.service_info:
    name: claims-service
  register: claims
"""

RETURN = r"""
version:
  description: The current version, empty when there is none.
  returned: success
  type: str
  sample: 1.0.0
running:
  description: Whether the unit is active.
  returned: success
  type: bool
  sample: true
running_version:
  description:
    - The version of the process, empty when none runs.
    - It differs from RV(version) only when somebody switched by hand.
  returned: success
  type: str
  sample: 1.0.0
previous_version:
  description: The version before the current one, empty when there is none.
  returned: success
  type: str
  sample: 0.9.0
releases:
  description: All versions that are complete on this host.
  returned: success
  type: list
  elements: str
  sample: [0.9.0, 1.0.0]
checksums:
  description: The checksum of the artifact that each release came from.
  returned: success
  type: dict
  sample: {1.0.0: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
since:
  description: When the process started (UTC), empty when none runs.
  returned: success
  type: str
  sample: "2025-01-31T12:00:00Z"
pid:
  description: Process id of the main process, 0 when none runs.
  returned: success
  type: int
  sample: 4711
enabled:
  description: Whether the unit starts at boot.
  returned: success
  type: bool
  sample: true
unit_exists:
  description: Whether systemd knows the unit.
  returned: success
  type: bool
  sample: true
restart_pending:
  description: Whether a file of O(restart_on) has changed since the process started.
  returned: success
  type: bool
  sample: false
missing:
  description: Packages, users and groups of O(needs) that this host has not got.
  returned: success
  type: dict
  sample: {packages: [python3-aiohttp], users: [], groups: []}
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.release.info import report

NAMES = {"type": "list", "elements": "str", "default": []}


def main() -> None:
    run(
        {
            "name": {"type": "str", "required": True},
            "root": {"type": "path"},
            "unit": {"type": "str"},
            "restart_on": {"type": "list", "elements": "path", "default": []},
            "needs": {"type": "dict", "options": {"packages": NAMES, "users": NAMES, "groups": NAMES}},
        },
        report,
    )


if __name__ == "__main__":
    main()
