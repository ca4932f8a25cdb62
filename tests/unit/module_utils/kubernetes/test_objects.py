# SPDX-License-Identifier: GPL-3.0-or-later
"""Where objects come from, their order, what is compared and what is shown of them."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import diff, objects, quantity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Identity


def document(name="settings", kind="ConfigMap", **more):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


def names(documents):
    return [each["metadata"]["name"] for each in documents]


def test_text_lists_and_files_are_read_in_their_order(tmp_path):
    (tmp_path / "b.yaml").write_text("---\napiVersion: v1\nkind: Pod\nmetadata: {name: four}\n---\n---\n# nothing\n")
    (tmp_path / "a.json").write_text(
        '{"kind": "PodList", "items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "three"}}]}'
    )
    (tmp_path / "README").write_text("no object")
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\n"
    assert names(objects.load([document("one"), text], [str(tmp_path)])) == ["one", "two", "three", "four"]
    assert names(objects.load(text, [])) == ["two"]
    assert objects.load([], []) == []


@pytest.mark.parametrize(
    ("definitions", "words"),
    [
        ([document(), document()], "wanted twice"),
        (["a: [", document()], "is not YAML"),
        (["just words"], "no Kubernetes object"),
        ([{"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-"}}], "no metadata.name"),
        ([{"apiVersion": "v1", "kind": "Pod"}], "no metadata.name"),
    ],
)
def test_what_is_no_object_is_refused(definitions, words):
    with pytest.raises(ScalingError, match=words):
        objects.load(definitions, [])


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ScalingError, match=r"/no/such\.yaml cannot be read: No such file"):
        objects.load([], ["/no/such.yaml"])


def test_what_others_stand_on_comes_first():
    kinds = ["APIService", "Deployment", "Secret", "CustomResourceDefinition", "Namespace", "Database"]
    assert sorted(kinds, key=objects.phase) == [
        "Namespace",
        "CustomResourceDefinition",
        "Secret",
        "Deployment",
        "Database",
        "APIService",
    ]


def test_an_identity_reads_as_people_write_it():
    assert str(objects.identity(document())) == "ConfigMap settings"
    assert str(Identity("v1", "Pod", "claims", "a")) == "Pod claims/a"


def test_what_the_server_keeps_is_not_compared():
    plain = document(data={"colour": "red"})
    seen = document(data={"colour": "red"}, status={"phase": "Active"})
    seen["metadata"].update(uid="1", resourceVersion="2", generation=3, managedFields=[{}], creationTimestamp="now")
    seen["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    assert diff.comparable(seen) == diff.comparable(plain) == plain
    assert diff.comparable(None) is None


def test_secrets_show_that_they_change_and_not_what():
    before = document("key", "Secret", data={"kept": "YQ==", "changed": "Yg==", "gone": "Yw=="})
    after = document("key", "Secret", data={"kept": "YQ==", "changed": "ZA==", "new": "ZQ=="})
    shown = diff.hidden(before, after)
    assert shown[0]["data"] == {"kept": "********", "changed": "******** (before)", "gone": "********"}
    assert shown[1]["data"] == {"kept": "********", "changed": "******** (after)", "new": "********"}
    assert before["data"]["changed"] == "Yg=="
    assert diff.hidden(None, after)[0] is None
    plain = document(data={"password": "shown"})
    assert diff.hidden(plain, plain) == (plain, plain)


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2.0), ("500m", 0.5), ("12n", 1.2e-8), ("512Mi", 536870912.0), ("1k", 1000.0), ("1.5Gi", 1610612736.0)],
)
def test_quantities(text, number):
    assert quantity.number(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "m", "5 cores", "1Xi"])
def test_no_quantity(text):
    with pytest.raises(ScalingError, match="is no quantity"):
        quantity.number(text)
