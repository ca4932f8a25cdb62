# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What postgresql_cluster_info gathers."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from .account import Account
from .cluster import Cluster, topology
from .pooler import poolers_of


def gather(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """Entry point of postgresql_cluster_info; a member that does not answer is no error."""
    cluster = Cluster(params, Account(params["owner"]))
    poolers = poolers_of(params, cluster.account)
    try:
        reading = cluster.read()
        views = [each.view() for each in poolers]
    finally:
        cluster.close()
        for each in poolers:
            each.close()
    primaries = reading.primaries
    return Outcome(
        primary=primaries[0] if len(primaries) == 1 else "",
        primaries=primaries,
        members=topology(reading, cluster.members),
        poolers=views,
    )
