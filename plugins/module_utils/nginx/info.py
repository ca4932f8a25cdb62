# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What NGINX on this host is and does. Reads only; a host without NGINX is reported, not refused."""

from __future__ import annotations

import re
import socket
import subprocess
import typing as t
from pathlib import Path

from ansible.module_utils.urls import open_url

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from .certificates import names_of_file
from .counters import NAMES, Counters
from .process import Process
from .report import address_of, addresses_of, servers_of
from .sources import Sources
from .tree import Tree
from .upstream import Upstream, join_address

MODULE_FOLDERS = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")
STATUS_SECONDS = 2
# The kernel's time of boot is known to the second only.
STALE_SECONDS = 2
_STATUS = re.compile(
    r"Active connections:\s*(\d+)\s+server accepts handled requests\s+(\d+)\s+(\d+)\s+(\d+)\s+"
    r"Reading:\s*(\d+)\s+Writing:\s*(\d+)\s+Waiting:\s*(\d+)"
)
_STATUS_NAMES = ("active", "accepted", "handled", "requests", "reading", "writing", "waiting")


def gather(params: dict[str, t.Any], check_mode: bool) -> Outcome:
    """All that the parameters ask for."""
    tree, process = Tree(params["config"], params["binary"]), Process(params["pid_file"])
    wanted = set(params["gather"])
    values: dict[str, t.Any] = {"installed": bool(version_of(params["binary"])), "modules": modules_of()}
    if wanted & {"servers", "counters"}:
        sources = Sources(tree, params["directory"])
        upstreams = sources.all() if params["whole_configuration"] else sources.of_role()
        values["splits"] = splits_of(tree)
        values["servers"] = servers_of([(u.name, u.servers.values()) for u in upstreams], process)
        if "counters" in wanted:
            read = Counters(params["counters_file"]).read(params["access_logs"])
            add_counters(values["servers"], upstreams, read["totals"])
            values["backends"] = backends_of(upstreams, read["totals"])
            values["counter_gaps"] = read["gaps"]
    if "process" in wanted:
        values["process"] = process_of(process, tree, params["status_url"])
    if params["certificates"]:
        values["certificates"] = {path: names_of_file(path) for path in params["certificates"]}
    if params["resolve"]:
        values["addresses"] = {name: address_of(name) for name in params["resolve"]}
    return Outcome(**values)


def splits_of(tree: Tree) -> dict[str, str]:
    """Texts of the files that split services, by service."""
    return {path.stem: tree.read(path) for path in sorted((tree.root / "splits").glob("*.conf"))}


def add_counters(
    servers: list[dict[str, t.Any]], upstreams: list[Upstream], totals: dict[str, dict[str, list[int]]]
) -> None:
    """Put requests, responses_5xx and errors into the servers' dicts."""
    for shown, (name, server) in zip(servers, [(u.name, s) for u in upstreams for s in u.servers.values()]):
        of_service = totals.get(name, {})
        keys = {join_address(*address) for address in addresses_of(server)}
        sums = [sum(column) for column in zip(*(of_service[key] for key in keys if key in of_service))]
        shown.update(zip(NAMES, sums or [0, 0, 0]))


def backends_of(upstreams: list[Upstream], totals: dict[str, dict[str, list[int]]]) -> list[dict[str, t.Any]]:
    """Whole services, as clients saw them: requests, 5xx answers, and requests that found no server at all."""
    balancer = socket.gethostname()
    return [
        dict(zip(NAMES, totals.get(upstream.name, {}).get("", [0, 0, 0])), balancer=balancer, name=upstream.name)
        for upstream in upstreams
    ]


def process_of(process: Process, tree: Tree, status_url: str) -> dict[str, t.Any]:
    """Master, workers, version and connection counts."""
    master = process.master()
    workers = process.workers(master) if master else []
    current = [worker for worker in workers if not worker.leaving]
    return {
        "running": bool(master),
        "pid": master,
        "version": version_of(tree.binary),
        "stale": bool(current) and stale(process.started(current[0]), tree),
        "workers": [worker.pid for worker in current],
        "leaving_workers": [worker.pid for worker in workers if worker.leaving],
        "connections": status_of(status_url) if master and status_url else {},
    }


def modules_of(folders: t.Sequence[str] = MODULE_FOLDERS) -> list[str]:
    """Names of the dynamic modules on this host, e.g. ngx_stream_module."""
    return sorted({path.stem for folder in folders for path in Path(folder).glob("*.so")})


def stale(started: float, tree: Tree) -> bool:
    """Whether the workers run on an older configuration than the files are."""
    return tree.pending() or tree.newer_than(started + STALE_SECONDS)


def version_of(binary: str) -> str:
    """'1.22.1'; empty when it is not installed."""
    try:
        done = subprocess.run([binary, "-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError:
        return ""
    found = re.search(r"nginx/(\d+(?:\.\d+)+)", done.stdout.decode(errors="replace"))
    return found.group(1) if found else ""


def status_of(url: str) -> dict[str, int]:
    """The numbers of stub_status; empty when nothing answers there."""
    try:
        with open_url(url, timeout=STATUS_SECONDS, use_proxy=False) as answer:
            return parse_status(answer.read().decode(errors="replace"))
    except (OSError, ValueError):
        return {}


def parse_status(text: str) -> dict[str, int]:
    """stub_status's text as numbers."""
    found = _STATUS.search(text)
    return dict(zip(_STATUS_NAMES, map(int, found.groups()))) if found else {}
