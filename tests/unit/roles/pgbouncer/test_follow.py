# SPDX-License-Identifier: GPL-3.0-or-later
"""When the follower leads a pooler elsewhere: rows are those of SHOW DATABASES."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[4] / "roles/pgbouncer/files/follow.py"
SPEC = importlib.util.spec_from_file_location("follow", FILE)
follow = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(follow)

ROWS = [
    {"name": "claims", "host": "db1", "port": 5432},
    {"name": "claims-read", "host": "lb1", "port": 5001},
    {"name": "pgbouncer", "host": None, "port": 6432},
]


@pytest.mark.parametrize(
    ("names", "place", "elsewhere"),
    [
        (["claims"], ["db1", 5432], False),
        (["claims"], ["db2", 5432], True),
        (["claims"], ["db1", 5433], True),
        (["other"], ["db2", 5432], False),
    ],
)
def test_only_the_databases_of_the_primary_are_led(names, place, elsewhere):
    assert follow.astray(ROWS, names, place) is elsewhere


class Console:
    def __init__(self):
        self.said = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def execute(self, words):
        self.said.append(words)
        return self

    def fetchall(self):
        return ROWS


@pytest.fixture
def look(monkeypatch):
    """One round with answers of the members, one after the other; what the console was told."""

    def once(answers):
        console = Console()
        left = {name: list(said) for name, said in answers.items()}
        monkeypatch.setattr(follow, "is_primary", lambda member, port: left[member["host"]].pop(0))
        monkeypatch.setattr(follow.psycopg, "connect", lambda **_: console)
        members = {name: {"host": name, "place": [name, 5432], "file": f"/p/{name}.ini"} for name in answers}
        follow.Follower({"console": {}, "port": 8008, "databases": ["claims"], "members": members}).look()
        return console.said

    return once


def test_it_leads_to_a_new_primary_that_says_so_twice(look):
    assert look({"db1": [False], "db2": [True, True]}) == ["SHOW DATABASES", "SET conffile = '/p/db2.ini'", "RELOAD"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"db1": [True], "db2": [True]}, []),
        ({"db1": [False], "db2": [False]}, []),
        ({"db1": [True, True], "db2": [False]}, ["SHOW DATABASES"]),
        ({"db1": [False], "db2": [True, False]}, ["SHOW DATABASES"]),
    ],
    ids=["two", "none", "there already", "not any more"],
)
def test_it_leads_nowhere_else(look, answers, said):
    assert look(answers) == said
