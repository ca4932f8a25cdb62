# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from one TLS mode to another one, wherever it is cut off."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import tls

DISABLED, ALLOW, PREFER, REQUIRE = tls.MODES
OUTGOING = {DISABLED: "plain", ALLOW: "plain", PREFER: "tls", REQUIRE: "tls"}
INCOMING = {DISABLED: {"plain"}, ALLOW: {"plain", "tls"}, PREFER: {"plain", "tls"}, REQUIRE: {"tls"}}


@pytest.mark.parametrize(
    ("modes", "pending", "wanted", "expected"),
    [
        ([DISABLED] * 3, False, REQUIRE, [ALLOW, PREFER, REQUIRE]),
        ([DISABLED] * 3, True, REQUIRE, [ALLOW, PREFER, REQUIRE]),
        ([ALLOW] * 3, False, REQUIRE, [PREFER, REQUIRE]),
        ([ALLOW] * 3, True, REQUIRE, [ALLOW, PREFER, REQUIRE]),
        # With certificates that are not in force yet, or a configuration.
        ([ALLOW] * 3, True, PREFER, [ALLOW, PREFER]),
        ([ALLOW, DISABLED, DISABLED], False, REQUIRE, [ALLOW, PREFER, REQUIRE]),
        ([PREFER, ALLOW, ALLOW], True, REQUIRE, [PREFER, REQUIRE]),
        ([REQUIRE, PREFER, PREFER], True, REQUIRE, [REQUIRE]),
        ([REQUIRE] * 3, True, REQUIRE, []),
        ([PREFER] * 3, True, PREFER, []),
        ([REQUIRE] * 3, False, DISABLED, [PREFER, ALLOW, DISABLED]),
        ([REQUIRE, PREFER, PREFER], False, ALLOW, [PREFER, ALLOW]),
        ([], False, REQUIRE, []),
    ],
)
def test_steps(modes, pending, wanted, expected):
    assert tls.steps(modes, pending, wanted) == expected


def test_members_that_do_not_understand_each_other_are_named():
    with pytest.raises(ScalingError, match="Some members have TLS mode disabled, others preferTLS"):
        tls.steps([PREFER, DISABLED, DISABLED], False, REQUIRE)


def understand_each_other(members):
    """Whether all do, each with the mode that it runs, or with the one that it would be started with again."""
    return all(
        OUTGOING[one] in INCOMING[other]
        for (first, second) in itertools.permutations(members, 2)
        for one in first
        for other in second
    )


def updated(members, wanted, cut):
    """What becomes of members (what they run, what is configured) in an update that ends after so many changes."""
    members = [list(each) for each in members]
    changes = itertools.count()
    for _round in range(3):
        modes = [configured for _runs, configured in members]
        pending = any(runs != configured for runs, configured in members)
        found = tls.steps(modes, pending, wanted)
        # The last round has no steps left than the one that is wanted.
        step = (found or [wanted])[0]
        for each in members:
            for place in (1, 0):
                if next(changes) == cut:
                    return members
                each[place] = step
                assert understand_each_other(members), (members, step)
    assert members == [[wanted, wanted]] * len(members)
    return members


@pytest.mark.parametrize(("begun", "first", "second"), list(itertools.product(tls.MODES, repeat=3)))
def test_nobody_is_cut_off_by_updates_that_end_anywhere_and_change_their_mind(begun, first, second):
    for cut, again in itertools.product(range(12), range(12)):
        members = updated([[begun, begun]] * 2, first, cut)
        members = updated(members, second, again)
        updated(members, REQUIRE, None)
        updated(members, DISABLED, None)
