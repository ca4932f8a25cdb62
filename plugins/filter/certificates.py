# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn the certificates of services into the files that a load balancer wants."""

from __future__ import annotations

import base64
import typing as t

DOCUMENTATION = r"""
name: certificates
short_description: Certificates of services as the files that a load balancer wants
version_added: "0.1.0"
description:
  - C(service_certificates) lists the certificates of services, each with the name of its service.
  - C(certificate_pairs) joins a certificate and its key, as C(slurp) read them, into one text.
author: The horizontal.scaling developers (@horizontal)
options: {}
"""


def service_certificates(services: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, str]]:
    """Certificates with ``file`` (name of the joined file), ``certificate`` and ``key`` (paths on the balancer)."""
    return [
        {
            "file": f"{service['name']}-{certificate['name']}.pem",
            "certificate": certificate["certificate"],
            "key": certificate["key"],
        }
        for service in services
        for certificate in (service.get("tls") or {}).get("certificates") or []
    ]


def certificate_pairs(
    certificates: t.Sequence[t.Mapping[str, str]], slurped: t.Sequence[t.Mapping[str, t.Any]]
) -> list[dict[str, str]]:
    """The joined files, ``file`` and ``content``, of certificates whose parts were read by slurp."""
    texts = {entry["item"]: base64.b64decode(entry["content"]).decode() for entry in slurped if "content" in entry}
    return [
        {
            "file": certificate["file"],
            "content": texts[certificate["certificate"]].rstrip("\n") + "\n" + texts[certificate["key"]],
        }
        for certificate in certificates
        if certificate["certificate"] in texts and certificate["key"] in texts
    ]


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"service_certificates": service_certificates, "certificate_pairs": certificate_pairs}
