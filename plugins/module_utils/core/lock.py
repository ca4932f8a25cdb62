# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One editor of a directory at a time on this host."""

from __future__ import annotations

import contextlib
import fcntl
import os
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

LOCK_SECONDS = 60


@contextlib.contextmanager
def directory_lock(folder: Path) -> t.Iterator[None]:
    """Hold the lock of a directory (flock(2)); the kernel gives it back when the process dies.

    Raises:
        ScalingError: the directory cannot be opened, or another process held it for ``LOCK_SECONDS``.
    """
    try:
        handle = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ScalingError(f"Directory {folder} cannot be opened: {error.strerror}.") from error
    try:
        _, locked = Deadline(LOCK_SECONDS).wait_for(lambda: _lock(handle), bool)
        if not locked:
            raise ScalingError(f"Another process has been changing {folder} for {LOCK_SECONDS} s.", "Try again later.")
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
