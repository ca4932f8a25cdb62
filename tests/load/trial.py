# SPDX-License-Identifier: GPL-3.0-or-later
"""A planned operation under load: a quiet stretch, playbooks, a quiet stretch; what it took is written to run.json."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import shlex
import signal
import subprocess
import sys
import time
import typing as t

import generator

Json = t.Dict[str, t.Any]


class Refused(Exception):
    """The trial cannot start, or did not measure what it should; one sentence for a person."""


def say(text: str) -> None:
    print(f"\033[1m==>\033[0m {text}" if sys.stderr.isatty() else f"==> {text}", file=sys.stderr, flush=True)


def lab_name() -> str:
    name = os.environ.get("LAB_NAME")
    if not name:
        raise Refused("LAB_NAME is not set; run `source tests/lab/environment.sh` first.")
    return name


def answers(container: str, base: str) -> None:
    """See that the service can be reached from the load host.

    Raises:
        Refused: it cannot.
    """
    command = ["podman", "exec", container, "curl", "--silent", "--show-error", "--fail", "--max-time", "5"]
    done = subprocess.run([*command, f"{base}/version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(
            f"{base}/version does not answer {container}: {done.stderr.strip()}. "
            "Create the lab and run horizontal.scaling.site against it first."
        )


def run_playbook(command: t.Sequence[str], limit: float, environment: t.Mapping[str, str] | None = None) -> int:
    """Run a playbook with its output visible; its code, 124 when it was ended after `limit` seconds."""
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})})
    try:
        return process.wait(limit)
    except BaseException as error:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return 124
        raise


def under_load(
    load: generator.Load,
    operate: t.Callable[[], Json],
    baseline: float,
    after: float,
) -> Json:
    """Do something while the load goes on; the times and what `operate` returned, also written to run.json.

    Raises:
        Refused: the load ended before the operation did.
    """
    with load:
        idle = [_idle()]
        time.sleep(baseline)
        idle.append(_idle())
        if not load.running():
            raise Refused(f"The load did not start; see the logs in {load.folder}.")
        say(f"{load.sent():,} requests answered so far; starting the operation")
        started = time.time()
        values = operate()
        ended = time.time()
        idle.append(_idle())
        time.sleep(after)
        complete = load.running()
    busy = {"before": _busy(idle[0], idle[1]), "during": _busy(idle[1], idle[2])}
    run = {"started": started, "ended": ended, "machine": machine(), "processor_busy": busy, **values}
    (load.folder / "run.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    if not complete:
        raise Refused(f"The load of {load.seconds} s ended before the operation of {ended - started:.0f} s did.")
    return run


def _idle() -> tuple[int, int]:
    """Time that the machine's processors were idle, and all their time, in ticks since the boot."""
    fields = next((line.split()[1:9] for line in _lines("/proc/stat") if line.startswith("cpu ")), [])
    ticks = [int(field) for field in fields]
    return (ticks[3] + ticks[4], sum(ticks)) if ticks else (0, 0)


def _busy(earlier: tuple[int, int], later: tuple[int, int]) -> float | None:
    """Share of the time in which the processors were busy; near 1 the machine, not the service, sets the latencies."""
    whole = later[1] - earlier[1]
    return round(1 - (later[0] - earlier[0]) / whole, 2) if whole else None


def shown(command: t.Sequence[str]) -> str:
    """A command as a person types it."""
    return shlex.join(command)


def record_of(inventory: str, service: str, since: float) -> Json:
    """The newest rollout of the service that began after `since`, as show_rollouts gives it; empty when none did."""
    values = {"rollout_service": service, "rollout_output": "json"}
    command = ["ansible-playbook", "horizontal.scaling.show_rollouts", "-i", inventory, "-e", json.dumps(values)]
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise Refused(f"show_rollouts failed: {done.stdout[-1500:]}{done.stderr[-500:]}")
    begun = [
        record for record in _rollouts(json.loads(done.stdout[done.stdout.index("{") :])) if _start(record) >= since
    ]
    return max(begun, key=_start, default={})


def _rollouts(output: Json) -> list[Json]:
    """Open and finished rollouts in the output of Ansible's JSON callback."""
    for play in output["plays"]:
        for task in play["tasks"]:
            for result in task["hosts"].values():
                shown_value = result.get("msg")
                if isinstance(shown_value, dict) and "history" in shown_value:
                    return [*shown_value["current"], *shown_value["history"]]
    return []


def _start(record: Json) -> float:
    import results

    return results.nanoseconds(record["started"]) / 1e9 + 0.001


def machine() -> Json:
    """What the figures were measured on."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    system = next(
        (line.partition("=")[2].strip('"') for line in _lines("/etc/os-release") if "PRETTY_NAME" in line), ""
    )
    return {
        "system": system,
        "cores": os.cpu_count(),
        "processor": cpu,
        "memory": f"{memory / 1024 / 1024:.0f} GiB",
        "kernel": platform.release(),
        "ansible-core": _ansible_version(),
        "Python": platform.python_version(),
    }


def _lines(path: str) -> list[str]:
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _ansible_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("ansible-core")
    except metadata.PackageNotFoundError:
        return "unknown"
