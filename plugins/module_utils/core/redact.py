# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take secrets out of text that goes into a result or a log."""

from __future__ import annotations

import re

MASK = "********"
SHORTEST = 6  # shorter words would mask half of a message
NAMED = r"[\w.-]*(?:password|passwd|secret|token|api[_-]?key|private[_-]?key|credential)[\w.-]*"
# As in name=value, "name": "value" and, at the beginning of a line, name: value.
ASSIGNED = re.compile(
    rf"(?im)({NAMED}[\"']?\s*=\s*|[\"']{NAMED}[\"']\s*:\s*|^\s*{NAMED}:\s+)(\"[^\"]*\"|'[^']*'|[^\s,;&}}]+)"
)
IN_ADDRESS = re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(@)")


def hide_text(text: str, secret: str) -> str:
    """The text without any line or word of a secret document."""
    parts = {line.strip() for line in secret.splitlines()} | set(re.split(r"[\s\"'=:,]+", secret))
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST:
            text = text.replace(part, MASK)
    return text


def hide_assignments(text: str) -> str:
    """The text without values that are named as secrets, and without passwords in addresses."""
    return IN_ADDRESS.sub(rf"\g<1>{MASK}\g<2>", ASSIGNED.sub(rf"\g<1>{MASK}", text))
