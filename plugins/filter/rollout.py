# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn what a rollout read into what its modules take."""

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: rollout
short_description: Shape what a rollout read into what its modules take
version_added: "0.1.0"
description:
  - C(rollout_hosts) joins the running versions of hosts with the servers that load balancers report.
  - C(routed_servers) collects the servers of a backend from a loop over load balancers.
  - C(balancer_answers) leaves out what was read from files of a load balancer whose product does not run.
  - C(silent_balancers) names the load balancers of a loop that gave no answer.
  - C(cut_sessions) tells which sessions a drain over load balancers left.
  - C(wanted_servers) gives a list of server names one wanted state.
  - C(balanced_servers) makes hosts the servers of a load-balanced service.
  - C(lined_up) puts the hosts of batches into a play's order, each batch led by its conductor.
  - C(gate_checks) gives expressions their name and minimum of samples.
  - C(rollouts_at) finds the rollouts that are at the batch of a host.
  - C(pods_in_trouble) tells which pods were ready and are not any more, or were started again.
  - C(batch_sizes) counts the hosts of each batch for a play's C(serial).
author: The horizontal.scaling developers (@horizontal)
options: {}
"""


def rollout_hosts(
    names: t.Sequence[str],
    running: t.Mapping[str, t.Mapping[str, t.Any]],
    servers: t.Sequence[t.Mapping[str, t.Any]],
    balanced: bool = True,
    groups: t.Mapping[str, str] | None = None,
) -> list[dict[str, t.Any]]:
    """Hosts as rollout_plan takes them.

    Args:
        names: inventory names of the service's hosts.
        running: results of service_info by host name.
        servers: servers of the service as the load balancers report them, one entry per balancer.
        balanced: whether the service stands behind load balancers; if not, every host counts as in rotation.
        groups: failure domain of each host.
    """
    states: dict[str, list[str]] = {}
    for server in servers:
        states.setdefault(server["name"], []).append(server["state"])
    return [
        {
            "name": name,
            "version": running[name]["version"],
            "running": running[name]["running"],
            "in_rotation": not balanced or (name in states and all(state == "ready" for state in states[name])),
            "restart_pending": running[name].get("restart_pending", False),
            "group": (groups or {}).get(name, ""),
        }
        for name in names
    ]


def routed_servers(results: t.Sequence[t.Mapping[str, t.Any]], backend: str) -> list[dict[str, t.Any]]:
    """The servers of one backend as the load balancers of a loop reported them, each with its balancer's host name."""
    return [
        {**server, "balancer": result["item"]}
        for result in results
        for server in result.get("servers", ())
        if server["backend"] == backend
    ]


def balancer_answers(results: t.Sequence[t.Mapping[str, t.Any]]) -> list[t.Mapping[str, t.Any]]:
    """Results of a loop over load balancers; NGINX's servers stand in files, which tell nothing while it is stopped."""

    def stopped(result: t.Mapping[str, t.Any]) -> bool:
        process = result.get("process")
        # Of HAProxy it is a list, of processes that answered.
        return result.get("running", process.get("running", True) if isinstance(process, dict) else True) is False

    return [
        {"item": result["item"], "balancer": result["item"], "msg": "NGINX does not run there."}
        if stopped(result)
        else result
        for result in results
    ]


def silent_balancers(results: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Load balancers of a loop that cannot be reached or do not answer; one that refuses something is not silent."""
    return [
        result["item"]
        for result in results
        if "servers" not in result
        # What is dead is named: a socket by haproxy_server and haproxy_info, a stopped NGINX above.
        and (result.get("unreachable") or "timedout" in result or "balancer" in result)
    ]


def cut_sessions(results: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, dict[str, int]]:
    """Sessions that were left at the deadline of a drain, by load balancer and server; none with a count of 0."""
    left = {
        result["item"]: {name: count for name, count in result.get("remaining_sessions", {}).items() if count}
        for result in results
    }
    return {balancer: servers for balancer, servers in left.items() if servers}


def wanted_servers(names: t.Sequence[str], backend: str, state: str) -> list[dict[str, str]]:
    """One wanted state for several servers of one backend."""
    return [{"backend": backend, "name": name, "state": state} for name in names]


def balanced_servers(
    names: t.Sequence[str], hostvars: t.Mapping[str, t.Any] | None = None, variable: str = "ansible_host"
) -> list[dict[str, str]]:
    """Hosts as servers of a load-balanced service.

    Args:
        names: inventory names of the hosts.
        hostvars: gives each host's address; without it load balancers resolve the host's name.
        variable: the variable that holds the address.
    """
    return [{"name": name, "address": str((hostvars or {}).get(name, {}).get(variable) or name)} for name in names]


def lined_up(
    batches: t.Sequence[t.Mapping[str, t.Any]], plan: t.Mapping[str, t.Any], direction: str
) -> list[dict[str, t.Any]]:
    """The hosts of a play in the order of its batches, each batch led by its conductor.

    Args:
        batches: of the plan or of the record, in the order in which they are to run.
        plan: the rollout's plan; gives the version forward and, by host, the way back.
        direction: ``forward`` or ``back``.
    """
    kinds = {batch["number"]: batch["kind"] for batch in plan["batches"]}
    lines: list[dict[str, t.Any]] = []
    for batch in batches:
        number, hosts = batch["number"], list(batch["hosts"])
        versions = {host: plan["version"] if direction == "forward" else plan["back"].get(host, "") for host in hosts}
        conductor = {
            "number": number,
            "kind": kinds[number],
            "total": len(plan["batches"]),
            "hosts": hosts,
            "versions": versions,
            "back": {host: plan["back"].get(host, "") for host in hosts},
            "direction": direction,
        }
        word = "batch" if direction == "forward" else "undo-batch"
        lines.append({"name": f"{word}-{number}-of-{conductor['total']}", "batch": conductor})
        lines.extend({"name": host} for host in hosts)
    return lines


def batch_sizes(conductors: t.Sequence[str], hostvars: t.Mapping[str, t.Any]) -> list[int]:
    """Sizes for ``serial``: the hosts of each batch and the batch's conductor."""
    return [1 + len(hostvars[name]["rollout_batch"]["hosts"]) for name in conductors] or [1]


def gate_checks(expressions: t.Sequence[str], minimum: int) -> list[dict[str, t.Any]]:
    """Checks as rollout_gate takes them, from expressions such as ``error_rate < 5%``; ``minimum`` counts requests."""
    return [{"name": text, "expression": text, "min_samples": int(minimum)} for text in expressions]


def rollouts_at(records: t.Sequence[t.Mapping[str, t.Any]], host: str) -> list[t.Mapping[str, t.Any]]:
    """Of the ledger's open rollouts those whose active batch has the host."""
    return [
        record
        for record in records
        if any(batch["state"] == "active" and host in batch["hosts"] for batch in record["batches"])
    ]


def pods_in_trouble(now: t.Sequence[t.Mapping[str, t.Any]], before: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """What has become worse with pods, as kubernetes_workload_info tells of them.

    Pods that came or went since do not count: an autoscaler may be at work.
    """
    ready = {pod["name"]: pod["restarts"] for pod in before if pod["ready"]}
    troubles = []
    for pod in now:
        if pod["name"] not in ready or pod["phase"] == "Terminating":
            continue
        if pod["restarts"] > ready[pod["name"]]:
            troubles.append(f"pod {pod['name']} was started again: {pod['reason'] or 'it is ready now'}")
        elif not pod["ready"]:
            troubles.append(pod["reason"] or f"pod {pod['name']} is not ready any more")
    return troubles


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "rollout_hosts": rollout_hosts,
            "routed_servers": routed_servers,
            "balancer_answers": balancer_answers,
            "silent_balancers": silent_balancers,
            "cut_sessions": cut_sessions,
            "wanted_servers": wanted_servers,
            "balanced_servers": balanced_servers,
            "lined_up": lined_up,
            "rollouts_at": rollouts_at,
            "pods_in_trouble": pods_in_trouble,
            "batch_sizes": batch_sizes,
            "gate_checks": gate_checks,
        }
