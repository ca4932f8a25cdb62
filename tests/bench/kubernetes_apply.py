#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply many objects by kubernetes_apply, first and again unchanged, against kubectl and kubernetes.core.

In turns, each on a namespace of its own, verified by kubectl. Prints JSON; the seconds are those of the whole command,
be it the module as a process of its own, `kubectl` or `ansible-playbook`.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import statistics
import sys
import tempfile
import time
import typing as t

import lab
import yaml

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  tasks:
    - name: Apply
      {task}
"""
OURS = "horizontal.scaling.kubernetes_apply: {{files: ['{path}'], namespace: {namespace}}}"
THEIRS = (
    "kubernetes.core.k8s: {{src: '{path}', namespace: {namespace}, apply: true, "
    "server_side_apply: {{field_manager: bench}}}}"
)
MODULE = lab.ROOT / "plugins/modules/kubernetes_apply.py"


def objects(count: int) -> list[dict[str, t.Any]]:
    """ConfigMaps, ServiceAccounts and NetworkPolicies: nothing that has to be waited for."""
    made = []
    for number in range(count):
        name, labels = f"bench-{number:05}", {"bench": "true"}
        made.append(
            [
                {"apiVersion": "v1", "kind": "ConfigMap", "data": {"number": str(number), "text": "x" * 500}},
                {"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": False},
                {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}}},
                {"apiVersion": "v1", "kind": "ConfigMap", "data": {"number": str(number)}},
            ][number % 4]
            | {"metadata": {"name": name, "labels": labels}}
        )
    return made


def commands(folder: pathlib.Path, path: pathlib.Path, namespace: str) -> dict[str, list[str]]:
    """The ways by name; each applies the same file."""

    def playbook(name: str, task: str) -> list[str]:
        book = folder / f"{name}-{namespace}.yml"
        book.write_text(PLAY.format(task=task.format(path=path, namespace=namespace)))
        return ["ansible-playbook", "-i", "localhost,", str(book)]

    arguments = folder / f"{namespace}.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"files": [str(path)], "namespace": namespace}}))
    return {
        "kubernetes_apply, the module alone": [sys.executable, "-c", RUNNER, str(MODULE), str(arguments)],
        "kubernetes_apply, ansible-playbook": playbook("ours", OURS),
        "kubectl apply --server-side": ["kubectl", "--namespace", namespace, "apply", "--server-side", "-f", str(path)],
        "kubernetes.core.k8s, ansible-playbook": playbook("theirs", THEIRS),
    }


# The module as Ansible starts it, without Ansible: the collection's path, and the arguments from a file.
RUNNER = """
import os, runpy, sys
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=[os.environ["ANSIBLE_COLLECTIONS_PATH"]])._install()
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = open(sys.argv[2], "rb").read(), "legacy"
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def timed(command: list[str]) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    code, output = lab.run(command)
    seconds = time.monotonic() - began
    if code:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{output[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"seconds": seconds, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def count_in(namespace: str) -> int:
    kinds = "configmaps,serviceaccounts,networkpolicies"
    return len(
        lab.run(["kubectl", "--namespace", namespace, "get", kinds, "-l", "bench=true", "-o", "name"])[1].split()
    )


def measure(count: int, rounds: int, only: tuple[str, ...] = ()) -> dict[str, dict[str, t.Any]]:
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="kubernetes-bench-") as name:
        folder = pathlib.Path(name)
        path = folder / "objects.yaml"
        path.write_text(yaml.safe_dump_all(objects(count)))
        for turn in range(rounds):
            for number, way in enumerate(commands(folder, path, "x")):
                if only and way not in only:
                    continue
                namespace = f"bench-{count}-{turn}-{number}"
                lab.check(["kubectl", "create", "namespace", namespace])
                try:
                    first = timed(commands(folder, path, namespace)[way])
                    if count_in(namespace) != count:
                        raise SystemExit(f"{way}: {count_in(namespace)} objects are there, not {count}")
                    again = timed(commands(folder, path, namespace)[way])
                finally:
                    lab.check(["kubectl", "delete", "namespace", namespace])
                found.setdefault(way, []).append(
                    {"first": first["seconds"], "again": again["seconds"], "cpu": first["cpu"]}
                )
    return {
        way: {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
        for way, runs in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--large", type=int, nargs="*", default=[2000, 10000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if not pathlib.Path(os.environ.get("KUBECONFIG", "/nonexistent")).exists():
        raise SystemExit("No cluster: run `ansible-playbook tests/lab/create_cluster.yml`, or set KUBECONFIG.")
    median = measure(arguments.objects, arguments.rounds)
    alone, whole, kubectl, theirs = median.values()
    lab.write(
        {
            "benchmark": "kubernetes_apply",
            "objects": arguments.objects,
            "rounds": arguments.rounds,
            "median": median,
            "large": {count: measure(count, 1, tuple(median)[:1]) for count in arguments.large},
            "ratio_kubectl": round(kubectl["first"] / alone["first"], 2),
            "ratio_kubectl_again": round(kubectl["again"] / alone["again"], 2),
            "ratio_core": round(theirs["first"] / whole["first"], 2),
            "ratio_core_again": round(theirs["again"] / whole["again"], 2),
        },
        arguments.json,
    )


if __name__ == "__main__":
    main()
