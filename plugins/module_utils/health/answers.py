# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an answer says about a probe: an empty text if it is as wanted, else the reason in a sentence."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments

from .json_path import is_same, look_up

LONGEST = 160
Probe = t.Mapping[str, t.Any]


def judge_http(probe: Probe, status: int, body: bytes, days_left: float | None = None) -> str:
    """Compare status, certificate, body and JSON value with what the probe wants."""
    url, text = probe["url"], body.decode(errors="replace")
    if status not in probe["status"]:
        wanted = " or ".join(str(code) for code in probe["status"])
        return f"HTTP {status} from {url}, wanted {wanted}: {_says(text)}"
    least = probe.get("tls_expiry_days")
    if least is not None and days_left is not None and days_left < least:
        return f"the certificate of {url} ends in {days_left:.1f} days, wanted at least {least}"
    if probe.get("body") and probe["body"] not in text:
        return f"HTTP {status} from {url}, but without '{_cut(probe['body'])}': {_says(text)}"
    if probe.get("json_path"):
        return _judge_json(probe, text)
    return ""


def _judge_json(probe: Probe, text: str) -> str:
    path, url = probe["json_path"], probe["url"]
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return f"{url} answers no JSON: {_says(text)}"
    try:
        found = look_up(document, path)
    except KeyError:
        return f"{url} answers JSON that has nothing at {path}: {_says(text)}"
    wanted = probe.get("json_value")
    if wanted is None or is_same(found, wanted):
        return ""
    return f"{url} has '{_cut(str(found))}' at {path}, wanted '{_cut(str(wanted))}'"


def judge_command(probe: Probe, code: int, output: str) -> str:
    """Compare exit status and output with what the probe wants."""
    name = probe["command"][0]
    if code != 0:
        return f"{name} ended with status {code}: {_says(output, 'it')}"
    if probe.get("body") and probe["body"] not in output:
        return f"{name} ended without '{_cut(probe['body'])}': {_says(output, 'it')}"
    return ""


def _says(text: str, who: str = "body") -> str:
    shown = _cut(text)
    return f"{who} says {shown}" if shown else f"{who} is empty" if who == "body" else f"{who} says nothing"


def _cut(text: str) -> str:
    """One bounded line without control characters and secrets."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: LONGEST * 4]).split())
    line = hide_assignments(line)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
