# SPDX-License-Identifier: GPL-3.0-or-later
"""An address means the same to both load balancers."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

ROLES = Path(__file__).parents[3] / "roles"


def lines(role: str, macro: str, address: str) -> list[str]:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(ROLES / role / "templates"), trim_blocks=True)
    return environment.get_template(macro).module.on(address, 80, " ssl").split("\n")[:-1]


@pytest.mark.parametrize(
    ("address", "haproxy", "nginx"),
    [
        ("*", ["bind *:80 ssl"], ["listen *:80 ssl;"]),
        ("::", ["bind *:80 ssl", "bind [::]:80 v6only ssl"], ["listen *:80 ssl;", "listen [::]:80 ssl;"]),
        ("2001:db8::1", ["bind [2001:db8::1]:80 ssl"], ["listen [2001:db8::1]:80 ssl;"]),
    ],
)
def test_every_address_is_that_of_both_families_and_a_star_that_of_ipv4(address, haproxy, nginx):
    assert lines("haproxy", "bind.j2", address) == [f"    {line}" for line in haproxy]
    assert lines("nginx", "listen.j2", address) == [f"    {line}" for line in nginx]
