#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roll a version out in the lab under load, and say what clients saw of it.

The lab is there and site has run. Load goes to the shared address while horizontal.scaling.deploy runs. Prints a table,
writes build/report.html and what it is made of, and ends with 0 only if no request failed.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import signal
import sys
import typing as t

import analyse
import generator
import report
import summary
import trial

ROOT = pathlib.Path(__file__).resolve().parents[2]


def options(arguments: t.Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--service", default="claims-service")
    parser.add_argument("--version", default="2.0.0")
    parser.add_argument("--inventory", default="inventories/lab")
    parser.add_argument("--container", help="the lab host that sends (default: load1 of the lab)")
    parser.add_argument("--base", help="where to, e.g. http://lb1 (default: the lab's shared address)")
    parser.add_argument("--rate", type=int, default=300, help="requests per second on kept connections")
    parser.add_argument("--new-connections", type=int, default=30, help="requests per second on a new connection each")
    parser.add_argument("--websockets", type=int, default=0, help="WebSockets that stay open meanwhile")
    parser.add_argument("--downloads", type=int, default=2, help="downloads of 2 s at the same time")
    parser.add_argument("--baseline", type=float, default=6, help="seconds before the rollout")
    parser.add_argument("--after", type=float, default=6, help="seconds after it")
    parser.add_argument("--limit", type=int, default=420, help="seconds after which the playbook is ended")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("-e", "--extra-vars", action="append", default=[], help="passed on to the playbook")
    return parser.parse_args(arguments)


def playbook(chosen: argparse.Namespace) -> list[str]:
    extras = [f"rollout_service={chosen.service}", f"rollout_version={chosen.version}", *chosen.extra_vars]
    flags = [word for extra in extras for word in ("-e", extra)]
    return ["ansible-playbook", "horizontal.scaling.deploy", "-i", chosen.inventory, *flags]


def run(chosen: argparse.Namespace) -> int:
    lab = trial.lab_name()
    container = chosen.container or f"{lab}-load1"
    base = chosen.base or f"http://{generator.virtual_address(lab)}"
    trial.answers(container, base)
    command = playbook(chosen)
    long = ["--websockets", str(chosen.websockets), "--downloads", str(chosen.downloads), "--download-seconds", "2"]
    load = generator.Load(
        container,
        base,
        generator.usual_attacks(chosen.rate, chosen.new_connections),
        chosen.build / "load",
        seconds=round(chosen.limit + chosen.baseline + chosen.after + 60),
        long_connections=long if chosen.websockets or chosen.downloads else (),
    )

    def operate() -> dict[str, t.Any]:
        return {"command": trial.shown(command), "return_code": trial.run_playbook(command, chosen.limit)}

    trial.say(f"Load: {chosen.rate + chosen.new_connections} requests a second from {container} to {base}")
    outcome = trial.under_load(load, operate, chosen.baseline, chosen.after)
    trial.say("The load has ended; reading the record and the results")
    record = trial.record_of(chosen.inventory, chosen.service, outcome["started"])
    return finish(chosen.build, load.folder, record, outcome)


def finish(build: pathlib.Path, folder: pathlib.Path, record: dict[str, t.Any], outcome: dict[str, t.Any]) -> int:
    """Write the verdict, the record and the report; print the table."""
    verdict = analyse.analyse_folder(folder, record, outcome)
    (folder / "record.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (build / "verdict.json").write_text(json.dumps(verdict, indent=2) + "\n", encoding="utf-8")
    (build / "report.html").write_text(report.page(verdict, record, outcome), encoding="utf-8")
    print(f"\n{summary.table(verdict, record, outcome)}\nReport: {build / 'report.html'}")
    if outcome["return_code"]:
        print(f"The playbook ended with code {outcome['return_code']}.")
    return 0 if verdict["verdict"] == "passed" and not outcome["return_code"] else 1


def main() -> int:
    # The load is stopped on every way out; a terminate request takes the same way as Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(options())
    except trial.Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; the load has been stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
