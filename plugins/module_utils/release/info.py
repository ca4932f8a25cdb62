# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module service_info."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.release.observed import observe
from ansible_collections.horizontal.scaling.plugins.module_utils.release.store import Store
from ansible_collections.horizontal.scaling.plugins.module_utils.systemd.unit import Unit


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
    )
