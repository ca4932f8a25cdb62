#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_apply
short_description: Have many Kubernetes objects as they are wanted, in one task
version_added: "0.2.0"
description:
  - Applies any number of objects by server-side apply, side by side over one pool of connections, and in order.
    Namespaces come first, then definitions of kinds until they are established, then what workloads stand on, then
    the rest.
  - An object is not sent again where its C(managedFields) tell that this O(field_manager) has applied exactly these
    fields and all of them still have these values; webhooks do not see it then, either.
  - Deletes what was applied before under the same labels and is not wanted any more, if O(prune) says so.
  - Waits by watches until all of it is ready, and stops at once, with the reason and a pod's last words, when it
    cannot become so any more. That is so when an image cannot be had, a container crashes on start again and again,
    or a workload made no progress in its time; and after 15 seconds when no node has room for a pod, or a quota or an
    admission refuses it.
  - A run that fails leaves what was applied before its failure. A Deployment's old pods serve until new ones are
    ready.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: The server itself computes the result (dry run) and keeps nothing. What it cannot compute, since its
      namespace or its kind is not there yet, is shown as it is given.
    support: full
  diff_mode:
    description: Shows the objects that change, before and after, without status and what the server itself keeps in
      them. The data of Secrets is hidden; that a value changes can be seen.
    support: full
  idempotent:
    description: RV(ignore:changed) follows the objects, whoever's the fields are.
    support: full
options:
  definitions:
    description:
      - The objects, as a list, or as text in YAML with any number of documents, such as a template gives.
      - Lists of objects (C(kind=List)) are unpacked.
    type: raw
    default: []
  files:
    description: Files with objects as YAML or JSON, or folders of such files, on the host that runs the module.
    type: list
    elements: path
    default: []
  namespace:
    description: Namespace of objects that name none.
    type: str
    default: default
  state:
    description: Whether the objects are there or not. Objects that are deleted take what they own with them.
    type: str
    choices: [present, absent]
    default: present
  prune:
    description:
      - Deletes objects that carry these labels, were applied by this O(field_manager), belong to no other object and
        are not wanted any more. See it before with check mode.
      - Objects without the labels, such as a namespace that services share, are never deleted.
    type: dict
    suboptions:
      labels:
        description: Labels and their values; an object has to have all of them.
        type: dict
        required: true
      kinds:
        description: Kinds that are looked at, such as V(apps/v1/Deployment) or V(v1/ConfigMap). The default is the
          usual kinds of a namespace, without volume claims.
        type: list
        elements: str
        default: []
      namespaces:
        description: Namespaces that are looked at. The default is those of the wanted objects.
        type: list
        elements: str
        default: []
  wait:
    description: Wait until the objects are ready, and until deleted ones are gone.
    type: bool
    default: true
  timeout:
    description: Seconds to wait, for all objects together.
    type: float
    default: 300
  conditions:
    description:
      - Conditions to wait for, for kinds that are not known here, or instead of what is.
      - Known are Deployment, StatefulSet, DaemonSet, ReplicaSet, Pod, Job, Service, CustomResourceDefinition,
        APIService, PodDisruptionBudget, Namespace, Gateway and Certificate. Other kinds are ready when they are
        there, or when their condition C(Ready) says so, if they have one by then.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Kind of the objects.
        type: str
        required: true
      name:
        description: Name of the object; all of the kind when left out.
        type: str
      type:
        description: Type of the condition, such as V(Available).
        type: str
        required: true
      status:
        description: Its status.
        type: str
        default: "True"
  force_conflicts:
    description: Take over fields that others manage. Without it such an object is refused, with the manager's name.
    type: bool
    default: false
  field_manager:
    description: Name under which the server keeps whose the fields are. Objects are kept by one name.
    type: str
    default: horizontal.scaling
extends_documentation_fragment:
  - horizontal.scaling.kubernetes_api
seealso:
  - module: horizontal.scaling.kubernetes_workload_info
  - name: Server-side apply
    description: Field managers and conflicts.
    link: https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

EXAMPLES = r"""
- name: Have a service as its template says, and nothing of what it was before
  horizontal.scaling.kubernetes_apply:
    definitions: "{{ lookup('ansible.builtin.template', 'claims-service.yaml.j2') }}"
    namespace: healthcare-claims
    prune:
      labels: {app.kubernetes.io/instance: claims-service}
    timeout: 600

- name: Have all objects of a folder, and wait for a kind of one's own
  horizontal.scaling.kubernetes_apply:
    files: [manifests]
    conditions:
      - kind: Database
        type: Synchronised
"""

RETURN = r"""
objects:
  description: The objects and what became of them; in check mode, would become.
  returned: success
  type: list
  elements: dict
  sample:
    - api_version: apps/v1
      kind: Deployment
      namespace: healthcare-claims
      name: claims-service
      change: updated
counts:
  description: How many were created, updated, deleted and unchanged.
  returned: success
  type: dict
  sample: {created: 0, updated: 1, deleted: 0, unchanged: 7}
waited:
  description: Seconds spent on waiting.
  returned: success
  type: float
  sample: 2.114
reason:
  description: Why an object cannot become ready.
  returned: when an object did not become ready
  type: str
  sample: "pod claims-service-7d9f-x2x5k, container claims-service: it crashes on start again and again"
log:
  description: The last lines of the container that keeps an object from being ready, without values that are named as
    secrets.
  returned: when an object did not become ready and a container had written something
  type: list
  elements: str
  sample: ['{"event": "crashed"}']
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.apply import converge
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import OPTIONS


def main() -> None:
    prune = {
        "labels": {"type": "dict", "required": True},
        "kinds": {"type": "list", "elements": "str", "default": []},
        "namespaces": {"type": "list", "elements": "str", "default": []},
    }
    condition = {
        "kind": {"type": "str", "required": True},
        "name": {"type": "str"},
        "type": {"type": "str", "required": True},
        "status": {"type": "str", "default": "True"},
    }
    run(
        {
            **OPTIONS,
            "definitions": {"type": "raw", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
            "namespace": {"type": "str", "default": "default"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "prune": {"type": "dict", "options": prune},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 300},
            "conditions": {"type": "list", "elements": "dict", "default": [], "options": condition},
            "force_conflicts": {"type": "bool", "default": False},
            "field_manager": {"type": "str", "default": "horizontal.scaling"},
        },
        converge,
        unlogged=["definitions"],
    )


if __name__ == "__main__":
    main()
