#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_gate
short_description: Judge from numbers whether the next step of a rollout may start
version_added: "0.1.0"
description:
  - Compares two readings of load balancers' counters with expressions such as C(error_rate < 5%). Nothing is read or
    written, and no process is started on a host.
  - The verdict is V(success), V(failure), V(inconclusive) or V(error). Over all checks failure wins, then error, then
    inconclusive.
  - A metric without a value is an error and never zero. A gate that measured nothing is never a success.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Computes only.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: Computes only.
    support: full
options:
  checks:
    description: What is asked of the numbers.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the check; the expression itself by default.
        type: str
      expression:
        description:
          - A metric, one of C(<) C(<=) C(>) C(>=) C(==) C(!=), and a number with C(%), C(ms), C(s) or no unit.
          - C(error_rate) and C(success_rate) in percent and C(requests) come from the counters;
            other metrics from O(metrics).
          - C(error_rate) is the share of answers of status 500 and above and of connection and response errors.
        type: str
        required: true
      min_samples:
        description: Requests below which the check is inconclusive. It has no part in metrics given by O(metrics).
        type: int
        default: 1
      observe_only:
        description: Report the check, and leave it out of the verdict over all.
        type: bool
        default: false
  before:
    description:
      - Servers with their counters before, as RV(horizontal.scaling.haproxy_info#module:servers) or
        RV(horizontal.scaling.nginx_info#module:servers). Of them C(balancer), C(backend), C(name), C(requests),
        C(responses_5xx), C(errors) and, if it is there, C(response_time) in milliseconds are looked at.
    type: list
    elements: dict
    default: []
  after:
    description:
      - The same servers with their counters now.
      - A counter that went down belongs to a process that started anew; what it has counted since is used, but the
        check cannot succeed. It is inconclusive, or a failure if the numbers say so.
    type: list
    elements: dict
    default: []
  metrics:
    description:
      - Values measured elsewhere, by the name of the metric. They win over counters.
      - A number in percent where it is compared with C(%), in milliseconds where it is compared with C(ms) or C(s).
    type: dict
    default: {}
  fail:
    description: Whether the verdicts V(failure) and V(error) make the task fail.
    type: bool
    default: true
seealso:
  - module: horizontal.scaling.haproxy_info
  - module: horizontal.scaling.nginx_info
"""

EXAMPLES = r"""
- name: Judge the batch that got the new version
  horizontal.scaling.rollout_gate:
    checks:
      - {expression: "error_rate < 5%", min_samples: 100}
      - {expression: "queue_length < 1000", observe_only: true}
    before: "{{ counters_before }}"
    after: "{{ counters_now }}"
    metrics:
      queue_length: 12
  register: gate

- name: Hold while the gate cannot tell
  ansible.builtin.assert:
    that: gate['verdict'] == 'success'
    fail_msg: "{{ gate['reason'] }}"
"""

RETURN = r"""
verdict:
  description: V(success), V(failure), V(inconclusive) or V(error).
  returned: always
  type: str
  sample: failure
reason:
  description: Why, in a sentence.
  returned: always
  type: str
  sample: "error_rate is 20% over 500 requests (worst: app1, 100 of 500 failed), wanted error_rate < 5%"
checks:
  description: The verdict of every check with its numbers; C(threshold) is in C(unit).
  returned: always
  type: list
  elements: dict
  sample:
    - name: error_rate < 5%
      expression: error_rate < 5%
      verdict: failure
      reason: "error_rate is 20% over 500 requests (worst: app1, 100 of 500 failed), wanted error_rate < 5%"
      value: 20.0
      threshold: 5.0
      unit: "%"
      samples: 500
      observe_only: false
servers:
  description: What every server did between the two readings, over all balancers.
  returned: always
  type: list
  elements: dict
  sample: [{name: app1, requests: 500, failed: 100, error_rate: 20.0}]
samples:
  description: Requests between the two readings.
  returned: always
  type: int
  sample: 500
"""

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome, run
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.gate import ERROR, FAILURE, judge

SPEC = {
    "checks": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str"},
            "expression": {"type": "str", "required": True},
            "min_samples": {"type": "int", "default": 1},
            "observe_only": {"type": "bool", "default": False},
        },
    },
    "before": {"type": "list", "elements": "dict", "default": []},
    "after": {"type": "list", "elements": "dict", "default": []},
    "metrics": {"type": "dict", "default": {}},
    "fail": {"type": "bool", "default": True},
}


def converge(parameters: dict[str, t.Any], check_mode: bool) -> Outcome:
    judged = judge(parameters["checks"], parameters["before"], parameters["after"], parameters["metrics"])
    if parameters["fail"] and judged["verdict"] in (FAILURE, ERROR):
        raise ScalingError(f"The gate says {judged['verdict']}: {judged['reason']}.", **judged)
    return Outcome(**judged)


def main() -> None:
    run(SPEC, converge)


if __name__ == "__main__":
    main()
