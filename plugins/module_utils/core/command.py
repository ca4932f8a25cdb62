# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start other programs: bounded, without a shell, in the C locale."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t

SYSTEM_PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TIMED_OUT, NOT_STARTED = 124, 126

Runner = t.Callable[[t.List[str], float], t.Tuple[int, str]]


def installed(program: str) -> bool:
    """Whether a program is on this host."""
    return shutil.which(program, path=_paths()) is not None


def run_bounded(words: list[str], seconds: float) -> tuple[int, str]:
    """Exit status and output (both streams) of a command that may take so many seconds."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            env=dict(os.environ, LC_ALL="C", PATH=_paths()),
        )
    except subprocess.TimeoutExpired:
        return TIMED_OUT, f"it did not end within {seconds:g} s"
    except OSError as error:
        return NOT_STARTED, f"it cannot be started: {error.strerror}"
    return done.returncode, done.stdout.decode(errors="replace")


def _paths() -> str:
    return f"{os.environ.get('PATH', '')}:{SYSTEM_PATHS}"
