#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kubernetes cluster of one node on this machine.

cluster.py start PROGRAMS IMAGES ... | stop | status | restart PROGRAM

The node is a process namespace of its own, with a network and mounts of its own: whatever its programs, pods and
kube-proxy's rules leave behind there is gone with its first process. Only its cgroups are not; `stop` removes them. The
machine sees one network interface and the folder $HS_STATE/kubernetes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import ipaddress
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request

import certificates
import configuration

HERE = pathlib.Path(__file__).resolve().parent
STATE = pathlib.Path(os.environ["HS_STATE"], "kubernetes")
NAME = f"hs-{os.environ['HS_ID']}-k8s"  # the machine's cgroups carry it
LINK = f"hs{os.environ['HS_ID']}k"
KUBECONFIG = STATE / "kubeconfig"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
SECONDS = 300  # for whatever has to come up


def say(text: str) -> None:
    print(f"\033[1m==>\033[0m {text}", file=sys.stderr, flush=True)


def addresses() -> tuple[str, str]:
    """The machine's end of the link and the node's, in a network of the benchmark range for this checkout alone."""
    number = int(hashlib.sha256(NAME.encode()).hexdigest(), 16) % 2**14
    base = ipaddress.ip_address("198.18.0.0") + 4 * number
    return str(base + 1), str(base + 2)


def run(*words: t.Any) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def until(what: str, condition: t.Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        if not first_process():
            raise SystemExit(f"The node ended before {what}; see {STATE}/log")
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {SECONDS} s; see {STATE}/log")
        time.sleep(0.2)


def first_process() -> int:
    """Process number of the node's first process as the machine sees it; 0 if it does not run."""
    try:
        number, born = (STATE / "pid").read_text().split()
        return int(number) if _born(number) == born else 0
    except (OSError, ValueError):
        return 0


def _born(number: str | int) -> str:
    """When a process started: numbers are used again."""
    return pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]


def inside(*words: t.Any) -> str:
    """A command in the node's namespaces."""
    return run("nsenter", f"--target={first_process()}", "--mount", "--net", "--pid", "--", *words)


def answers(path: str) -> bool:
    context = ssl.create_default_context(cafile=STATE / "pki/ca.crt")
    context.load_cert_chain(STATE / "pki/admin.crt", STATE / "pki/admin.key")
    try:
        with urllib.request.urlopen(f"https://{addresses()[1]}:6443{path}", context=context, timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def kubectl(*words: t.Any) -> str:
    return run("kubectl", "--kubeconfig", KUBECONFIG, *words)


def start(programs: str, *images: str) -> None:
    if first_process() and (STATE / "started").exists() and answers("/readyz"):
        say(f"The cluster runs: export KUBECONFIG={KUBECONFIG}")
        return
    stop()
    say("Starting the cluster")
    for folder in ("pki", "log", "etcd", "containerd", "kubelet", "cni"):
        (STATE / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    outside, node = addresses()
    certificates.make(STATE / "pki", node)
    configuration.write(STATE, NAME, node)
    _allow_watches()
    _make_cgroups()
    with (STATE / "log/node.log").open("ab") as log:
        parent = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--propagation", "private", "--kill-child=KILL", "--"]
            + [sys.executable, HERE / "node.py", STATE, programs],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    children = pathlib.Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    end = time.monotonic() + SECONDS
    while not children.read_text().strip():
        if time.monotonic() > end or parent.poll() is not None:
            raise SystemExit(f"The node's first process does not start; see {STATE}/log/node.log")
        time.sleep(0.05)
    first = children.read_text().split()[0]
    (STATE / "pid").write_text(f"{first} {_born(first)}")
    run("ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", first)
    run("ip", "address", "add", f"{outside}/30", "dev", LINK)
    run("ip", "link", "set", LINK, "up")
    (STATE / "linked").touch()
    until("the API server is ready", lambda: answers("/readyz"))
    until("the node is registered", lambda: answers(f"/api/v1/nodes/{configuration.NODE}"))
    for archive in images:
        inside(f"{configuration.PROGRAMS}/ctr", "--namespace=k8s.io", "images", "import", archive)
    say("Starting CoreDNS")
    kubectl("apply", "--server-side", "-f", HERE / "manifests")
    kubectl("wait", f"--timeout={SECONDS}s", "--for=condition=Ready", f"node/{configuration.NODE}")
    kubectl("--namespace=kube-system", "rollout", "status", f"--timeout={SECONDS}s", "deployment/coredns")
    (STATE / "started").touch()
    say(f"The cluster runs: export KUBECONFIG={KUBECONFIG}")


def restart(program: str) -> None:
    """End a program of the node; its first process starts it again."""
    words = subprocess.run(
        ["pgrep", "--parent", str(first_process()), "--full", program], capture_output=True, text=True, check=False
    )
    numbers = words.stdout.split()
    if len(numbers) != 1:
        raise SystemExit(f"{program} is not one program of the node.")
    os.kill(int(numbers[0]), signal.SIGKILL)


def _allow_watches() -> None:
    path = pathlib.Path("/proc/sys/fs/inotify/max_user_instances")
    if int(path.read_text()) < 8192:
        path.write_text("8192")


def stop() -> None:
    """End what this checkout started, and remove what it left; nothing of anybody else's."""
    first = first_process()
    if first:
        say("Stopping the cluster")
        os.kill(first, signal.SIGKILL)  # the kernel ends all others of its namespace
    _remove_cgroups()
    subprocess.run(["ip", "link", "delete", LINK], capture_output=True, check=False)
    shutil.rmtree(STATE, ignore_errors=True)


def _make_cgroups() -> None:
    """The cgroup that holds the pods', in each hierarchy: the kubelet wants it to be there."""
    for root in [CGROUPS] if (CGROUPS / "cgroup.controllers").exists() else CGROUPS.glob("*/"):
        if (root / "cgroup.procs").exists() and not root.is_symlink():
            (root / NAME).mkdir(exist_ok=True)
            for limit in ("cpuset.cpus", "cpuset.mems"):
                if (root / limit).exists():
                    (root / NAME / limit).write_text((root / limit).read_text())


def _remove_cgroups() -> None:
    end = time.monotonic() + 60
    while True:
        roots = [path for path in [*CGROUPS.glob(f"*/{NAME}"), CGROUPS / NAME] if path.is_dir()]
        for root in roots:
            for folder, _, _ in os.walk(root, topdown=False):
                with contextlib.suppress(OSError):  # its processes are still ending
                    pathlib.Path(folder).rmdir()
        if not any(root.is_dir() for root in roots):
            return
        if time.monotonic() > end:
            raise SystemExit(f"{', '.join(map(str, roots))} cannot be removed: processes are left in it")
        time.sleep(0.1)


def main() -> None:
    words = sys.argv[1:]
    if os.geteuid():
        raise SystemExit("The lab's cluster needs root. Set KUBECONFIG to use a cluster of your own.")
    STATE.parent.mkdir(parents=True, exist_ok=True)
    with (STATE.parent / "kubernetes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if words[:1] == ["start"] and len(words) > 2:
            start(*words[1:])
        elif words == ["stop"]:
            stop()
        elif words == ["status"]:
            raise SystemExit(0 if first_process() and answers("/readyz") else "The cluster does not run.")
        elif words[:1] == ["restart"] and len(words) == 2:
            restart(words[1])
        else:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
