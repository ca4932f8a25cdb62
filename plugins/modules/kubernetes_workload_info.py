#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_workload_info
short_description: What runs of Kubernetes workloads, and what keeps them from being ready
version_added: "0.2.0"
description:
  - Reads Deployments, StatefulSets and DaemonSets of a namespace with their revisions, pods, autoscaler and usage.
author:
  - The horizontal.scaling developers (@horizontal)
options:
  namespace:
    description: Namespace of the workloads.
    type: str
    required: true
  name:
    description: Name of the only workloads to be read; all of the namespace when left out.
    type: str
  labels:
    description: Labels that the workloads have to have.
    type: dict
    default: {}
extends_documentation_fragment:
  - horizontal.scaling.info_module
  - horizontal.scaling.kubernetes_api
seealso:
  - module: horizontal.scaling.kubernetes_apply
"""

EXAMPLES = r"""
- name: Read what runs of claims-service
  horizontal.scaling.kubernetes_workload_info:
    namespace: healthcare-claims
    name: claims-service
  register: found
"""

RETURN = r"""
workloads:
  description: The workloads. C(usage) of a pod, in cores and bytes, is there where the cluster has the metrics API;
    C(autoscaler) where a HorizontalPodAutoscaler leads the workload. C(version) is what the label
    C(app.kubernetes.io/version) of the pods says, or else the tag of the first image. A revision keeps its C(hash) when
    an undo gives it another number.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Deployment
      name: claims-service
      ready: true
      reason: ""
      hopeless: false
      replicas: {wanted: 3, updated: 3, available: 3, all: 3}
      paused: false
      revision: 4
      revisions:
        - revision: 4
          hash: 6f7d9c
          version: 2.0.0
          images: ["registry.example/claims-service:2.0.0"]
          replicas: 3
          available: 3
      images: ["registry.example/claims-service:2.0.0"]
      version: 2.0.0
      autoscaler: {name: claims-service, minimum: 2, maximum: 10, wanted: 3, current: 3, conditions: {AbleToScale:
        "True"}}
      pods:
        - name: claims-service-6f7d9c-abcde
          node: node1
          phase: Running
          ready: true
          restarts: 0
          reason: ""
          revision: 6f7d9c
          usage: {cpu: 0.012, memory: 41943040}
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import OPTIONS
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.info import converge


def main() -> None:
    run(
        {
            **OPTIONS,
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str"},
            "labels": {"type": "dict", "default": {}},
        },
        converge,
    )


if __name__ == "__main__":
    main()
