# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way from one TLS mode to another one that no member is cut off on. Pure functions."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

# Members use TLS among themselves from preferTLS on, and take it from allowTLS on; what has none is taken up to
# preferTLS. So two members understand each other when their modes are equal or neighbours in this row.
MODES = ("disabled", "allowTLS", "preferTLS", "requireTLS")


def steps(modes: t.Collection[str], pending: bool, wanted: str) -> list[str]:
    """The modes to be gone through, all members having one before the next one; empty where there is nothing to do.

    Args:
        modes: those in the configurations of the members; a step that was cut off leaves two of them.
        pending: whether somebody has not read its configuration yet, and may be a step behind it, or has certificates
            to come, which are put in force before others have to take them.
        wanted: the mode that is wanted in the end.
    """
    if not modes:
        return []
    places = [MODES.index(mode) for mode in modes]
    low, high, goal = min(places), max(places), MODES.index(wanted)
    if high - low > 1:
        raise ScalingError(
            f"Some members have TLS mode {MODES[low]}, others {MODES[high]}: these do not understand each other.",
            "Give all of them the same net.tls.mode in /etc/mongod.conf by hand, and restart them.",
        )
    if low == high == goal:
        return []
    # Whatever was begun is finished before there is another step.
    if low != high:
        first = high if goal >= high else low
    elif pending and 0 < low < len(MODES) - 1:
        first = low
    else:
        first = low + (1 if goal > low else -1)
    way = 1 if goal > first else -1
    return [MODES[place] for place in range(first, goal + way, way)]
