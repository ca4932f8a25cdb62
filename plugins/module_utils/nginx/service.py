# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verbs behind nginx_upstream: plan, validate, install, reload, wait until the old workers have gone."""

from __future__ import annotations

import contextlib
import time
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import plan
from .process import Process, RefusedError
from .report import address_of, servers_of
from .sources import Sources
from .tree import PENDING, Tree
from .upstream import Server, Upstream

LEAVING = ("drain", "maint", "absent")


class Change(t.NamedTuple):
    """One upstream before and after."""

    upstream: Upstream
    servers: dict[str, Server]


class Service:
    """NGINX on this host.

    Args:
        tree: its configuration.
        process: its master.
        sources: where upstreams are found.
        error_log: read for the reason when a reload is refused.
        closing: a file that makes NGINX tell clients with every answer to open a new connection.
        sleep: replaced in unit tests.
    """

    def __init__(
        self,
        tree: Tree,
        process: Process,
        sources: Sources,
        *,
        error_log: str,
        closing: str = "",
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._closing = closing
        self._sleep = sleep
        self._tree = tree
        self._process = process
        self._sources = sources
        self._error_log = error_log

    def converge(
        self, wanted: list[dict[str, t.Any]], reload: str, *, seconds: float, settle: float, check_mode: bool
    ) -> Outcome:
        """Bring the servers into their wanted states and wait for the drain.

        Args:
            reload: changed, always or never.
            seconds: how long to wait until the old workers have gone.
            settle: how long clients are told to leave their connections before a reload.
        """
        watch = Deadline(0)
        with self._tree.locked():
            changes = self._plan(wanted)
            texts = _texts(changes)
            pending = self._tree.pending()
            running = bool(self._process.master())
            due = reload != "never" and (bool(texts) or pending or reload == "always")
            if texts:
                self._tree.validate(texts)
            old: set[int] = set()
            if not check_mode:
                with self._clients_told(settle if due and running else 0):
                    old = self._apply(texts, due and running)
        left = self._drained(changes, wanted, old, Deadline(seconds)) if running and not check_mode else ([], {})
        before = _state(change.upstream.servers for change in changes)
        after = _state(change.servers for change in changes)
        names = [change.upstream.name for change in changes]
        return Outcome(
            dict(zip(names, before)),
            dict(zip(names, after)),
            header=str(self._tree.config),
            servers=servers_of([(c.upstream.name, c.servers.values()) for c in changes], self._process),
            reloaded=due and running,
            running=running,
            files=sorted(texts),
            remaining_workers=left[0],
            remaining_sessions=left[1],
            seconds=round(watch.elapsed, 2),
        )

    def replace(self, texts: dict[str, str], settle: float) -> set[int]:
        """Put files in force that make no upstream: validated on a copy, installed, reloaded; under the tree's lock.

        Returns:
            process ids of the workers that leave for it; none when NGINX does not run.
        """
        running = bool(self._process.master())
        self._tree.validate(texts)
        with self._clients_told(settle if running else 0):
            return self._apply(texts, running)

    def _plan(self, wanted: list[dict[str, t.Any]]) -> list[Change]:
        by_backend: dict[str, list[dict[str, t.Any]]] = {}
        for item in wanted:
            for name in self._sources.names(item["backend"], item["name"], item.get("state")):
                by_backend.setdefault(name, []).append(item)
        upstreams = [self._sources.upstream(name) for name in sorted(by_backend)]
        return [Change(upstream, plan.apply(upstream, by_backend[upstream.name], address_of)) for upstream in upstreams]

    @contextlib.contextmanager
    def _clients_told(self, seconds: float) -> t.Iterator[None]:
        """Before a reload, let busy clients leave the connections that it will close under them.

        An old worker closes its idle connections at once. A client that is just sending its next request on one gets
        a reset, and may not repeat a POST. A connection that had no request for the whole time is hardly about to.
        """
        flag = Path(self._closing)
        try:
            if seconds > 0 and self._tree.mentions(self._closing):
                flag.touch()
                self._sleep(seconds)
            yield
        except OSError as error:
            raise ScalingError(f"{flag} cannot be written: {error.strerror}.") from error
        finally:
            _remove(flag)

    def _apply(self, texts: dict[str, str], reload: bool) -> set[int]:
        """Install and reload; process ids of the workers that leave for it."""
        marker = self._tree.root / PENDING
        if reload:
            marker.touch()
        previous = {path: self._tree.read(Path(path)) for path in texts}
        self._tree.install(texts)
        if not reload:
            return set()
        try:
            old = self._process.reload(self._error_log)
        except RefusedError:
            self._tree.install(previous)  # file and process must agree
            _remove(marker)
            raise
        _remove(marker)
        return old

    def _drained(
        self, changes: list[Change], wanted: list[dict[str, t.Any]], leaving: set[int], deadline: Deadline
    ) -> tuple[list[int], dict[str, int]]:
        """Old workers that are still there at the deadline, and their connections to servers that should be empty.

        A leaving worker may yet send a request that it was reading to a server that is down by now, so the drain
        is over when all of them have gone, whoever caused the reload.
        """
        names = {item["name"] for item in wanted if item.get("state") in LEAVING}
        if not names:
            return [], {}

        def read() -> list[int]:
            workers = self._process.workers(self._process.master())
            return [worker.pid for worker in workers if worker.leaving or worker.pid in leaving]

        old, _ = deadline.wait_for(read, lambda pids: not pids, interval=0.05, slowest=0.5)
        counts = self._process.connections(old)
        sessions = {
            server.name: counts.get((server.address, server.port), 0)
            for change in changes
            for server in change.upstream.servers.values()
            if server.name in names
        }
        return old, sessions


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _texts(changes: list[Change]) -> dict[str, str]:
    """The files that differ. Several upstreams of one file are applied one after the other."""
    texts: dict[str, str] = {}
    for change in sorted(changes, key=lambda change: -change.upstream.first):
        upstream = change.upstream
        if upstream.servers == change.servers:
            continue
        texts[upstream.path] = upstream.rewritten(change.servers, texts.get(upstream.path))
    return texts


def _state(sides: t.Iterable[t.Any]) -> list[dict[str, t.Any]]:
    return [{name: server.facts() for name, server in servers.items()} for servers in sides]
