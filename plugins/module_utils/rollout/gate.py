# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gate: whether numbers allow the next step."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .counters import Measured, measure, rate
from .expression import Expression, parse

SUCCESS, FAILURE, INCONCLUSIVE, ERROR = "success", "failure", "inconclusive", "error"
WORST_FIRST = (FAILURE, ERROR, INCONCLUSIVE, SUCCESS)
COUNTED = ("error_rate", "success_rate", "requests")


def judge(
    checks: t.Sequence[t.Mapping[str, t.Any]],
    before: t.Sequence[t.Mapping[str, t.Any]],
    after: t.Sequence[t.Mapping[str, t.Any]],
    metrics: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """The verdict of every check, and over all: failure wins, then error, then inconclusive.

    Args:
        checks: name, expression, min_samples, observe_only.
        before, after: servers with counters, as haproxy_info gives them.
        metrics: further measured values, by name: a number in percent or milliseconds, as the expressions have it.

    Returns:
        verdict, reason (a sentence), checks (name, expression, verdict, reason, value, threshold, samples,
        observe_only), servers (name, requests, failed, error_rate), samples.
    """
    if not checks:
        raise ScalingError("checks is an empty list; give at least one, such as {'expression': 'error_rate < 5%'}.")
    measured = measure(before, after)
    given = {str(name): value for name, value in (metrics or {}).items()}
    judged = [_judge_one(check, measured, given) for check in checks]
    deciding = [item for item in judged if not item["observe_only"]]
    if deciding:
        verdict = min((item["verdict"] for item in deciding), key=WORST_FIRST.index)
        reason = "; ".join(item["reason"] for item in deciding if item["verdict"] == verdict)
    else:
        verdict, reason = INCONCLUSIVE, "every check only observes, so nothing decides"
    return {
        "verdict": verdict,
        "reason": reason,
        "checks": judged,
        "servers": measured.servers,
        "samples": measured.samples,
    }


def _judge_one(check: t.Mapping[str, t.Any], measured: Measured, given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    expression = parse(str(check["expression"]))
    minimum = check.get("min_samples")
    minimum = 1 if minimum is None else minimum
    if not isinstance(minimum, int) or minimum < 0:
        raise ScalingError(f"min_samples is '{minimum}'; give a whole number from 0.")
    from_counters = expression.metric not in given
    value, why = _value(expression, measured, given)
    if value is None:
        verdict, reason = why
    else:
        verdict, reason = _compare(expression, value, measured if from_counters else None, minimum)
    return {
        "name": check.get("name") or expression.text,
        "expression": expression.text,
        "verdict": verdict,
        "reason": reason,
        "value": None if value is None else round(value, 4),
        "threshold": expression.threshold,
        "unit": expression.unit,
        "samples": measured.samples if from_counters else None,
        "observe_only": bool(check.get("observe_only")),
    }


def _value(
    expression: Expression, measured: Measured, given: t.Mapping[str, t.Any]
) -> tuple[float | None, tuple[str, str]]:
    """The metric's value, or None with the verdict and the reason why there is none."""
    metric = expression.metric
    if metric in given:
        return _given(metric, given[metric])
    if metric in COUNTED:
        return _counted(metric, measured)
    if metric == "response_time" and measured.response_time is not None:
        return measured.response_time, ("", "")
    return None, (ERROR, f"{metric} is not among the values that were given; it is not taken as zero")


def _counted(metric: str, measured: Measured) -> tuple[float | None, tuple[str, str]]:
    wanted = ("requests",) if metric == "requests" else ("requests", "responses_5xx", "errors")
    missing = [field for field in measured.missing if field in wanted]
    if missing:
        return None, (ERROR, f"{metric} cannot be told: the servers have no {', '.join(missing)}; it is not zero")
    if metric == "requests" and measured.servers:
        return float(measured.samples), ("", "")
    errors = rate(measured.failed, measured.samples)
    if errors is None:
        seen = "; ".join(measured.blind[:3]) or (
            "no request was seen" if measured.servers else "no server was measured"
        )
        return None, (INCONCLUSIVE, f"{metric} has no value: {seen}")
    return (errors if metric == "error_rate" else 100.0 - errors), ("", "")


def _given(metric: str, value: t.Any) -> tuple[float | None, tuple[str, str]]:
    if value is None or value == "":
        return None, (ERROR, f"{metric} was given without a value; it is not taken as zero")
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        return None, (ERROR, f"{metric} was given as '{value}', which is no number")
    return number, ("", "")


def _compare(expression: Expression, value: float, measured: Measured | None, minimum: int) -> tuple[str, str]:
    """A verdict on a value; ``measured`` is None where the counters have no part in it."""
    shown = f"{expression.metric} is {expression.show(value)}"
    seen = ""
    if measured is not None:
        seen = f" over {measured.samples} requests"
        if measured.samples < minimum:
            return INCONCLUSIVE, f"{shown}{seen}, fewer than the {minimum} that are needed to tell"
    if not expression.holds(value):
        return FAILURE, f"{shown}{seen}{_worst(expression, measured)}, wanted {expression.text}"
    if measured is not None and measured.blind:
        return INCONCLUSIVE, f"{shown}{seen}, but {'; '.join(measured.blind[:3])}"
    return SUCCESS, f"{shown}{seen}, as wanted"


def _worst(expression: Expression, measured: Measured | None) -> str:
    """Which server is to blame."""
    if measured is None or expression.metric not in ("error_rate", "success_rate"):
        return ""
    failing = [server for server in measured.servers if server["failed"]]
    if not failing:
        return ""
    worst = max(failing, key=lambda server: (server["error_rate"], server["failed"]))
    return f" (worst: {worst['name']}, {worst['failed']} of {worst['requests']} failed)"
