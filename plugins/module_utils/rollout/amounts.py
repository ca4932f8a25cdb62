# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Counts and percentages of hosts, as Ansible's ``serial`` understands them."""

from __future__ import annotations

import re

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

COUNT = re.compile(r"^[0-9]{1,9}\Z")
PERCENT = re.compile(r"^[0-9]{1,3}%\Z")


def hosts_of(option: str, value: object, total: int, smallest: int = 1) -> int:
    """The number of hosts that a count or a percentage of ``total`` means.

    A percentage is rounded down, but is at least 1 unless it is ``0%``.

    Args:
        option: name of the option, for the message.
        value: e.g. ``3``, ``"3"`` or ``"25%"``.
        total: hosts that 100% stands for.
        smallest: 1, or 0 where none is allowed.

    Raises:
        ScalingError: the value is no count and no percentage, or out of range.
    """
    text = str(value).strip()
    if PERCENT.match(text):
        percent = int(text[:-1])
        if smallest <= percent <= 100:
            return max(1, percent * total // 100) if percent else 0
    elif COUNT.match(text) and int(text) >= smallest:
        return int(text)
    raise ScalingError(
        f"{option} is '{value}'; give a count from {smallest} such as '2', or a percentage from {smallest}% to 100% "
        "such as '25%'."
    )
