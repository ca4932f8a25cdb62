# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.modules import rollout_gate

BEFORE = {"name": "app1", "requests": 0, "responses_5xx": 0, "errors": 0}


def run(bad, fail=True, expression="error_rate < 5%"):
    return rollout_gate.converge(
        {
            "checks": [{"name": None, "expression": expression, "min_samples": 10, "observe_only": False}],
            "before": [BEFORE],
            "after": [dict(BEFORE, requests=100, responses_5xx=bad)],
            "metrics": {},
            "fail": fail,
        },
        False,
    )


def test_success_changes_nothing():
    result = run(1).as_result(True)
    assert (result["changed"], result["verdict"], result["samples"]) == (False, "success", 100)


@pytest.mark.parametrize(("bad", "expression"), [(20, "error_rate < 5%"), (0, "latency < 1s")])
def test_failure_and_error_fail_the_task_with_the_numbers(bad, expression):
    with pytest.raises(ScalingError, match="The gate says (failure: error_rate is 20%|error: latency)") as error:
        run(bad, expression=expression)
    assert error.value.details["checks"][0]["expression"] == expression


def test_failure_is_only_reported_when_asked_for():
    assert run(20, fail=False).values["verdict"] == "failure"
