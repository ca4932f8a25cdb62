# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The running master, its workers and their connections, read from /proc."""

from __future__ import annotations

import os
import signal
import socket
import struct
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

ESTABLISHED = "01"
CONFIRM_SECONDS = 30


class RefusedError(ScalingError):
    """The master said why it kept the configuration that it had."""


class Worker(t.NamedTuple):
    """A worker process; leaving when it accepts nothing new."""

    pid: int
    started: int
    leaving: bool


class Process:
    """One NGINX master.

    Args:
        pid_file: the master's.
        proc: replaced in unit tests.
        kill: replaced in unit tests.
    """

    def __init__(self, pid_file: str, proc: str = "/proc", kill: t.Callable[[int, int], None] = os.kill) -> None:
        self._pid_file = Path(pid_file)
        self._proc = Path(proc)
        self._kill = kill

    def master(self) -> int:
        """The master's process id, 0 when none runs."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return 0
        return pid if "nginx: master" in self._title(pid) else 0

    def workers(self, master: int) -> list[Worker]:
        """Its workers, oldest first."""
        found = []
        for entry in self._proc.iterdir():
            if not entry.name.isdigit():
                continue
            status = self._status(int(entry.name))
            if status is None or status[0] != master:
                continue
            title = self._title(int(entry.name))
            if "worker process" in title:
                found.append(Worker(int(entry.name), status[1], "shutting down" in title))
        return sorted(found, key=lambda worker: (worker.started, worker.pid))

    def started(self, worker: Worker) -> float:
        """When a worker was started, in seconds since the epoch, exact to about a second."""
        for line in (self._proc / "stat").read_text().splitlines():
            if line.startswith("btime "):
                return int(line.split()[1]) + worker.started / os.sysconf("SC_CLK_TCK")
        return 0.0

    def connections(self, pids: t.Iterable[int]) -> dict[tuple[str, int], int]:
        """How many established connections these processes hold, by the other side's address and port."""
        counts: dict[tuple[str, int], int] = {}
        for pid in pids:
            sockets = self._sockets(pid)
            for family, name in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
                for inode, remote in self._table(pid, name, family):
                    if inode in sockets:
                        counts[remote] = counts.get(remote, 0) + 1
        return counts

    def reload(self, error_log: str) -> set[int]:
        """Make the master read its configuration, and see that it did.

        Returns:
            process ids of the workers from before, which now leave.

        Raises:
            RefusedError: the master kept the old configuration; with NGINX's own message.
            ScalingError: nothing happened in time; what is in force is not known.
        """
        master = self.master()
        old = {worker.pid for worker in self.workers(master)}
        log_size = _size(error_log)
        self._kill(master, signal.SIGHUP)

        def read() -> bool:
            complaint = _complaint(error_log, log_size)
            if complaint:
                raise RefusedError(f"NGINX refused the reload and keeps the old configuration: {complaint}")
            workers = self.workers(master)
            # The old ones accept on for a tenth of a second beside the new ones.
            return any(worker.pid not in old for worker in workers) and all(
                worker.leaving for worker in workers if worker.pid in old
            )

        _, confirmed = Deadline(CONFIRM_SECONDS).wait_for(read, bool, interval=0.02, slowest=0.2)
        if not confirmed:
            raise ScalingError(
                f"NGINX (process {master}) did not replace its workers within {CONFIRM_SECONDS} s of the reload.",
                f"Read {error_log} and run this again.",
            )
        return old

    def _title(self, pid: int) -> str:
        try:
            return (self._proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""

    def _status(self, pid: int) -> tuple[int, int] | None:
        """Parent and start time (clock ticks since boot)."""
        try:
            text = (self._proc / str(pid) / "stat").read_text()
        except (OSError, UnicodeDecodeError):
            return None
        fields = text.rpartition(")")[2].split()
        return int(fields[1]), int(fields[19])

    def _sockets(self, pid: int) -> set[str]:
        found = set()
        try:
            for entry in (self._proc / str(pid) / "fd").iterdir():
                target = os.readlink(str(entry))
                if target.startswith("socket:["):
                    found.add(target[8:-1])
        except OSError:
            pass  # it has gone
        return found

    def _table(self, pid: int, name: str, family: int) -> t.Iterator[tuple[str, tuple[str, int]]]:
        try:
            lines = (self._proc / str(pid) / "net" / name).read_text().splitlines()[1:]
        except OSError:
            return
        for line in lines:
            fields = line.split()
            if fields[3] == ESTABLISHED:
                yield fields[9], _remote(fields[2], family)


def _remote(text: str, family: int) -> tuple[str, int]:
    """'0100007F:1F90' -> ('127.0.0.1', 8080); the kernel writes 32-bit words in the machine's order."""
    host, port = text.split(":")
    words = [int(host[start : start + 8], 16) for start in range(0, len(host), 8)]
    address = socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))
    return address[7:] if address.startswith("::ffff:") and "." in address else address, int(port, 16)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _complaint(path: str, start: int) -> str:
    """The first [emerg] line that the error log got after ''start''."""
    try:
        with Path(path).open("rb") as log:
            log.seek(start)
            for line in log.read(1 << 20).decode(errors="replace").splitlines():
                if "[emerg]" in line:
                    return line.partition("[emerg]")[2].partition(": ")[2].strip()
    except OSError:
        pass
    return ""
