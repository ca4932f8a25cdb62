# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.maps import (
    Maps,
    parse_file,
    parse_list,
    parse_map,
    rewritten,
    save,
)
from ansible_collections.horizontal.scaling.tests.unit.module_utils.haproxy.recorded import FIXTURES, Client

FILE = "/etc/haproxy/splits/claims/weights.cookie.user.map"
ENTRIES = [("0:4", "canary"), ("5:99", "stable")]


def test_the_list_of_maps():
    assert parse_list((FIXTURES / "maps_2.6.txt").read_text()) == [
        "/etc/haproxy/maps/http-36861.map",
        "/etc/haproxy/maps/http-36861.suffixes.map",
        "/etc/haproxy/splits/claims/match.header.x-version.map",
        "/etc/haproxy/splits/claims/match.cookie.version.map",
        FILE,
    ]


def test_the_entries_of_a_map():
    assert parse_map((FIXTURES / "map_2.6.txt").read_text()) == ENTRIES
    assert parse_map("\n") == []


def test_a_file_keeps_its_comments():
    text = "#\n# Ansible managed\n\n0:99 stable\n"
    assert parse_file(text) == [("0:99", "stable")]
    assert rewritten(text, ENTRIES) == "#\n# Ansible managed\n0:4 canary\n5:99 stable\n"


def test_a_map_is_replaced_as_a_whole():
    client = Client(**{f"prepare map {FILE}": "New version created: 7"})
    Maps(client).replace(FILE, ENTRIES)
    assert client.seen == [
        f"prepare map {FILE}",
        f"add map @7 {FILE} 0:4 canary",
        f"add map @7 {FILE} 5:99 stable",
        f"commit map @7 {FILE}",
    ]


def test_a_refused_entry_leaves_the_map_as_it_was():
    client = Client(
        **{f"prepare map {FILE}": "New version created: 7", f"add map @7 {FILE} x y": (3, "'x' is not a number.")}
    )
    with pytest.raises(ScalingError, match="'x' is not a number. The map is as it was."):
        Maps(client).replace(FILE, [("x", "y")])
    assert client.seen[-1] == f"clear map @7 {FILE}"
    assert not any(command.startswith("commit") for command in client.seen)


def test_a_saved_file_keeps_its_age(tmp_path):
    file = tmp_path / "weights.map"
    file.write_text("# managed\n0:99 stable\n")
    before = file.stat().st_mtime_ns
    save(str(file), ENTRIES)
    assert file.read_text() == "# managed\n0:4 canary\n5:99 stable\n"
    assert file.stat().st_mtime_ns == before


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(ScalingError, match="a reload would lose it"):
        save(str(tmp_path / "none"), ENTRIES)
