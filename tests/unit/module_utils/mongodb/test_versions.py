# SPDX-License-Identifier: GPL-3.0-or-later
"""Which binary may follow which, and which feature compatibility version may be set when."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import versions

from .recorded import A, B, C, config, document


def runs(*found):
    return dict(zip((A, B, C), found))


@pytest.mark.parametrize(
    ("members", "fcv", "binary"),
    [
        (runs("6.0.5", "6.0.5", "6.0.5"), "6.0", "6.0.27"),
        (runs("6.0.27", "6.0.5", "6.0.27"), "6.0", "6.0.27"),
        (runs("5.0.4", "5.0.4", "5.0.4"), "5.0", "6.0.5"),
        # One that was cut off.
        (runs("6.0.5", "5.0.4", "5.0.4"), "5.0", "6.0.5"),
        # Restarted with the same series before the FCV was raised.
        (runs("6.0.5", "6.0.5", "6.0.5"), "5.0", "6.0.27"),
        (runs("4.2.1", "4.2.1", "4.2.1"), "4.2", "4.4.2"),
        (runs("4.4.2", "4.4.2", "4.4.2"), "4.4", "5.0.4"),
        (runs("8.0.4", "8.0.4", "8.0.4"), "8.0", "8.2.1"),
    ],
)
def test_a_binary_that_may_follow(members, fcv, binary):
    versions.check_binary(members, {"version": fcv}, binary)


@pytest.mark.parametrize(
    ("members", "fcv", "binary", "words"),
    [
        (runs("6.0.5", "6.0.5"), {"version": "6.0"}, "5.0.4", f"{A} runs 6.0.5, and 5.0.4 is older"),
        (runs("5.0.4", "6.0.5"), {"version": "5.0"}, "5.0.4", f"{B} runs 6.0.5, and 5.0.4 is older"),
        (runs("5.0.4", "5.0.4"), {"version": "5.0"}, "7.0.1", "Go to 6.0 first"),
        (runs("4.4.2", "4.4.2"), {"version": "4.4"}, "6.0.5", "Go to 5.0 first"),
        (runs("6.0.5", "6.0.5"), {"version": "5.0"}, "7.0.1", "is 5.0; 7.0.1 takes data of 6.0 only"),
        (
            runs("6.0.5", "6.0.5"),
            {"version": "5.0", "targetVersion": "6.0", "previousVersion": "5.0"},
            "7.0.1",
            "on its way to 6.0",
        ),
        (runs("6.0.5"), {"version": "6.0"}, "six", "'six' is no version"),
    ],
)
def test_a_binary_that_may_not_follow(members, fcv, binary, words):
    with pytest.raises(ScalingError) as error:
        versions.check_binary(members, fcv, binary)
    assert words in str(error.value)


def test_it_is_raised_once_everybody_runs_the_series():
    assert versions.step(runs("6.0.5", "6.0.27", "6.0.5"), [], {"version": "5.0"}, "6.0") == "6.0"
    assert versions.step(runs("6.0.5", "6.0.5", "6.0.5"), [], {"version": "6.0"}, "6.0") == ""
    # One that is there needs nobody.
    assert versions.step(runs("6.0.5"), [B], {"version": "6.0"}, "6.0") == ""


def test_one_that_was_cut_off_is_finished():
    fcv = {"version": "5.0", "targetVersion": "6.0", "previousVersion": "5.0"}
    assert versions.step(runs("6.0.5", "6.0.5"), [], fcv, "6.0") == "6.0"


@pytest.mark.parametrize(
    ("members", "away", "fcv", "wanted", "words"),
    [
        (runs("6.0.5", "5.0.4"), [], {"version": "5.0"}, "6.0", f"{B} runs 5.0.4"),
        (runs("6.0.5", "6.0.5"), [C], {"version": "5.0"}, "6.0", f"{C} does not tell its version"),
        (runs("6.0.5", "6.0.5"), [], {"version": "6.0"}, "5.0", "it is not lowered"),
        (runs("6.0.5", "6.0.5"), [], {"version": "5.0"}, "7.0", f"{A} runs 6.0.5"),
        (runs("6.0.5", "6.0.5"), [], {"version": "5.0"}, "6.0.5", "Accepted is such as 6.0"),
        (runs("6.0.5"), [], {"version": "5.0", "targetVersion": "6.0"}, "7.0", "Finish that first, with 6.0"),
    ],
)
def test_it_is_not_raised(members, away, fcv, wanted, words):
    with pytest.raises(ScalingError) as error:
        versions.step(members, away, fcv, wanted)
    assert words in str(error.value)


def test_a_router_is_no_member():
    versions.check_members({A: {"setName": "rs"}, B: {"isreplicaset": True}})
    with pytest.raises(ScalingError) as error:
        versions.check_members({A: {"setName": "rs"}, B: {"isWritablePrimary": True, "msg": "isdbgrid"}})
    assert f"{B} is a router (mongos)" in str(error.value)
    assert "setFeatureCompatibilityVersion by hand, through a router" in str(error.value)


@pytest.mark.parametrize(
    ("of", "state", "words"),
    [
        (dict(config(), configsvr=True), {}, "is part of a sharded cluster (its config servers), and 6.0 is"),
        (config(), document("sharding_state_6.0"), "is part of a sharded cluster (the shard a), and 6.0 is"),
    ],
)
def test_a_part_of_a_sharded_cluster_is_not_raised_alone(of, state, words):
    with pytest.raises(ScalingError) as error:
        versions.check_alone(of, state, "6.0")
    assert words in str(error.value)
    assert "Once every member of all sets runs 6.0, run setFeatureCompatibilityVersion" in str(error.value)


def test_a_set_of_its_own_is():
    versions.check_alone(config(), document("sharding_state_alone_6.0"), "6.0")
