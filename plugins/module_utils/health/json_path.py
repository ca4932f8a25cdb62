# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small path into JSON: names joined by dots, places in square brackets, such as ``checks.databases[0].state``."""

from __future__ import annotations

import re
import typing as t

PATH = re.compile(r"^(?:[A-Za-z0-9_-]+|\[[0-9]{1,6}\])(?:\.[A-Za-z0-9_-]+|\[[0-9]{1,6}\])*\Z")
_STEP = re.compile(r"\[([0-9]+)\]|([A-Za-z0-9_-]+)")


def is_path(text: str) -> bool:
    return PATH.match(text) is not None


def look_up(document: t.Any, path: str) -> t.Any:
    """The value at a path; raises KeyError when there is none."""
    for place, name in _STEP.findall(path):
        if place and isinstance(document, list) and int(place) < len(document):
            document = document[int(place)]
        elif name and isinstance(document, dict) and name in document:
            document = document[name]
        else:
            raise KeyError(path)
    return document


def is_same(found: t.Any, wanted: t.Any) -> bool:
    """Whether two values are the same as text; what comes through a template may have lost its type."""
    return _text(found) == _text(wanted)


def _text(value: t.Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value in ("True", "False"):
        return value.lower()
    return str(value)
