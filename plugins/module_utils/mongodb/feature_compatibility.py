# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What mongodb_feature_compatibility does: look at every member's version, check, set, read back."""

from __future__ import annotations

import contextlib

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import service, versions
from .client import Document
from .cluster import Cluster, Reading
from .predicates import address


def converge(params: Document, check_mode: bool) -> Outcome:
    """Entry point of mongodb_feature_compatibility."""
    cluster = Cluster(params, params["hosts"])
    try:
        return _converge(cluster, params, check_mode)
    finally:
        cluster.close()


def _converge(cluster: Cluster, params: Document, check_mode: bool) -> Outcome:
    versions.check_members(cluster.read().hellos)
    reading = cluster.led(params["user"], params["primary_timeout"])
    primary = cluster.clients[reading.primary]
    config, _committed = service.configuration(primary)
    found, away = _versions(cluster, reading, config)
    fcv = service.feature_compatibility(primary)
    if params["binary"]:
        versions.check_binary(found, fcv, params["binary"])
    wanted = versions.step(found, away, fcv, params["version"]) if params["version"] else ""
    after = fcv
    if wanted:
        versions.check_alone(config, {} if config.get("configsvr") else service.sharding_state(primary), wanted)
    if wanted and check_mode:
        after = {"version": wanted}
    elif wanted:
        # Version 7.0 and later ask whether it is meant.
        confirm = {"confirm": True} if versions.series(wanted) >= (7, 0) else {}
        service.set_feature_compatibility(primary, wanted, params["set_timeout"], confirm)
        after = service.feature_compatibility(primary)
    return Outcome(fcv, after, header="featureCompatibilityVersion", version=after["version"], versions=found)


def _versions(cluster: Cluster, reading: Reading, config: Document) -> tuple[dict[str, str], list[str]]:
    """Versions by address, and the members that do not tell theirs; an arbiter has one, too."""
    found: dict[str, str] = {}
    places = [address(each["host"]) for each in config["members"]]
    for place in places:
        if place in reading.hellos:
            with contextlib.suppress(ScalingError):
                found[place] = service.version(cluster.anonymous(place))
    return found, [place for place in places if place not in found]
