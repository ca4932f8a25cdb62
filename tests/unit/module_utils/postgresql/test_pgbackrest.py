# SPDX-License-Identifier: GPL-3.0-or-later
"""What pgBackRest says becomes a view, or an error with its own reason; no process is started."""

from __future__ import annotations

import getpass
import json

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.account import Account
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.pgbackrest import Pgbackrest

from .recorded import text

DOCUMENT = text("pgbackrest_info.json")
NOW = json.loads(DOCUMENT)[0]["backup"][1]["timestamp"]["stop"] + 100


def program(answer, status=0):
    seen = []

    def run(words, seconds):
        seen.append(words)
        return status, answer

    return Pgbackrest("main", Account(getpass.getuser()), run), seen


def test_words_before_the_document_are_passed_over():
    made, seen = program(f"WARN: environment contains invalid option 'x'\n{DOCUMENT}")
    assert made.info(NOW)["latest"]["age_seconds"] == 100
    assert seen[0][-4:] == ["--stanza=main", "--output=json", "--log-level-console=off", "info"]


def test_one_repository_is_asked_for_by_its_number():
    made, seen = program(DOCUMENT)
    made.info(NOW, repository=2)
    assert seen[0][-2:] == ["--repo=2", "info"]


def test_control_characters_that_could_not_be_deciphered_do_no_harm():
    made, _seen = program(DOCUMENT.replace('"message":"ok"', '"message":"o\x01k"'))
    assert made.info(NOW)["latest"]["age_seconds"] == 100


def test_an_answer_without_a_document():
    made, _seen = program("no stanzas exist")
    with pytest.raises(ScalingError, match="pgbackrest info of main did not answer in JSON: no stanzas exist"):
        made.info(NOW)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "P00   INFO: begin\nP00  ERROR: [055]: unable to load info file\nP00   INFO: end\n",
            "P00  ERROR: [055]: unable",
        ),
        ("first\nsecond\nthird\n", "failed: second third"),
        ("", "failed: it left no message"),
        ("ERROR: [031]: invalid option --repo1-s3-key-secret=wJalrXUtnFEMI\n", "--repo1-s3-key-secret=********"),
    ],
)
def test_its_own_reason_is_told_without_secrets(said, reason):
    made, _seen = program(said, 55)
    with pytest.raises(ScalingError) as failed:
        made.call(["backup"], 1, "Look there.")
    assert reason in str(failed.value) and str(failed.value).endswith("Look there.")
    assert "wJalrXUtnFEMI" not in str(failed.value) and "begin" not in str(failed.value)
