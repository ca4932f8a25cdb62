# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import apply
from ansible_collections.horizontal.scaling.plugins.modules import kubernetes_apply
from ansible_collections.horizontal.scaling.tests.unit.module_utils.kubernetes.recorded import Cluster

MANAGER = "horizontal.scaling"
PARAMETERS = {
    "files": [],
    "namespace": "claims",
    "state": "present",
    "prune": None,
    "wait": False,
    "timeout": 1,
    "conditions": [],
    "force_conflicts": False,
    "field_manager": MANAGER,
}


def config_map(name, manager=MANAGER, **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": "claims",
            "uid": name,
            "labels": {"app": "claims"},
            "managedFields": [{"manager": manager, "operation": "Apply"}],
        },
        "data": data,
    }


@pytest.fixture
def cluster(monkeypatch):
    stand_in = Cluster(config_map("one", colour="red"), config_map("two"), config_map("three", manager="gitops"))
    monkeypatch.setattr(apply, "connect", lambda params: None)
    monkeypatch.setattr(apply, "Service", stand_in)
    return stand_in


def run(*definitions, check=False, **options):
    return apply.converge({**PARAMETERS, "definitions": list(definitions), **options}, check).as_result(True)


def test_return_fits(cluster):
    documented = set(yaml.safe_load(kubernetes_apply.RETURN))
    assert documented - {"reason", "log"} <= set(run(config_map("one", colour="red")))


def test_changed_comes_from_what_the_server_answers(cluster):
    assert not run(config_map("one", colour="red"))["changed"]
    changed = run(config_map("one", colour="blue"), check=True)
    assert changed["counts"] == {"created": 0, "updated": 1, "deleted": 0, "unchanged": 0}
    assert "colour: blue" in changed["diff"]["after"]
    assert [check for _, _, check in cluster.writes] == [False, True]


def test_namespaces_come_first_and_are_not_asked_in_check_mode_for_what_is_in_them(cluster):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}}
    inside = config_map("four")
    inside["metadata"]["namespace"] = "new"
    assert run(inside, space, check=True)["counts"]["created"] == 2
    assert cluster.writes == [("apply", "Namespace new", True)]
    cluster.writes.clear()
    run(inside, space)
    assert [what for _, what, _ in cluster.writes] == ["Namespace new", "ConfigMap new/four"]


def test_only_what_it_applied_itself_is_pruned(cluster):
    prune = {"labels": {"app": "claims"}, "kinds": ["v1/ConfigMap"], "namespaces": []}
    result = run(config_map("one", colour="red"), prune=prune, check=True)
    assert [each["name"] for each in result["objects"] if each["change"] == "deleted"] == ["two"]
    assert ("delete", "ConfigMap claims/two", True) in cluster.writes


def test_a_prune_that_would_take_everything_is_refused(cluster):
    with pytest.raises(ScalingError, match=r"prune\.labels is empty"):
        run(config_map("one"), prune={"labels": {}, "kinds": [], "namespaces": []})
    assert cluster.writes == []


def test_an_object_that_is_wanted_twice_is_refused_before_anything_is_applied(cluster):
    bare = config_map("one")
    del bare["metadata"]["namespace"]
    with pytest.raises(ScalingError, match="wanted twice"):
        run(config_map("one"), bare)
    assert cluster.writes == []
