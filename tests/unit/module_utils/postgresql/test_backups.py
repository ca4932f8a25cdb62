# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup leads to a target: decided on what pgBackRest 2.45 said of two full backups."""

from __future__ import annotations

import json

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql import backups, restore

from .recorded import text

DOCUMENT = json.loads(text("pgbackrest_info.json"))
NOW = DOCUMENT[0]["backup"][1]["timestamp"]["stop"] + 100
FOUND = backups.view(DOCUMENT, "main", NOW)
FIRST, SECOND = FOUND["backups"][:2]


def choose(kind, target="", backup="", repository=1):
    wish = {"target_type": kind, "target": target, "backup": backup, "repository": repository}
    return backups.choose(FOUND, wish, NOW)


def stamp(seconds):
    return backups._stamp(seconds)


def test_what_is_there():
    assert FOUND["latest"]["label"] == SECOND["label"]
    assert FOUND["latest"]["age_seconds"] == 100
    assert FOUND["missing_repositories"] == []
    assert SECOND["system_identifier"].isdigit()


def test_a_stanza_that_nobody_knows():
    assert backups.view([], "main", NOW)["missing_repositories"] is None
    assert backups.view([], "main", NOW)["latest"] == {}


def test_the_newest_backup_before_a_time_or_position():
    assert choose("time", stamp(SECOND["stopped"] + 1))[0] == SECOND
    assert choose("time", stamp(SECOND["stopped"]))[0] == FIRST
    assert choose("lsn", SECOND["stop_lsn"])[0] == SECOND
    assert choose("lsn", FIRST["stop_lsn"])[0] == FIRST
    assert choose("latest") == (SECOND, "")
    assert choose("name", "release") == (FIRST, "release")
    assert choose("immediate", backup=FIRST["label"])[0] == FIRST


@pytest.mark.parametrize(
    "wish, words",
    [
        (("time", "2020-01-01 00:00:00Z"), "lies before"),
        (("time", "2999-01-01 00:00:00Z"), "has not come yet"),
        (("time", "2020-01-01 00:00:00"), "no time with its zone"),
        (("lsn", "0/1"), "lies before"),
        (("latest", "", "20200101-000000F"), "is not in repository 1"),
        (("latest", "", "", 2), "no usable backup"),
    ],
)
def test_targets_that_nothing_leads_to(wish, words):
    with pytest.raises(ScalingError, match=words):
        choose(*wish)


def test_zones_become_utc():
    moment = backups.parse_time("2026-01-31T12:00+01")
    assert moment.utctimetuple()[:5] == (2026, 1, 31, 11, 0)
    assert backups.parse_time("2026-01-31 12:00:00.5-0330").utctimetuple()[:6] == (2026, 1, 31, 15, 30, 0)


@pytest.mark.parametrize(
    "data, restored, replace, allowed",
    [
        ("none", None, "never", True),
        ("a restore that was cut off", None, "never", True),
        ("a cluster", None, "never", False),
        ("a cluster", None, "restored", False),
        ("a cluster", {"stanza": "main"}, "never", False),
        ("a cluster", {"stanza": "main"}, "restored", True),
        ("a cluster", None, "any", True),
        ("files", None, "restored", False),
    ],
)
def test_what_may_be_replaced(data, restored, replace, allowed):
    before = {"data": data, "system_identifier": "7", "restored": restored}
    if allowed:
        assert restore.refuse_or_reason(before, SECOND, replace, 0, "/data")
    else:
        with pytest.raises(ScalingError, match="not replaced"):
            restore.refuse_or_reason(before, SECOND, replace, 0, "/data")
