# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import drain
from ansible_collections.horizontal.scaling.plugins.modules import kubernetes_drain
from ansible_collections.horizontal.scaling.tests.unit.module_utils.kubernetes.recorded import Cluster, documents

PARAMETERS = {"state": "drained", "delete_local_data": False, "delete_unmanaged": False, "timeout": 1}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}, "spec": {}}


@pytest.fixture
def cluster(monkeypatch):
    pods = [each for each in documents("ready") if each["kind"] == "Pod"]
    for pod in pods:
        pod["spec"]["nodeName"] = "node1"
    stand_in = Cluster(NODE, *pods)
    monkeypatch.setattr(drain, "connect", lambda params: None)
    monkeypatch.setattr(drain, "Service", stand_in)
    return stand_in


def run(check=True, **options):
    return drain.converge({**PARAMETERS, "nodes": ["node1"], **options}, check).as_result(True)


def test_check_mode_names_the_pods_and_evicts_none(cluster):
    result = run()
    assert set(yaml.safe_load(kubernetes_drain.RETURN)) <= set(result)
    assert len(result["evicted"]) == len([each for each in cluster.objects if each.kind == "Pod"]) > 0
    assert cluster.writes == [("patch", "Node node1", True)]


def test_what_would_lose_its_data_speaks_against_it_before_anything_is_done(cluster):
    for each in cluster.objects.values():
        each["spec"]["volumes"] = [{"name": "cache", "emptyDir": {}}]
    with pytest.raises(ScalingError, match=r"loses its local data \(cache\), which delete_local_data allows"):
        run(check=False)
    assert cluster.writes == []
    assert run(delete_local_data=True)["changed"]


def test_a_pod_that_nothing_would_start_again_speaks_against_it(cluster):
    for each in cluster.objects.values():
        each["metadata"].pop("ownerReferences", None)
    with pytest.raises(ScalingError, match="has no controller"):
        run(check=False)


def test_a_node_that_takes_pods_is_left_alone(cluster):
    assert not run(check=False, state="uncordoned")["changed"]
    assert cluster.writes == []


def test_a_node_that_is_not_there_is_named(cluster):
    with pytest.raises(ScalingError, match="The cluster has no node node7"):
        run(nodes=["node7"])
