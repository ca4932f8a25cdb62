# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.commands import SPELLINGS, spell

SERVER = {"server": "b/s"}
ADDED = dict(SERVER, endpoint="192.0.2.1:80", options=" weight 1")
CAREFUL = ["set server b/s state drain", "set server b/s health down", "set server b/s state ready"]


@pytest.mark.parametrize(
    ("verb", "version", "values", "commands"),
    [
        ("add", (2, 5), ADDED, ["experimental-mode on", "add server b/s 192.0.2.1:80 weight 1"]),
        ("add", (2, 6), ADDED, ["add server b/s 192.0.2.1:80 weight 1"]),
        ("add", (2, 10), ADDED, ["add server b/s 192.0.2.1:80 weight 1"]),
        ("add_checked", (2, 6), ADDED, ["add server b/s 192.0.2.1:80 check weight 1", "enable health b/s"]),
        ("add_checked", (3, 0), ADDED, ["add server b/s 192.0.2.1:80 check weight 1", "enable health b/s"]),
        (
            "add_checked",
            (3, 1),
            ADDED,
            ["add server b/s 192.0.2.1:80 check init-state down weight 1", "enable health b/s"],
        ),
        ("start_checked", (2, 6), SERVER, CAREFUL),
        ("start_checked", (3, 0), SERVER, CAREFUL),
        ("start_checked", (3, 1), SERVER, ["set server b/s state ready"]),
        ("delete", (2, 5), SERVER, ["experimental-mode on", "del server b/s"]),
        ("delete", (2, 6), SERVER, ["del server b/s"]),
        ("delete", (3, 2), SERVER, ["del server b/s"]),
        ("wait_removable", (2, 6), dict(SERVER, seconds=1), []),
        ("wait_removable", (3, 0), dict(SERVER, seconds=1), ["wait 1s srv-removable b/s"]),
        ("state", (2, 0), dict(SERVER, state="maint"), ["set server b/s state maint"]),
        ("weight", (2, 6), dict(SERVER, weight=0), ["set server b/s weight 0"]),
        ("address", (2, 6), dict(SERVER, address="::1", port=80), ["set server b/s addr ::1 port 80"]),
    ],
)
def test_spellings(verb, version, values, commands):
    assert spell(verb, version, **values) == commands


@pytest.mark.parametrize("verb", ["add", "add_checked", "delete"])
def test_a_version_that_cannot_is_told_so(verb):
    with pytest.raises(ScalingError, match=r"servers at run time needs HAProxy 2\.5 or later; this one is 2\.4"):
        spell(verb, (2, 4), **ADDED)


@pytest.mark.parametrize("verb", sorted(SPELLINGS))
def test_the_table_is_newest_first(verb):
    versions = [first for first, _commands in SPELLINGS[verb]]
    assert versions == sorted(versions, reverse=True)
