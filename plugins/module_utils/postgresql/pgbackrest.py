# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pgBackRest on this host, and what the module pgbackrest_info tells of it."""

from __future__ import annotations

import json
import time

from ansible_collections.horizontal.scaling.plugins.module_utils.core.command import Runner, run_bounded
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments

from . import backups
from .account import Account
from .predicates import Document

_QUICK = 300


class Pgbackrest:
    """The program, started in its owner's name; its configuration knows repositories and secrets."""

    def __init__(self, stanza: str, account: Account, run: Runner = run_bounded) -> None:
        self.stanza = stanza
        self.account = account
        self._run = run

    def info(self, now: float, repository: int = 0) -> Document:
        """Repositories and backups, of one repository only unless it is 0; raises ScalingError.

        On other hosts than the repositories' own pgBackRest learns how a repository is enciphered when it opens it, and
        does not for the second one if it is asked for all of them.
        """
        one = [f"--repo={repository}"] if repository else []
        text = self.call(["--output=json", "--log-level-console=off", *one, "info"], _QUICK)
        try:
            # What it could not decipher may stand in a message.
            document = json.loads(text[text.index("[") :], strict=False)
        except ValueError as error:
            raise ScalingError(f"pgbackrest info of {self.stanza} did not answer in JSON: {text[:200]}") from error
        return backups.view(document, self.stanza, now)

    def call(self, words: list[str], seconds: float, hint: str = "") -> str:
        """Output of a command; raises ScalingError with pgBackRest's own reason."""
        status, text = self._run(self.account.words(["pgbackrest", f"--stanza={self.stanza}", *words]), seconds)
        if status:
            raise ScalingError(f"pgbackrest {words[-1]} of {self.stanza} failed: {_reason(text)}", hint)
        return text


def gather(params: Document, check_mode: bool) -> Outcome:
    """Entry point of pgbackrest_info."""
    found = Pgbackrest(params["stanza"], Account(params["owner"])).info(time.time())
    return Outcome(**found)


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    return hide_assignments(" ".join(errors[:2] or lines[-2:] or ["it left no message"]))
