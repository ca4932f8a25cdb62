# SPDX-License-Identifier: GPL-3.0-or-later
"""A replica set goes from one release series to the next one, member by member, and its features follow later."""

from __future__ import annotations

import pytest

from ..running import run_module, until
from .conftest import FORMER, LOGIN, info, places, unpacked, write

pytestmark = pytest.mark.skipif(not FORMER, reason="needs the series before: tests/lab/build_mongodb.sh")


@pytest.fixture(scope="module")
def three(sets, tmp_path_factory):
    members = sets.start_set("old", role="", count=3, binary=unpacked(FORMER[0], tmp_path_factory.mktemp("former")))
    sets.first_user("old")
    until(lambda: whole(members), 60)
    return members


def whole(members):
    """Members that were restarted this moment are healthy still in the eyes of the others."""
    told = info(members)
    return told["primary"] and told["healthy_votes"] == len(members) and not told["errors"]


def compatibility(members, check=False, **options):
    return run_module("mongodb_feature_compatibility", {"hosts": [members[0].place], **LOGIN, **options}, check)


def refused(members, **options):
    for check in (True, False):
        answer = compatibility(members, check, **options)
        assert answer.get("failed"), answer
    return answer["msg"]


def test_what_may_not_follow_is_refused(three):
    assert info(three)["version"].startswith("5.0.")
    assert "Go to 6.0 first" in refused(three, binary="7.0.1")
    assert "a downgrade is refused" in refused(three, binary="4.4.2")
    assert "runs 5.0." in refused(three, version="6.0")
    assert "it is not lowered" in refused(three, version="4.4")
    assert compatibility(three, binary="6.0.5").get("changed") is False
    assert compatibility(three, version="5.0").get("changed") is False


def test_members_go_one_by_one_and_features_follow(three, mongod):
    write(three[0], range(100))
    for number, each in enumerate((*three[1:], three[0])):
        assert compatibility(three, binary="6.0.5").get("failed") is None
        if number:
            assert "runs 5.0." in refused(three, version="6.0")
        each.restart(mongod)
        until(lambda: whole(three), 60)
    told = info(three)
    assert (told["version"][:3], told["feature_compatibility_version"]) == ("6.0", "5.0")
    assert "takes data of 6.0 only" in refused(three, binary="7.0.1")

    foretold = compatibility(three, check=True, version="6.0")
    assert foretold.get("changed") is True and info(three)["feature_compatibility_version"] == "5.0"
    real = compatibility(three, version="6.0")
    assert real.get("changed") is True and real["diff"] == foretold["diff"], real
    assert set(real["versions"]) == set(places(three))
    for check in (True, False):
        assert compatibility(three, check, version="6.0").get("changed") is False
    assert "it is not lowered" in refused(three, version="5.0")
    assert "a downgrade is refused" in refused(three, binary="5.0.4")
    assert three[1].internal.claims.files.count_documents({}) == 100


def test_one_that_is_cut_off_is_finished(three):
    primary = next(each for each in three if each.is_primary()).internal.admin
    primary.system.version.update_one(
        {"_id": "featureCompatibilityVersion"}, {"$set": {"version": "5.0", "targetVersion": "6.0"}}
    )
    assert "on its way" in refused(three, version="7.0")
    real = compatibility(three, version="6.0")
    assert real.get("changed") is True and real["version"] == "6.0", real
