#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put measured figures into docs/benchmarks.md: write_docs.py FIGURES.json …; each replaces its own section only."""

from __future__ import annotations

import json
import pathlib
import sys
import time
import typing as t

import lab

import trial  # isort: skip

PAGE = lab.ROOT / "docs/benchmarks.md"
Figures = t.Dict[str, t.Any]


def table(heads: t.Sequence[str], rows: t.Iterable[t.Sequence[t.Any]]) -> str:
    """A table in Markdown; all columns but the first to the right."""
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


def servers(figures: Figures) -> str:
    rows = [
        (f"`{name}`", f"{median['drain_seconds']:.2f}", f"{median['enable_seconds']:.2f}", f"{median['seconds']:.2f}")
        for name, median in figures["median"].items()
    ]
    return (
        f"Drain and re-enable {figures['servers']} servers of a real HAProxy {figures['haproxy']}, median of "
        f"{figures['rounds']} rounds in turns; seconds of the tasks alone.\n\n"
        + table(["", "drain, s", "enable, s", "both, s"], rows)
        + f"\n\nThat is {figures['ratio']} times as fast (wanted: {figures['target']}); with Ansible's own start "
        f"{figures['ratio_with_start_of_ansible']} times."
    )


def plans(figures: Figures) -> str:
    rows = [
        (
            f"{row['hosts']:,}",
            row["batch_sizes"],
            f"{row['batches']:,}",
            f"{row['plan_seconds']:.3f}",
            f"{row['module_seconds']:.2f}",
        )
        for row in figures["figures"]
    ]
    return f"Median of {figures['repeats']} runs; the last column is the module in a process of its own.\n\n" + table(
        ["hosts", "batch sizes", "batches", "plan, s", "module, s"], rows
    )


def second_run(figures: Figures) -> str:
    sides = figures["sides"]
    rows = [
        (
            name,
            f"{side['seconds']:.1f}",
            ", ".join(f"{value:.1f}" for value in side["runs_seconds"]),
            side["tasks"],
            side["task_runs"],
            f"{side['first_run_seconds']:.0f}",
        )
        for name, side in sides.items()
    ]
    mine = next(iter(sides.values()))
    slowest = [(task["name"], task["hosts"], f"{task['seconds']:.2f}") for task in mine["slowest"]]
    outside = mine["seconds"] - mine["in_tasks_seconds"]
    return (
        f"Second run on {figures['hosts']} hosts that changes nothing; both sides in turns, median. The peer is "
        "`tests/bench/peers/site.yml`.\n\n"
        + table(["", "second run, s", "all runs, s", "tasks", "tasks × hosts", "first run, s"], rows)
        + f"\n\nOurs takes {figures['ratio']:.2f} of the peer's time with {figures['task_ratio']:.2f} of its tasks "
        f"(wanted: a third).\n\nWhere its time goes ({mine['in_tasks_seconds']:.1f} s in tasks, {outside:.1f} s in "
        "Ansible's start and between them):\n\n" + table(["task", "hosts", "seconds"], slowest)
    )


def slowest_tasks(side: Figures) -> str:
    """Where the first and the second run of a side spend their time."""
    return "\n\n".join(
        f"{which.capitalize()} run, {side[which]['in_tasks_seconds']:.1f} s in tasks:\n\n"
        + table(
            ["task", "hosts", "seconds"],
            [(task["name"], task["hosts"], f"{task['seconds']:.2f}") for task in side[which]["slowest"]],
        )
        for which in ("first", "second")
    )


def postgresql_site(figures: Figures) -> str:
    sides = figures["sides"]
    rows = [
        (
            f"{name}, {which} run",
            f"{side[which]['seconds']:.1f}",
            ", ".join(f"{value:.1f}" for value in side[which]["runs_seconds"]),
            side[which]["tasks"],
            side[which]["task_runs"],
        )
        for which in ("first", "second")
        for name, side in sides.items()
    ]
    ratios = figures["ratios"]
    return (
        "From three bare hosts that have fetched the packages to a primary and two standbys that stream through slots "
        "by TLS, with checksums, SCRAM, a user and a database, and the same again, which changes nothing; in turns, "
        "fresh hosts each time, median. The peer is `tests/bench/peers/postgresql.yml`: community.postgresql, and "
        "commands for what it has no module for. Ours (native) also has the user that the other playbooks come by, "
        "and what tells load balancers who is the primary.\n\n"
        + table(["", "s", "all runs, s", "tasks", "tasks × hosts"], rows)
        + f"\n\nOurs takes {ratios['first']:.2f} of the peer's time in the first run, {ratios['second']:.2f} in the "
        "second. Where its time goes:\n\n" + slowest_tasks(next(iter(sides.values())))
    )


def postgresql_clone(figures: Figures) -> str:
    rows = [
        (
            name,
            f"{side['seconds']:.1f}",
            ", ".join(f"{value:.1f}" for value in side["runs_seconds"]),
            f"{side['megabytes_per_second']:.0f}",
            f"{side['share']:.0%}",
        )
        for name, side in figures["sides"].items()
    ]
    return (
        f"Clone of {figures['bytes'] / 1e9:.1f} GB of text that is not compressed on the way, from the same primary "
        f"onto the same host by TLS, both with `-X stream -c fast` and a slot; median of {figures['rounds']} rounds in "
        "turns. The primary's files are in memory before each. Both hosts share the machine's disk and cores. Ours "
        "ends when the replica streams; `pg_basebackup` alone has copied and started nothing.\n\n"
        + table(["", "s", "all runs, s", "MB/s", "share of plain"], rows)
    )


CASES = {
    "good": "A good version, and a service that stops gracefully. Rollouts there and back as long as the load goes on.",
    "abrupt": "The same, but the service is cut off at once when it is stopped (`KillSignal=SIGKILL`).",
    "bad": "One rollout of a version that answers `/health` but fails a fifth of its other requests.",
}


def rollout(figures: Figures) -> str:
    parts = [
        f"{figures['rate']} requests a second on kept connections and {figures['new_connections']} on a new one each, "
        "through the shared address. Only requests that were due while the operation ran are counted. The bound holds "
        "with 95 % confidence. Downloads of 2 s run beside them.\n"
    ]
    for case, methods in figures["cases"].items():
        rows = [_rollout_row(name, found) for name, found in methods.items()]
        heads = [
            "",
            "requests",
            "failed",
            "at most, in a million",
            "downloads cut",
            "p50",
            "p99",
            "rollouts",
            "s each",
            "ends with",
        ]
        parts.append(f"{CASES[case]}\n\n{table(heads, rows)}\n")
    return "\n".join(parts).rstrip()


def _rollout_row(name: str, found: Figures) -> list[str]:
    return [
        name,
        f"{found['requests']:,}",
        f"**{found['failed']:,}**",
        f"{found['failed_share_bound_95'] * 1e6:,.0f}",
        f"{found['long_connections_cut']} of {found['long_connections']}",
        f"{found['p50_ms']} ms",
        f"{found['p99_ms']} ms",
        str(found["rollouts"]),
        str(found["rollout_seconds"]),
        ", ".join(found["versions_left"]),
    ]


def switchover(figures: Figures) -> str:
    sides = figures["sides"]
    rows = [
        (
            name,
            side["switchovers"],
            f"{side['pause_p50']:.2f}",
            f"{side['pause_p99']:.2f}",
            f"{side['pause_max']:.2f}",
            f"**{side['errors']}**",
            f"{side['acknowledged']:,}",
            side["missing"],
        )
        for name, side in sides.items()
    ]
    peer = sides["`patronictl switchover`"]["pause_p50"]
    ours = [(name, side["pause_p50"] / peer) for name, side in sides.items() if name.startswith("`switchover`")]
    return (
        "Planned changes of the primary of three members, one after the other, under one client that writes row after "
        "row. Ours leads it through PgBouncer, and commits wait for a replica (`postgresql_synchronous: priority`). "
        "The script (`tests/bench/peers/promote.sh`) does it on the same native cluster; `patronictl` on a Patroni "
        "with its defaults, where commits wait for nobody (`tests/bench/peers/patroni.yml`). Their client knows all "
        "members (`target_session_attrs=read-write`). A pause is the longest time between two acknowledged rows "
        "around a change; an error is an attempt that failed.\n\n"
        + table(["", "changes", "pause p50, s", "p99, s", "longest, s", "errors", "acknowledged", "missing"], rows)
        + "\n\nThe median pause is "
        + " and ".join(f"{ratio:.2f} ({name})" for name, ratio in ours)
        + " of that of `patronictl switchover`. Wanted: a median below 0.7 s, none above 2 s, no error, no row missing."
    )


def apply(figures: Figures) -> str:
    rows = [
        (name, f"{each['first']:.2f}", f"{each['again']:.2f}", f"{each['cpu']:.2f}")
        for name, each in figures["median"].items()
    ]
    large = [
        (f"{int(count):,}", f"{each['first']:.1f}", f"{each['again']:.1f}")
        for count, ways in figures["large"].items()
        for each in ways.values()
    ]
    return (
        f"{figures['objects']} ConfigMaps, ServiceAccounts and NetworkPolicies from one file, server-side apply on all "
        f"sides, median of {figures['rounds']} rounds in turns; seconds of the whole command.\n\n"
        + table(["", "first, s", "again, unchanged, s", "processor, first, s"], rows)
        + f"\n\nThe module alone is {figures['ratio_kubectl']} times as fast as kubectl (again: "
        f"{figures['ratio_kubectl_again']}), the whole run {figures['ratio_core']} times as fast as kubernetes.core's "
        f"(again: {figures['ratio_core_again']}).\n\nMore objects, the module alone, once:\n\n"
        + table(["objects", "first, s", "again, unchanged, s"], large)
    )


def mongodb_site(figures: Figures) -> str:
    rows = [
        (name, f"{run['seconds']:.1f}", ", ".join(f"{value:.1f}" for value in run["runs_seconds"]), run["tasks"])
        for which in ("first", "second")
        for name, run in ((f"{side}, {which} run", found[which]) for side, found in figures["sides"].items())
    ]
    ratios = "; ".join(
        f"{ratio['first']:.2f} and {ratio['second']:.2f} of {peer}" for peer, ratio in figures["ratios"].items()
    )
    return (
        "From three hosts that have the binary, its user and a unit to a replica set with a key, TLS and two users, "
        "and the same again, which changes nothing; in turns on the same hosts, median. A write that all three members "
        "have shows each time that the set is whole. The peers are `tests/bench/peers/mongodb_modules.yml`, with the "
        "usual tasks for files and the service, and `tests/bench/peers/mongodb_roles.yml`, with the role "
        "`mongodb_mongod`, in which a pause of 5 s is left. The roles for repositories, packages and the kernel's "
        "settings are not measured, and the driver that the peer needs is there before.\n\n"
        + table(["", "s", "all runs, s", "tasks"], rows)
        + f"\n\nFirst and second run of ours take {ratios} (wanted: a third). Where its time goes:\n\n"
        + slowest_tasks(next(iter(figures["sides"].values())))
    )


def mongodb_restart(figures: Figures) -> str:
    rows = [
        (
            name,
            side["seconds_per_member"],
            f"{side['longest_pause']:.2f}",
            f"{side['longest_pause_of_all']:.2f}",
            f"{side['paused']:.2f}",
            f"**{side['errors']}**",
            f"{side['acknowledged']:,}",
            side["missing"],
        )
        for name, side in figures["sides"].items()
    ]
    return (
        f"Rolling restarts of a replica set of three, {figures['rounds']} of each in turns, under a client that writes "
        "document after document, each acknowledged by a majority, with retryable writes. `update_database` has the "
        "primary hand over, and waits for each member; the peer (`tests/bench/peers/mongodb_restart.yml`) restarts the "
        "unit and waits for the port. A member that is stopped goes on answering for 15 s, MongoDB's default. A pause "
        "is the time between two acknowledged documents; paused is the sum of those above 0.2 s in one restart.\n\n"
        + table(
            [
                "",
                "s a member",
                "longest pause, median, s",
                "of all, s",
                "paused, s",
                "errors",
                "acknowledged",
                "missing",
            ],
            rows,
        )
    )


def mongodb_growth(figures: Figures) -> str:
    rows = [
        (name, f"{side['seconds']:.1f}", ", ".join(f"{value:.1f}" for value in side["runs_seconds"]), side["tasks"])
        for name, side in figures["sides"].items()
    ]
    return (
        "From one member to five, whose data directories are empty; in turns on the same set, median of whole runs of "
        "`ansible-playbook`. Ours is one task; the peer adds a member for each call, as its documentation wants it, "
        "and waits with `mongodb_status` (`tests/bench/peers/mongodb_grow.yml`).\n\n"
        + table(["", "s", "all runs, s", "tasks"], rows)
        + f"\n\nOurs takes {figures['ratio']:.2f} of the peer's time."
    )


SECTIONS: dict[str, tuple[str, t.Callable[[Figures], str]]] = {
    "rollout": ("Failed requests during a rollout", rollout),
    "haproxy_servers": ("Drain and re-enable servers", servers),
    "second_run": ("Second run of the platform", second_run),
    "postgresql_site": ("Three members of PostgreSQL from bare hosts", postgresql_site),
    "postgresql_clone": ("Clone of a PostgreSQL member", postgresql_clone),
    "rollout_plan": ("Plan of a rollout", plans),
    "switchover": ("Pause of writes while the primary changes", switchover),
    "kubernetes_apply": ("Apply Kubernetes objects", apply),
    "mongodb_site": ("A replica set from hosts with the binary", mongodb_site),
    "mongodb_restart": ("Rolling restart of a replica set", mongodb_restart),
    "mongodb_growth": ("A replica set grows from one member to five", mongodb_growth),
}
HEAD = """# Benchmarks

Measured side by side in one run per section, by the scripts in `tests/bench`. `make bench` repeats all of it (more than
an hour on an idle machine); `tests/bench/run.sh NAME` repeats one section, and writes it here. Ratios travel to other
machines better than seconds do.
"""


def marked(name: str, content: str) -> str:
    return f"<!-- begin {name} -->\n{content}\n<!-- end {name} -->"


def place(page: str, name: str, content: str) -> str:
    """The page with the section of that name replaced, or put at its end."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if begin not in page:
        return f"{page.rstrip()}\n\n{marked(name, content)}\n"
    before, rest = page.split(begin, 1)
    return before + marked(name, content) + rest.split(end, 1)[1]


def section(figures: Figures) -> str:
    title, write = SECTIONS[figures["benchmark"]]
    machine = figures.get("machine") or trial.machine()
    measured = figures.get("measured") or time.strftime("%Y-%m-%d", time.gmtime())
    where = ", ".join(f"{name} {value}" for name, value in machine.items())
    again = f"Measured {measured}: {where}. Again: `tests/bench/run.sh {figures['benchmark']}`."
    return f"## {title}\n\n{write(figures)}\n\n{again}"


def main() -> None:
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else HEAD
    for name in sys.argv[1:]:
        figures = json.loads(pathlib.Path(name).read_text(encoding="utf-8"))
        page = place(page, figures["benchmark"], section(figures))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
