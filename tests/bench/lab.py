# SPDX-License-Identifier: GPL-3.0-or-later
"""What the measurements on lab hosts share: a lab of their own, playbooks with their tasks timed, the load's tools."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "tests/bench/peers"
INVENTORY = "inventories/lab"
# The host that clients run on.
CLIENT = "load1"
BASE = os.environ.get("LAB_NAME", "")
sys.path.insert(0, str(ROOT / "tests/load"))


def arguments(about: str) -> argparse.Namespace:
    """Where figures go, and how often both sides run in turns; the first line of ``about`` says what is measured."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


def playbook(name: str | pathlib.Path, **values: str) -> list[str]:
    """A command that runs a playbook against the lab's inventory."""
    extras = [word for key, value in values.items() for word in ("-e", f"{key}={value}")]
    return ["ansible-playbook", str(name), "-i", INVENTORY, *extras]


@contextlib.contextmanager
def hosts(name: str, names: t.Sequence[str]) -> t.Iterator[str]:
    """A lab that exists as long as the block; its name, which LAB_NAME is set to meanwhile."""
    if not BASE:
        raise SystemExit("LAB_NAME is not set; run `source tests/lab/environment.sh` first.")
    before, own = os.environ["LAB_NAME"], f"{BASE}-{name}"
    os.environ.update(LAB_NAME=own, LAB_BYTECODE="none")  # modules cost what they cost at a site
    say(f"lab {own}: {', '.join(names)}")
    try:
        check(["ansible-playbook", "tests/lab/create.yml", "-e", json.dumps({"lab_hosts": list(names)})])
        yield own
    finally:
        environment = {**os.environ, "LAB_NAME": own}  # never another lab, whatever happened in between
        destroy = ["ansible-playbook", "tests/lab/destroy.yml"]
        subprocess.run(destroy, cwd=ROOT, env=environment, capture_output=True, check=False)
        os.environ["LAB_NAME"] = before


def on(host: str, *words: str) -> str:
    """Run a command on a host of the lab; its output."""
    command = ["podman", "exec", f"{os.environ['LAB_NAME']}-{host}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def writing(url: str, *options: str) -> t.Iterator[dict[str, t.Any]]:
    """A client that writes as long as the block, by options of systemd-run; then the dictionary has what it saw."""
    seen: dict[str, t.Any] = {}
    options = (*options, "--setenv=INTERVAL=0.005")
    on(CLIENT, "systemd-run", "--unit=writer", *options, "/root/writer.py", url, "/root/written.json")
    time.sleep(2)
    yield seen
    time.sleep(2)
    on(CLIENT, "systemctl", "stop", "writer")
    seen.update(json.loads(on(CLIENT, "cat", "/root/written.json")))


def check(command: t.Sequence[str], log: pathlib.Path | None = None) -> float:
    """Run a command that has to succeed; its seconds."""
    began = time.monotonic()
    code, output = run(command, log)
    if code:
        raise SystemExit(f"{' '.join(command)} ended with code {code}:\n{output[-4000:]}")
    return time.monotonic() - began


def run(command: t.Sequence[str], log: pathlib.Path | None = None, limit: float = 900) -> tuple[int, str]:
    """Run a command in the checkout; its code and output."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=limit
    )
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as stream:
            stream.write(done.stdout)
    return done.returncode, done.stdout


def timed(command: t.Sequence[str]) -> dict[str, t.Any]:
    """Run a playbook; wall seconds, tasks, what each of them took, what changed.

    A task counts once however many hosts run it, as it does on the screen; tasks that every host skips do not count.
    """
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=1800)
    wall = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    output = json.loads(done.stdout[done.stdout.index("{") :])
    tasks = []
    for play in output["plays"]:
        for task in play["tasks"]:
            ran = [result for result in task["hosts"].values() if not result.get("skipped")]
            if ran:
                tasks.append(
                    {"name": task["task"]["name"], "hosts": len(ran), "seconds": _seconds(task["task"]["duration"])}
                )
    return {
        "seconds": round(wall, 2),
        "tasks": len(tasks),
        "task_runs": sum(task["hosts"] for task in tasks),
        "changed": sum(stats["changed"] for stats in output["stats"].values()),
        "slowest": sorted(tasks, key=lambda task: -task["seconds"])[:12],
        "in_tasks_seconds": round(sum(task["seconds"] for task in tasks), 2),
    }


def median_run(runs: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
    """The run in the middle, with all walls beside it."""
    ordered = sorted(runs, key=lambda run: run["seconds"])
    middle = ordered[len(ordered) // 2]
    return {**middle, "runs_seconds": [run["seconds"] for run in runs]}


def _seconds(duration: dict[str, str]) -> float:
    start, end = (datetime.datetime.fromisoformat(duration[key].rstrip("Z")) for key in ("start", "end"))
    return round((end - start).total_seconds(), 3)


def write(figures: dict[str, t.Any], path: pathlib.Path | None) -> None:
    """Print the figures, with the machine they were measured on, and keep them."""
    import trial

    figures = {**figures, "machine": trial.machine(), "measured": time.strftime("%Y-%m-%d", time.gmtime())}
    text = json.dumps(figures, indent=2)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    print(text)
