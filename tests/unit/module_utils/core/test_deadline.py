# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now = 100.0
        self.sleeps = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds


def deadline(seconds, time):
    return Deadline(seconds, clock=time.clock, sleep=time.sleep)


def test_returns_at_once_when_done():
    time = Time()
    assert deadline(5, time).wait_for(lambda: 7, lambda state: state == 7) == (7, True)
    assert time.sleeps == []


def test_looks_once_more_at_the_deadline():
    time = Time()
    assert deadline(3, time).wait_for(lambda: time.now, lambda now: now >= 103) == (103.0, True)


def test_gives_the_last_state_when_time_is_up():
    time = Time()
    state, reached = deadline(2, time).wait_for(lambda: "busy", lambda state: False)
    assert (state, reached) == ("busy", False)
    assert abs(sum(time.sleeps) - 2) < 1e-9


def test_polls_slow_down_but_not_beyond_the_slowest():
    time = Time()
    deadline(10, time).wait_for(lambda: 0, lambda state: False, interval=0.1, slowest=0.5)
    assert time.sleeps[0] == 0.1
    assert max(time.sleeps) == 0.5


def test_a_deadline_of_zero_still_reads_once():
    time = Time()
    assert deadline(0, time).wait_for(lambda: 1, lambda state: True) == (1, True)
