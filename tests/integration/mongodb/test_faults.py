# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules say of a replica set that has lost its majority, and of a member with another key."""

from __future__ import annotations

import pymongo

from ..running import free_ports, run_module, until
from .conftest import LOGIN, Server, info, places, write


def replica_set(members, **options):
    hosts = [{"host": place} for place in places(members)]
    return run_module("mongodb_replica_set", {"name": "claims", "members": hosts, **LOGIN, **options})


def test_a_member_with_another_key_is_named_and_taken_out_again(sets, three):
    (sets.base / "other").write_text("b3RoZXI=", encoding="utf-8")
    (sets.base / "other").chmod(0o400)
    stranger = Server(sets.binary, sets.base, "claims", role="", port=free_ports("d")["d"], key="other")
    sets.sets["stranger"] = [stranger]
    until(lambda: not stranger.is_primary(), 30, pymongo.errors.PyMongoError)
    refused = replica_set([*three, stranger], sync_timeout=60)
    assert refused.get("failed") and stranger.place in refused["msg"], refused
    assert "cannot come up as a member" in refused["msg"] and "Check its keyfile" in refused["msg"]
    told = info(three)
    assert (told["primary"], told["votes"]) == (three[0].place, 3)
    back = replica_set(three)
    assert back.get("changed") is True, back
    assert len(info(three)["members"]) == 3


def test_without_a_majority_nobody_is_the_primary_and_reads_are_answered(three):
    write(three[0], range(100))
    for each in three[1:]:
        each.kill()
    until(lambda: info(three)["primary"] == "", 60)
    told = info(three)
    assert (told["votes"], told["majority"], told["healthy_votes"]) == (3, 2, 1)
    assert [each["state"] for each in told["members"] if each["reachable"]] == ["SECONDARY"]
    refused = replica_set(three, settings={"chainingAllowed": False}, primary_timeout=2)
    assert "Of 3 votes a majority takes 2; 1 members answer each other." in refused["msg"], refused
    assert three[0].internal.claims.files.count_documents({}) == 100
    for each in three[1:]:
        each.start()
    until(lambda: info(three)["healthy_votes"] == 3, 60)
    assert three[0].internal.claims.files.count_documents({}) == 100
    assert info(three)["errors"] == {}
