# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lead a service's split to the wanted one, whatever the router: read, decide, apply, read back."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from .gateway_api import GatewayApi
from .haproxy import Haproxy
from .kubernetes import Kubernetes
from .nginx import Nginx
from .router import Router
from .split import Document, Split, State, wanted

SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
ROUTERS: dict[str, t.Callable[[Document], Router]] = {
    "haproxy": Haproxy,
    "nginx": Nginx,
    "gateway_api": GatewayApi,
    "kubernetes": Kubernetes,
}


def converge(parameters: Document, check_mode: bool) -> Outcome:
    """Entry point of traffic_split; raises ScalingError."""
    if not SERVICE.match(parameters["service"]):
        raise ScalingError(f"service is '{parameters['service']}'.", "Give letters, digits and the characters - _ .")
    router = ROUTERS[parameters["router"]](parameters)
    values: Document = {}
    with router.locked():
        before = router.read()
        split = wanted(before, parameters)
        router.refuse(before, split)
        wishes = any(parameters.get(name) is not None for name in ("weights", "match", "sticky", "mirror"))
        after = before._replace(split=split, settled=True) if wishes else before
        if before != after and not check_mode:
            values = router.apply(before, split)
            after = router.read()
            _read_back(parameters["service"], after, split)
    if values:
        values.update(router.finish())
    return Outcome(
        before.view(),
        after.view(),
        header=f"traffic of {parameters['service']}",
        split=after.split.view(),
        previous=before.split.view(),
        versions=after.versions,
        **{"files": [], **values},
    )


def _read_back(service: str, state: State, split: Split) -> None:
    if state.split != split or not state.settled:
        raise ScalingError(
            f"The split of service '{service}' is {state.view()} after the change, not {split.view()}.",
            "Somebody else may be changing it; run this again.",
        )
