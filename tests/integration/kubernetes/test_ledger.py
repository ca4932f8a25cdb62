# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger in a ConfigMap of a real cluster: kill -9 at random instants, and many at once."""

from __future__ import annotations

import subprocess
import typing as t

import pytest

from ..ledger.conftest import Ledger, kill_writes
from .conftest import get

KILLS = 20
OPERATORS = 6


class ClusterLedger(Ledger):
    """The module on a namespace instead of a directory."""

    def __init__(self, namespace: str) -> None:
        from pathlib import Path

        super().__init__(Path("/nonexistent"))
        self._where = {"kubernetes": {"namespace": namespace}}

    def options(self, action: str, **options: t.Any) -> dict[str, t.Any]:
        return {**super().options(action, **options), **self._where}

    def info(self) -> dict[str, t.Any]:
        given = {"service": "claims", "path": "", "limit": 0, **self._where}
        return self._info.gather(given, False).as_result(False)


@pytest.fixture
def ledger(namespace: str) -> ClusterLedger:
    return ClusterLedger(namespace)


def test_a_killed_write_leaves_the_old_record_or_the_new_one(ledger):
    token = kill_writes(ledger, KILLS, seed=22, longest=0.1)
    ledger.act("finish", token=token, outcome="failed")


def test_of_many_that_begin_at_once_one_does_and_the_others_are_told_who(ledger, namespace):
    runs: list[subprocess.Popen[str]] = [ledger.start("begin", owner=f"op{number}@desk") for number in range(OPERATORS)]
    results = [ledger.result(run) for run in runs]
    winners = [result for result in results if not result.get("failed")]
    assert len(winners) == 1, results
    owner = winners[0]["rollout"]["owner"]
    assert all(result["holder"]["owner"] == owner for result in results if result.get("failed")), results
    assert set(get("configmap", "rollouts-claims", namespace)["data"]) == {"current.json"}


def test_requests_of_others_and_steps_of_the_run_are_all_kept(ledger):
    token = ledger.act("begin")["token"]
    others = [ledger.start("pause" if number % 2 else "abort", owner=f"op{number}@desk") for number in range(OPERATORS)]
    for number in range(20):
        ledger.act("advance", token=token, batch=1, phase=f"step_{number}")
    assert not [result for result in map(ledger.result, others) if result.get("failed")]
    (record,) = ledger.info()["current"]
    assert set(record["requests"]) == {"pause", "abort"}
    assert len([event for event in record["events"] if event["what"].startswith("batch 1")]) == 20
