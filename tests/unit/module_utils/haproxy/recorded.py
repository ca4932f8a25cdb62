# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the client that answers with recorded documents."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.client import Answer

FIXTURES = Path(__file__).parent / "fixtures"
DOCUMENTS = {
    "show info": (FIXTURES / "info_2.6.txt").read_text(),
    "show servers state": (FIXTURES / "servers_state_2.6.txt").read_text().strip("\n"),
    "show stat": (FIXTURES / "stat_2.6.txt").read_text(),
    "show stat -1 4 -1": (FIXTURES / "stat_2.6.txt").read_text(),
    "show cli level": "admin",
}


class Client:
    """Answers from a table of command -> text or Answer; a list is used up one by one."""

    address = "/run/haproxy/admin.sock"

    def __init__(self, **answers):
        self.answers = {**DOCUMENTS, **answers}
        self.seen = []

    def run(self, commands):
        self.seen += commands
        return [self._answer(command) for command in commands]

    def ask(self, commands):
        return [answer.text for answer in self.run(commands)]

    def _answer(self, command):
        found = self.answers.get(command, "")
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        severity, text = found if isinstance(found, tuple) else (6, found)
        return Answer(command, text, severity)
