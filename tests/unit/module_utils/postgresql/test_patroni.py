# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni's answers mean, on a document recorded from Patroni 3.0 while a member was being cloned."""

from __future__ import annotations

import json

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql import (
    by_patroni,
    change,
    patroni,
    patroni_member,
)
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.cluster import Member

from .recorded import Client, text


@pytest.fixture
def cluster():
    return json.loads(text("patroni_cluster_3.json"))


def test_the_leader_is_found(cluster):
    assert patroni.leader_of(cluster) == "db1"
    assert patroni.leader_of({"members": cluster["members"][1:]}) == ""


def test_a_member_runs_only_in_a_cluster_with_a_leader(cluster):
    assert patroni.is_running(cluster, "db3")
    assert not patroni.is_running(cluster, "db2")
    assert not patroni.is_running(cluster, "db4")
    assert not patroni.is_running({"members": cluster["members"][1:]}, "db3")


def test_a_replica_counts_once_somebody_streams_to_it(cluster):
    assert not patroni_member.view("db3", cluster, set())["running"]
    assert patroni_member.view("db3", cluster, {"db3"})["running"]
    assert patroni_member.view("db1", cluster, set())["running"]


def test_a_member_that_patroni_does_not_know_is_described(cluster):
    seen = patroni_member.view("db4", cluster, set())
    assert (seen["running"], seen["state"], seen["leader"]) == (False, "unknown", "db1")


@pytest.mark.parametrize(
    ("wanted", "result"),
    [
        ({"ttl": 20}, {"ttl": 20, "postgresql": {"parameters": {"work_mem": "8MB"}}}),
        ({"ttl": None}, {"postgresql": {"parameters": {"work_mem": "8MB"}}}),
        ({"ttl": 30}, {"ttl": 30, "postgresql": {"parameters": {"work_mem": "8MB"}}}),
        (
            {"postgresql": {"parameters": {"port": 1}}},
            {"ttl": 30, "postgresql": {"parameters": {"work_mem": "8MB", "port": 1}}},
        ),
        ({"postgresql": {"parameters": {"work_mem": None}}}, {"ttl": 30, "postgresql": {"parameters": {}}}),
        ({"postgresql": {"parameters": None}, "pause": True}, {"ttl": 30, "postgresql": {}, "pause": True}),
    ],
)
def test_a_configuration_is_merged_as_patch_does(wanted, result):
    before = {"ttl": 30, "postgresql": {"parameters": {"work_mem": "8MB"}}}
    assert patroni.merged(before, wanted) == result
    assert before == {"ttl": 30, "postgresql": {"parameters": {"work_mem": "8MB"}}}


def test_the_gate_wants_patroni_to_agree(cluster):
    assert by_patroni.agrees(cluster, "db1").passed
    assert "takes db1 for the leader" in by_patroni.agrees(cluster, "db2").message
    paused = by_patroni.agrees({**cluster, "pause": True}, "db1")
    assert not paused.passed
    assert "paused" in paused.message


def test_one_complaint_may_pass_and_two_do_not():
    line = 'pg_basebackup: error: FATAL:  password authentication failed for user "replicator"'
    assert not patroni_member.is_hopeless([line, "INFO: no action"])
    assert patroni_member.is_hopeless([line, "INFO: no action", line])


@pytest.mark.parametrize(("body", "found"), [(b'{"a": 1}', {"a": 1}), (b"Switchover failed\n", "Switchover failed")])
def test_an_answer_is_json_or_text(body, found):
    assert patroni.parse(body) == found


class Members:
    """A change of roles from db1 to db2, and what the Patroni of each member says in turn."""

    def __init__(self, monkeypatch, **words):
        self.values = {"primary": "db2", "former_primary": "db1"}
        self.words = {name: iter(said) for name, said in words.items()}
        monkeypatch.setattr(by_patroni, "_api", lambda _task, name: self.api(name))
        monkeypatch.setattr(by_patroni, "AWAKE_SECONDS", 0.3)

    def api(self, name):
        class Api:
            def get(_self, path):
                said = next(self.words[name])
                if said is None:
                    raise patroni.Silent("no answer")
                return 200, {"state": said}

        return Api()


def test_a_member_is_waited_for_until_patroni_has_its_server_again(monkeypatch):
    members = Members(monkeypatch, db1=["running"], db2=["unknown", None, "streaming"], db3=["starting"])
    by_patroni._wake(members, ["db1", "db2", "db3"])
    assert list(members.words["db2"]) == []


class Synchronous(Members):
    """Whom Patroni has as synchronous, in turn."""

    def __init__(self, monkeypatch, mode, *names):
        super().__init__(monkeypatch)
        self.mode, self.names = mode, iter(names)
        monkeypatch.setattr(by_patroni, "_cluster", lambda _task, _names: self.cluster(next(self.names)))

    def api(self, name):
        class Api:
            def document(_self, path):
                return {"synchronous_mode": self.mode}

        return Api()

    def cluster(self, name):
        roles = {"db1": "leader", "db2": "replica", "db3": "replica", name: "sync_standby"}
        return {"members": [{"name": name, "role": role} for name, role in roles.items()]}


def test_patroni_is_asked_only_once_it_has_the_candidate_as_synchronous(monkeypatch):
    found = Synchronous(monkeypatch, True, "db3", "db3", "db2", "db3")
    by_patroni._await_synchronous(found, "db1")
    assert list(found.names) == ["db3"]


def test_without_synchronous_members_nobody_is_waited_for(monkeypatch):
    by_patroni._await_synchronous(Synchronous(monkeypatch, False), "db1")


def test_a_candidate_that_patroni_does_not_take_is_refused_before_anybody_waits(monkeypatch):
    with pytest.raises(ScalingError, match="Patroni has db3 as the synchronous member.*Switch over to db3"):
        by_patroni._await_synchronous(Synchronous(monkeypatch, "quorum", *["db3"] * 100), "db1")


def test_nothing_begins_while_the_candidate_does_not_run(monkeypatch):
    members = Members(monkeypatch, db1=["running"], db2=["starting"] * 100, db3=[])
    with pytest.raises(ScalingError, match="db2 says of its server that it is starting"):
        by_patroni._wake(members, ["db1", "db2", "db3"])


class Standbys:
    """A change of roles from db1 to db2, at the moment at which db2 has become the leader."""

    follow_settings = change.Task.follow_settings

    def __init__(self, passfile, **clients):
        self.params = {"passfile": passfile}
        self.members = {name: Member(name, name, 5432, name) for name in ("db1", "db2", "db3", "db4")}
        self.upstreams = {"db4": "db3"}
        self.phases = change.Phases()
        self.clients = {name: Client() for name in self.members} | clients

    def client(self, name):
        return self.clients[name]


class Refusing(Client):
    def rows(self, sql, values=()):
        super().rows(sql, values)
        raise ScalingError("not now")


CONNINFO = "user=replicator passfile=/var/lib/postgresql/.pgpass-patroni host={} port=5432 application_name=db3"
AS_PATRONI = {"primary_conninfo": CONNINFO.format("db1"), "settings": {"primary_slot_name": "db3"}}


def test_others_follow_the_new_leader_before_their_patroni_wakes_up():
    task = Standbys("/var/lib/postgresql/.pgpass")
    by_patroni._repoint(task, "db2", {"db3": AS_PATRONI, "db4": AS_PATRONI})
    assert task.clients["db2"].seen[-1] == ("SELECT pg_create_physical_replication_slot(%s, true)", ("db3",))
    told = [sql for sql, _ in task.clients["db3"].seen]
    assert told[0].startswith("ALTER SYSTEM SET primary_conninfo") and "host=db2" in told[0]
    assert "passfile=/var/lib/postgresql/.pgpass " in told[0]
    assert told[1:] == ["SELECT pg_reload_conf()"]
    # It goes on to follow db3.
    assert task.clients["db4"].seen == []


def test_a_slot_that_patroni_makes_at_that_moment_keeps_nobody_from_following():
    task = Standbys(None, db2=Refusing())
    by_patroni._repoint(task, "db2", {"db3": AS_PATRONI})
    assert "passfile=/var/lib/postgresql/.pgpass-patroni" in task.clients["db3"].seen[0][0]
    assert task.clients["db3"].seen[-1][0] == "SELECT pg_reload_conf()"


def test_one_that_cannot_be_told_is_left_to_its_patroni():
    task = Standbys(None, db3=Refusing())
    by_patroni._repoint(task, "db2", {"db3": AS_PATRONI})
    assert len(task.clients["db3"].seen) == 1
