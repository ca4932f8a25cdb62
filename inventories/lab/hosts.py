#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts as tests/lab/create.yml made them.

A script, since their names carry LAB_NAME (from tests/lab/environment.sh): were the address a template in YAML, Ansible
would print that template at every delegated task. Hosts with sshd are reached as a site's are, by SSH with a key and
sudo; the others over podman.
"""

import json
import os
import pathlib

GROUPS = {
    "load_balancers": {"lb1": {"keepalived_priority": 150}, "lb2": {"keepalived_priority": 100}},
    "claims_service": {"app1": {}, "app2": {}, "app3": {}, "app4": {}},
    "postgresql": {"db1": {}, "db2": {}, "db3": {}},
    "load_generators": {"load1": {}},
}
LAB = os.environ["LAB_NAME"]
CONFIG = pathlib.Path(os.environ["HS_STATE"], "ssh", LAB, "config")


def way_to(name: str, known: list[str]) -> dict[str, object]:
    if name not in known:
        return {"ansible_connection": "containers.podman.podman"}
    # The config keeps connections open itself (ControlPersist).
    return {"ansible_connection": "ssh", "ansible_ssh_args": f"-F {CONFIG}", "ansible_become": True}


def inventory() -> dict[str, object]:
    known = CONFIG.read_text(encoding="utf-8").split() if CONFIG.exists() else []
    hosts = {
        host: {"ansible_host": f"{LAB}-{host}", **way_to(f"{LAB}-{host}", known), **own}
        for members in GROUPS.values()
        for host, own in members.items()
    }
    groups: dict[str, object] = {group: {"hosts": list(members)} for group, members in GROUPS.items()}
    groups["services"] = {"children": ["claims_service"]}
    groups["all"] = {"children": list(groups), "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}
    return {**groups, "_meta": {"hostvars": hosts}}


if __name__ == "__main__":
    print(json.dumps(inventory(), indent=2))
