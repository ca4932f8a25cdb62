# SPDX-License-Identifier: GPL-3.0-or-later
"""A replica set that has lost two of three members for good goes on by force, after it was told what that gives up."""

from __future__ import annotations

import shutil

import pymongo

from ..running import run_module, until
from .conftest import LOGIN, info, places, write


def replica_set(members, check=False, **options):
    hosts = [{"host": place} for place in places(members)]
    # Without a majority to wait for.
    short = {"primary_timeout": 2} if not options.get("give_up") else {}
    return run_module("mongodb_replica_set", {"name": "claims", "members": hosts, **LOGIN, **short, **options}, check)


def test_it_is_refused_while_a_majority_answers(three):
    first, second, third = three
    refused = replica_set([first, second], give_up=[third.place])
    assert f"{third.place} answers" in refused["msg"], refused
    third.kill()
    until(lambda: info([first, second])["healthy_votes"] == 2, 60)
    refused = replica_set([first, second], give_up=[third.place])
    assert "there are 3 votes, of which 2 answer and 2 are needed" in refused["msg"], refused
    third.start()
    until(lambda: info(three)["healthy_votes"] == 3, 60)
    assert len(info(three)["members"]) == 3


def test_what_is_given_up_is_told_first_and_the_survivor_goes_on(three):
    """The survivor was away when the others acknowledged the last 50 documents, which it cannot know."""
    first, second, third = three
    write(first, range(100), w=3, j=True)
    third.kill()
    write(first, range(100, 150))
    for each in (first, second):
        each.kill()
    third.start()
    until(lambda: info(three)["votes"] == 3, 60)
    until(lambda: len(info(three)["errors"]) == 2, 30)
    assert third.internal.claims.files.count_documents({}) == 100

    refused = replica_set([third])
    assert "Of 3 votes a majority takes 2; 1 members answer each other." in refused["msg"], refused
    assert "give_up" in refused["msg"]
    half = replica_set([third, second], give_up=[first.place])
    assert "there would be 2 votes, of which 1 answer and 2 are needed" in half["msg"], half
    both = replica_set(three, give_up=places([first, second]))
    assert "stands in members and in give_up" in both["msg"], both

    foretold = replica_set([third], check=True, give_up=places([first, second]))
    assert foretold.get("changed") is True, foretold
    assert info([third])["primary"] == "" and info([third])["config_version"] < 100
    real = replica_set([third], give_up=places([first, second]))
    assert real.get("changed") is True, real
    assert (real["steps"], real["loss"], real["diff"]) == (foretold["steps"], foretold["loss"], foretold["diff"])
    assert real["loss"]["survivor"] == third.place and real["loss"]["last_applied"]
    assert [each["host"] for each in real["loss"]["members"]] == places([first, second])
    assert real["configurations"][-1]["votes"] == 1
    for check in (True, False):
        again = replica_set([third], check=check, give_up=places([first, second]))
        assert again.get("changed") is False, again
        assert (again["steps"], again["loss"]) == ([], {})
    told = info([third])
    assert (told["primary"], told["votes"]) == (third.place, 1)
    assert third.internal.claims.files.count_documents({}) == 100
    write(third, range(200, 210))


def test_members_that_are_emptied_make_the_set_whole_again(three):
    first, second, third = three
    for each in (first, second):
        shutil.rmtree(each.data)
        each.data.mkdir()
        each.start()
    back = replica_set(three, primary_timeout=60)
    assert back.get("changed") is True, back
    assert [each["votes"] for each in back["configurations"]] == [1, 2, 3]
    until(lambda: info(three)["healthy_votes"] == 3, 60)
    assert [each["state"] for each in info(three)["members"]].count("SECONDARY") == 2
    concern = pymongo.read_concern.ReadConcern("majority")
    assert third.internal.claims.get_collection("files", read_concern=concern).count_documents({}) == 110


def test_who_comes_back_with_its_data_is_shut_out(three):
    """It hears of the survivor's configuration, in which it is not, and becomes no primary."""
    first, second, third = three
    primary = next(each for each in three if each.is_primary())
    others = [each for each in three if each is not primary]
    for each in others:
        each.kill()
    until(lambda: info(three)["primary"] == "", 60)
    real = replica_set([primary], give_up=places(others))
    assert real.get("changed") is True, real
    assert not any(each["had_more"] for each in real["loss"]["members"])
    assert all(each["last_heard"] for each in real["loss"]["members"])
    for each in others:
        each.start()
    until(lambda: all(state(each) == "REMOVED" for each in others), 60)
    assert info([primary])["primary"] == primary.place
    write(primary, range(300, 310))
    back = replica_set(three, primary_timeout=60)
    assert back.get("changed") is True, back
    assert len(info(three)["members"]) == 3


def state(server):
    try:
        return server.internal.admin.command("replSetGetStatus")["myState"] and ""
    except pymongo.errors.OperationFailure as error:
        return "REMOVED" if error.code == 93 else str(error.code)
    except pymongo.errors.PyMongoError as error:
        return str(error)
