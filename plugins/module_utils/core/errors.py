# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception type that every layer raises and only the module base catches."""

from __future__ import annotations

import typing as t


class ScalingError(Exception):
    """A failure that a person can act on.

    Args:
        message: what is wrong, in one sentence that names the thing and the value.
        hint: what to do next, in one sentence; appended to the message.
        details: values for the task's result beside ``msg`` (plain data, already free of secrets).
    """

    def __init__(self, message: str, hint: str = "", **details: t.Any) -> None:
        super().__init__(f"{message} {hint}".strip())
        self.details = details
