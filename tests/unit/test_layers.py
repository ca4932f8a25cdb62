# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports point downwards only, decisions do no I/O, and what is declared matches what is there."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins/module_utils"
PREFIX = "ansible_collections.horizontal.scaling.plugins.module_utils."
DECISIONS = {"rollout", "health", "autoscale"}
ON_PRODUCTS = {"traffic", "ledger"}
DOING_IO = {"socket", "subprocess", "http", "urllib", "ssl", "shutil", "tempfile", "threading", "concurrent"}


def layer(package: str) -> int:
    if package == "core":
        return 0
    if package in DECISIONS:
        return 1
    return 3 if package in ON_PRODUCTS else 2


def imports(path: pathlib.Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
    return names


SOURCES = sorted(UTILS.glob("*/*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(UTILS)))
def test_imports_point_downwards(path):
    package = path.parent.name
    for name in imports(path):
        if name.startswith(PREFIX):
            other = name[len(PREFIX) :].split(".")[0]
            assert other == package or layer(other) < layer(package), f"{package} imports {other}"


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.parent.name in DECISIONS], ids=lambda path: str(path.relative_to(UTILS))
)
def test_decisions_do_no_io(path):
    used = {name.split(".")[0] for name in imports(path) if name != "urllib.parse"}
    assert not used & DOING_IO
    assert "ansible" not in used


def test_action_groups_list_every_module():
    modules = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    assert sorted(runtime["action_groups"]["all"]) == modules


def test_the_execution_environment_names_a_file_of_requirements():
    environment = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text(encoding="utf-8"))
    # ansible-builder takes paths below the collection here, and no lists.
    (kind, path), *others = environment["dependencies"].items()
    assert (kind, others) == ("python", [])
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    assert sorted(re.split(r"[\[>=]", line)[0] for line in lines) == ["crossplane", "kubernetes", "psycopg"]
