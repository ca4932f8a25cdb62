# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What patroni_config does: the configuration that all members share is as wanted."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from .patroni import Api, merged
from .predicates import Document

NEW_SECONDS = 30


def converge(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """Entry point of patroni_config; raises ScalingError."""
    api = Api(params["host"], params["host"], params)
    before = _read(api)
    after = merged(before, params["config"])
    if before != after and not check_mode:
        status, answer = api.request("PATCH", "/config", params["config"])
        if status != 200:
            raise ScalingError(
                f"Patroni of {params['host']} refused the configuration with status {status}: {str(answer)[:300]}",
                "See the keys in config, and user and password.",
            )
        after = api.document("/config")
    return Outcome(before, after, "Patroni's dynamic configuration", config=_shown(after))


def _read(api: Api) -> Document:
    """The configuration, which a leader that has only just begun has not written yet; raises ScalingError."""
    (status, found), done = Deadline(NEW_SECONDS).wait_for(lambda: api.get("/config"), lambda answer: answer[0] != 502)
    if not done or status != 200:
        raise ScalingError(
            f"Patroni of {api.name} answered /config with status {status}.",
            "Without a leader there is no configuration: see its journal.",
        )
    return found


def _shown(config: Document) -> Document:
    # A copy: the diff and the result would else share references, which YAML shows as anchors.
    return merged(config, {})
