#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_plan
short_description: Compute the batches in which a new version of a service reaches its hosts
version_added: "0.1.0"
description:
  - Computes the plan of a rolling update from values alone; nothing is read from or written to any host,
    and no process is started there.
  - A batch takes no more hosts out of rotation than O(max_unavailable) allows, counting those that are out already,
    and never all hosts of a group (failure domain) that still serve.
  - Hosts that are out of rotation or stopped come first, since they cost no capacity and give some back.
  - Neighbouring hosts of a batch come from different groups.
  - The result is C(changed) when there is something to do, so that check mode with diff prints the plan.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Computes only.
    support: full
  diff_mode:
    description: The diff is the plan, a line a step.
    support: full
  idempotent:
    description: The same input gives the same plan; C(changed) says that the plan has steps.
    support: partial
options:
  service:
    description: Name of the service.
    type: str
    required: true
  version:
    description: Version that every host is to run.
    type: str
    required: true
  strategy:
    description: How the version reaches the hosts.
    type: str
    choices: [rolling]
    default: rolling
  hosts:
    description: All hosts of the service, in the order in which they are to change.
    type: list
    elements: dict
    required: true
    suboptions: &host
      name:
        description: Name of the host.
        type: str
        required: true
      version:
        description: Version that it has now; empty for none.
        type: str
        default: ""
      running:
        description: Whether the service runs there.
        type: bool
        default: false
      in_rotation:
        description: Whether the load balancers send it traffic.
        type: bool
        default: false
      restart_pending:
        description: Whether it is to be restarted even with the wanted version, since it runs with former settings.
        type: bool
        default: false
      group:
        description: Failure domain or load-balancer group. Hosts without one form a group of their own.
        type: str
        default: ""
  batch_sizes:
    description:
      - Sizes of the batches as counts or as percentages of O(hosts); the last one repeats.
      - A percentage is rounded down and is at least one host.
    type: list
    elements: str
    default: ["25%"]
  max_unavailable:
    description:
      - How many hosts may be out of rotation or stopped at once, as a count or as a percentage of O(hosts).
      - A percentage is rounded down and is at least one host; V(0) needs O(max_surge).
    type: str
    default: "25%"
  max_surge:
    description: How many of O(spare_hosts) stand in during the rollout, as a count or as a percentage of O(hosts).
    type: str
    default: "0"
  spare_hosts:
    description:
      - Hosts that can stand in. They get the version and traffic before any other host changes, and leave at the end.
    type: list
    elements: dict
    default: []
    suboptions: *host
  allow_empty_group:
    description: Whether the only host of a group may be replaced, which leaves the group empty meanwhile.
    type: bool
    default: false
  expected_hash:
    description: Hash of a plan that was looked at; refused when hosts or options have changed since.
    type: str
    default: ""
seealso:
  - module: horizontal.scaling.rollout
  - name: Ansible's serial
    description: The rules for batch sizes.
    link: https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_strategies.html
"""

EXAMPLES = r"""
- name: Plan a rollout over three hosts, one first and then the rest one by one
  horizontal.scaling.rollout_plan:
    service: claims-service
    version: 2.0.0
    hosts:
      - {name: app1, version: 1.0.0, running: true, in_rotation: true, group: zone_a}
      - {name: app2, version: 1.0.0, running: true, in_rotation: true, group: zone_b}
      - {name: app3, version: 2.0.0, running: true, in_rotation: true, group: zone_a}
    batch_sizes: ["1", "50%"]
    max_unavailable: "34%"
    allow_empty_group: true
  register: planned

- name: Show the plan as a runbook
  ansible.builtin.debug:
    var: planned.lines
"""

RETURN = r"""
plan:
  description: The plan, as M(horizontal.scaling.rollout) takes it.
  returned: success
  type: dict
  contains:
    service: {description: The service., type: str, sample: claims-service}
    version: {description: The version to reach., type: str, sample: 2.0.0}
    from: {description: The version that most hosts leave; empty if none., type: str, sample: 1.0.0}
    strategy: {description: The strategy., type: str, sample: rolling}
    hash: {description: Hash of all hosts and options that the plan was made from., type: str, sample: 5f1c0a3be2d94c77}
    batches:
      description: Batches in their order; kind V(surge) brings spare hosts in, V(replace) replaces the version.
      type: list
      elements: dict
      sample: [{number: 1, kind: replace, hosts: [app1]}, {number: 2, kind: replace, hosts: [app2]}]
    skipped:
      description: Hosts that need nothing.
      type: list
      elements: dict
      sample: [{host: app3, reason: runs 2.0.0 and takes traffic}]
    order: {description: Hosts of all batches., type: list, elements: str, sample: [app1, app2]}
    back: {description: "The way back: the version that each host had.", type: dict, sample: {app1: 1.0.0, app2: 1.0.0}}
    release: {description: Spare hosts to drain and stop at the end., type: list, elements: str, sample: []}
lines:
  description: The plan as a runbook, a line a step; empty when there is nothing to do.
  returned: success
  type: list
  elements: str
  sample:
    - "batch 1 of 2: app1 (1.0.0 -> 2.0.0)"
    - "batch 2 of 2: app2 (1.0.0 -> 2.0.0)"
    - "skip app3: runs 2.0.0 and takes traffic"
hash:
  description: The plan's hash; given on failure too when O(expected_hash) does not match.
  returned: success
  type: str
  sample: 5f1c0a3be2d94c77
"""

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome, run
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.plan import describe, make_plan

HOST = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "default": ""},
    "running": {"type": "bool", "default": False},
    "in_rotation": {"type": "bool", "default": False},
    "restart_pending": {"type": "bool", "default": False},
    "group": {"type": "str", "default": ""},
}
SPEC = {
    "service": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "strategy": {"type": "str", "choices": ["rolling"], "default": "rolling"},
    "hosts": {"type": "list", "elements": "dict", "required": True, "options": HOST},
    "batch_sizes": {"type": "list", "elements": "str", "default": ["25%"]},
    "max_unavailable": {"type": "str", "default": "25%"},
    "max_surge": {"type": "str", "default": "0"},
    "spare_hosts": {"type": "list", "elements": "dict", "default": [], "options": HOST},
    "allow_empty_group": {"type": "bool", "default": False},
    "expected_hash": {"type": "str", "default": ""},
}


def converge(parameters: dict[str, t.Any], check_mode: bool) -> Outcome:
    """The plan, shown as what is going to change."""
    plan = make_plan(**parameters)
    lines = describe(plan)
    text = "".join(line + "\n" for line in lines)
    header = f"rollout of {plan['service']} to {plan['version']}"
    return Outcome("", text, header, plan=plan, lines=lines, hash=plan["hash"])


def main() -> None:
    run(SPEC, converge)


if __name__ == "__main__":
    main()
