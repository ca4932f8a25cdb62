# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql import gates
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.cluster import roles, topology, upstream_of
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.connection import OBSERVED
from ansible_collections.horizontal.scaling.tests.unit.module_utils.postgresql.recorded import MEMBERS, reading

LIMITS = gates.Limits(lag_bytes=1000, transaction_seconds=15)


def closed(found, wanted="a", at_start=None):
    starts_with = {**found.documents["b"]["settings"], **(at_start or {})}
    planned = gates.planned(found, MEMBERS, "b", wanted, LIMITS, at_start=starts_with)
    return {gate.name: gate.message for gate in planned if not gate.passed}


def test_a_healthy_cluster_passes_every_gate():
    assert closed(reading()) == {}


SENDERS = reading().documents["b"]["senders"]
TRANSACTION = {"pid": 7, "user": "app", "application": "", "state": "idle in transaction", "seconds": 61.0}
LOGICAL = {"slot_name": "cdc", "slot_type": "logical", "active": True, "restart_lsn": "0/1"}

CASES = {
    "the candidate is down": ({"down": ["a"]}, "candidate_answers", "a is down"),
    "another replica is down": ({"down": ["c"]}, "replicas_stream", "c does not answer"),
    "the candidate has no stream": ({"b": {"senders": SENDERS[1:]}}, "candidate_streams", "no stream to a"),
    "another streams from nobody": (
        {"b": {"senders": SENDERS[:1]}, "c": {"receiver": None, "control_timeline": 2}},
        "replicas_stream",
        "c streams from nobody",
    ),
    "a silent replica": (
        {"b": {"senders": [SENDERS[0], dict(SENDERS[1], silent=45)]}},
        "replicas_stream",
        "c has been silent for more than 20 s",
    ),
    "another cluster": ({"c": {"system_identifier": "1"}}, "system_identifier", "The clusters differ"),
    "lag": ({"a": {"replay_lsn": "0/A00000"}}, "lag", "a is 1050728 bytes behind"),
    "another timeline": ({"c": {"receiver": {"received_tli": 3}}}, "timeline", "b is on timeline 2, c is on 3"),
    "not the synchronous one": (
        {"b": {"settings": {"synchronous_standby_names": "c"}}},
        "synchronous",
        "synchronous_standby_names is c, and a is async",
    ),
    "a long transaction": ({"b": {"transactions": [TRANSACTION]}}, "transactions", "61 s, in process 7 of app"),
    "a logical slot": ({"b": {"slots": [LOGICAL]}}, "logical_slots", "cdc"),
    "a base backup": (
        {"c": {"backups": [{"pid": 1, "phase": "streaming", "backup_total": 2, "backup_streamed": 1}]}},
        "backups",
        "is being taken from c",
    ),
    "paused replay": ({"a": {"replay_paused": True}}, "replay", "a has paused its replay"),
    "a delayed replica": ({"a": {"settings": {"recovery_min_apply_delay": "60000"}}}, "replay", "60000 ms"),
    "fewer connections": (
        {"b": {"settings": {"max_connections": "50"}}},
        "configuration",
        "b has max_connections 50, less than 100 on a",
    ),
    "another major": ({"c": {"version": 170000}}, "configuration", "c is version"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_gate_closes_alone_and_says_why(case):
    changes, name, words = CASES[case]
    found = closed(reading(**changes))
    assert list(found) == [name]
    assert words in found[name]


def test_the_synchronous_standby_may_take_over():
    senders = [dict(SENDERS[0], sync_state="quorum"), SENDERS[1]]
    found = reading(b={"settings": {"synchronous_standby_names": "ANY 1 (a, c)"}, "senders": senders})
    assert closed(found) == {}


def test_a_replica_that_holds_wal_back_needs_no_stream_and_no_timeline_but_somebody_to_follow():
    held_up = {
        "receiver": None,
        "control_timeline": 1,
        "startup_wait": "RecoveryApplyDelay",
        "settings": {"recovery_min_apply_delay": "3600000"},
    }
    assert closed(reading(b={"senders": SENDERS[:1]}, c=held_up)) == {}
    lost = reading(b={"senders": SENDERS[:1]}, c={**held_up, "primary_conninfo": "host=elsewhere"})
    assert closed(lost) == {"replicas_stream": "c is told to stream from nobody."}


def test_short_transactions_are_cut_off():
    assert closed(reading(b={"transactions": [dict(TRANSACTION, seconds=14.0)]})) == {}


def test_a_failover_takes_the_one_with_the_most():
    advanced = {"receive_lsn": "0/C00000"}
    assert gates.most_advanced(reading(["b"])) == "a"
    assert gates.most_advanced(reading(["b"], c=advanced)) == "c"
    assert gates.most_advanced(reading(["b"], c={**advanced, "replay_paused": True})) == "a"
    assert gates.most_advanced(reading(["b"], c={"receiver": {"received_tli": 3}})) == "c"
    assert gates.most_advanced(reading(["a", "b", "c"])) == ""


@pytest.mark.parametrize(
    ("known", "ahead", "lost", "exact"),
    [(0, "0/B00868", 0, False), (0, "0/B00968", 256, False), (0xB00C68, "0/B00868", 1024, True)],
)
def test_what_a_failover_loses(known, ahead, lost, exact):
    found = gates.loss(reading(["b"], c={"receive_lsn": ahead}), "a", known)
    assert (found["bytes"], found["exact"]) == (lost, exact)
    assert found["candidate_lsn"] == "0/B00868"


def test_the_topology():
    shown = topology(reading(["c"]), MEMBERS)
    assert [(each["name"], each["role"]) for each in shown] == [("a", "standby"), ("b", "primary"), ("c", "down")]
    assert (shown[0]["upstream"], shown[0]["lag_bytes"], shown[0]["streaming"]) == ("b", 0, True)
    assert {slot["name"] for slot in shown[1]["slots"]} == {"a", "c"}
    assert shown[2]["reason"] == "c is down"


def test_members_that_info_returns_are_accepted():
    for each in topology(reading(["c"]), MEMBERS):
        assert set(each) <= {"name", "host", "port", "slot", *OBSERVED}


def test_a_secret_in_a_connection_string_is_not_shown():
    secret = "host=127.0.0.1 port=5432 password=sesame-in-the-conninfo"
    found = reading(a={"primary_conninfo": secret})
    assert "sesame" not in str(topology(found, MEMBERS)) + str(roles(found, MEMBERS))


def test_whom_a_standby_is_told_to_follow():
    documents = reading().documents
    assert upstream_of(documents["a"], MEMBERS) == "b"
    assert upstream_of(dict(documents["a"], receiver=None), MEMBERS) == ""
    assert upstream_of(dict(documents["a"], receiver=None), MEMBERS, told=True) == "b"
    assert upstream_of(dict(documents["a"], primary_conninfo="host=elsewhere"), MEMBERS, told=True) == ""


def test_the_former_primary_is_judged_by_what_it_starts_again_with():
    found = reading(b={"settings": {"max_connections": "50"}})
    assert closed(found, at_start={"max_connections": "100"}) == {}
    assert (
        "b has max_connections 80, less than 100 on a"
        in closed(found, at_start={"max_connections": "80"})["configuration"]
    )
