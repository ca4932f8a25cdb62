# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger's module as processes of their own, and forked loops that can be killed at any instant."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

COLLECTIONS = os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[0]
if "ansible_collections" not in sys.modules:
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder(paths=[COLLECTIONS])._install()

HOSTS = [{"name": f"app{number}", "version": "1.0.0", "running": True, "in_rotation": True} for number in range(1, 5)]


class Ledger:
    """The module, in this process or in others."""

    def __init__(self, path: Path) -> None:
        from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.plan import make_plan
        from ansible_collections.horizontal.scaling.plugins.modules import rollout, rollout_info

        self.path = path
        self.plan = make_plan("claims", "2.0.0", HOSTS, batch_sizes=["1"])
        self._rollout, self._info = rollout, rollout_info

    def options(self, action: str, **options: t.Any) -> dict[str, t.Any]:
        given = {"service": "claims", "owner": "ops@laptop", "path": str(self.path), "action": action}
        if action == "begin":
            given["plan"] = self.plan
        return dict(given, **options)

    def act(self, action: str, **options: t.Any) -> dict[str, t.Any]:
        """In this process; ScalingError when refused."""
        defaults = {name: option.get("default") for name, option in self._rollout.SPEC.items()}
        return self._rollout.converge(dict(defaults, **self.options(action, **options)), False).as_result(False)

    def start(self, action: str, **options: t.Any) -> subprocess.Popen[str]:
        """As Ansible runs a module on a host."""
        process = subprocess.Popen(
            [sys.executable, "-m", "ansible_collections.horizontal.scaling.plugins.modules.rollout"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=COLLECTIONS),
            text=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": self.options(action, **options)}))
        process.stdin.close()
        process.stdin = None
        return process

    @staticmethod
    def result(process: subprocess.Popen[str]) -> dict[str, t.Any]:
        return json.loads(process.communicate(timeout=60)[0])

    def info(self) -> dict[str, t.Any]:
        given = {"service": "claims", "path": str(self.path), "limit": 0}
        return self._info.gather(given, False).as_result(False)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def forked(loop):
    """Run ``loop(acknowledge)`` in a process; its id and the pipe on which it acknowledges."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        os.close(reader)
        loop(lambda text: os.write(writer, f"{text}\n".encode()))
    finally:
        os._exit(1)


def killed(pid, reader, after):
    """Kill it some time after its first acknowledgement, and return what it has acknowledged."""
    assert select.select([reader], [], [], 30)[0]
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    _pid, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the loop ended by itself"
    with os.fdopen(reader) as stream:
        return stream.read().splitlines()


def kill_writes(ledger: Ledger, kills: int, seed: int, longest: float) -> str:
    """Kill a run as it writes, again and again; token of the rollout, whose record never lost an acknowledged step."""
    token = ledger.act("begin")["token"]
    source = random.Random(seed)
    last = 0

    def loop(acknowledge):
        for number in range(last + 1, last + 100_000):
            ledger.act("advance", token=token, batch=1, phase=f"step_{number}", evidence={"number": number})
            acknowledge(number)

    for _kill in range(kills):
        acknowledged = killed(*forked(loop), after=source.uniform(0, longest))
        newest = int(acknowledged[-1]) if acknowledged else last
        shown = ledger.info()
        assert shown["corrupt"] == []
        (record,) = shown["current"]
        found = record["batches"][0]["evidence"].get("number", 0)
        assert found in (newest, newest + 1), "an acknowledged step was lost, or another one came from nowhere"
        assert len([event for event in record["events"] if event["what"].startswith("batch 1")]) == found
        last = found
    assert last >= kills
    return token
