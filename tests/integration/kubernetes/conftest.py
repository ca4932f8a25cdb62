# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster of KUBECONFIG, a namespace of its own for every test, and the modules run in this process.

Without a cluster the tests are skipped; the scenario `kubernetes` starts one.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import typing as t
import uuid
from pathlib import Path

import pytest

from ..running import run_module

IMAGE = "localhost/claims-service:1.0.0"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not Path(os.environ.get("KUBECONFIG", "/nonexistent")).exists():
        for item in items:
            if "integration/kubernetes" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="needs a cluster: KUBECONFIG"))


def kubectl(*words: str, text: str | None = None) -> str:
    """The other way to look at the cluster."""
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
    return done.stdout


def get(kind: str, name: str, namespace: str) -> dict[str, t.Any] | None:
    found = kubectl("--namespace", namespace, "get", kind, name, "--ignore-not-found", "--output=json")
    return json.loads(found) if found.strip() else None


def until(condition: t.Callable[[], t.Any], seconds: float = 120.0) -> t.Any:
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


@pytest.fixture
def namespace() -> t.Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def apply(namespace: str, *definitions: dict[str, t.Any], check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    parameters = {"definitions": list(definitions), "namespace": namespace, "timeout": 120, **options}
    return run_module("kubernetes_apply", parameters, check)


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, t.Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels or {}}, "data": data}


def deployment(name: str = "claims", image: str = IMAGE, replicas: int = 1, **container: t.Any) -> dict[str, t.Any]:
    probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "containers": [
                        {
                            "name": "claims",
                            "image": image,
                            "imagePullPolicy": "Never",
                            "readinessProbe": probe,
                            "resources": {"requests": {"cpu": "10m", "memory": "40Mi"}},
                            **container,
                        }
                    ],
                },
            },
        },
    }
