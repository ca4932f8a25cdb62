# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.plan import (
    REPLACEABLE,
    Local,
    Upstream,
    decide,
)

FOLLOWING = {"host": "db1", "port": "5432"}
FORK = 0x5000110
UPSTREAM = Upstream("db1", "77", 2, [(1, FORK)], 0x6000000, False, "000000000000000000000003"[8:])
STANDBY = Local("present", True, True, "77", 2, 0x5FFFF00, rewindable=True, following=FOLLOWING, slot="db2")
FORMER = STANDBY._replace(running=False, standby=False, timeline=1, position=FORK, following={}, slot="")


def action(local, upstream=UPSTREAM, replace="stale", rewind=True, slot="db2"):
    made = decide(local, upstream, FOLLOWING, slot, replace=replace, rewind=rewind)
    return made.data, made.action


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (STANDBY, "none"),
        (STANDBY._replace(slot=""), "repoint"),
        (STANDBY._replace(following={"host": "db3", "port": "5432"}), "repoint"),
        (STANDBY._replace(running=False), "repoint"),
        (STANDBY._replace(timeline=1, position=FORK - 8), "none"),
        (FORMER, "repoint"),
        (FORMER._replace(position=FORK - 8), "repoint"),
    ],
)
def test_data_that_the_upstream_continues(local, expected):
    assert action(local) == ("current", expected)


@pytest.mark.parametrize("state", ["missing", "incomplete"])
@pytest.mark.parametrize("replace", REPLACEABLE)
def test_where_nothing_is_a_clone_needs_no_word(state, replace):
    assert action(Local(state), replace=replace) == ("missing", "clone")


DIVERGED = FORMER._replace(position=FORK + 208)
AHEAD = {
    "a later timeline": STANDBY._replace(running=False, timeline=3),
    "a later position": STANDBY._replace(position=0x7000000),
}
STALE = STANDBY._replace(position=0x2000000)


def test_what_has_diverged_is_rewound():
    made = decide(DIVERGED, UPSTREAM, FOLLOWING, "db2", replace="never", rewind=True)
    assert (made.action, made.discards) == ("rewind", 208)
    assert "up to 0/50001E0 on timeline 1, which db1 left at 0/5000110 for timeline 2" in made.reason


def test_a_running_former_primary_has_diverged_by_its_shutdown_alone():
    assert action(FORMER._replace(running=True, position=FORK - 100)) == ("diverged", "rewind")


@pytest.mark.parametrize(
    ("local", "word"),
    [
        (STALE, "stale"),
        (DIVERGED._replace(rewindable=False), "diverged"),
        *((local, "diverged") for local in AHEAD.values()),
        (STANDBY._replace(system_identifier="78"), "any"),
        (Local("unknown"), "any"),
    ],
)
def test_what_is_replaced_needs_its_word(local, word):
    least = REPLACEABLE.index(word)
    for index, replace in enumerate(REPLACEABLE):
        if index >= least:
            assert action(local, replace=replace)[1] == "clone"
        else:
            with pytest.raises(ScalingError, match=f"not replaced: .*replace={word}") as refused:
                action(local, replace=replace)
            assert refused.value.details["decision"]["action"] == "refused"


def test_why_rewinding_is_impossible():
    with pytest.raises(ScalingError, match="neither data checksums nor wal_log_hints"):
        action(DIVERGED._replace(rewindable=False))


def test_wal_that_comes_from_an_archive():
    assert action(STALE._replace(archive=True))[0] == "current"


def test_an_upstream_whose_wal_may_not_be_listed():
    assert action(STALE, UPSTREAM._replace(oldest_wal=""))[0] == "current"


@pytest.mark.parametrize("replace", REPLACEABLE)
def test_a_running_primary_is_not_made_a_standby_of_its_own_standby(replace):
    primary = STANDBY._replace(standby=False, position=0x6000000)
    for upstream in (UPSTREAM._replace(in_recovery=True), UPSTREAM):
        with pytest.raises(ScalingError, match="runs as a primary"):
            action(primary, upstream, replace=replace)


def test_a_running_primary_on_a_later_timeline_stays():
    with pytest.raises(ScalingError, match="This member runs as a primary, and it is on timeline 3"):
        action(STANDBY._replace(standby=False, timeline=3), replace="any")


def test_the_member_itself():
    with pytest.raises(ScalingError, match="db1 is this member itself"):
        action(STANDBY._replace(started="1.5"), UPSTREAM._replace(started="1.5"))
