# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The language of gates: ``metric operator number[unit]``, nothing else is understood."""

from __future__ import annotations

import operator
import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

OPERATORS: dict[str, t.Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
# Metrics that are counted here, with the units that their numbers may have.
UNITS = {
    "error_rate": ("%",),
    "success_rate": ("%",),
    "requests": ("",),
    "response_time": ("ms", "s"),
}
_EXPRESSION = re.compile(
    r"^\s*(?P<metric>[a-z][a-z0-9_]{0,63})\s*(?P<operator><=|>=|==|!=|<|>)\s*"
    r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(?P<unit>%|ms|s)?\s*$"
)


class Expression(t.NamedTuple):
    """A comparison; ``threshold`` is in percent, in milliseconds or a plain number, as ``unit`` says."""

    text: str
    metric: str
    operator: str
    threshold: float
    unit: str

    def holds(self, value: float) -> bool:
        return OPERATORS[self.operator](value, self.threshold)

    def show(self, value: float) -> str:
        """A value of the metric as text, e.g. ``12.5%``."""
        return f"{round(value, 3):g}{self.unit}"


def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        ScalingError: it is none, or its unit does not fit its metric.
    """
    found = _EXPRESSION.match(text)
    if not found:
        raise ScalingError(
            f"expression is '{text}'; give a metric, one of {' '.join(OPERATORS)}, and a number with %, ms, s or no "
            "unit, such as 'error_rate < 5%' or 'response_time <= 200ms'."
        )
    metric, unit, number = found.group("metric"), found.group("unit") or "", float(found.group("number"))
    allowed = UNITS.get(metric, ("", "%", "ms", "s"))
    if unit not in allowed:
        units = " or ".join(item or "no unit" for item in allowed)
        raise ScalingError(f"expression is '{text}'; {metric} is compared with a number in {units}.")
    if unit == "s":
        number, unit = number * 1000, "ms"
    if metric in ("error_rate", "success_rate") and number > 100:
        raise ScalingError(f"expression is '{text}'; {metric} is a percentage from 0% to 100%.")
    return Expression(text.strip(), metric, found.group("operator"), number, unit)
