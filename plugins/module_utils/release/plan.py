# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be done for a wanted state of a service: computed first, from values alone."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.release.observed import Observed


class Wanted(t.NamedTuple):
    """The options that decide, checked."""

    state: str
    version: str
    checksum: str
    replace: bool
    keep: int
    enabled: bool


class Plan(t.NamedTuple):
    """The steps, in their order; all empty when nothing is to be done."""

    stage: str = ""
    stop: bool = False
    switch: str = ""
    start: str = ""
    enable: bool = False
    remove: t.Tuple[str, ...] = ()


def compute(wanted: Wanted, found: Observed) -> Plan:
    """The steps from what was found to what is wanted."""
    if wanted.state == "stopped":
        return Plan(stop=found.unit["ActiveState"] not in ("inactive", "failed"))
    if wanted.state == "absent":
        return Plan(remove=_absent(wanted, found))
    stage = _stage(wanted, found)
    if wanted.state == "staged":
        return Plan(stage=stage)
    start = not found.running or found.running_version != wanted.version or found.restart_pending or bool(stage)
    return Plan(
        stage=stage,
        stop=start,
        switch=wanted.version if found.version != wanted.version else "",
        start=wanted.version if start else "",
        enable=wanted.enabled and not found.enabled,
        remove=superfluous(wanted, found),
    )


def _stage(wanted: Wanted, found: Observed) -> str:
    """The version when it has to be unpacked."""
    if wanted.version not in found.releases:
        return wanted.version
    there = found.releases[wanted.version].get("checksum", "")
    if not wanted.checksum or there == wanted.checksum:
        return ""
    if there and there.split(":")[0] != wanted.checksum.split(":")[0] and not wanted.replace:
        raise ScalingError(
            f"Release {wanted.version} was staged with the checksum {there}, which cannot be compared with "
            f"{wanted.checksum}.",
            "Give the checksum of the same kind, or replace: true.",
        )
    if not wanted.replace:
        raise ScalingError(
            f"Release {wanted.version} is on this host with the checksum {there or '(unknown)'}, but {wanted.checksum} "
            "is wanted; nothing was changed.",
            "Give another artifact another version, or set replace: true.",
        )
    return wanted.version


def _absent(wanted: Wanted, found: Observed) -> tuple[str, ...]:
    if wanted.version not in found.releases:
        return ()
    if wanted.version in (found.version, found.running_version):
        raise ScalingError(
            f"Release {wanted.version} is the current one and is not deleted.", "Run another version first."
        )
    return (wanted.version,)


def superfluous(wanted: Wanted, found: Observed) -> tuple[str, ...]:
    """Releases beyond ``keep`` old ones: the newest stay, and in any case those that a way back may need."""
    old = set(found.releases) - {wanted.version}
    needed = {found.version, found.running_version}
    if wanted.version in (found.version, found.running_version):
        needed.add(found.previous)
    needed &= old
    newest_first = sorted(old - needed, key=lambda each: (-found.releases[each].get("staged", 0.0), each))
    return tuple(sorted(newest_first[max(0, wanted.keep - len(needed)) :]))


def state(found: Observed) -> dict[str, t.Any]:
    """What counts as a difference."""
    return {
        "current": found.version,
        "runs": found.running_version if found.running else "",
        "enabled": found.enabled,
        "restart_pending": found.restart_pending,
        "releases": {version: marker.get("checksum", "") for version, marker in found.releases.items()},
    }


def predict(before: dict[str, t.Any], plan: Plan, checksum: str) -> dict[str, t.Any]:
    """The state after the plan."""
    after = dict(before, releases=dict(before["releases"]))
    if plan.stage:
        after["releases"][plan.stage] = checksum
    for version in plan.remove:
        after["releases"].pop(version, None)
    after["current"] = plan.switch or before["current"]
    if plan.stop:
        after["runs"] = ""
        after["restart_pending"] = False
    if plan.start:
        after["runs"] = plan.start
    after["enabled"] = before["enabled"] or plan.enable
    return after
