# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml

from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import info
from ansible_collections.horizontal.scaling.plugins.modules import kubernetes_workload_info
from ansible_collections.horizontal.scaling.tests.unit.module_utils.kubernetes.recorded import Cluster, documents


@pytest.fixture
def look(monkeypatch):
    def looked(recording, **options):
        monkeypatch.setattr(info, "connect", lambda params: None)
        monkeypatch.setattr(info, "Service", Cluster(*documents(recording)))
        params = {"namespace": "recorded", "name": None, "labels": {}, **options}
        return info.converge(params, False).as_result(True)

    return looked


def test_every_field_is_documented(look):
    sample = yaml.safe_load(kubernetes_workload_info.RETURN)["workloads"]["sample"][0]
    (found,) = look("ready", name="claims")["workloads"]
    assert set(found) == set(sample)
    assert set(found["revisions"][0]) == set(sample["revisions"][0])
    assert set(found["pods"][0]) == set(sample["pods"][0])


def test_what_serves_is_told_apart_from_what_is_wanted(look):
    (found,) = look("no_image")["workloads"]
    newest, *others = found["revisions"]
    assert (newest["version"], newest["available"]) == (found["version"], 0)
    assert found["hopeless"]
    serving = max(others, key=lambda each: each["available"])
    assert serving["available"] == 2
    assert {pod["revision"] for pod in found["pods"] if pod["ready"]} == {serving["hash"]}


def test_pods_of_sets_have_the_hash_of_their_revision(look):
    for found in look("sets_ready")["workloads"]:
        assert {pod["revision"] for pod in found["pods"]} == {found["revisions"][0]["hash"]}


@pytest.mark.parametrize(
    ("labels", "image", "version"),
    [
        ({"app.kubernetes.io/version": "2.0.0"}, "registry:5000/claims:other", "2.0.0"),
        (None, "registry:5000/claims:1.0.0", "1.0.0"),
        ({}, "registry:5000/claims", ""),
        ({}, "registry:5000/claims:1.0.0@sha256:00", "1.0.0"),
    ],
)
def test_the_version_is_the_label_or_the_tag(labels, image, version):
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"image": image}]}}
    assert info.version(template) == version


def test_only_what_is_asked_for_is_told(look):
    assert look("ready", name="others")["workloads"] == []
    assert look("ready", labels={"team": "claims"})["workloads"] == []
