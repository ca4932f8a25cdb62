# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.pooler import paused, resume


class Stand:
    """A pooler of which a verb may fail."""

    def __init__(self, seen, name, failing=""):
        self.seen, self.name, self.failing = seen, name, failing

    def _do(self, verb):
        self.seen.append(f"{verb} {self.name}")
        if verb == self.failing:
            raise ScalingError(f"{self.name} refuses to {verb}.")

    def pause(self, deadline):
        self._do("pause")

    def resume(self):
        self._do("resume")


def test_all_are_held_and_all_go_on():
    seen = []
    with paused([Stand(seen, "one"), Stand(seen, "two")], 1):
        seen.append("work")
    assert seen == ["pause one", "pause two", "work", "resume one", "resume two"]


def test_all_go_on_when_one_cannot_be_held():
    seen = []
    both = [Stand(seen, "one"), Stand(seen, "two", "pause")]
    with pytest.raises(ScalingError, match="two refuses to pause"), paused(both, 1):
        raise AssertionError("not reached")
    assert seen == ["pause one", "pause two", "resume one", "resume two"]


def test_all_go_on_when_the_work_fails():
    seen = []
    with pytest.raises(KeyError), paused([Stand(seen, "one")], 1):
        raise KeyError("work")
    assert seen[-1] == "resume one"


def test_one_that_cannot_go_on_is_named_and_keeps_no_other_back():
    seen = []
    with pytest.raises(ScalingError, match="one refuses to resume.* type RESUME"):
        resume([Stand(seen, "one", "resume"), Stand(seen, "two")])
    assert seen == ["resume one", "resume two"]
