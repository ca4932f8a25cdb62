# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.traffic import converge, in_cluster
from ansible_collections.horizontal.scaling.tests.unit.module_utils.kubernetes.recorded import Cluster, documents

PARAMETERS = {
    "router": "gateway_api",
    "namespace": "recorded",
    "service": "claims",
    "backends": {"stable": "claims-stable", "canary": "claims-canary"},
    "port": None,
    "wait_timeout": 0,
}


@pytest.fixture
def cluster(monkeypatch):
    """A server that keeps nothing of what is written."""
    stand_in = Cluster(*documents("split"))
    monkeypatch.setattr(in_cluster, "connect", lambda parameters: None)
    monkeypatch.setattr(in_cluster, "Service", stand_in)
    return stand_in


def test_who_only_reads_writes_nothing(cluster):
    found = converge.converge(PARAMETERS, False)
    assert not found.changed and found.values["versions"] == {"stable": 2, "canary": 1}
    assert cluster.writes == []


def test_what_the_server_would_not_keep_is_refused_before_anything_is_written(cluster):
    words = r"would make mirror {'version': 'canary', 'percent': 7} of {'version': 'canary', 'percent': 8} in HTTPRoute"
    with pytest.raises(ScalingError, match=words):
        converge.converge({**PARAMETERS, "mirror": {"version": "canary", "percent": 8}}, False)
    assert [check for _, _, check in cluster.writes] == [True]
