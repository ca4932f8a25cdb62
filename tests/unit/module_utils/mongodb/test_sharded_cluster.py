# SPDX-License-Identifier: GPL-3.0-or-later
"""A drain, with what was recorded of a real cluster (MongoDB 6.0.5): how far it is, what moves, why it ends early."""

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core import deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import router, sharded_cluster

from .recorded import FIXTURES
from .sharded import RANGE, recorded


class Removal(sharded_cluster.Run):
    """A run whose cluster answers what was recorded of one."""

    def __init__(self, monkeypatch, answers, state):
        self.params = {"drain_timeout": 60, "databases_to": ""}
        self.routers, self.steps, self.progress, self.moved = None, [], [], []
        monkeypatch.setattr(router, "remove_shard", lambda _routers, _name: answers.pop(0))
        monkeypatch.setattr(router, "read", lambda _routers: copy.deepcopy(state))
        never = {"sleep": lambda _seconds: None}
        monkeypatch.setattr(sharded_cluster, "Deadline", lambda seconds: deadline.Deadline(seconds, **never))
        rounds = iter(range(10, 90))
        self._idle_since = (-1, 0)
        monkeypatch.setattr(router, "balancer_rounds", lambda _routers: next(rounds))
        monkeypatch.setattr(router, "owned_bytes", lambda _routers: {"b": 7})
        monkeypatch.setattr(router, "move_primary", lambda _routers, *words: self.moved.append(words) or True)


def answers(*counts):
    both = json.loads((FIXTURES / "remove_shard_6.0.json").read_text())
    ongoing = [
        dict(both["ongoing"], remaining={"chunks": count, "dbs": 1, "jumboChunks": jumbo}) for count, jumbo in counts
    ]
    return [both["started"], *ongoing, {"state": "completed"}]


def test_databases_move_once_the_chunks_are_gone(monkeypatch):
    run = Removal(monkeypatch, answers((2, 0), (2, 0), (0, 0)), recorded("sharded_draining"))
    run._drain("b", ["b"])
    assert run.moved == [("claims", "a")]
    assert [(each["chunks"], each["databases"], each["bytes"]) for each in run.progress] == [(2, 1, 7), (0, 1, 7)]


def test_a_drain_stops_early_when_only_jumbo_chunks_are_left(monkeypatch):
    state = recorded("sharded_draining", jumbo=[{"shard": "b", **RANGE}])
    run = Removal(monkeypatch, answers((2, 1), (1, 1), (1, 1)), state)
    with pytest.raises(ScalingError, match="b keeps 1 chunks: too big to move is claims.files from") as refused:
        run._drain("b", ["b"])
    assert [each["chunks"] for each in refused.value.details["progress"]] == [2, 1]
    assert run.moved == []


def test_a_drain_stops_early_when_a_jumbo_chunk_holds_others_up(monkeypatch):
    state = recorded("sharded_draining", jumbo=[{"shard": "b", **RANGE}])
    run = Removal(monkeypatch, answers((4, 1), *[(3, 1)] * 9), state)
    with pytest.raises(ScalingError, match="b keeps 3 chunks: too big to move is claims.files from"):
        run._drain("b", ["b"])
