# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One number and one word for many probes."""

from __future__ import annotations

import typing as t

DEGRADED_FROM = 50  # below this score it is unhealthy


def summarise(results: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """Weigh the probes up.

    Args:
        results: healthy (None for a probe that was left out) and weight of each probe.

    Returns:
        healthy (all that were probed are), score (0 to 100, by weight), health (healthy, degraded, unhealthy).
        Nothing probed is not healthy.
    """
    probed = [result for result in results if result["healthy"] is not None]
    total = sum(result["weight"] for result in probed)
    good = sum(result["weight"] for result in probed if result["healthy"])
    healthy = bool(probed) and all(result["healthy"] for result in probed)
    score = 100 if healthy else int(100 * good / total) if total else 0
    word = "degraded" if score >= DEGRADED_FROM else "unhealthy"
    return {"healthy": healthy, "score": score, "health": "healthy" if healthy else word}
