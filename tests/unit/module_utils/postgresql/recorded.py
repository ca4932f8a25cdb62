# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of a real cluster of three (PostgreSQL 15) just after a switchover from `a` to `b`."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.cluster import Member, Reading

FIXTURES = Path(__file__).parent / "fixtures"
MEMBERS = {name: Member(name, "127.0.0.1", port, name) for name, port in (("a", 5431), ("b", 5432), ("c", 5433))}
_DOCUMENTS = {name: json.loads((FIXTURES / f"{name}_15.json").read_text()) for name in MEMBERS}


def text(name):
    return (FIXTURES / name).read_text()


def reading(down=(), **changes):
    """The cluster, with members that do not answer and with changed fields; a dictionary changes fields within one."""
    documents = {name: copy.deepcopy(document) for name, document in _DOCUMENTS.items() if name not in down}
    for name, fields in changes.items():
        for field, value in fields.items():
            if isinstance(value, dict) and documents[name][field]:
                documents[name][field].update(value)
            else:
                documents[name][field] = value
    return Reading(documents, {name: f"{name} is down" for name in down})


class Client:
    """Answers by the beginning of the statement, and remembers what it was asked."""

    place = "127.0.0.1:5432"

    def __init__(self, name="b", **answers):
        self.name = name
        self.answers = answers
        self.seen = []

    def rows(self, sql, values=()):
        self.seen.append((" ".join(sql.split()), values))
        return next((answer for words, answer in self.answers.items() if words in sql), [])

    def value(self, sql, values=()):
        return next(iter(next(iter(self.rows(sql, values)), {}).values()), None)

    def replication(self, command):
        return self.rows(command)
