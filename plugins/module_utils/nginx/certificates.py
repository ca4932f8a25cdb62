# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host names that a certificate is for, read with the standard library alone."""

from __future__ import annotations

import ssl
from pathlib import Path

_ALTERNATIVE_NAMES = b"\x06\x03\x55\x1d\x11"  # OBJECT IDENTIFIER 2.5.29.17
_DNS_NAME = 0x82
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def names_of_file(path: str) -> list[str] | None:
    """DNS names of the first certificate of a PEM file; None when the file cannot be read as one."""
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
        first = text[text.index(_BEGIN) : text.index(_END) + len(_END)]
        return names_of(ssl.PEM_cert_to_DER_cert(first))
    except (OSError, ValueError, IndexError):
        return None


def names_of(der: bytes) -> list[str]:
    """DNS names among a certificate's alternative names."""
    at = der.find(_ALTERNATIVE_NAMES)
    if at < 0:
        return []
    at += len(_ALTERNATIVE_NAMES)
    if der[at] == 0x01:  # BOOLEAN critical
        at += 2 + der[at + 1]
    at, _ = _content(der, at)  # OCTET STRING around it
    at, length = _content(der, at)  # SEQUENCE of names
    end, names = at + length, []
    while at < end:
        tag = der[at]
        at, length = _content(der, at)
        if tag == _DNS_NAME:
            names.append(der[at : at + length].decode("ascii", "replace").lower())
        at += length
    return names


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at ``at`` starts, and its length."""
    length = der[at + 1]
    if length < 0x80:
        return at + 2, length
    size = length & 0x7F
    return at + 2 + size, int.from_bytes(der[at + 2 : at + 2 + size], "big")
