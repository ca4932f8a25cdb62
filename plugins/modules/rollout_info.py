#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_info
short_description: Read open and finished rollouts from the ledger
version_added: "0.1.0"
description:
  - Runs on the host that keeps the ledger, or where the cluster that keeps it can be reached from.
  - Takes no lock, and never returns a token.
author:
  - The horizontal.scaling developers (@horizontal)
options:
  service:
    description: Name of the service; all services when empty.
    type: str
    default: ""
  limit:
    description: How many finished rollouts of each service to return; V(0) for all that are kept.
    type: int
    default: 0
extends_documentation_fragment:
  - horizontal.scaling.info_module
  - horizontal.scaling.rollout_ledger
seealso:
  - module: horizontal.scaling.rollout
"""

EXAMPLES = r"""
- name: Read the ledger
  horizontal.scaling.rollout_info:
  register: ledger

- name: Fail while a rollout of the service is open
  ansible.builtin.assert:
    that: ledger['current'] | selectattr('service', 'equalto', 'claims-service') | length == 0
"""

RETURN = r"""
current:
  description: Open rollouts, as RV(horizontal.scaling.rollout#module:rollout).
  returned: success
  type: list
  elements: dict
  sample: []
history:
  description: Finished rollouts, newest first, as RV(horizontal.scaling.rollout#module:rollout).
  returned: success
  type: list
  elements: dict
  sample: []
lines:
  description: One row of a table for every rollout, open ones first.
  returned: success
  type: list
  elements: dict
  sample:
    - service: claims-service
      id: 20260102T030405678Z-1a
      version: 2.0.0
      from: 1.0.0
      state: succeeded
      started: "2026-01-02T03:04:05.678Z"
      seconds: 74.2
      batches: 3/3
      owner: ops@laptop
      reason: ""
corrupt:
  description: Records that cannot be read, with the reason.
  returned: success
  type: list
  elements: dict
  sample:
    - service: claims-service
      path: /var/lib/horizontal_scaling/rollouts/claims-service/current.json
      reason: its checksum does not match
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.ledger.report import gather
from ansible_collections.horizontal.scaling.plugins.module_utils.ledger.stores import WHERE

SPEC = {
    "service": {"type": "str", "default": ""},
    **WHERE,
    "limit": {"type": "int", "default": 0},
}


def main() -> None:
    run(SPEC, gather)


if __name__ == "__main__":
    main()
