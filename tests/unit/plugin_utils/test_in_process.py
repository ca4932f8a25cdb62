# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import types

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.horizontal.scaling.plugins.action import rollout_gate, rollout_plan
from ansible_collections.horizontal.scaling.plugins.modules import rollout_gate as gate_module

COUNTED = {"name": "app1", "requests": 0, "responses_5xx": 0, "errors": 0}


def act(action, arguments, check_mode=False):
    task = types.SimpleNamespace(args=arguments, check_mode=check_mode, async_val=0, diff=True, no_log=False)
    connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None))
    made = action.ActionModule(task, connection, None, None, None, None)
    return made.run(task_vars={})


def test_a_verdict_is_what_the_module_returns():
    arguments = {"checks": [{"expression": "error_rate < 5%"}], "before": [COUNTED]}
    result = act(rollout_gate, {**arguments, "after": [{**COUNTED, "requests": "100"}]})
    assert (result["changed"], result["verdict"], result["samples"]) == (False, "success", 100)
    assert set(gate_module.judge([{"expression": "error_rate < 5%"}], [], [])) <= set(result)


def test_what_the_module_refuses_fails_the_task_with_its_details():
    result = act(rollout_gate, {"checks": [{"expression": "latency < 1s"}]})
    assert result["failed"]
    assert result["verdict"] == "error"
    assert result["msg"].startswith("The gate says error: latency")


def test_options_are_checked_as_the_module_declares_them():
    with pytest.raises(AnsibleActionFail, match="missing required arguments: checks"):
        act(rollout_gate, {})
    with pytest.raises(AnsibleActionFail, match="must be one of: rolling, got: big_bang"):
        act(rollout_plan, {"service": "s", "version": "1", "hosts": [], "strategy": "big_bang"})


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_plan_shows_itself_as_what_is_going_to_change(check_mode):
    hosts = [{"name": "app1", "version": "1", "running": True, "in_rotation": "yes"}]
    options = {"service": "s", "version": "2", "hosts": hosts, "max_unavailable": 1, "allow_empty_group": "yes"}
    result = act(rollout_plan, options, check_mode)
    assert result["changed"], result
    assert result["lines"][0] == "batch 1 of 1: app1 (1 -> 2)"
    assert "batch 1 of 1: app1 (1 -> 2)" in result["diff"]["after"]
