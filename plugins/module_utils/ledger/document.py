# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A record as text, with a checksum over it."""

from __future__ import annotations

import hashlib
import json
import typing as t

FORMAT = 1


class Unreadable(Exception):
    """The text is not a whole record; the message says in what way."""


class TooNew(Exception):
    """The text was written by a later version of the collection."""


class Overtaken(Exception):
    """Somebody else has changed the records since they were read.

    Attributes:
        record: what was to be written; it is there when the answer to its own write was lost.
    """

    def __init__(self, record: dict[str, t.Any] | None) -> None:
        super().__init__()
        self.record = record


def encode(record: t.Mapping[str, t.Any]) -> bytes:
    """The text."""
    body = _body(record)
    return f'{{"format": {FORMAT}, "checksum": "{_checksum(body)}", "record": {body}}}\n'.encode()


def decode(content: bytes) -> dict[str, t.Any]:
    """The record.

    Raises:
        Unreadable: empty, cut off, no JSON, or changed after it was written.
        TooNew: another format.
    """
    if not content.strip():
        raise Unreadable("it is empty")
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is no JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("record"), dict):
        raise Unreadable("it holds no record")
    if document.get("format") != FORMAT:
        raise TooNew(f"it has format {document.get('format')}, this version reads format {FORMAT}")
    record = document["record"]
    if document.get("checksum") != _checksum(_body(record)):
        raise Unreadable("its checksum does not match")
    return record


def _body(record: t.Mapping[str, t.Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"))


def _checksum(body: str) -> str:
    return "sha256:" + hashlib.sha256(body.encode()).hexdigest()
