# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.pgbouncer import places_of, wanted

TEXT = """
; as the role writes it
%include /etc/pgbouncer/settings.ini
[databases]
claims = host=db2 port=5433 dbname=claims
"claims read" = host='lb 1' dbname='it''s'
local = dbname=local
* = host=elsewhere
[pgbouncer]
listen_port = 6432
"""
BEFORE = {
    "include": "/etc/pgbouncer/primaries/db1.ini",
    "databases": {
        "claims": {"host": "db1", "port": 5432, "paused": False},
        "gone": {"host": "db1", "port": 5432, "paused": True},
    },
}


def test_places_are_those_of_the_section_databases():
    assert places_of(TEXT) == {"claims": ("db2", 5433), "claims read": ("lb 1", 5432), "local": ("", 5432)}


def test_a_pause_changes_nothing_else():
    after = wanted(BEFORE, "", "paused", {})
    assert after["include"] == BEFORE["include"]
    assert after["databases"] == {name: {**entry, "paused": True} for name, entry in BEFORE["databases"].items()}


def test_another_configuration_has_its_own_databases_and_keeps_who_is_held_back():
    after = wanted(BEFORE, "/etc/pgbouncer/primaries/db2.ini", None, {"claims": ("db2", 5432), "new": ("db2", 5432)})
    assert after["databases"] == {
        "claims": {"host": "db2", "port": 5432, "paused": False},
        "new": {"host": "db2", "port": 5432, "paused": False},
    }


def test_what_is_there_already_is_no_change():
    places = {"claims": ("db1", 5432), "gone": ("db1", 5432)}
    assert wanted(BEFORE, BEFORE["include"], None, places) == BEFORE
    assert wanted(BEFORE, "", None, {}) == BEFORE
