# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.filter import splits

SERVICE = {
    "name": "claims",
    "servers": [{"name": "app1", "version": "stable"}],
    "split": {"weights": {"stable": 100}},
}


def test_lines_that_a_shell_has_joined():
    (weights,) = splits.haproxy_split(SERVICE, {})
    assert weights["lines"] == ["# configured: stable 100, chance", "0:99 stable"]
    there = {weights["path"]: f"#|{weights['lines'][0]}|0:49 stable|50:99 stable|"}
    assert splits.haproxy_split(SERVICE, there)[0]["lines"][1:] == ["0:49 stable", "50:99 stable"]


def test_a_service_without_a_split_has_no_files():
    plain = {"name": "claims", "servers": [{"name": "app1"}], "split": {}}
    assert splits.haproxy_split(plain, {}) == splits.nginx_split(plain, {}, "#") == []


def test_every_filter_is_there():
    assert set(splits.FilterModule().filters()) == {"split_versions", "split_refusals", "haproxy_split", "nginx_split"}
