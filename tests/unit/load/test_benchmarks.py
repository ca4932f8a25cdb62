# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import write_docs

MACHINE = {"system": "Debian", "cores": 2}
ROLLOUT = {
    "benchmark": "rollout",
    "measured": "2026-01-31",
    "machine": MACHINE,
    "rate": 300,
    "new_connections": 30,
    "cases": {
        "good": {
            "horizontal.scaling.deploy": {
                "requests": 61000,
                "failed": 0,
                "failed_share_bound_95": 3 / 61000,
                "long_connections": 90,
                "long_connections_cut": 0,
                "p50_ms": 1.7,
                "p99_ms": 14.2,
                "rollouts": 2,
                "rollout_seconds": 91.5,
                "versions_left": ["1.0.0", "2.0.0"],
            }
        }
    },
}
SIDE = {
    "seconds": 9.0,
    "runs_seconds": [9.0, 9.2],
    "tasks": 20,
    "task_runs": 70,
    "first_run_seconds": 80.2,
    "slowest": [{"name": "Install", "hosts": 4, "seconds": 1.5}],
    "in_tasks_seconds": 7.0,
}
SECOND_RUN = {
    "benchmark": "second_run",
    "measured": "2026-01-31",
    "machine": MACHINE,
    "hosts": 6,
    "sides": {"ours": SIDE, "theirs": {**SIDE, "seconds": 27.0}},
    "ratio": 0.333,
    "task_ratio": 1.0,
}
SITE = {
    "benchmark": "postgresql_site",
    "sides": {name: {"first": SIDE, "second": SIDE} for name in ("ours", "theirs")},
    "ratios": {"first": 0.9, "second": 0.5},
}
WAY = {"seconds": 30.0, "runs_seconds": [30.0, 31.0], "megabytes_per_second": 170.0, "share": 0.97}
CLONE = {"benchmark": "postgresql_clone", "bytes": 5_000_000_000, "rounds": 2, "sides": {"ours": WAY, "theirs": WAY}}
SERVERS = {
    "benchmark": "haproxy_servers",
    "servers": 50,
    "rounds": 2,
    "haproxy": "2.6",
    "median": {"ours": {"drain_seconds": 1, "enable_seconds": 1, "seconds": 2}},
    "ratio": 20.0,
    "ratio_with_start_of_ansible": 15.0,
    "target": 10,
}
PLANS = {
    "benchmark": "rollout_plan",
    "repeats": 5,
    "figures": [{"hosts": 10, "batch_sizes": "1", "batches": 10, "plan_seconds": 0.001, "module_seconds": 0.2}],
}
TIMES = {"first": 1.5, "again": 1.25, "cpu": 0.5}
APPLY = {
    "benchmark": "kubernetes_apply",
    "objects": 200,
    "rounds": 3,
    "median": {"ours": TIMES, "theirs": TIMES},
    "large": {"2000": {"ours": TIMES}, "10000": {"ours": TIMES}},
    "ratio_kubectl": 1.5,
    "ratio_kubectl_again": 1.4,
    "ratio_core": 3.0,
    "ratio_core_again": 3.1,
}
RATIO = {"first": 0.4, "second": 0.5}
MONGODB_SITE = {
    "benchmark": "mongodb_site",
    "sides": {name: {"first": SIDE, "second": SIDE} for name in ("ours", "modules", "roles")},
    "ratios": {"modules": RATIO, "roles": RATIO},
}
RESTART = {
    "seconds_per_member": 20.5,
    "longest_pause": 0.5,
    "longest_pause_of_all": 0.75,
    "paused": 1.25,
    "errors": 0,
    "acknowledged": 20000,
    "missing": 0,
}
RESTARTS = {"benchmark": "mongodb_restart", "rounds": 3, "sides": {"ours": RESTART, "theirs": RESTART}}
GROWTH = {"benchmark": "mongodb_growth", "sides": {"ours": SIDE, "theirs": SIDE}, "ratio": 0.5}


@pytest.mark.parametrize(
    "figures",
    [ROLLOUT, SECOND_RUN, SITE, CLONE, SERVERS, PLANS, APPLY, MONGODB_SITE, RESTARTS, GROWTH],
    ids=lambda figures: figures["benchmark"],
)
def test_every_benchmark_becomes_tables_of_even_width(figures):
    text = write_docs.section(figures)
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert blocks
    for block in blocks:
        assert len({line.count("|") for line in block}) == 1
    assert f"tests/bench/run.sh {figures['benchmark']}" in text


def test_a_section_replaces_only_itself(tmp_path, monkeypatch):
    page = tmp_path / "benchmarks.md"
    monkeypatch.setattr(write_docs, "PAGE", page)
    for index, figures in enumerate((ROLLOUT, SECOND_RUN, {**SECOND_RUN, "ratio": 0.5})):
        (tmp_path / f"{index}.json").write_text(json.dumps(figures))
    monkeypatch.setattr(sys, "argv", ["write_docs.py", str(tmp_path / "0.json"), str(tmp_path / "1.json")])
    write_docs.main()
    before = page.read_text()
    monkeypatch.setattr(sys, "argv", ["write_docs.py", str(tmp_path / "2.json")])
    write_docs.main()
    after = page.read_text()
    assert after == before.replace("0.33 of the peer", "0.50 of the peer")
    assert after.startswith("# Benchmarks")
    assert after.count("<!-- begin second_run -->") == 1
