# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting with a deadline: short polls, an early stop when the wanted state can no longer come true."""

from __future__ import annotations

import time
import typing as t

State = t.TypeVar("State")


class Deadline:
    """A point in monotonic time.

    Args:
        seconds: time from now; 0 or less means that it has passed already.
        clock, sleep: replaced in unit tests.
    """

    def __init__(
        self,
        seconds: float,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._start = clock()
        self._end = self._start + max(0.0, seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - self._clock())

    @property
    def elapsed(self) -> float:
        """Seconds since the deadline was set."""
        return self._clock() - self._start

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the deadline."""
        self._sleep(min(seconds, self.remaining))

    def wait_for(
        self,
        read: t.Callable[[], State],
        done: t.Callable[[State], bool],
        interval: float = 0.1,
        slowest: float = 1.0,
    ) -> tuple[State, bool]:
        """Read until ``done`` or the deadline; the last state and whether it was the wanted one.

        ``read`` or ``done`` raise ScalingError to stop early. Polls start ``interval`` seconds apart and slow down
        to ``slowest``; the state is always read once more at the deadline itself.
        """
        pause = interval
        while True:
            last_look = self.remaining == 0
            state = read()
            if done(state):
                return state, True
            if last_look:
                return state, False
            self._sleep(min(pause, self.remaining))
            pause = min(slowest, pause * 1.5)
