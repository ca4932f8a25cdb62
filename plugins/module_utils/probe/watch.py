# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many probes side by side, each repeated until it is healthy, has used up its retries, or time is up."""

from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome
from ansible_collections.horizontal.scaling.plugins.module_utils.health.probes import prepare
from ansible_collections.horizontal.scaling.plugins.module_utils.health.score import summarise

from .http import probe_http
from .others import probe_command, probe_tcp

GRACE = 0.5  # seconds for threads to give in after the deadline
SHORTEST = 0.1  # seconds; a last attempt with less would only hide the reason of the one before
STACK = 512 * 1024  # bytes; a thousand threads stay small
NAMED = 5  # failed probes that the message names
Attempt = t.Callable[[t.Mapping[str, t.Any], float], str]
ATTEMPTS: dict[str, Attempt] = {"http": probe_http, "tcp": probe_tcp, "command": probe_command}


class Rules(t.NamedTuple):
    """How a probe is repeated."""

    timeout: float
    interval: float
    successes: int
    retries: int | None  # failed attempts that are forgiven; None: until the deadline


def check(parameters: dict[str, t.Any], check_mode: bool) -> Outcome:
    """Entry point of health_check.

    In check mode every probe is tried once, nothing is waited for, no command runs, and nothing fails: on a first
    run the service is not there yet.
    """
    rules = _rules(parameters, check_mode)
    probes = prepare(parameters["probes"])
    began = time.monotonic()
    results = run_probes(probes, rules, parameters["deadline"], ATTEMPTS, skip_commands=check_mode)
    seconds = round(time.monotonic() - began, 3)
    values = dict(summarise(results), probes=results, seconds=seconds)
    if values["healthy"] or check_mode or not parameters["fail"]:
        return Outcome(**values)
    raise ScalingError(f"Not healthy after {seconds:.1f} s: {_reasons(results)}.", **values)


def _rules(parameters: dict[str, t.Any], check_mode: bool) -> Rules:
    for option in ("timeout", "deadline"):
        if not parameters[option] > 0:
            raise ScalingError(f"{option} is {parameters[option]:g}; give seconds greater than 0.")
    if parameters["interval"] < 0:
        raise ScalingError(f"interval is {parameters['interval']:g}; give seconds from 0.")
    if parameters["successes"] < 1:
        raise ScalingError(f"successes is {parameters['successes']}; give a whole number from 1.")
    retries = parameters["retries"]
    if retries is not None and retries < 0:
        raise ScalingError(f"retries is {retries}; give a whole number from 0, or leave it out to try until deadline.")
    if check_mode:
        return Rules(parameters["timeout"], parameters["interval"], 1, 0)
    return Rules(parameters["timeout"], parameters["interval"], parameters["successes"], retries)


def run_probes(
    probes: t.Sequence[t.Mapping[str, t.Any]],
    rules: Rules,
    seconds: float,
    attempts: t.Mapping[str, Attempt],
    skip_commands: bool = False,
) -> list[dict[str, t.Any]]:
    """Results in the order of the probes: name, type, healthy, seconds, reason, attempts, weight."""
    deadline = Deadline(seconds)
    results = [_blank(probe) for probe in probes]
    threads = []
    usual = threading.stack_size(STACK)
    for probe, result in zip(probes, results):
        if skip_commands and probe["type"] == "command":
            result.update(healthy=None, reason="not run in check mode")
            continue
        thread = threading.Thread(target=_repeat, args=(probe, result, rules, deadline, attempts), daemon=True)
        thread.start()
        threads.append((thread, result))
    threading.stack_size(usual)
    ends = time.monotonic() + deadline.remaining + GRACE
    for thread, result in threads:
        thread.join(max(0.0, ends - time.monotonic()))
        if thread.is_alive():  # a name server that does not answer holds a thread, but not the task
            result.update(healthy=False, reason=result["reason"] or f"no answer within the deadline of {seconds:g} s")
    return [dict(result) for result in results]


def _blank(probe: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    named = {"name": probe["name"], "type": probe["type"], "weight": probe["weight"]}
    return dict(named, healthy=False, seconds=0.0, reason="", attempts=0)


def _repeat(
    probe: t.Mapping[str, t.Any],
    result: dict[str, t.Any],
    rules: Rules,
    deadline: Deadline,
    attempts: t.Mapping[str, Attempt],
) -> None:
    in_a_row = failures = 0
    while True:
        began = time.monotonic()
        reason = _try_once(probe, min(rules.timeout, deadline.remaining), attempts)
        result.update(seconds=round(time.monotonic() - began, 4), reason=reason, attempts=result["attempts"] + 1)
        in_a_row = 0 if reason else in_a_row + 1
        failures += bool(reason)
        if in_a_row >= rules.successes:
            result["healthy"] = True
            return
        if rules.retries is not None and failures > rules.retries:
            return
        if deadline.remaining < rules.interval + SHORTEST:
            break
        time.sleep(rules.interval)
    if not result["reason"]:
        result["reason"] = f"only {in_a_row} of {rules.successes} successes in a row before the deadline"


def _try_once(probe: t.Mapping[str, t.Any], seconds: float, attempts: t.Mapping[str, Attempt]) -> str:
    try:
        return attempts[probe["type"]](probe, seconds)
    except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
        return f"the probe itself failed: {type(error).__name__}: {error}"


def _reasons(results: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    failed = [f"{result['name']}: {result['reason']}" for result in results if result["healthy"] is False]
    more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    return "; ".join(failed[:NAMED]) + more
