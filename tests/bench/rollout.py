#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that fail while a version is rolled out: horizontal.scaling.deploy and two usual playbooks, in one run.

The same hosts, load balancers, service and load for all; only how the version is replaced differs. Cases:
  good    one rollout after another, there and back, until 60,000 requests were sent while they ran
  abrupt  the same with a service that is cut off at once when it is stopped (KillSignal=SIGKILL)
  bad     one rollout of a version that fails a fifth of its requests; 60,000 requests from its start on
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import time
import typing as t

import lab

import analyse  # isort: skip
import generator  # isort: skip
import trial  # isort: skip

HOSTS = ("lb1", "lb2", "app1", "app2", "app3", "app4", "load1")
METHODS: dict[str, t.Callable[[str], list[str]]] = {
    "horizontal.scaling.deploy": lambda version: lab.playbook(
        "horizontal.scaling.deploy", rollout_service="claims-service", rollout_version=version
    ),
    "serial: 1 and restart": lambda version: lab.playbook(lab.PEERS / "deploy_plain.yml", claims_version=version),
    "community.general.haproxy": lambda version: lab.playbook(lab.PEERS / "deploy_haproxy.yml", claims_version=version),
}
CASES = ("good", "abrupt", "bad")
MOST_ROLLOUTS = 30


class Case:
    """One method in one case, under a load of its own."""

    def __init__(self, name: str, method: str, arguments: argparse.Namespace, network: str) -> None:
        self.name = name
        self.command = METHODS[method]
        self.arguments = arguments
        self.folder = arguments.build / name / method.replace(" ", "-").replace(":", "")
        self.network = network
        self.seconds: list[float] = []
        self.codes: list[int] = []

    def measure(self) -> dict[str, t.Any]:
        rate = self.arguments.rate + self.arguments.new_connections
        load = generator.Load(
            f"{self.network}-load1",
            f"http://{generator.virtual_address(self.network)}",
            generator.usual_attacks(self.arguments.rate, self.arguments.new_connections),
            self.folder / "load",
            seconds=1800,
            long_connections=["--downloads", "2", "--download-seconds", "2"],
        )
        outcome = trial.under_load(load, lambda: self._operate(self.arguments.requests / rate), 5, 5)
        verdict = analyse.analyse_folder(load.folder, {}, outcome)
        during = verdict["phases"]["during"]
        return {
            "requests": during["requests"],
            "failed": during["failed"],
            "outcomes": {name: count for name, count in during["outcomes"].items() if count},
            "failed_share_bound_95": analyse.upper_bound(during["failed"], during["requests"]),
            "failed_before_and_after": verdict["failed"] - during["failed"],
            "long_connections": verdict["long_connections"]["connections"],
            "long_connections_cut": verdict["long_connections"]["failed"],
            "p50_ms": during["p50_ms"],
            "p99_ms": during["p99_ms"],
            "p99_before_ms": verdict["phases"]["before"]["p99_ms"],
            "longest_gap_ms": verdict["longest_gap"]["ms"],
            "generator_lag_p99_ms": verdict["generator_lag"]["p99_ms"],
            "processor_busy": outcome["processor_busy"],
            "rollouts": len(self.seconds),
            "rollout_seconds": round(statistics.median(self.seconds), 1),
            "codes": self.codes,
            "versions_left": self._versions(verdict["series"]),
        }

    def _operate(self, seconds: float) -> dict[str, t.Any]:
        """Roll out until the load has gone on for so long."""
        until = time.monotonic() + seconds
        if self.name == "bad":
            self._roll_out("2.0.0-errors")
            time.sleep(max(0.0, until - time.monotonic()))
        else:
            versions = ("2.0.0", "1.0.0")
            while time.monotonic() < until and len(self.seconds) < MOST_ROLLOUTS:
                self._roll_out(versions[len(self.seconds) % 2])
        return {"seconds": self.seconds, "codes": self.codes}

    def _roll_out(self, version: str) -> None:
        began = time.monotonic()
        code, output = lab.run(self.command(version), self.folder / "playbook.log")
        self.seconds.append(time.monotonic() - began)
        self.codes.append(code)
        if code and self.name != "bad":
            raise SystemExit(f"{self.folder.name} could not roll {version} out:\n{output[-4000:]}")

    @staticmethod
    def _versions(series: dict[str, t.Any]) -> list[str]:
        """The versions that answered in the last three seconds."""
        return sorted(name for name, values in series["versions"].items() if sum(values[-4:]))


def back_to_start(version: str = "1.0.0") -> None:
    """All hosts at the first version and in rotation, whatever the method before left."""
    lab.check(METHODS["community.general.haproxy"](version))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    parser.add_argument("--requests", type=int, default=61_000, help="per method and case")
    parser.add_argument("--rate", type=int, default=450)
    parser.add_argument("--new-connections", type=int, default=50)
    parser.add_argument("--case", choices=CASES, action="append", help="only these")
    parser.add_argument("--build", type=pathlib.Path, default=lab.ROOT / "build/bench")
    arguments = parser.parse_args()
    figures: dict[str, t.Any] = {}
    with lab.hosts("rollout", HOSTS) as network:
        for case in arguments.case or CASES:
            signal = "SIGKILL" if case == "abrupt" else "SIGTERM"
            lab.check(lab.playbook("horizontal.scaling.site", service_stop_signal=signal))
            figures[case] = {}
            for method in METHODS:
                back_to_start()
                lab.say(f"{case}: {method}")
                figures[case][method] = Case(case, method, arguments, network).measure()
                lab.say(f"  {figures[case][method]['failed']} of {figures[case][method]['requests']} failed")
    rates = {"rate": arguments.rate, "new_connections": arguments.new_connections}
    lab.write({"benchmark": "rollout", **rates, "cases": figures}, arguments.json)


if __name__ == "__main__":
    main()
