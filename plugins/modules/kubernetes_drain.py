#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_drain
short_description: Have Kubernetes nodes without pods, or take them into use again
version_added: "0.2.0"
description:
  - Cordons nodes and evicts their pods by the eviction API, so that disruption budgets are respected. Pods that a
    budget holds are asked for again, in turns, until the deadline.
  - Waits until the pods are really gone. When it gives up, the nodes that it cordoned take pods again, and it fails.
  - Pods of DaemonSets and static pods stay.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Says which pods would be evicted. Whether their budgets let them go is known only when they are asked
      for.
    support: full
  diff_mode:
    description: Shows whether the nodes take pods, and the pods that leave them.
    support: full
  idempotent:
    description: Nodes that are as wanted are left alone.
    support: full
options:
  nodes:
    description: Names of the nodes; they are drained side by side.
    type: list
    elements: str
    required: true
  state:
    description: V(cordoned) nodes take no new pods, V(drained) ones have none either, V(uncordoned) ones take pods.
    type: str
    choices: [drained, cordoned, uncordoned]
    default: drained
  delete_local_data:
    description: Evict pods although they lose what they have in volumes of type C(emptyDir).
    type: bool
    default: false
  delete_unmanaged:
    description: Evict pods although they have no controller that would start them elsewhere.
    type: bool
    default: false
  timeout:
    description: Seconds until all pods have to be gone.
    type: float
    default: 600
extends_documentation_fragment:
  - horizontal.scaling.kubernetes_api
seealso:
  - name: API-initiated eviction
    description: How budgets are respected.
    link: https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

EXAMPLES = r"""
- name: Empty a node for maintenance
  horizontal.scaling.kubernetes_drain:
    nodes: [node1]
    delete_local_data: true

- name: Take it into use again
  horizontal.scaling.kubernetes_drain:
    nodes: [node1]
    state: uncordoned
"""

RETURN = r"""
evicted:
  description: The pods that left; in check mode, that would.
  returned: success
  type: list
  elements: str
  sample: ["Pod healthcare-claims/claims-service-6f7d9c-abcde"]
seconds:
  description: Seconds until they were gone.
  returned: success
  type: float
  sample: 8.2
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import OPTIONS
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.drain import converge


def main() -> None:
    run(
        {
            **OPTIONS,
            "nodes": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "cordoned", "uncordoned"], "default": "drained"},
            "delete_local_data": {"type": "bool", "default": False},
            "delete_unmanaged": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 600},
        },
        converge,
    )


if __name__ == "__main__":
    main()
