# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.modules import rollout_plan


def parameters(version):
    hosts = [
        {"name": f"app{number}", "version": "1.0.0", "running": True, "in_rotation": True, "group": ""}
        for number in (1, 2)
    ]
    defaults = {name: option["default"] for name, option in rollout_plan.SPEC.items() if "default" in option}
    return dict(defaults, service="claims", version=version, hosts=hosts)


def test_check_mode_shows_the_same_plan_as_a_run():
    checked = rollout_plan.converge(parameters("2.0.0"), True).as_result(True)
    assert checked == rollout_plan.converge(parameters("2.0.0"), False).as_result(True)
    assert checked["changed"]
    assert checked["diff"]["before"] == ""
    lines = checked["diff"]["after"].splitlines()
    assert lines[:-1] == ["batch 1 of 2: app1 (1.0.0 -> 2.0.0)", "batch 2 of 2: app2 (1.0.0 -> 2.0.0)"]
    assert lines[-1] == f"hash of this plan: {checked['plan']['hash']}"
    assert checked["diff"]["after_header"] == "rollout of claims to 2.0.0"


def test_unchanged_without_steps():
    result = rollout_plan.converge(parameters("1.0.0"), False).as_result(True)
    assert not result["changed"]
    assert result["lines"] == []
    assert result["plan"]["batches"] == []
