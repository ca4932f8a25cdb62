#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of the node's namespaces: node.py STATE PROGRAMS. Started by cluster.py, never by hand.

It mounts what the node has of its own, starts the cluster's programs, and starts again one that ends.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

import configuration

# What the kubelet sets on a machine: seen here as it wants it, so that the machine's own stays as it is.
KERNEL = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def let_go(needed: list[str]) -> None:
    """Unmount what the node does not need: its copies would keep containers' files of the machine in use."""
    for line in reversed(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()):
        place = pathlib.PurePath(line.split()[4].encode().decode("unicode_escape"))
        kept = place.parts[1:2] in [(), ("proc",), ("sys",), ("dev",)]
        if not kept and not any(place in pathlib.PurePath(path).parents for path in needed):
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def prepare(state: str, programs: str) -> None:
    mount("-t", "proc", "proc", "/proc")
    let_go([state, programs, configuration.PLUGINS, sys.executable])
    mount("--make-rshared", "/")
    # Held by this process until they have their places, since /run and /var may be above them.
    held = {configuration.HOME: os.open(state, os.O_PATH), configuration.PROGRAMS: os.open(programs, os.O_PATH)}
    for folder in ("/run", "/var/lib", "/var/log"):
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    for place, descriptor in held.items():
        pathlib.Path(place).mkdir(parents=True)
        mount("--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{descriptor}", place)
        os.close(descriptor)
    for name, value in KERNEL.items():
        path = pathlib.Path("/run/kernel", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
        mount("--bind", str(path), f"/proc/sys/{name}")


def connect(address: str) -> None:
    while not pathlib.Path(configuration.HOME, "linked").exists():
        time.sleep(0.05)
    for command in ("link set lo up", f"address add {address}/30 dev eth0", "link set eth0 up"):
        subprocess.run(["ip", *command.split()], check=True)
    # kube-proxy and etcd want to know their address by the way out, which there is none of.
    outside = ".".join([*address.split(".")[:3], str(int(address.split(".")[3]) - 1)])
    subprocess.run(["ip", "route", "add", "default", "via", outside], check=True)
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def start(name: str, words: list[str]) -> subprocess.Popen:
    environment = {"PATH": f"{configuration.PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": configuration.HOME}
    with pathlib.Path(configuration.HOME, f"log/{name}.log").open("ab") as log:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)


def main() -> None:
    prepare(*sys.argv[1:3])
    address = pathlib.Path(configuration.HOME, "address").read_text()
    connect(address)
    commands = configuration.commands(address)
    running = {start(name, words).pid: name for name, words in commands.items()}
    while True:
        ended, status = os.wait()  # orphans among them
        if ended in running:
            name = running.pop(ended)
            print(f"{time.strftime('%X')} {name} ended ({status}); starting it again", flush=True)
            time.sleep(1)
            running[start(name, commands[name]).pid] = name


if __name__ == "__main__":
    main()
