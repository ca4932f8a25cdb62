# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a replica set with a member whose clock is an hour off, and what modules say."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import predicates, service

from ..running import run_module, until
from .conftest import LOGIN, info, places, write

FAKETIME = Path(os.environ.get("FAKETIME", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"))
pytestmark = pytest.mark.skipif(not FAKETIME.exists(), reason="needs the package libfaketime, or FAKETIME")


@pytest.fixture(scope="module")
def three(sets):
    members = sets.start_set("clocks", role="", count=3)
    sets.first_user("clocks")
    equal = [{"host": place, "priority": 1} for place in places(members)]
    made = run_module("mongodb_replica_set", {"name": "clocks", "members": equal, **LOGIN})
    assert not made.get("failed"), made
    until(lambda: info(members)["healthy_votes"] == 3, 60)
    return members


def hand_over(members, to):
    """Again while it is refused: who was restarted this moment has to catch up first."""
    wanted = {"hosts": places(members), "primary": to.place, **LOGIN}
    until(lambda: run_module("mongodb_primary", wanted).get("primary") == to.place, 60)


def set_clock(members, member, seconds):
    """Start a member again with its clock so many seconds ahead."""
    member.environment = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    member.kill()
    member.start()
    until(lambda: info(members)["primary"] and info(members)["healthy_votes"] == 3, 60)


def test_a_clock_that_is_ahead_is_told_and_costs_no_document(three):
    wrong, right, _other = three
    set_clock(three, wrong, 3600)
    told = {each["host"]: each["clock_seconds"] for each in info(three)["members"]}
    assert [told[each.place] for each in three] == pytest.approx([3600, 0, 0], abs=30)
    for member, numbers in ((wrong, range(50)), (right, range(50, 100))):
        hand_over(three, member)
        write(member, numbers)
    for each in three:
        until(lambda each=each: each.internal.claims.files.count_documents({}) == 100)


def test_a_member_that_is_behind_is_told_after_a_primary_whose_clock_was_ahead(three):
    _ahead, primary, behind = three
    hand_over(three, primary)
    behind.signal(signal.SIGSTOP)
    try:
        # Until its silence is noticed, for 10 s, it counts as healthy.
        for number in range(100, 104):
            write(primary, [number], w=1)
            time.sleep(1)
        status = primary.internal.admin.command("replSetGetStatus")
    finally:
        behind.signal(signal.SIGCONT)
    assert predicates.lag_seconds(service.plain(status), behind.place) >= 2
