# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one seam to this host: PostgreSQL's programs, its data directory, its process and its log."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.command import Runner, run_bounded
from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import hide_assignments

from . import predicates
from .account import Account
from .predicates import Document

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/bin")
_QUICK = 60
_LOG_BYTES = 65536


class Tools:
    """A member's data directory and process on this host.

    Args:
        parameters: data_directory, bin_directory, config_file, service, log_file, owner; as the modules take them.
        run: starts a command; replaced in unit tests.
    """

    def __init__(self, parameters: t.Mapping[str, t.Any], run: Runner = run_bounded) -> None:
        self.account = Account(parameters["owner"])
        self.data = Path(parameters["data_directory"])
        self._given = parameters
        self._run = run

    def exists(self) -> bool:
        """Whether there is a cluster in the data directory."""
        with self.account.acting():
            return (self.data / "PG_VERSION").exists()

    def is_empty(self) -> bool:
        """Whether the data directory is missing, or has nothing but what a file system puts there."""
        with self.account.acting():
            return not self.data.exists() or not [path for path in self.data.iterdir() if path.name != "lost+found"]

    def major(self) -> int:
        with self.account.acting():
            return int((self.data / "PG_VERSION").read_text(encoding="utf-8").split(".")[0])

    def control(self) -> Document:
        """What the control file says; raises ScalingError."""
        return predicates.parse_control(self._tool("pg_controldata", ["-D", str(self.data)], _QUICK))

    def pid(self) -> int:
        """Process of the postmaster that runs on the data directory; 0 when there is none."""
        with contextlib.suppress(OSError, ValueError, IndexError), self.account.acting():
            pid = int((self.data / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0])
            # The number may be another's by now; the postmaster works in its data directory. The dead work nowhere.
            return pid if Path(f"/proc/{pid}/cwd").resolve() == self.data.resolve() else 0
        return 0

    def runs(self, child: int) -> bool:
        """Whether a process, such as a server's checkpointer, belongs to the postmaster of this data directory."""
        with contextlib.suppress(OSError):
            parents = re.findall(
                r"^PPid:\s*(\d+)", Path(f"/proc/{child}/status").read_text(encoding="utf-8"), re.MULTILINE
            )
            return parents == [str(self.pid())]
        return False

    def is_standby(self) -> bool:
        """Whether the cluster comes up as a standby."""
        with self.account.acting():
            return (self.data / "standby.signal").exists()

    def end_of_wal(self, control: Document) -> tuple[int, int]:
        """(timeline, position) up to which a stopped cluster has WAL, beyond what its control file knows."""
        known = (
            max(control["timeline"], control["recovery_timeline"]),
            max(control["checkpoint"], control["recovery_end"]),
        )
        size = control["segment_size"]
        with self.account.acting():
            names = predicates.segments(path.name for path in (self.data / "pg_wal").iterdir())
        timeline = known[0]
        own = [name for name in names if int(name[:8], 16) == timeline]
        if not own:
            return known
        start = predicates.segment_name(timeline, known[1], size)
        first = known[1] if start in own else predicates.segment_start(own[0], size)
        words = ["-q", "-p", str(self.data / "pg_wal"), "-t", str(timeline), "-s", predicates.format_lsn(first)]
        _, text = self._run(self.account.words([self._program("pg_waldump"), *words]), 600)
        return timeline, max(known[1], predicates.end_of_waldump(text))

    def auto_conf(self) -> dict[str, str]:
        """The settings in postgresql.auto.conf that a standby follows by."""
        with self.account.acting():
            path = self.data / "postgresql.auto.conf"
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        found = re.findall(r"^\s*(primary_conninfo|primary_slot_name)\s*=\s*'((?:[^'\\]|''|\\.)*)'", text, re.MULTILINE)
        return {name: value.replace("''", "'").replace("\\\\", "\\") for name, value in found}

    def make_standby(self, settings: t.Mapping[str, str]) -> None:
        """Have the stopped cluster come up as a standby with these settings, and never writable."""
        with self.account.acting():
            path = self.data / "postgresql.auto.conf"
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            lines = [line for line in text.splitlines() if line.split("=")[0].strip() not in settings]
            for name, value in settings.items():
                quoted = value.replace("\\", "\\\\").replace("'", "''")
                lines.append(f"{name} = '{quoted}'")
            _write(self.data / "standby.signal", "")
            _write(path, "\n".join(lines) + "\n")

    def make_primary(self) -> None:
        """Take `make_standby` back."""
        with self.account.acting(), contextlib.suppress(FileNotFoundError):
            (self.data / "standby.signal").unlink()

    def stop(self, deadline: Deadline) -> None:
        """Fast shutdown of the postmaster; raises ScalingError when it has not ended by the deadline."""
        pid = self.pid()
        if not pid:
            return
        # What `pg_ctl stop -m fast` does, without its start-up time and its pauses between two looks.
        os.kill(pid, signal.SIGINT)
        _, gone = deadline.wait_for(self.pid, lambda found: found != pid, 0.005, 0.02)
        if not gone:
            raise ScalingError(
                f"PostgreSQL in {self.data} (process {pid}) did not shut down within {deadline.elapsed:.1f} s.",
                "Look at its log for what it waits for, usually a standby that does not take the last WAL.",
            )

    def stop_service(self) -> None:
        """Stop the unit that runs the server; raises ScalingError."""
        status, text = self._run(["systemctl", "stop", self._given["service"]], 600)
        if status:
            raise ScalingError(f"{self._given['service']} does not stop: {_last_line(text)}.", "Look at its log.")

    def stop_at_once(self, deadline: Deadline) -> None:
        """End a server that a fast shutdown does not end; it recovers from its WAL at the next start."""
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGQUIT)
            deadline.wait_for(self.pid, lambda found: found != pid, 0.005, 0.02)

    def start(self, seconds: float) -> None:
        """Start the server and wait until it takes connections; raises ScalingError with its own log line."""
        mark = self.log_size()
        service = self._given["service"]
        if service:
            status, text = self._run(["systemctl", "start", service], seconds + 10)
        else:
            options = f"-c config_file={self._given['config_file']}" if self._given["config_file"] else ""
            words = ["start", "-D", str(self.data), "-w", "-t", str(max(1, int(seconds)))]
            words += ["-o", options] if options else []
            # Without a log the server would hold the pipe that pg_ctl's output is read from.
            words += ["-l", self._given["log_file"] or os.devnull]
            status, text = self._run(self.account.words([self._program("pg_ctl"), *words]), seconds + 10)
        # Debian's unit ignores a failed start.
        if status or not self.pid():
            reason = predicates.alarming_line(self.log_since(mark)) or _last_line(text) or "it left no message"
            raise ScalingError(
                f"PostgreSQL in {self.data} does not start: {hide_assignments(reason)}",
                "Look at its log.",
            )

    def settings_at_start(self, names: t.Iterable[str]) -> dict[str, str]:
        """What a start would make of settings, by the files as they are; raises ScalingError if they cannot be read."""
        config = ["-c", f"config_file={self._given['config_file']}"] if self._given["config_file"] else []
        hint = "Mend the configuration first, or the server would not start again."
        return {
            name: self._tool("postgres", ["-D", str(self.data), *config, "-C", name], _QUICK, hint).strip()
            for name in names
        }

    def clone(self, source: str, slot: str, seconds: float) -> None:
        """Copy a running member into the empty data directory; raises ScalingError."""
        mark = self._clone_mark()
        with self.account.acting():
            _write(mark, "")
            # Beside files of its own, such as those of Debian's pg_createcluster, the data directory has to be private.
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        words = ["-d", source, "-D", str(self.data), "-X", "stream", "-c", "fast", "-w"]
        words += ["-S", slot] if slot else []
        self._tool("pg_basebackup", words, seconds)
        with self.account.acting():
            mark.unlink()

    def forget_clone(self) -> None:
        """What is in the data directory is complete by now."""
        with self.account.acting(), contextlib.suppress(FileNotFoundError):
            self._clone_mark().unlink()

    def clone_was_cut_off(self) -> bool:
        """Whether what is in the data directory is a clone that never became complete."""
        with self.account.acting():
            return self._clone_mark().exists()

    def keep_wal(self, timeline: int, begin: int, size: int, directory: str) -> str:
        """Copy the WAL of a timeline from a position on, which is about to be discarded; the place of the copy."""
        place = Path(directory) / f"{self.data.name}-{timeline}-{predicates.format_lsn(begin).replace('/', '-')}"
        first = predicates.segment_name(timeline, begin, size)
        try:
            with self.account.acting():
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
                names = predicates.segments(path.name for path in (self.data / "pg_wal").iterdir())
                for name in names:
                    if name[:8] == first[:8] and name >= first and not (place / name).exists():
                        shutil.copy2(str(self.data / "pg_wal" / name), str(place / f"{name}.new"))
                        (place / f"{name}.new").replace(place / name)
        except OSError as error:
            raise ScalingError(
                f"The WAL that is to be discarded cannot be kept in {place}: {error.strerror or error}.",
                "Give another keep_discarded, or an empty one to lose it.",
            ) from error
        return str(place)

    def wipe(self) -> None:
        """Empty the data directory; it stays itself, as it may be a mount point. Links in it are followed nowhere."""
        if self.pid():
            raise ScalingError(f"PostgreSQL runs in {self.data}; a data directory in use is not emptied.")
        with self.account.acting():
            # Named before the first file goes, so that a run that is cut off is known as replaceable.
            _write(self._clone_mark(), "")
            for path in self.data.iterdir() if self.data.exists() else []:
                if path.name == "lost+found":
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def tablespaces(self) -> list[str]:
        """Where tablespaces outside of the data directory are."""
        with self.account.acting(), contextlib.suppress(FileNotFoundError):
            return sorted(str(path.resolve()) for path in (self.data / "pg_tblspc").iterdir())
        return []

    def rewind(self, source: str, seconds: float) -> None:
        """Take the stopped cluster back to where the source's history left it; raises ScalingError.

        pg_rewind finds out what it needs before it changes anything, and lets a crashed cluster recover first.
        """
        words = ["-D", str(self.data), f"--source-server={source}"]
        if self._given["config_file"]:
            words += [f"--config-file={self._given['config_file']}"]
        hint = "If it had begun to copy, these data must not be started: have them cloned, with replace=diverged."
        self._tool("pg_rewind", words, seconds, hint)

    def log_size(self) -> tuple[str, int]:
        """The log file and its present length, to read later what was added."""
        path = self._log_path()
        with self.account.acting():
            return (str(path), path.stat().st_size) if path and path.exists() else (str(path or ""), 0)

    def log_since(self, mark: tuple[str, int]) -> str:
        """What the server has logged since; a new file is read from its beginning."""
        path = self._log_path()
        if path is None:
            return ""
        begin = mark[1] if mark[0] == str(path) else 0
        with contextlib.suppress(OSError), self.account.acting(), path.open("rb") as log:
            length = log.seek(0, os.SEEK_END)
            log.seek(max(begin if begin <= length else 0, length - _LOG_BYTES))
            return log.read().decode(errors="replace")
        return ""

    def free_bytes(self) -> int:
        """Free space where the data directory lies."""
        place = self.data if self.data.exists() else self.data.parent
        return shutil.disk_usage(str(place)).free

    def size(self) -> int:
        """Bytes in the data directory."""
        with self.account.acting():
            return sum(path.lstat().st_size for path in self.data.rglob("*") if path.is_file())

    def _clone_mark(self) -> Path:
        return self.data.parent / f".{self.data.name}.cloning"

    def _log_path(self) -> Path | None:
        """The file that is logged into: as given, or as the logging collector says."""
        if self._given["log_file"]:
            return Path(self._given["log_file"])
        with contextlib.suppress(OSError), self.account.acting():
            for line in (self.data / "current_logfiles").read_text(encoding="utf-8").splitlines():
                kind, _, name = line.partition(" ")
                if kind == "stderr":
                    return self.data / name
        return None

    def _program(self, name: str) -> str:
        return program(name, self._given["bin_directory"], self.major() if self.exists() else 0)

    def _tool(self, name: str, words: list[str], seconds: float, hint: str = "") -> str:
        status, text = self._run(self.account.words([self._program(name), *words]), seconds)
        if status:
            raise ScalingError(f"{name} failed on {self.data}: {hide_assignments(_last_line(text))}.", hint)
        return text


def program(name: str, given: str = "", major: int = 0) -> str:
    """Path of a program of PostgreSQL: where it was given, of a major version, or the newest; raises ScalingError."""
    if given:
        return str(Path(given) / name)
    found = [
        path / name for pattern in _PLACES for path in sorted(Path("/").glob(pattern[1:])) if (path / name).exists()
    ]
    if major:
        found = [path for path in found if str(major) in str(path)] or found
    if not found:
        raise ScalingError(
            f"The program {name} is not on this host.",
            "Install the server packages of PostgreSQL, or name their place in bin_directory.",
        )
    return str(found[-1])


def _write(path: Path, text: str) -> None:
    """Replace a file so that it is there in full, or as it was, after a crash."""
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("w", encoding="utf-8") as stream:
        temporary.chmod(0o600)
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wanted = [line for line in lines if "error:" in line or "fatal:" in line or "FATAL" in line]
    return " ".join((wanted or lines or ["it left no message"])[-2:])
