# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import endpoints


def piece(service, *found):
    return {"metadata": {"labels": {endpoints.SERVICE: service}}, "endpoints": list(found) or None}


def test_a_pod_counts_once_and_what_is_not_told_is_ready():
    pod = {"addresses": ["192.0.2.1"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "a"}}
    slices = [
        piece(
            "claims", pod, {"addresses": ["192.0.2.2"], "conditions": {"ready": False}}, {"addresses": ["192.0.2.3"]}
        ),
        piece("claims", dict(pod, addresses=["2001:db8::1"])),
        piece("claims"),
        piece("other", {"addresses": ["192.0.2.4"]}),
    ]
    assert endpoints.ready(slices, "claims") == {"a", "192.0.2.3"}
    assert endpoints.ready(slices, "no-such") == set()
