# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests against real products share: modules run in this process, roles' tasks, free ports, and waiting."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

if "ansible_collections" not in sys.modules and os.environ.get("ANSIBLE_COLLECTIONS_PATH"):
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder(paths=[os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[0]])._install()


def until(condition: t.Callable[[], t.Any], seconds: float = 20.0, ignore: t.Any = ()) -> None:
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(ignore or ()):
            if condition():
                return
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def free_ports(*names: str) -> dict[str, int]:
    with contextlib.ExitStack() as stack:
        probes = {name: stack.enter_context(socket.socket()) for name in names}
        for probe in probes.values():
            probe.bind(("127.0.0.1", 0))
        return {name: probe.getsockname()[1] for name, probe in probes.items()}


def run_module(name: str, parameters: dict[str, t.Any], check: bool = False) -> dict[str, t.Any]:
    """A module's result, from its argument spec to its JSON, without a process of its own."""
    import importlib

    from ansible.module_utils import basic

    module = importlib.import_module(f"ansible_collections.horizontal.scaling.plugins.modules.{name}")
    arguments = dict(parameters, _ansible_check_mode=check, _ansible_diff=True, _ansible_remote_tmp="/tmp")
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit):
        module.main()
    return json.loads(out.getvalue().strip().splitlines()[-1])


def run_playbook(playbook: Path, values: dict[str, t.Any], directory: Path, check: bool = False) -> dict[str, t.Any]:
    """Run a playbook on this host, its variables kept in a directory: whether it changed anything, and what failed."""
    variables = directory / "variables.json"
    variables.write_text(json.dumps({"ansible_python_interpreter": sys.executable, **values}))
    command = ["ansible-playbook", "-i", "localhost,", "-e", f"@{variables}", str(playbook), *["--check"] * check]
    environment = dict(os.environ, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json", ANSIBLE_CALLBACK_RESULT_FORMAT="json")
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    report = json.loads(done.stdout[done.stdout.index(b"{") :])
    results = [task["hosts"]["localhost"] for play in report["plays"] for task in play["tasks"] if task["hosts"]]
    failed = [result.get("msg", "") for result in results if result.get("failed")]
    return {"changed": report["stats"]["localhost"]["changed"] > 0, "failed": " ".join(map(str, failed))}
