#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Keep the record and the lock of a rollout in the ledger
version_added: "0.1.0"
description:
  - Runs on the host that keeps the ledger, or where the cluster that keeps it can be reached from.
  - A service has at most one open rollout; whoever opened it holds the lock.
  - A record survives the death of whoever writes it at any instant. A later run, from any machine, takes the rollout
    over and finishes it or goes back.
  - Every action compares the token of the run, so that a run that was taken over cannot change anything any more.
  - An unreadable record is kept aside and named; nothing begins until a person has said O(discard_corrupt=true).
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Nothing is written; O(action=advance) does not wait.
    support: full
  diff_mode:
    description: The diff is the record's state without times and identities.
    support: full
  idempotent:
    description: All but O(action=begin) and O(action=take_over), which give out a new lock each time.
    support: partial
options:
  service:
    description: Name of the service.
    type: str
    required: true
  action:
    description:
      - V(begin) opens a rollout of O(plan) and takes the lock.
      - V(advance) records that O(batch) enters O(phase). At the phase V(draining) of a batch that goes forward it waits
        while a pause is asked for, and fails when the rollout was aborted.
      - V(pause) asks the run to stop before its next batch; with O(token), the run itself stops there.
      - V(resume) takes the pause back.
      - V(abort) asks the run to stop before its next batch and to go back.
      - V(finish) records O(outcome) and gives the lock back.
      - V(take_over) gives an open rollout to a new run, and fences the old one off.
    type: str
    required: true
    choices: [begin, advance, pause, resume, abort, finish, take_over]
  plan:
    description: RV(horizontal.scaling.rollout_plan#module:plan), for O(action=begin).
    type: dict
  owner:
    description:
      - Who acts, as C(user@controller), without spaces.
      - Required by V(begin), V(take_over), V(resume), V(abort), and by V(pause) without O(token).
    type: str
    default: ""
  token:
    description: RV(token) of V(begin) or V(take_over); required by V(advance) and V(finish).
    type: str
    default: ""
  batch:
    description: Number of the batch, from 1, for O(action=advance).
    type: int
  phase:
    description:
      - Phase that the batch enters, for O(action=advance), in small letters, digits and C(_).
      - V(draining) is the first one, V(done) and V(taken_back) end a batch; the words between are free.
    type: str
    default: ""
  direction:
    description:
      - Whether the batch goes forward or back; a way back is never held by a pause or an abort.
      - Without it, as O(action=take_over) said, and V(back) once a finished batch is touched again.
    type: str
    choices: [forward, back]
  evidence:
    description: Values to keep with the batch, such as the numbers behind a verdict. They must hold no secret.
    type: dict
    default: {}
  outcome:
    description: How the rollout ended, for O(action=finish).
    type: str
    choices: [succeeded, failed, rolled_back, aborted]
  reason:
    description: Why, in a sentence.
    type: str
    default: ""
  pause_timeout:
    description: Seconds that O(action=advance) waits while the rollout is paused.
    type: float
    default: 1800
  take_over_after:
    description: Seconds without a step after which the holder counts as gone.
    type: float
    default: 60
  seen:
    description:
      - Identity of the latest rollout when O(plan) was made, open or finished, and empty for none.
      - O(action=begin) is refused when there was another one since, as the plan tells of hosts that have changed.
    type: str
  force_take_over:
    description: Take a rollout over although its holder made a step a moment ago.
    type: bool
    default: false
  discard_corrupt:
    description: Begin although the last record is corrupt. The file stays, under another name.
    type: bool
    default: false
  history:
    description: How many earlier rollouts of the service are kept, for O(action=begin).
    type: int
    default: 50
extends_documentation_fragment:
  - horizontal.scaling.rollout_ledger
seealso:
  - module: horizontal.scaling.rollout_plan
  - module: horizontal.scaling.rollout_info
"""

EXAMPLES = r"""
- name: Open a rollout
  horizontal.scaling.rollout:
    service: claims-service
    action: begin
    plan: "{{ planned['plan'] }}"
    owner: ops@laptop
  register: opened

- name: Record that the first batch is being drained, and wait here while the rollout is paused
  horizontal.scaling.rollout:
    service: claims-service
    action: advance
    token: "{{ opened['token'] }}"
    batch: 1
    phase: draining

- name: Pause it from another machine
  horizontal.scaling.rollout:
    service: claims-service
    action: pause
    owner: oncall@desk
    reason: the database is slow

- name: Take over what a run left behind, to go back
  horizontal.scaling.rollout:
    service: claims-service
    action: take_over
    owner: oncall@desk
    direction: back
  register: opened

- name: Close it
  horizontal.scaling.rollout:
    service: claims-service
    action: finish
    token: "{{ opened['token'] }}"
    outcome: rolled_back
    reason: error_rate was 20% on app1
"""

RETURN = r"""
rollout:
  description: The record, without its token.
  returned: success
  type: dict
  contains:
    id: {description: Identity; starts with the time of its begin., type: str, sample: 20260102T030405678Z-1a}
    service: {description: The service., type: str, sample: claims-service}
    strategy: {description: The strategy., type: str, sample: rolling}
    version: {description: The version to reach., type: str, sample: 2.0.0}
    from: {description: The version that most hosts leave., type: str, sample: 1.0.0}
    state:
      description: V(running), V(paused), V(succeeded), V(failed), V(rolled_back) or V(aborted).
      type: str
      sample: running
    direction: {description: V(forward) or V(back)., type: str, sample: forward}
    owner: {description: Who holds it or held it last., type: str, sample: ops@laptop}
    held_since: {description: Since when., type: str, sample: "2026-01-02T03:04:05.678Z"}
    fence: {description: How many runs have held it., type: int, sample: 1}
    started: {description: "Begin; all times are RFC 3339 in UTC.", type: str, sample: "2026-01-02T03:04:05.678Z"}
    updated: {description: Last step of the run that holds it., type: str, sample: "2026-01-02T03:05:05.678Z"}
    finished: {description: End; empty while it is open., type: str, sample: ""}
    waiting: {description: Last sign of life of a run that waits while paused., type: str, sample: ""}
    requests: {description: "Who asked to C(pause) or C(abort), when and why.", type: dict, sample: {}}
    reason: {description: Why it ended or stopped., type: str, sample: ""}
    plan: {description: The plan., type: dict, sample: {}}
    batches:
      description: Batches with their state, the times of their phases in each direction, and what was kept with them.
      type: list
      elements: dict
      sample:
        - number: 1
          hosts: [app1]
          state: active
          phase: draining
          phases: {draining: "2026-01-02T03:04:06.001Z"}
          phases_back: {}
          evidence: {}
    events:
      description: What happened, in order.
      type: list
      elements: dict
      sample: [{time: "2026-01-02T03:04:05.678Z", what: begun, by: ops@laptop}]
token:
  description: Proves that a run holds the rollout; given to that run only.
  returned: with V(begin) and V(take_over)
  type: str
  sample: 1-0f343b0931126a20f133d67c2b018a3b
requested:
  description: Why the run must stop, V(paused), V(aborted), or V(fenced) when another run holds the rollout.
  returned: when O(action=advance) or O(action=finish) fails for that reason
  type: str
  sample: paused
holder:
  description: Who holds the rollout that is open, with C(id), C(owner), C(since), C(updated) and C(at).
  returned: when O(action=begin) is refused for that reason
  type: dict
  sample: {id: 20260102T030405678Z-1a, owner: ops@laptop, at: "batch 1 of 3 (draining)"}
corrupt:
  description: Files of corrupt records.
  returned: when a record is corrupt
  type: list
  elements: str
  sample: [/var/lib/horizontal_scaling/rollouts/claims-service/current.json.corrupt-20260102T030405Z]
"""

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome, run
from ansible_collections.horizontal.scaling.plugins.module_utils.ledger.service import Ledger, check_service
from ansible_collections.horizontal.scaling.plugins.module_utils.ledger.stores import WHERE, Stores

SPEC = {
    "service": {"type": "str", "required": True},
    "action": {
        "type": "str",
        "required": True,
        "choices": ["begin", "advance", "pause", "resume", "abort", "finish", "take_over"],
    },
    **WHERE,
    "plan": {"type": "dict"},
    "owner": {"type": "str", "default": ""},
    "token": {"type": "str", "default": "", "no_log": True},
    "batch": {"type": "int"},
    "phase": {"type": "str", "default": ""},
    "direction": {"type": "str", "choices": ["forward", "back"]},
    "evidence": {"type": "dict", "default": {}},
    "seen": {"type": "str"},
    "outcome": {"type": "str", "choices": ["succeeded", "failed", "rolled_back", "aborted"]},
    "reason": {"type": "str", "default": ""},
    "pause_timeout": {"type": "float", "default": 1800},
    "take_over_after": {"type": "float", "default": 60},
    "force_take_over": {"type": "bool", "default": False},
    "discard_corrupt": {"type": "bool", "default": False},
    "history": {"type": "int", "default": 50},
}


def converge(parameters: dict[str, t.Any], check_mode: bool) -> Outcome:
    store = Stores(parameters).of(check_service(parameters["service"]))
    return Ledger(store, check_mode).run(parameters)


def main() -> None:
    run(SPEC, converge)


if __name__ == "__main__":
    main()
