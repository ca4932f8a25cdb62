#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_rollout
short_description: Pause, resume, restart, undo and scale a Kubernetes workload, and wait for it
version_added: "0.2.0"
description:
  - Leads the rollout of a Deployment, StatefulSet or DaemonSet. Without further options it waits until the rollout
    that is under way has ended.
  - It stops waiting at once, with the reason, when the rollout cannot succeed any more; see
    M(horizontal.scaling.kubernetes_apply).
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: The server computes the result (dry run) and keeps nothing. Nothing is waited for.
    support: full
  diff_mode:
    description: Shows the workload before and after.
    support: full
  idempotent:
    description: A workload that is as wanted is left alone; O(restart) restarts it each time.
    support: partial
options:
  kind:
    description: Kind of the workload.
    type: str
    choices: [Deployment, StatefulSet, DaemonSet]
    default: Deployment
  name:
    description: Name of the workload.
    type: str
    required: true
  namespace:
    description: Its namespace.
    type: str
    required: true
  paused:
    description: Whether changes of a Deployment wait until it is resumed. A paused one is not waited for.
    type: bool
  replicas:
    description: Number of pods, of a Deployment or a StatefulSet. An autoscaler changes it again.
    type: int
  undo_to:
    description: Revision to go back to; V(0) for the one before the newest. The workload gets it as a new revision.
    type: int
  undo_to_hash:
    description:
      - Hash of the pods of the revision to go back to, as
        RV(horizontal.scaling.kubernetes_workload_info#module:workloads) tells it.
      - It stays when an undo gives the revision another number.
    type: str
  restart:
    description: Replace all pods by new ones of the same version, as the workload's strategy says.
    type: bool
    default: false
  wait:
    description: Wait until all pods are of the newest version and available.
    type: bool
    default: true
  timeout:
    description: Seconds to wait.
    type: float
    default: 300
extends_documentation_fragment:
  - horizontal.scaling.kubernetes_api
seealso:
  - module: horizontal.scaling.kubernetes_workload_info
  - name: Deployments
    description: Rolling back, pausing and scaling.
    link: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
"""

EXAMPLES = r"""
- name: Go back to the version before this one
  horizontal.scaling.kubernetes_rollout:
    namespace: healthcare-claims
    name: claims-service
    undo_to: 0

- name: Wait until the rollout has ended
  horizontal.scaling.kubernetes_rollout:
    namespace: healthcare-claims
    name: claims-service
    timeout: 600
"""

RETURN = r"""
revision:
  description: The newest revision that there was before a change.
  returned: success
  type: int
  sample: 4
replicas:
  description: Wanted number of pods; null for a DaemonSet.
  returned: success
  type: int
  sample: 3
paused:
  description: Whether it is paused.
  returned: success
  type: bool
  sample: false
waited:
  description: Seconds spent on waiting.
  returned: success
  type: float
  sample: 12.051
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import OPTIONS
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.rollout import converge


def main() -> None:
    run(
        {
            **OPTIONS,
            "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "paused": {"type": "bool"},
            "replicas": {"type": "int"},
            "undo_to": {"type": "int"},
            "undo_to_hash": {"type": "str"},
            "restart": {"type": "bool", "default": False},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 300},
        },
        converge,
    )


if __name__ == "__main__":
    main()
