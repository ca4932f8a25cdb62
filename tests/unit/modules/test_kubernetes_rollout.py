# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import rollout
from ansible_collections.horizontal.scaling.plugins.modules import kubernetes_rollout
from ansible_collections.horizontal.scaling.tests.unit.module_utils.kubernetes.recorded import Cluster, documents

PARAMETERS = {
    "kind": "Deployment",
    "name": "claims",
    "namespace": "recorded",
    "paused": None,
    "replicas": None,
    "undo_to": None,
    "undo_to_hash": None,
    "restart": False,
    "wait": False,
    "timeout": 1,
}


@pytest.fixture
def cluster(monkeypatch):
    stand_in = Cluster(*documents("no_image"))
    monkeypatch.setattr(rollout, "connect", lambda params: None)
    monkeypatch.setattr(rollout, "Service", stand_in)
    return stand_in


def run(check=False, **options):
    return rollout.converge({**PARAMETERS, **options}, check).as_result(True)


def test_examples_and_return_fit(cluster):
    assert yaml.safe_load(kubernetes_rollout.EXAMPLES)
    assert set(yaml.safe_load(kubernetes_rollout.RETURN)) <= set(run())


def test_check_mode_asks_the_server_to_keep_nothing(cluster):
    run(check=True, undo_to=0)
    assert cluster.writes == [("patch", "Deployment recorded/claims", True)]


def test_a_hash_names_a_revision_whatever_its_number(cluster):
    sets = [each for each in documents("no_image") if each["kind"] == "ReplicaSet"]
    newest, before = (
        next(each for each in sets if rollout.number(each) == number)
        for number in sorted((rollout.number(each) for each in sets), reverse=True)[:2]
    )
    run(undo_to_hash=newest["metadata"]["labels"]["pod-template-hash"])
    assert cluster.writes == []
    run(undo_to_hash=before["metadata"]["labels"]["pod-template-hash"])
    assert len(cluster.writes) == 1
    with pytest.raises(ScalingError, match="claims has no revision 0000; it has .*-?[0-9a-f]{9}"):
        run(undo_to_hash="0000")


def test_what_an_undo_has_written_becomes_what_was_applied():
    """Else a field that only the former version had would stay in all later ones."""
    undone = {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:hostname": {}, "f:containers": {}}}}}
    entries = [
        {"manager": "horizontal.scaling", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {"f:a": {}}}}},
        {"manager": "horizontal.scaling", "operation": "Update", "fieldsV1": undone},
        {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:x": {}}},
    ]
    applied, updated, other = rollout.owned({"metadata": {"managedFields": entries}})
    assert set(applied["fieldsV1"]["f:spec"]["f:template"]) == {"f:a", "f:spec"}
    assert updated["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    assert other == entries[2]
    # With nothing left to it an entry goes, and there is nothing to do a second time.
    del undone["f:spec"]["f:replicas"]
    once = rollout.owned({"metadata": {"managedFields": entries}})
    assert [each["operation"] for each in once] == ["Apply", "Update"]
    assert rollout.owned({"metadata": {"managedFields": once}}) is None


def test_a_workload_that_is_not_there_is_named(cluster):
    with pytest.raises(ScalingError, match="Deployment recorded/other is not there"):
        run(name="other")
