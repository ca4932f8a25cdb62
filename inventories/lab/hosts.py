#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts as tests/lab/create.yml made them: those that are there, in the groups of their names.

A script, since their names carry LAB_NAME (from tests/lab/environment.sh): were the address a template in YAML, Ansible
would print that template at every delegated task. Hosts with sshd are reached as a site's are, by SSH with a key and
sudo; the others over podman.
"""

import json
import os
import pathlib
import subprocess


def replica_set(name: str, role: str) -> dict[str, object]:
    """Variables of the only member of a set that is part of a sharded cluster."""
    return {"mongodb_replica_set": name, "mongodb_cluster_role": role, "mongodb_members": [{"name": f"{name}1"}]}


GROUPS = {
    "load_balancers": {"lb1": {"keepalived_priority": 150}, "lb2": {"keepalived_priority": 100}},
    "claims_service": {"app1": {}, "app2": {}, "app3": {}, "app4": {}},
    "postgresql": {"db1": {}, "db2": {}, "db3": {}},
    "mongodb": {
        **{"mongo1": {}, "mongo2": {}, "mongo3": {}, "mongo4": {}, "mongo5": {}},
        "config1": replica_set("config", "configsvr"),
        **{f"{name}1": replica_set(name, "shardsvr") for name in ("north", "south", "west")},
    },
    "mongodb_router": {"config1": {}},
    "etcd": {},
    "poolers": {"pool1": {}},
    "backup_repositories": {"repo1": {}},
    "object_stores": {"s31": {}},
    "load_generators": {"load1": {}},
}
LAB = os.environ["LAB_NAME"]
CONFIG = pathlib.Path(os.environ["HS_STATE"], "ssh", LAB, "config")


def lab_hosts() -> set[str]:
    """What the lab has, running or not, without the lab's name."""
    command = ["podman", "ps", "--all", "--filter", f"label=horizontal.scaling.lab={LAB}", "--format", "{{.Names}}"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return {name.removeprefix(f"{LAB}-") for name in names}


def way_to(name: str, known: list[str]) -> dict[str, object]:
    if name not in known:
        return {"ansible_connection": "containers.podman.podman"}
    # The config keeps connections open itself (ControlPersist).
    return {"ansible_connection": "ssh", "ansible_ssh_args": f"-F {CONFIG}", "ansible_become": True}


def inventory() -> dict[str, object]:
    known = CONFIG.read_text(encoding="utf-8").split() if CONFIG.exists() else []
    present = lab_hosts()
    groups: dict[str, object] = {}
    hosts: dict[str, dict[str, object]] = {}
    for group, members in GROUPS.items():
        names = [name for name in members if name in present]
        groups[group] = {"hosts": names}
        for name in names:
            hosts.setdefault(name, {"ansible_host": f"{LAB}-{name}", **way_to(f"{LAB}-{name}", known)})
            hosts[name].update(members[name])
    groups["services"] = {"children": ["claims_service"]}
    groups["all"] = {"children": list(groups), "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}
    return {**groups, "_meta": {"hostvars": hosts}}


if __name__ == "__main__":
    print(json.dumps(inventory(), indent=2))
