# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quantities as Kubernetes writes them: 500m, 512Mi, 1e3.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

FACTORS = {
    **{"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", start=1)},
}


def number(text: str) -> float:
    """A quantity in its unit: cores, bytes.

    Raises:
        ScalingError: it is none.
    """
    digits = text.rstrip("KMGTPEkimnu")
    try:
        return float(digits) * FACTORS[text[len(digits) :]]
    except (KeyError, ValueError):
        raise ScalingError(f"{text!r} is no quantity such as 500m or 512Mi.") from None
