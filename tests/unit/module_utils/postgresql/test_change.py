# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.change import after_promotion

BEFORE = {
    "a": {"role": "primary", "upstream": "", "timeline": 4},
    "b": {"role": "standby", "upstream": "a", "timeline": 4},
    "c": {"role": "standby", "upstream": "b", "timeline": 3},
}


def test_all_stream_from_the_new_primary_on_the_next_timeline():
    after = after_promotion(BEFORE, "b", ["a", "c"], {})
    assert after == {
        "a": {"role": "standby", "upstream": "b", "timeline": 5},
        "b": {"role": "primary", "upstream": "", "timeline": 5},
        "c": {"role": "standby", "upstream": "b", "timeline": 5},
    }
    assert BEFORE["a"]["role"] == "primary"


def test_a_cascade_stays_one_and_whoever_is_not_named_stays_as_it_is():
    after = after_promotion(BEFORE, "b", ["c"], {"c": "a"})
    assert after["c"] == {"role": "standby", "upstream": "a", "timeline": 5}
    assert after["a"] == BEFORE["a"]
