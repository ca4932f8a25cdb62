# SPDX-License-Identifier: GPL-3.0-or-later
"""kubernetes_apply against a real API server: what it changes, what it shows, what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from .conftest import apply, config_map, get, kubectl, run_module, until

ROOT = Path(__file__).resolve().parents[3]
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "claims"},
    "spec": {"selector": {"app": "claims"}, "ports": [{"port": 80}]},
}


def changes(result):
    return {f"{each['kind']}/{each['name']}": each["change"] for each in result["objects"]}


def test_create_change_and_remove_each_in_check_mode_and_for_real_and_twice(namespace):
    wanted = [config_map("settings", colour="red"), SERVICE]
    assert apply(namespace, *wanted, check=True)["changed"]
    assert get("configmap", "settings", namespace) is None
    predicted = apply(namespace, *wanted, check=True)
    created = apply(namespace, *wanted)
    assert changes(created) == {"ConfigMap/settings": "created", "Service/claims": "created"}
    assert changes(predicted) == changes(created)
    assert get("configmap", "settings", namespace)["data"] == {"colour": "red"}
    assert not apply(namespace, *wanted)["changed"]
    assert not apply(namespace, *wanted, check=True)["changed"]

    changed = [config_map("settings", colour="blue"), SERVICE]
    preview = apply(namespace, *changed, check=True)
    assert get("configmap", "settings", namespace)["data"] == {"colour": "red"}
    done = apply(namespace, *changed)
    assert changes(done) == {"ConfigMap/settings": "updated", "Service/claims": "unchanged"}
    assert preview["diff"] == done["diff"]
    assert "colour: red" in done["diff"]["before"]
    assert "colour: blue" in done["diff"]["after"]
    assert "claims" not in done["diff"]["after"]
    assert get("configmap", "settings", namespace)["data"] == {"colour": "blue"}
    assert not apply(namespace, *changed)["changed"]

    assert apply(namespace, *changed, state="absent", check=True)["counts"]["deleted"] == 2
    assert get("service", "claims", namespace)
    assert apply(namespace, *changed, state="absent")["counts"]["deleted"] == 2
    assert get("service", "claims", namespace) is None
    assert not apply(namespace, *changed, state="absent")["changed"]


def test_a_field_that_is_no_longer_wanted_goes(namespace):
    apply(namespace, config_map("settings", colour="red", size="large"))
    assert apply(namespace, config_map("settings", colour="red"))["changed"]
    assert get("configmap", "settings", namespace)["data"] == {"colour": "red"}


def test_the_data_of_secrets_is_not_shown(namespace):
    def secret(value):
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"password": value}}

    results = [apply(namespace, secret("first-of-all")), apply(namespace, secret("second-of-all"))]
    text = json.dumps([{key: result[key] for key in result if key != "invocation"} for result in results])
    for value in ("first-of-all", "second-of-all", "Zmlyc3Qtb2YtYWxs", "c2Vjb25kLW9mLWFsbA=="):
        assert value not in text
    assert "******** (after)" in results[1]["diff"]["after"]


def test_all_of_a_new_namespace_in_one_task_and_first_in_check_mode(namespace):
    name = f"{namespace}-new"
    wanted = [
        {**config_map("settings", colour="red"), "metadata": {"name": "settings", "namespace": name}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "idle", "namespace": name},
            "spec": {"containers": [{"name": "idle", "image": "localhost/pause:lab", "imagePullPolicy": "Never"}]},
        },
    ]
    assert apply(namespace, *wanted, check=True)["counts"]["created"] == 3
    assert get("namespace", name, namespace) is None
    assert apply(namespace, *wanted)["counts"]["created"] == 3
    assert get("pod", "idle", name)["status"]["phase"] == "Running"
    assert apply(namespace, *wanted[:2], state="absent")["counts"]["deleted"] == 2
    assert get("namespace", name, namespace) is None


def test_a_kind_and_an_object_of_it_in_one_task(namespace):
    group = f"{namespace}.example.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"databases.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Database", "plural": "databases"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    database = {"apiVersion": f"{group}/v1", "kind": "Database", "metadata": {"name": "claims"}, "spec": {"size": 3}}
    try:
        refused = apply(namespace, database)
        assert refused["failed"]
        assert "knows no kind Database" in refused["msg"]
        assert apply(namespace, database, definition, check=True)["counts"]["created"] == 2
        made = apply(namespace, database, definition)
        assert "failed" not in made, made["msg"]
        assert made["counts"]["created"] == 2
        assert not apply(namespace, database, definition)["changed"]
        late = apply(namespace, database, conditions=[{"kind": "Database", "type": "Synchronised"}], timeout=1)
        assert "no condition Synchronised" in late["msg"]
        status = {"status": {"conditions": [{"type": "Synchronised", "status": "True"}]}}
        kubectl(
            "--namespace", namespace, "patch", f"databases.{group}", "claims", "--type=merge", "-p", json.dumps(status)
        )
        assert not apply(namespace, database, conditions=[{"kind": "Database", "type": "Synchronised"}])["changed"]
    finally:
        kubectl("delete", "crd", f"databases.{group}", "--ignore-not-found")


def test_only_what_it_applied_itself_is_pruned_and_can_be_seen_before(namespace):
    labels = {"part-of": "claims"}
    kubectl("--namespace", namespace, "create", "configmap", "of-others")
    kubectl("--namespace", namespace, "label", "configmap", "of-others", "part-of=claims")
    prune = {"prune": {"labels": labels}}
    apply(namespace, config_map("one", labels), config_map("two", labels), **prune)
    preview = apply(namespace, config_map("one", labels), check=True, **prune)
    assert changes(preview) == {"ConfigMap/one": "unchanged", "ConfigMap/two": "deleted"}
    assert get("configmap", "two", namespace)
    assert changes(apply(namespace, config_map("one", labels), **prune)) == changes(preview)
    assert get("configmap", "two", namespace) is None
    assert get("configmap", "of-others", namespace)
    assert not apply(namespace, config_map("one", labels), **prune)["changed"]
    assert "None of the objects" in apply(namespace, config_map("one"), **prune)["msg"]


def test_a_conflict_names_the_field_and_its_manager(namespace):
    apply(namespace, config_map("settings", colour="red"))
    text = yaml.safe_dump(config_map("settings", colour="green"))
    kubectl(
        "--namespace",
        namespace,
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=gitops",
        "-f-",
        text=text,
    )
    refused = apply(namespace, config_map("settings", colour="blue"))
    assert refused["failed"]
    assert ".data.colour" in refused["msg"]
    assert "gitops" in refused["msg"]
    assert get("configmap", "settings", namespace)["data"] == {"colour": "green"}
    assert apply(namespace, config_map("settings", colour="blue"), check=True)["failed"]
    assert apply(namespace, config_map("settings", colour="blue"), force_conflicts=True)["changed"]
    assert get("configmap", "settings", namespace)["data"] == {"colour": "blue"}


def test_no_permission_names_the_verb_and_the_resource(namespace):
    kubectl("--namespace", namespace, "create", "serviceaccount", "reader")
    kubectl("--namespace", namespace, "create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    binding = ["rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:reader"]
    kubectl("--namespace", namespace, "create", *binding)
    token = kubectl("--namespace", namespace, "create", "token", "reader").strip()
    config = json.loads(kubectl("config", "view", "--raw", "--output=json"))
    cluster = config["clusters"][0]["cluster"]
    access = {"host": cluster["server"], "ca_path": cluster["certificate-authority"]}
    refused = apply(namespace, config_map("settings", colour="red"), token=token, **access)
    assert refused["failed"]
    assert 'cannot patch resource "configmaps"' in refused["msg"]
    assert token not in json.dumps(refused)
    expired = apply(namespace, config_map("settings", colour="red"), token=token[:-9] + "AAAAAAAAA", **access)
    assert "expired" in expired["msg"]


def test_a_server_that_cannot_be_reached_or_trusted_is_named(namespace, tmp_path):
    refused = apply(namespace, config_map("settings"), host="https://127.0.0.1:1")
    assert "https://127.0.0.1:1 does not answer" in refused["msg"]
    config = json.loads(kubectl("config", "view", "--raw", "--output=json"))
    distrusted = apply(namespace, config_map("settings"), host=config["clusters"][0]["cluster"]["server"], token="none")
    assert "certificate verify failed" in distrusted["msg"]


def test_what_is_wrong_in_the_input_changes_nothing(namespace):
    good = config_map("settings", colour="red")
    for bad, words in {
        "no object": ({"kind": "ConfigMap"}, "no Kubernetes object"),
        "no name": ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}, "generateName"),
        "twice": (good, "wanted twice"),
        "unknown kind": (
            {"apiVersion": "v1", "kind": "Confusion", "metadata": {"name": "a"}},
            "knows no kind Confusion",
        ),
    }.values():
        refused = apply(namespace, good, bad)
        assert refused["failed"]
        assert words in refused["msg"]
        assert get("configmap", "settings", namespace) is None
    misspelt = {**SERVICE, "spec": {**SERVICE["spec"], "selectr": {}}}
    assert "selectr" in apply(namespace, misspelt)["msg"]


def test_many_objects_by_lists_and_pages(namespace):
    many = [config_map(f"settings-{number:04}", number=str(number)) for number in range(700)]
    assert apply(namespace, *many)["counts"]["created"] == 700
    again = apply(namespace, *many)
    assert again["counts"] == {"created": 0, "updated": 0, "deleted": 0, "unchanged": 700}


def test_files_and_lists_of_objects(namespace, tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([config_map("one"), None, config_map("two")]))
    (tmp_path / "b.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [config_map("three")]}))
    result = run_module("kubernetes_apply", {"files": [str(tmp_path)], "namespace": namespace})
    assert result["counts"]["created"] == 3


def ready() -> bool:
    return subprocess.run(["kubectl", "get", "--raw", "/readyz"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not os.environ.get("HS_STATE"), reason="needs the lab's cluster")
def test_an_api_server_that_restarts_in_the_middle_costs_no_object(namespace):
    many = [config_map(f"settings-{number:04}", number=str(number)) for number in range(2000)]

    def restart() -> None:
        until(lambda: get("configmap", "settings-0000", namespace))
        words = [sys.executable, str(ROOT / "tests/lab/kubernetes/cluster.py"), "restart", "kube-apiserver"]
        subprocess.run(words, check=True)

    killer = threading.Thread(target=restart)
    killer.start()
    result = apply(namespace, *many)
    assert "failed" not in result, result.get("msg")
    killer.join()
    until(ready)
    assert len(json.loads(kubectl("--namespace", namespace, "get", "configmap", "--output=json"))["items"]) >= 2000
    assert not apply(namespace, *many)["changed"]
