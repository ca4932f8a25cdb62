# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL cluster of Patroni in the lab: what its members say, writers against it, and ways to break it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import threading
import time
import typing as t
import urllib.error
import urllib.request

from .conftest import ROOT, Run, wait_for

MEMBERS = ("db1", "db2", "db3")
POOLER = "host=pool1 port=6432"
LOGIN = "user=claims password=claims-in-the-lab dbname=claims sslmode=require"
SCENARIO = ROOT / "molecule/postgresql_patroni"
SENDERS = """
SELECT json_agg(r)
FROM (SELECT application_name AS name, sync_state FROM pg_stat_replication WHERE state = 'streaming') r
"""


def others(name: str) -> list[str]:
    return [member for member in MEMBERS if member != name]


class Database:
    """The lab's cluster."""

    def __init__(self) -> None:
        self.lab = os.environ["LAB_NAME"]
        self._addresses: dict[str, str] = {}

    def on(self, host: str, *words: str, check: bool = True) -> str:
        """Output of a command on a host."""
        command = ["podman", "exec", f"{self.lab}-{host}", *words]
        return subprocess.run(command, capture_output=True, text=True, check=check).stdout

    def shell(self, host: str, script: str, check: bool = True) -> str:
        return self.on(host, "bash", "-euc", script, check=check)

    def script(self, host: str, name: str, *words: str) -> str:
        """Output of one of this directory's scripts on a host."""
        command = ["podman", "exec", "-i", f"{self.lab}-{host}", "bash", "-s", "--", *words]
        text = (ROOT / "tests/faults" / name).read_text(encoding="utf-8")
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=120).stdout

    def begin(self, host: str, script: str) -> subprocess.Popen[bytes]:
        """A script on a host that is not waited for."""
        return subprocess.Popen(["podman", "exec", f"{self.lab}-{host}", "bash", "-c", script])

    def sql(self, host: str, statement: str) -> str:
        """What a member's server answers over its own socket; empty when it does not within 5 s."""
        words = ["timeout", "5", "runuser", "-u", "postgres", "--", "psql", "-XAt", "-c", statement]
        return self.on(host, *words, check=False).strip()

    def address(self, host: str) -> str:
        """The host's address, which it keeps."""
        if host not in self._addresses:
            form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
            words = ["podman", "inspect", "--format", form, f"{self.lab}-{host}"]
            told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            self._addresses[host] = told.strip()
        return self._addresses[host]

    def answers(self, host: str, role: str) -> bool:
        """Whether a member says to have the role (primary, replica), as balancers and poolers ask it."""
        try:
            with urllib.request.urlopen(f"http://{self.address(host)}:8008/{role}", timeout=1) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def primaries(self) -> list[str]:
        """The members that say of themselves that they take writes."""
        return [name for name in MEMBERS if self.sql(name, "SELECT pg_is_in_recovery()") == "f"]

    def leader(self, asked: str) -> str:
        """The leader in the words of a member's Patroni; empty when there is none."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(
            f"https://{self.address(asked)}:8009/cluster", context=context, timeout=5
        ) as answer:
            members = json.load(answer)["members"]
        return next((member["name"] for member in members if member["role"] == "leader"), "")

    def whole(self, *, without: t.Sequence[str] = (), not_any_more: str = "") -> tuple[str, str]:
        """Wait until one member is the primary, all others but those left out stream, and commits wait for one of them.

        Its name, and who that one is.
        """
        found: list[tuple[str, str]] = []

        def happened() -> bool:
            # What costs least first: a process in a host takes more of the machine than all that goes on in it.
            asked = [name for name in MEMBERS if name not in without]
            leading = [name for name in asked if self.answers(name, "primary")]
            if len(leading) != 1 or leading[0] == not_any_more:
                return False
            if not all(self.answers(name, "replica") for name in asked if name != leading[0]):
                return False
            senders = json.loads(self.sql(leading[0], SENDERS) or "[]") or []
            streaming = {row["name"] for row in senders} & set(MEMBERS)
            awaited = [row["name"] for row in senders if row["sync_state"] in ("sync", "quorum")]
            if streaming < {*MEMBERS} - {*without, leading[0]} or not awaited:
                return False
            if [name for name in self.primaries() if name not in without] != leading:
                return False
            found[:] = [(leading[0], awaited[0])]
            return True

        wait_for(happened, f"the cluster is not whole: {self.primaries()}")
        return found[0]

    @contextlib.contextmanager
    def writing(self, to: str = POOLER, table: str = "numbers") -> t.Iterator[dict[str, t.Any]]:
        """A writer on the pooler's host as long as the block; afterwards the dictionary has what it saw."""
        seen: dict[str, t.Any] = {}
        unit, result = f"writer-{table}", f"/root/{table}.json"
        writer = (ROOT / "molecule/postgresql/files/writer.py").read_text(encoding="utf-8")
        subprocess.run(
            ["podman", "exec", "-i", f"{self.lab}-pool1", "sh", "-c", "cat >/root/writer.py"],
            input=writer,
            text=True,
            check=True,
        )
        self.shell("pool1", f"systemctl stop {unit} || true; systemctl reset-failed {unit} || true; rm -f {result}")
        words = ["python3", "/root/writer.py", f"{to} {LOGIN}", result, table]
        self.on("pool1", "systemd-run", f"--unit={unit}", "--property=TimeoutStopSec=150", *words)
        time.sleep(2)
        yield seen
        time.sleep(2)
        self.on("pool1", "systemctl", "stop", unit)
        seen.update(json.loads(self.on("pool1", "cat", result)))
        print(
            f"{to}: {seen['acknowledged']} rows, {len(seen['missing'])} missing, {len(seen['errors'])} errors"
            f" {seen['errors'][:2]}, longest time without a row {seen['longest_gap']:.2f} s"
        )

    @contextlib.contextmanager
    def watched(self) -> t.Iterator[list[list[str]]]:
        """Every time that two members at once say to be the primary, as balancers and poolers ask them."""
        seen: list[list[str]] = []
        end = threading.Event()

        def watch() -> None:
            while not end.wait(0.2):
                primaries = [name for name in MEMBERS if self.answers(name, "primary")]
                # Between the two answers the roles may have changed: both have to say so again.
                if len(primaries) > 1 and all(self.answers(name, "primary") for name in primaries):
                    seen.append(primaries)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield seen
        finally:
            end.set()
            watcher.join()

    @contextlib.contextmanager
    def cut_off(
        self, host: str, others: t.Iterable[str], hooks: t.Sequence[str] = ("input", "output")
    ) -> t.Iterator[None]:
        """No packet passes between a host and others; in one direction only, if there is but one hook."""
        addresses = ", ".join(self.address(other) for other in others)
        side = {"input": "saddr", "output": "daddr"}
        rules = ["table inet faults {"]
        for hook in hooks:
            rules.append(
                f"chain {hook} {{ type filter hook {hook} priority 0; ip {side[hook]} {{ {addresses} }} drop; }}"
            )
        self.nft(host, "\n".join([*rules, "}"]))
        try:
            yield
        finally:
            self.nft(host, "delete table inet faults")

    def nft(self, host: str, rules: str) -> None:
        """Rules in the host's own network namespace; the host has no nft."""
        words = ["podman", "inspect", "--format", "{{.State.Pid}}", f"{self.lab}-{host}"]
        pid = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
        subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "nft", "-f", "-"], input=rules, text=True, check=True)

    def command(self, playbook: str, **extra: t.Any) -> list[str]:
        words = ["ansible-playbook", f"horizontal.scaling.{playbook}", "-i", "inventories/lab"]
        return [*words, "-e", f"@{SCENARIO}/lab.yml", "-e", json.dumps(extra)]

    def start(self, playbook: str, **extra: t.Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(playbook, **extra),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> Run:
        output, _ = process.communicate(timeout=420)
        print(output)
        return Run(process.returncode, " ".join(output.split()))

    def run(self, playbook: str, **extra: t.Any) -> Run:
        return self.finish(self.start(playbook, **extra))

    def kill(self, process: subprocess.Popen[str]) -> None:
        """The controller, as if its machine had lost its power."""
        os.killpg(process.pid, signal.SIGKILL)
        print(process.communicate()[0])
