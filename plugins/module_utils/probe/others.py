# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One TCP connection; one command."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.health.answers import judge_command

from .http import explain

Probe = t.Mapping[str, t.Any]


def probe_tcp(probe: Probe, seconds: float) -> str:
    """Connect once; an empty text if that works, else the reason."""
    peer = f"{probe['host']}:{probe['port']}"
    try:
        socket.create_connection((probe["host"], probe["port"]), seconds).close()
    except socket.timeout:
        return f"no connection to {peer} within {seconds:.3g} s"
    except OSError as error:
        return explain(error, peer)
    return ""


def probe_command(probe: Probe, seconds: float) -> str:
    """Run once, without a shell; whatever it started is ended with it when time is up."""
    name = probe["command"][0]
    try:
        process = subprocess.Popen(
            probe["command"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"{name} cannot be started: {getattr(error, 'strerror', None) or error}"
    try:
        output, _errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"{name} did not end within {seconds:.3g} s"
    finally:
        if process.stdout:
            process.stdout.close()
    return judge_command(probe, process.returncode, output.decode(errors="replace"))
