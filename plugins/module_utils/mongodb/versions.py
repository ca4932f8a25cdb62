# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which binary may follow which, and which feature compatibility version (FCV) may be set when. Pure functions.

The manual's rule ("Upgrade a Replica Set"): from one release series to the next one only, with the FCV of the present
one; the FCV is raised afterwards, once every member runs the new series, and from there is no way back that is free.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .client import Document

Series = t.Tuple[int, int]
# The last series before each year had its own number.
OLD = {(4, 0): (4, 2), (4, 2): (4, 4), (4, 4): (5, 0)}


def series(version: str) -> Series:
    """Release series of a version or of an FCV, such as (6, 0); raises ScalingError."""
    found = re.match(r"(\d+)\.(\d+)(\.\d|$)", version)
    if not found:
        raise ScalingError(f"'{version}' is no version of MongoDB.", "Accepted is such as 6.0 or 6.0.5.")
    return int(found.group(1)), int(found.group(2))


def following(present: Series) -> Series:
    """The next series that is not a rapid release."""
    return OLD.get(present, (present[0] + 1, 0))


def text(found: Series) -> str:
    return f"{found[0]}.{found[1]}"


def check_binary(versions: t.Mapping[str, str], fcv: Document, binary: str) -> None:
    """Raise ScalingError unless members may be restarted with this binary.

    Args:
        versions: what members run, by address; in an upgrade that was cut off there are two series.
        fcv: the answer's `featureCompatibilityVersion`.
        binary: version of the other binary.
    """
    new = series(binary)
    for place, version in sorted(versions.items()):
        old = series(version)
        if new < old:
            raise ScalingError(
                f"{place} runs {version}, and {binary} is older: a downgrade is refused.",
                "Give the series that the members run. The way back is a backup, or MongoDB's help.",
            )
        # Rapid releases, such as 8.2, follow in their series.
        if new != old and new[0] != old[0] and new != following(old):
            raise ScalingError(
                f"{place} runs {version}, and {binary} is not the next series after {text(old)}.",
                f"Go to {text(following(old))} first, set its feature compatibility version, and go on from there.",
            )
    has = fcv["version"]
    oldest = min(map(series, versions.values()), default=new)
    if new != oldest and ("targetVersion" in fcv or series(has) != oldest):
        state = f"on its way to {fcv['targetVersion']}" if "targetVersion" in fcv else has
        raise ScalingError(
            f"The feature compatibility version is {state}; {binary} takes data of {text(oldest)} only.",
            f"Set it to {text(oldest)} first, with mongodb_feature_compatibility.",
        )


# mongos hands it to the config servers, and these to all shards.
_BY_ROUTER = "run setFeatureCompatibilityVersion by hand, through a router (mongos): it does so for the whole cluster."


def check_members(hellos: t.Mapping[str, Document]) -> None:
    """Raise ScalingError where one who answers is a router, which tells nothing of the members."""
    routers = sorted(place for place, each in hellos.items() if each.get("msg") == "isdbgrid")
    if routers:
        raise ScalingError(
            f"{routers[0]} is a router (mongos) of a sharded cluster, and no member of a replica set.",
            "Name the members of one set to check a binary. To raise the feature compatibility version, once every "
            f"member of all sets runs the series, {_BY_ROUTER}",
        )


def check_alone(config: Document, state: Document, wanted: str) -> None:
    """Raise ScalingError where a set is part of a sharded cluster, which has one FCV for all of it.

    Args:
        config: the set's configuration.
        state: what its primary answers to shardingState.
        wanted: such as 6.0.
    """
    if config.get("configsvr") or state.get("enabled"):
        part = "its config servers" if config.get("configsvr") else f"the shard {state['shardName']}"
        raise ScalingError(
            f"{config['_id']} is part of a sharded cluster ({part}), and {wanted} is wanted for it alone.",
            f"Once every member of all sets runs {wanted}, {_BY_ROUTER}",
        )


def step(versions: t.Mapping[str, str], away: t.Collection[str], fcv: Document, wanted: str) -> str:
    """The FCV to set, or nothing where it is set already. Raises ScalingError where it may not be.

    Args:
        versions: what members run, by address.
        away: members whose version nobody knows.
        fcv: the answer's `featureCompatibilityVersion`.
        wanted: such as 6.0.
    """
    new = series(wanted)
    if wanted != text(new):
        raise ScalingError(
            f"The feature compatibility version '{wanted}' is wanted.", f"Accepted is such as {text(new)}."
        )
    if "targetVersion" not in fcv and fcv["version"] == wanted:
        return ""
    if new < series(fcv["version"]):
        raise ScalingError(
            f"The feature compatibility version is {fcv['version']}, and {wanted} is older: it is not lowered.",
            "Features in use would have to be given up first; see the manual's page on downgrades.",
        )
    if "targetVersion" in fcv and fcv["targetVersion"] != wanted:
        raise ScalingError(
            f"The feature compatibility version is on its way from {fcv['version']} to {fcv['targetVersion']}.",
            f"Finish that first, with {fcv['targetVersion']}.",
        )
    behind = [f"{place} runs {version}" for place, version in sorted(versions.items()) if series(version) != new]
    if behind:
        raise ScalingError(
            f"The feature compatibility version {wanted} is wanted, and {', '.join(behind)}.",
            f"Bring every member to {wanted} first, with update_database.",
        )
    if away:
        raise ScalingError(
            f"{', '.join(sorted(away))} does not tell its version.",
            "All members have to be there; bring them back first.",
        )
    return wanted
