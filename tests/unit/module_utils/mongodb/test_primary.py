# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refused handover says to do next."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import cluster, primary

from .recorded import A, B, C, config, status


def refused(seen, wanted, **changes):
    reading = cluster.Reading({A: {"isWritablePrimary": True}}, {A: seen}, {}, {}, {})
    with pytest.raises(ScalingError) as error:
        primary.check(reading, config(**changes), primary.Wish(wanted, "", [A, B, C], 10))
    return str(error.value)


def test_who_may_have_been_started_this_moment_is_waited_for():
    told = refused(status(one_down=True), C)
    assert f"{C} does not take over from {A}: {C} is (not reachable/healthy)." in told
    assert "catches up by itself: run this again once show_clusters tells" in told


def test_what_does_not_pass_by_itself_is_to_be_put_right():
    for told in (refused(status(), C, c={"priority": 0}), refused(status(one_down=True), C, b={"priority": 9})):
        assert "put that right, or choose another member" in told
