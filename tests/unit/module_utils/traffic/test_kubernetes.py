# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import endpoints
from ansible_collections.horizontal.scaling.plugins.module_utils.traffic import kubernetes
from ansible_collections.horizontal.scaling.tests.unit.module_utils.kubernetes.recorded import documents

LABEL = "app.kubernetes.io/version"
STABLE, CANARY = ({"app": "claims", LABEL: version} for version in ("1.0.0", "2.0.0"))


@pytest.fixture
def pods():
    return [each for each in documents("split") if each["kind"] == "Pod"]


@pytest.fixture
def slices():
    return [each for each in documents("split") if each["kind"] == "EndpointSlice"]


def test_versions_are_values_of_the_label_and_count_ready_pods(pods):
    assert kubernetes.versions_of(STABLE, LABEL, pods) == {"1.0.0": 2, "2.0.0": 1}
    assert kubernetes.versions_of({**STABLE, "app": "other"}, LABEL, pods) == {"1.0.0": 0}
    leaving, starting = (copy.deepcopy(pods) for _ in range(2))
    for pod in leaving:
        pod["metadata"]["deletionTimestamp"] = "2026-11-29T03:20:00Z"
    for pod in starting:
        del pod["status"]["conditions"]
    assert kubernetes.versions_of(CANARY, LABEL, leaving) == {"1.0.0": 0, "2.0.0": 0}
    assert kubernetes.versions_of(CANARY, LABEL, starting) == {"1.0.0": 0, "2.0.0": 0}


def test_endpoints_have_followed_when_none_is_of_another_version(pods, slices):
    ready = endpoints.ready(slices, "claims")
    assert kubernetes.followed(STABLE, LABEL, pods, ready).done
    assert "still have pods of another version" in kubernetes.followed(CANARY, LABEL, pods, ready).reason
    assert "no pod of version 2.0.0 yet" in kubernetes.followed(CANARY, LABEL, pods, set()).reason
    # A pod that came or went between two answers of the server says nothing, nor does a version without pods.
    assert kubernetes.followed(CANARY, LABEL, pods, {"claims-of-another-moment"}).done
    assert kubernetes.followed(CANARY, LABEL, [], set()).done
