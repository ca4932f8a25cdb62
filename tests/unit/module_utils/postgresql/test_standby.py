# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a member streams as it is told to, from documents of a real cluster; no server is reached."""

from __future__ import annotations

import getpass

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.standby import Standby, behind

from .recorded import reading


def standby(**changes):
    params = {
        **{"name": "c", "slot": "c", "owner": getpass.getuser(), "timeout": 1, "port": 5433},
        **{"data_directory": "/nonexistent", "socket_directory": "/nonexistent"},
        "primary": {"name": "b", "host": "127.0.0.1", "port": 5432, "user": "replicator", "dbname": "postgres"},
    }
    return Standby({**params, **changes})


def member(**changes):
    return reading(c=changes).documents["c"]


def test_a_member_that_streams_from_whom_it_is_told_to():
    assert standby().streams(member())


@pytest.mark.parametrize(
    "changes",
    [
        {"receiver": {"sender_port": 5431}},
        {"receiver": {"slot_name": None}},
        {"receiver": {"status": "waiting"}},
        {"receiver": None},
        {"in_recovery": False},
    ],
)
def test_a_member_that_does_not(changes):
    assert not standby().streams(member(**changes))


def test_a_member_held_up_by_its_delay_comes_later():
    held_up = {"receiver": None, "startup_wait": "RecoveryApplyDelay"}
    assert standby().comes_later(member(**held_up))
    assert not standby().comes_later(member(receiver=None))
    assert not standby().comes_later(member(startup_wait="RecoveryApplyDelay"))
    assert not standby(slot="other").comes_later(member(**held_up))


def test_bytes_that_a_member_is_behind():
    upstream = reading(b={"current_lsn": "0/B00968"}).documents["b"]
    assert behind(member(), upstream) == 0x100
    assert behind(member(replay_lsn="0/B00668"), upstream) == 0x300
    # One that is to replay later is behind in what it has received.
    assert behind(member(replay_lsn="0/B00668", settings={"recovery_min_apply_delay": "60000"}), upstream) == 0x100
    assert behind(member(), reading().documents["b"]) == 0
    assert behind(member(), reading(b={"current_lsn": "0/B00000"}).documents["b"]) == 0
