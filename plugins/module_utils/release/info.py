# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module service_info."""

from __future__ import annotations

import grp
import pwd
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.command import Runner, installed, run_bounded
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.release.observed import observe
from ansible_collections.horizontal.scaling.plugins.module_utils.release.store import Store
from ansible_collections.horizontal.scaling.plugins.module_utils.release.unit import Unit

PACKAGE_SECONDS = 30


def report(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """What observe() found, as the task's values."""
    store = Store(params["root"] or f"/opt/{params['name']}")
    found = observe(store, Unit(params["unit"] or params["name"]), params["restart_on"])
    return Outcome(
        version=found.version,
        running=found.running,
        running_version=found.running_version,
        previous_version=found.previous,
        releases=sorted(found.releases),
        checksums={version: marker.get("checksum", "") for version, marker in found.releases.items()},
        since=found.since,
        pid=found.pid,
        enabled=found.enabled,
        unit_exists=found.exists,
        restart_pending=found.restart_pending,
        missing=missing(params["needs"] or {}),
    )


def missing(needs: dict[str, list[str]], run: Runner = run_bounded) -> dict[str, list[str]]:
    """What this host has not got of the packages, users and groups that are needed."""
    return {
        "packages": _missing_packages(needs.get("packages") or [], run),
        "users": [name for name in needs.get("users") or [] if not _known(pwd.getpwnam, name)],
        "groups": [name for name in needs.get("groups") or [] if not _known(grp.getgrnam, name)],
    }


def _missing_packages(names: list[str], run: Runner) -> list[str]:
    if not names:
        return []
    if installed("dpkg-query"):
        _, text = run(
            ["dpkg-query", "--show", "--showformat=${binary:Package} ${db:Status-Status}\n", *names], PACKAGE_SECONDS
        )
        there = {line.split()[0].split(":")[0] for line in text.splitlines() if line.endswith(" installed")}
        return [name for name in names if name not in there]
    return [name for name in names if run(["rpm", "--query", "--whatprovides", name], PACKAGE_SECONDS)[0]]


def _known(look_up: t.Callable[[str], t.Any], name: str) -> bool:
    try:
        look_up(name)
    except KeyError:
        return False
    return True
