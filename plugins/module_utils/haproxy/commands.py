# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Spellings of the runtime API by version: one table, no other place compares versions."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

Version = t.Tuple[int, int]

# verb -> (first version, commands), newest first. {server} is backend/name.
# A server that was just added must not get requests before its first good check: on 3.1 it starts down; before, it
# leaves maintenance into drain, is declared down, and only then becomes ready, so that the checks raise it.
SPELLINGS: dict[str, list[tuple[Version, tuple[str, ...]]]] = {
    "add": [
        ((2, 6), ("add server {server} {endpoint}{options}",)),
        ((2, 5), ("experimental-mode on", "add server {server} {endpoint}{options}")),
    ],
    "add_checked": [
        ((3, 1), ("add server {server} {endpoint} check init-state down{options}", "enable health {server}")),
        ((2, 6), ("add server {server} {endpoint} check{options}", "enable health {server}")),
        (
            (2, 5),
            ("experimental-mode on", "add server {server} {endpoint} check{options}", "enable health {server}"),
        ),
    ],
    "start_checked": [
        ((3, 1), ("set server {server} state ready",)),
        (
            (2, 5),
            (
                "set server {server} state drain",
                "set server {server} health down",
                "set server {server} state ready",
            ),
        ),
    ],
    "wait_removable": [
        ((3, 0), ("wait {seconds}s srv-removable {server}",)),
        ((2, 5), ()),
    ],
    "delete": [
        ((2, 6), ("del server {server}",)),
        ((2, 5), ("experimental-mode on", "del server {server}")),
    ],
    "state": [((1, 8), ("set server {server} state {state}",))],
    "weight": [((1, 8), ("set server {server} weight {weight}",))],
    "address": [((1, 8), ("set server {server} addr {address} port {port}",))],
}

_NEEDS = {
    "add": "Adding servers at run time",
    "add_checked": "Adding servers at run time",
    "start_checked": "Adding servers at run time",
    "delete": "Removing servers at run time",
    "wait_removable": "Removing servers at run time",
}


def spell(verb: str, version: Version, **values: t.Any) -> list[str]:
    """Commands of a verb for this version of HAProxy; raises ScalingError when the version has none."""
    for first, templates in SPELLINGS[verb]:
        if version >= first:
            return [template.format(**values) for template in templates]
    needed, present = (".".join(map(str, number)) for number in (SPELLINGS[verb][-1][0], version))
    raise ScalingError(
        f"{_NEEDS.get(verb, verb)} needs HAProxy {needed} or later; this one is {present}.",
        "Change the server in the configuration and reload instead.",
    )
