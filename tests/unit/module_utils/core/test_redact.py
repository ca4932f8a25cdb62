# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments, hide_text


def test_lines_and_words_of_a_secret_document_are_hidden():
    assert hide_text("near 'opensesame': bad", "password = opensesame\n") == "near '********': bad"


def test_short_words_stay_readable():
    assert hide_text("a is bad", "a b c\n") == "a is bad"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("DB_PASSWORD=hunter2 port=1", "DB_PASSWORD=******** port=1"),
        ('{"token": "abc def", "a": 1}', '{"token": "********", "a": 1}'.replace('"********"', "********")),
        (
            "connect postgresql://claims:hunter2@db/claims failed",
            "connect postgresql://claims:********@db/claims failed",
        ),
        ("Address already in use", "Address already in use"),
        ("password: hunter2", "password: ********"),
        ("cannot open /run/db_password: Permission denied", "cannot open /run/db_password: Permission denied"),
    ],
)
def test_named_secrets_are_hidden(text, hidden):
    assert hide_assignments(text) == hidden
