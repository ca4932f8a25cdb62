# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger in a ConfigMap: what is one write, what happens when others write first, what cannot be read."""

from __future__ import annotations

import copy
import itertools
import time

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import ApiError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import identity
from ansible_collections.horizontal.scaling.plugins.module_utils.ledger import config_map_store, report, stores
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.plan import make_plan
from ansible_collections.horizontal.scaling.plugins.modules import rollout, rollout_info

HOSTS = [{"name": "claims", "version": "1.0.0", "running": True, "in_rotation": True}]
PLAN = make_plan("claims", "2.0.0", HOSTS, batch_sizes=["100%"], max_unavailable="100%", allow_empty_group=True)
WHERE = {"kubernetes": {"namespace": "healthcare-claims"}, "path": "/nowhere"}


class Cluster:
    """Objects with versions, as an API server keeps them.

    Attributes:
        before_write: called once before the next write, as another operator would be quicker.
        lose: the answers to so many writes are lost after they were done; the client then asks again.
    """

    def __init__(self):
        self.objects = {}
        self.writes = 0
        self.before_write = None
        self.lose = 0
        self._versions = itertools.count(1)

    def read(self, key):
        return copy.deepcopy(self.objects.get(key))

    def list(self, key, labels=""):
        return [each for other, each in self.objects.items() if other.kind == key.kind], "1"

    def create(self, document):
        key = identity(document)
        if key.namespace and not any(each.kind == "Namespace" for each in self.objects):
            raise ApiError("its namespace is not there", status=404)
        self._write(document, lambda: key not in self.objects)

    def replace(self, document):
        key = identity(document)
        version = document["metadata"]["resourceVersion"]
        self._write(
            document, lambda: key in self.objects and self.objects[key]["metadata"]["resourceVersion"] == version
        )

    def _write(self, document, allowed):
        if self.before_write:
            other, self.before_write = self.before_write, None
            other()
        if not allowed():
            raise ApiError("conflict", status=409)
        self.writes += 1
        kept = copy.deepcopy(document)
        kept["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[identity(document)] = kept
        if self.lose:
            self.lose -= 1
            raise ApiError("conflict", status=409)  # what the second try says of the first

    @property
    def data(self):
        return next(each["data"] for key, each in self.objects.items() if key.kind == "ConfigMap")


@pytest.fixture
def cluster(monkeypatch):
    stand_in = Cluster()
    monkeypatch.setattr(stores, "connect", lambda given: None)
    monkeypatch.setattr(stores, "Service", lambda client: stand_in)
    return stand_in


@pytest.fixture
def ledger(cluster):
    def act(action, check_mode=False, **options):
        parameters = {name: option.get("default") for name, option in rollout.SPEC.items()}
        parameters.update(WHERE, service="claims", owner="ops@laptop", action=action)
        parameters.update(options)
        return rollout.converge(parameters, check_mode).as_result(True)

    return act


def info():
    return report.gather({"service": "", "limit": 0, **WHERE}, False).as_result(True)


def test_a_first_begin_makes_its_namespace_and_check_mode_nothing(ledger, cluster):
    predicted = ledger("begin", check_mode=True, plan=PLAN)
    assert not cluster.objects
    assert ledger("begin", plan=PLAN)["diff"] == predicted["diff"]
    assert {key.kind for key in cluster.objects} == {"Namespace", "ConfigMap"}
    assert info()["current"][0]["owner"] == "ops@laptop"
    assert "token" not in info()["current"][0]


def test_a_second_operator_is_refused_with_the_name_of_the_first(ledger):
    ledger("begin", plan=PLAN)
    with pytest.raises(ScalingError, match="held by ops@laptop since"):
        ledger("begin", plan=PLAN, owner="bob@desk")


def test_who_is_overtaken_decides_anew(ledger, cluster):
    token = ledger("begin", plan=PLAN)["token"]
    cluster.before_write = lambda: ledger("pause", owner="bob@desk")
    ledger("advance", token=token, batch=1, phase="verifying")
    (record,) = info()["current"]
    assert record["batches"][0]["phase"] == "verifying"
    assert record["requests"]["pause"]["by"] == "bob@desk"


def test_of_two_that_begin_at_once_the_second_sees_the_first(ledger, cluster):
    ledger("finish", token=ledger("begin", plan=PLAN)["token"], outcome="failed")
    cluster.before_write = lambda: ledger("begin", plan=PLAN, owner="bob@desk")
    with pytest.raises(ScalingError, match="held by bob@desk"):
        ledger("begin", plan=PLAN)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_write_whose_answer_is_lost_is_known_again(ledger, cluster, lost):
    ledger("finish", token=ledger("begin", plan=PLAN)["token"], outcome="failed")
    cluster.lose = 1
    token = ledger("begin", plan=PLAN)["token"]
    cluster.lose = lost
    assert ledger("advance", token=token, batch=1, phase="draining")["changed"]
    cluster.lose = 1
    taken = ledger("take_over", owner="bob@desk", force_take_over=True)
    ledger("finish", token=taken["token"], outcome="failed")


def test_a_change_that_is_none_writes_nothing(ledger, cluster):
    token = ledger("begin", plan=PLAN)["token"]
    ledger("advance", token=token, batch=1, phase="draining")
    writes = cluster.writes
    assert not ledger("advance", token=token, batch=1, phase="draining")["changed"]
    assert cluster.writes == writes


def test_the_history_has_its_length_and_its_size(ledger, cluster, monkeypatch):
    def ended(**options):
        time.sleep(0.002)  # identities begin with the millisecond
        opened = ledger("begin", plan=PLAN, **options)
        return ledger("finish", token=opened["token"], outcome="failed")["rollout"]["id"]

    identities = [ended(history=3) for _ in range(6)]
    assert [record["id"] for record in info()["history"]] == identities[:1:-1]
    monkeypatch.setattr(config_map_store, "LARGEST", 2 * len(cluster.data["current.json"]))
    newest = ended(history=50)
    assert [record["id"] for record in info()["history"]][0] == newest
    assert sum(map(len, cluster.data.values())) <= config_map_store.LARGEST


def test_a_record_that_somebody_has_edited_stops_everything_until_it_was_looked_at(ledger, cluster):
    ledger("begin", plan=PLAN)
    cluster.data["current.json"] = cluster.data["current.json"].replace("ops@laptop", "eve@desk")
    assert info()["corrupt"][0]["reason"] == "its checksum does not match"
    for _ in range(2):
        with pytest.raises(ScalingError, match=r"is corrupt .* key current.json.corrupt-"):
            ledger("begin", plan=PLAN)
    assert ledger("begin", plan=PLAN, discard_corrupt=True)["changed"]
    assert any(key.startswith("current.json.discarded-") for key in cluster.data)
    assert info()["corrupt"] == []


def test_nothing_is_there_at_first(ledger, cluster):
    assert info() == {"current": [], "history": [], "lines": [], "corrupt": [], "changed": False}
    with pytest.raises(ScalingError, match="no open rollout to pause: there was none yet"):
        ledger("pause")
    assert not cluster.objects


def test_a_name_that_no_object_can_have_is_refused(ledger):
    with pytest.raises(ScalingError, match="service is 'Claims_Service', which cannot be part of an object's name"):
        ledger("begin", plan=dict(PLAN, service="Claims_Service"), service="Claims_Service")


def test_both_modules_take_the_same_place():
    assert rollout.SPEC["kubernetes"] is rollout_info.SPEC["kubernetes"]
