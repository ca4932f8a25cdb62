# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a service on this host to a version: unpack, stop, switch, start, and clean up behind."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.release import archive
from ansible_collections.horizontal.scaling.plugins.module_utils.release.observed import Observed, fingerprint, observe
from ansible_collections.horizontal.scaling.plugins.module_utils.release.plan import (
    Plan,
    Wanted,
    compute,
    predict,
    state,
)
from ansible_collections.horizontal.scaling.plugins.module_utils.release.store import Store, check_version
from ansible_collections.horizontal.scaling.plugins.module_utils.release.unit import Unit

NOT_STOPPED = {"seconds": 0.0, "result": "not_stopped", "exit_status": None}


class Service:
    """A service: its directory, its unit and the options of the task."""

    def __init__(self, params: dict[str, t.Any], store: Store, unit: Unit) -> None:
        self._params = params
        self._store = store
        self._unit = unit
        self._stop: dict[str, t.Any] = NOT_STOPPED
        self._start_seconds = 0.0

    def converge(self, check_mode: bool) -> Outcome:
        """Compute the plan; outside check mode carry it out and read back."""
        with self._store.locked():
            found = observe(self._store, self._unit, self._params["restart_on"])
            wanted = self._wanted(found)
            plan = compute(wanted, found)
            self._refuse(found, plan, check_mode)
            checksum, verified = self._verify(plan, wanted, check_mode)
            before = state(found)
            after = predict(before, plan, checksum)
            if not check_mode:
                self._apply(plan, found, wanted)
                after = state(observe(self._store, self._unit, self._params["restart_on"]))
                self._discard_artifact()
        return Outcome(
            before,
            after,
            self._params["name"],
            version=after["current"],
            previous_version=_previous(plan, found),
            releases=sorted(after["releases"]),
            removed=list(plan.remove),
            staged=bool(plan.stage),
            restarted=bool(plan.start) and found.running,
            stop=self._stop,
            start_seconds=self._start_seconds,
            verified=verified,
        )

    def _wanted(self, found: Observed) -> Wanted:
        params = self._params
        version = params["version"] or (found.version if params["state"] in ("running", "stopped") else "")
        if not version and params["state"] != "stopped":
            raise ScalingError(
                f"No version of {params['name']} is current on this host, and the option version is not set.",
                f"Set version: state {params['state']} needs one here.",
            )
        return Wanted(
            params["state"],
            check_version(version) if version else "",
            archive.parse_checksum(params["checksum"]),
            params["replace"],
            params["keep"],
            params["enabled"],
        )

    def _refuse(self, found: Observed, plan: Plan, check_mode: bool) -> None:
        """What cannot work is refused before anything is touched."""
        load = found.unit.get("LoadState")
        if plan.start and not found.exists and not check_mode:
            raise ScalingError(
                f"The unit {self._unit.name} does not exist on this host; nothing was changed.",
                "Apply the role horizontal.scaling.service first, or correct the option unit.",
            )
        if plan.start and load in ("masked", "bad-setting", "error"):
            raise ScalingError(
                f"The unit {self._unit.name} cannot be started: systemd says {load}; nothing was changed."
            )
        if plan.stage and not self._params["artifact"]:
            raise ScalingError(
                f"Release {plan.stage} of {self._params['name']} is not on this host, and no artifact was given; "
                "nothing was changed.",
                f"Give artifact. Releases on this host: {', '.join(found.releases) or 'none'}.",
            )

    def _verify(self, plan: Plan, wanted: Wanted, check_mode: bool) -> tuple[str, bool]:
        """The checksum of what will be unpacked. In check mode the artifact may be on its way still."""
        if not plan.stage:
            return "", False
        artifact = Path(self._params["artifact"])
        if check_mode and not artifact.exists():
            return wanted.checksum, False
        return archive.verify(artifact, wanted.checksum), True

    def _apply(self, plan: Plan, found: Observed, wanted: Wanted) -> None:
        if plan.stage:
            self._store.stage(plan.stage, Path(self._params["artifact"]), wanted.checksum)
        if plan.stop:
            self._stop = self._unit.stop(self._params["stop_timeout"])
        if plan.switch:
            self._store.switch(plan.switch)
        if plan.start:
            self._start(plan, found)
        if plan.enable:
            self._unit.enable()
        for version in plan.remove:
            self._store.remove(version)

    def _start(self, plan: Plan, found: Observed) -> None:
        previous = _previous(plan, found)
        digest = fingerprint(self._params["restart_on"])
        self._store.remember(version=plan.start, previous=previous)
        if found.unit.get("NeedDaemonReload") == "yes":
            self._unit.reload_manager()
        try:
            self._start_seconds = self._unit.start(
                self._params["start_timeout"], self._params["settle"], self._params["port"]
            )
        except ScalingError as error:
            raise ScalingError(
                f"Version {plan.start} of {self._params['name']} does not run: {error}",
                f"It is the current one on this host now; the version before was {previous or '(none)'}.",
                version=plan.start,
                previous_version=previous,
                stop=self._stop,
                **error.details,
            ) from error
        self._store.remember(
            version=plan.start,
            previous=previous,
            fingerprint=digest,
            invocation=self._unit.show().get("InvocationID", ""),
        )

    def _discard_artifact(self) -> None:
        if self._params["artifact"] and self._params["artifact_remove"]:
            with contextlib.suppress(FileNotFoundError):
                Path(self._params["artifact"]).unlink()


def _previous(plan: Plan, found: Observed) -> str:
    """The version that was there before the current one."""
    return found.version if plan.switch else found.previous


def converge(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """The module service_release: options in, outcome out."""
    if params["keep"] < 0:
        raise ScalingError(f"keep '{params['keep']}' is not accepted:", "give the number of old releases, 0 or more.")
    root = params["root"] or f"/opt/{params['name']}"
    return Service(params, Store(root), Unit(params["unit"] or params["name"])).converge(check_mode)
