# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that give the roles of the load balancers what a service's split becomes."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.traffic import described, haproxy, nginx

DOCUMENTATION = r"""
name: splits
short_description: Make of a service's split what load balancers read
version_added: "0.2.0"
description:
  - C(split_versions) gives the versions of a service.
  - C(split_refusals) gives a sentence for everything that cannot be a service's split.
  - C(haproxy_split) gives the map files of a service's split.
  - C(nginx_split) gives the files of a service's split for NGINX.
author: The horizontal.scaling developers (@horizontal)
options: {}
"""


def haproxy_split(service: t.Mapping[str, t.Any], there: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """Map files of a service's split, in the order in which they are asked.

    Args:
        there: the files that the host has, by path below C(splits), lines joined by C(|).

    Returns:
        dicts of path (below C(splits)), use (C(match) or C(weights)), by, name and lines.
    """
    texts = {path: text.replace("|", "\n") for path, text in there.items()}
    return haproxy.described_maps(service, texts) if service.get("split") else []


def nginx_split(service: t.Mapping[str, t.Any], there: t.Mapping[str, str], header: str) -> list[dict[str, t.Any]]:
    """Files of a service's split, as config_tree takes them.

    Args:
        there: text of the file that the host has, by service.
        header: comment lines.
    """
    return nginx.described_files(service, there, header) if service.get("split") else []


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "split_versions": described.versions_of,
            "split_refusals": described.refusals,
            "haproxy_split": haproxy_split,
            "nginx_split": nginx_split,
        }
