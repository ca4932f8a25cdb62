# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.traffic import converge as traffic
from ansible_collections.horizontal.scaling.plugins.module_utils.traffic.split import BY_CHANCE, Split, State

WEIGHTS = {"stable": 95, "canary": 5}


class Router:
    """Keeps a split in memory; `deaf` takes no change."""

    def __init__(self, settled=True, deaf=False):
        self.state = State(Split(dict(WEIGHTS), [], dict(BY_CHANCE), {}), {"stable": 2, "canary": 1}, settled)
        self.deaf = deaf
        self.writes = 0

    def locked(self):
        return contextlib.nullcontext()

    def read(self):
        return self.state

    def refuse(self, state, split):
        if split.mirror:
            raise ScalingError("cannot")

    def apply(self, state, split):
        self.writes += 1
        if not self.deaf:
            self.state = State(split, state.versions)
        return {"files": ["a"]}

    def finish(self):
        return {"remaining_workers": []}


@pytest.fixture
def converge(monkeypatch):
    def run(router, check_mode=False, **wishes):
        monkeypatch.setitem(traffic.ROUTERS, "haproxy", lambda _: router)
        return traffic.converge({"router": "haproxy", "service": "claims", **wishes}, check_mode)

    return run


def test_check_mode_predicts_what_comes_true(converge):
    router = Router()
    wish = {"weights": {"stable": 50, "canary": 50}}
    predicted = converge(router, True, **wish)
    assert (predicted.changed, router.writes) == (True, 0)
    real = converge(router, **wish)
    assert (real.before, real.after) == (predicted.before, predicted.after)
    assert real.values["files"] == ["a"] and real.values["remaining_workers"] == []
    assert real.values["previous"]["weights"] == WEIGHTS
    assert not converge(router, **wish).changed and router.writes == 1


def test_a_service_is_no_path(converge):
    with pytest.raises(ScalingError, match=r"service is '../claims'"):
        converge(Router(), service="../claims")


def test_who_only_reads_writes_nothing(converge):
    router = Router(settled=False)
    assert not converge(router).changed and router.writes == 0
    assert converge(router, weights=WEIGHTS).changed and router.writes == 1


def test_what_does_not_come_true_is_an_error(converge):
    with pytest.raises(ScalingError, match="The split of service 'claims' is .*run this again"):
        converge(Router(deaf=True), weights={"stable": 100})


def test_a_refusal_changes_nothing(converge):
    router = Router()
    with pytest.raises(ScalingError, match="cannot"):
        converge(router, weights={"stable": 100}, mirror={"version": "canary", "percent": 1})
    assert router.writes == 0
