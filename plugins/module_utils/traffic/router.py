# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every router does for a split: one class a router, one service an object."""

from __future__ import annotations

import abc
import typing as t

from .split import Document, Split, State


class Router(abc.ABC):
    """What decides which version of a service gets a request."""

    def __init__(self, parameters: Document) -> None:
        self._service = parameters["service"]

    @abc.abstractmethod
    def locked(self) -> t.ContextManager[None]:
        """Keeps other editors of the configuration away; raises ScalingError where the service is not split."""

    @abc.abstractmethod
    def read(self) -> State:
        """What is in force."""

    @abc.abstractmethod
    def refuse(self, state: State, split: Split) -> None:
        """Raises ScalingError for what this router cannot do."""

    @abc.abstractmethod
    def apply(self, state: State, split: Split) -> Document:
        """Puts the split in force, also for the next restart; return values of the module."""

    def finish(self) -> Document:
        """Waits, with nothing locked, until the split of before serves nobody; further return values."""
        return {}
