# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cluster has what it should: rows against rows, answers against their bounds."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql import content

ROWS = {"claims": {"public.claims": 1000, "public.members": 0}, "postgres": {}}


def test_the_same_rows():
    assert content.differences(ROWS, {"claims": dict(ROWS["claims"]), "postgres": {}}) == []


@pytest.mark.parametrize(
    "database, table, rows, said",
    [
        ("claims", "public.claims", 999, "claims: public.claims has 999 rows and should have 1000 rows"),
        ("claims", "public.members", None, "claims: public.members has no table and should have 0 rows"),
        ("postgres", "public.more", 1, "postgres: public.more has 1 rows and should have no table"),
        ("other", "public.more", 1, "other: public.more has 1 rows and should have no table"),
    ],
)
def test_other_rows(database, table, rows, said):
    found = {name: dict(tables) for name, tables in ROWS.items()}
    found.setdefault(database, {})[table] = rows
    if rows is None:
        del found[database][table]
    assert content.differences(ROWS, found) == [said]


def test_a_database_that_is_gone():
    assert len(content.differences(ROWS, {})) == 2


@pytest.mark.parametrize(
    "least, most, value, said",
    [
        (1, None, 1, ""),
        (1, None, 0, "claims is 0, and should be at least 1"),
        (None, 2, 3, "claims is 3, and should be at most 2"),
        (1, 2, 1.5, ""),
        (1, 2, None, "claims is None, and should be at least 1 and at most 2"),
        (1, None, "many", "claims is many, and should be at least 1"),
        (None, None, "anything", ""),
        (None, None, 0, ""),
        (None, None, None, "claims is None, and should be a value"),
    ],
)
def test_bounds_of_an_answer(least, most, value, said):
    assert content.outside({"name": "claims", "minimum": least, "maximum": most}, value) == said
