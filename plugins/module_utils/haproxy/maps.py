# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Map files of one running HAProxy: read, replaced as a whole at one instant, and kept in their files."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .client import Client
from .service import replace_file

Entries = t.List[t.Tuple[str, str]]

_LISTED = re.compile(r"^-?\d+ \(([^)]+)\) .*used by map", re.MULTILINE)
_ENTRY = re.compile(r"^0x[0-9a-f]+ (\S+) (.*)$", re.MULTILINE)
_CREATED = re.compile(r"New version created: (\d+)")


def parse_list(text: str) -> list[str]:
    """Files of the maps in `show map`."""
    return _LISTED.findall(text)


def parse_map(text: str) -> Entries:
    """Keys and values of `show map <file>`, in the order in which they are looked up."""
    return _ENTRY.findall(text)


def parse_file(text: str) -> Entries:
    """Keys and values of a map file."""
    lines = (line.strip() for line in text.splitlines())
    parts = (line.split(None, 1) for line in lines if line and not line.startswith("#"))
    return [(part[0], part[1] if len(part) > 1 else "") for part in parts]


def rewritten(text: str, entries: Entries) -> str:
    """A map file's text with other entries; the comments above them stay."""
    comments = [line for line in text.splitlines() if line.startswith("#")]
    return "".join(f"{line}\n" for line in comments + [f"{key} {value}" for key, value in entries])


class Maps:
    """The maps of the process behind a client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def files(self) -> list[str]:
        """Files of all maps."""
        return parse_list(self._client.ask(["show map"])[0])

    def read(self, files: t.Sequence[str]) -> dict[str, Entries]:
        """Entries by file, as the process has them."""
        texts = self._client.ask([f"show map {file}" for file in files]) if files else []
        return {file: parse_map(text) for file, text in zip(files, texts)}

    def replace(self, file: str, entries: Entries) -> None:
        """Put other entries in force: every lookup finds the ones from before or the new ones, never a mixture."""
        created = _CREATED.search(self._client.ask([f"prepare map {file}"])[0])
        if created is None:
            raise ScalingError(f"HAProxy at {self._client.address} did not prepare a new version of map {file}.")
        version = created.group(1)
        answers = self._client.run([f"add map @{version} {file} {key} {value}" for key, value in entries])
        refused = [answer for answer in answers if answer.is_error]
        if refused:
            self._client.run([f"clear map @{version} {file}"])
            raise ScalingError(
                f"HAProxy at {self._client.address} refused '{refused[0].command}': {refused[0].text}",
                "The map is as it was.",
            )
        self._client.ask([f"commit map @{version} {file}"])


def save(file: str, entries: Entries) -> None:
    """Write a map that is in force to its file, for the next reload.

    The file keeps its age, so that those who look for files that wait for a reload do not take it for one.
    """
    path = Path(file)
    try:
        status = path.stat()
        replace_file(path, rewritten(path.read_text(encoding="utf-8"), entries))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError as error:
        raise ScalingError(
            f"The map file {file} cannot be written: {error.strerror or error}.",
            "The running process has changed, but a reload would lose it: repair the file's place and run again.",
        ) from error
