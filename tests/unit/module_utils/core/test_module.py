# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome


def test_unchanged_state_has_no_diff():
    assert Outcome({"a": 1}, {"a": 1}, extra=2).as_result(with_diff=True) == {"changed": False, "extra": 2}


def test_changed_data_is_diffed_as_sorted_yaml():
    result = Outcome({"b": 1, "a": 1}, {"b": 2, "a": 1}, header="x").as_result(with_diff=True)
    assert result["changed"] is True
    assert result["diff"]["before"] == "a: 1\nb: 1\n"
    assert result["diff"]["after"] == "a: 1\nb: 2\n"
    assert result["diff"]["after_header"] == "x"


def test_text_is_diffed_as_it_is():
    assert Outcome("one\n", "two\n").as_result(with_diff=True)["diff"]["after"] == "two\n"


def test_an_error_carries_its_hint_and_details():
    error = ScalingError("Server app1 is down.", "Start it.", server="app1")
    assert str(error) == "Server app1 is down. Start it."
    assert error.details == {"server": "app1"}
