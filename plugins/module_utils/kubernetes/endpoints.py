# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who takes the requests of a Service, from its EndpointSlices.

https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document

SERVICE = "kubernetes.io/service-name"


def ready(slices: t.Iterable[Document], service: str) -> set[str]:
    """Names of the pods that take a Service's requests, or addresses where no pod stands behind one.

    A pod with addresses of both families is in two slices, and one that is about to move may be in two as well.
    """
    found = set()
    for each in slices:
        if (each["metadata"].get("labels") or {}).get(SERVICE) != service:
            continue
        for endpoint in each.get("endpoints") or []:
            # Only what is told to be false is: left out, it is unknown, and gets requests.
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                found.add((endpoint.get("targetRef") or {}).get("name") or endpoint["addresses"][0])
    return found
