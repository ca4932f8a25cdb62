# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One unit of systemd: its properties, a bounded stop that tells how it ended, a start that must last."""

from __future__ import annotations

import re
import time
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.command import Runner, run_bounded
from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments

PROPERTIES = (
    "ActiveState,SubState,LoadState,UnitFileState,NeedDaemonReload,Job,Type,Result,MainPID,ExecMainCode,ExecMainStatus,"
    "ExecMainStartTimestampMonotonic,NRestarts,InvocationID,TimeoutStopUSec,ConditionResult"
)
STATUS_SECONDS = 30
KILL_SECONDS = 10
UNBOUNDED_STOP_SECONDS = 90  # where the unit itself waits for ever
STOP_PHASES, STOP_MARGIN_SECONDS = 4, 5  # systemd bounds hooks, signal, kill and clean-up one by one
JOURNAL_LINES = 20
LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
KILLED, SIGKILL = "2", "9"  # ExecMainCode (CLD_KILLED) and its status
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800, "month": 2629800, "y": 31557600}


def span(text: str) -> float | None:
    """Seconds of a time span as systemctl prints it (``1min 30s``); None for ``infinity``."""
    if text in ("", "infinity"):
        return None
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(us|ms|min|month|[shdwy])", text))


def listens(pid: int, port: int) -> bool:
    """Whether a TCP port is listened on in the network of a process, on whatever address."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        if listening(lines, port):
            return True
    return False


def listening(lines: list[str], port: int) -> bool:
    """Whether the kernel's table of sockets has one that listens on a port."""
    columns = (line.split() for line in lines)
    return any(len(each) > 3 and each[3] == LISTEN and int(each[1].split(":")[1], 16) == port for each in columns)


class Unit:
    """A service unit.

    Args:
        name: with its suffix, ``claims-service.service``.
        run: starts systemctl and journalctl; replaced in unit tests.
        deadline: makes the deadlines of waits; replaced in unit tests.
        listens: whether somebody listens on a port where a process lives; replaced in unit tests.
    """

    def __init__(
        self,
        name: str,
        run: Runner = run_bounded,
        deadline: t.Callable[[float], Deadline] = Deadline,
        listens: t.Callable[[int, int], bool] = listens,
    ) -> None:
        self.name = name if "." in name else f"{name}.service"
        self._run = run
        self._deadline = deadline
        self._listens = listens

    def show(self) -> dict[str, str]:
        """The unit's properties. A unit that does not exist has ``LoadState`` ``not-found``."""
        text = self._systemctl("show", self.name, f"--property={PROPERTIES}")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def reload_manager(self) -> None:
        self._systemctl("daemon-reload")

    def enable(self) -> None:
        self._systemctl("enable", "--quiet", self.name)

    def stop(self, seconds: float | None) -> dict[str, t.Any]:
        """Stop the unit and tell how it ended.

        Args:
            seconds: after so many the unit's processes are killed; None: the unit's own TimeoutStopSec decides.

        Returns:
            ``seconds``, ``result`` (graceful, killed or not_running) and ``exit_status`` of the main process.
        """
        before = self.show()
        if not _up(before):
            # A unit that waits for its next restart has no process, but must not come back.
            if before["ActiveState"] == "activating":
                self._systemctl("stop", self.name)
            return {"seconds": 0.0, "result": "not_running", "exit_status": None}
        own = span(before.get("TimeoutStopUSec", "")) or UNBOUNDED_STOP_SECONDS
        limit = self._deadline(seconds if seconds is not None else STOP_PHASES * own + STOP_MARGIN_SECONDS)
        self._systemctl("stop", "--no-block", self.name)
        after, ended = limit.wait_for(self.show, _down, interval=0.05, slowest=0.25)
        if not ended:
            self._systemctl("kill", "--signal=SIGKILL", self.name)
            after, gone = self._deadline(KILL_SECONDS).wait_for(self.show, _down)
            if not gone:
                raise ScalingError(
                    f"{self.name} is still {after['ActiveState']} {KILL_SECONDS} s after SIGKILL.",
                    f"Look at 'systemctl status {self.name}' on the host.",
                )
        killed = not ended or after["Result"] == "timeout"
        killed = killed or (after["ExecMainCode"], after["ExecMainStatus"]) == (KILLED, SIGKILL)
        return {
            "seconds": round(limit.elapsed, 2),
            "result": "killed" if killed else "graceful",
            "exit_status": int(after["ExecMainStatus"] or 0),
        }

    def start(self, seconds: float, settle: float, port: int = 0) -> float:
        """Start the unit and see that it stays up.

        Args:
            seconds: to wait until it is active and listens on ``port``, if there is one.
            settle: seconds that it must stay up where neither a port nor the service itself says when it is ready.

        Returns:
            The seconds until it was there.

        Raises:
            ScalingError: with the last lines of its journal in ``journal``.
        """
        since = time.time()
        self._systemctl("reset-failed", self.name, refused=True)
        self._systemctl("start", "--no-block", self.name)
        limit = self._deadline(seconds)
        try:
            state, up = limit.wait_for(self._starting, lambda state: self._ready(state, port), 0.05, 0.25)
            if not up:
                lacks = f"and does not listen on port {port} " if state["ActiveState"] == "active" else ""
                raise ScalingError(f"{self.name} is still {state['ActiveState']} {lacks}after {seconds:g} s.")
            took = limit.elapsed
            if not port and state["Type"] not in ("notify", "notify-reload", "oneshot"):
                self._deadline(settle).wait_for(self._starting, lambda state: False, 0.1, 0.25)
        except ScalingError as error:
            lines = self.journal(since)
            told = f" Its journal ends with: {' | '.join(lines[-5:])}" if lines else ""
            raise ScalingError(str(error) + told, start_seconds=round(limit.elapsed, 2), journal=lines) from error
        return round(took, 2)

    def _ready(self, state: dict[str, str], port: int) -> bool:
        return state["ActiveState"] == "active" and (not port or self._listens(int(state["MainPID"] or 0), port))

    def _starting(self) -> dict[str, str]:
        """The state; raises when the start can no longer succeed."""
        state = self.show()
        reason = f"result {state['Result']}, status {state['ExecMainStatus']}"
        if state["ActiveState"] == "failed":
            raise ScalingError(f"{self.name} did not start: {reason}.")
        if state["NRestarts"] not in ("", "0"):
            raise ScalingError(f"{self.name} crashes again and again: {state['NRestarts']} restarts, {reason}.")
        if state["SubState"] == "auto-restart":
            raise ScalingError(f"{self.name} ended and waits for its restart: {reason}.")
        if state["ActiveState"] == "inactive" and state.get("Job", "0") in ("", "0"):
            why = "a condition of the unit is not met" if state.get("ConditionResult") == "no" else reason
            raise ScalingError(f"{self.name} ended right after its start: {why}.")
        return state

    def journal(self, since: float) -> list[str]:
        """The last lines that the unit logged since then (seconds since 1970), without values named as secrets."""
        self._run(["journalctl", "--sync"], STATUS_SECONDS)
        command = ["journalctl", f"--unit={self.name}", f"--since=@{since:.3f}", f"--lines={JOURNAL_LINES}"]
        status, text = self._run([*command, "--no-pager", "--quiet", "--output=cat"], STATUS_SECONDS)
        return [] if status else [hide_assignments(line) for line in text.splitlines() if line.strip()]

    def _systemctl(self, *words: str, refused: bool = False) -> str:
        command = ["systemctl", *words]
        status, text = self._run(command, STATUS_SECONDS)
        if status and not refused:
            raise ScalingError(f"'{' '.join(command)}' failed: {text.strip() or f'status {status}'}")
        return text


def _up(state: dict[str, str]) -> bool:
    """Whether it has processes."""
    return state["ActiveState"] in ("active", "deactivating", "reloading") or (
        state["ActiveState"] == "activating" and state["SubState"] != "auto-restart"
    )


def _down(state: dict[str, str]) -> bool:
    return state["ActiveState"] in ("inactive", "failed") and state.get("Job", "0") in ("", "0")
