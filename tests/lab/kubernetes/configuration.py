# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that the cluster's programs read, and the words that they are started with."""

from __future__ import annotations

import json
import pathlib

NODE = "node1"
HOME = "/run/cluster"  # $HS_STATE/kubernetes as the node sees it
PROGRAMS = "/run/programs"
PLUGINS = "/usr/lib/cni"
PODS, SERVICES, DNS = "10.244.0.0/24", "10.96.0.0/16", "10.96.0.10"
CLIENTS = ("admin", "controller-manager", "scheduler", "proxy", "node")

CONTAINERD = f"""
version = 3
root = "{HOME}/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "localhost/pause:lab"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{PLUGINS}"]
  conf_dir = "{HOME}/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def write(folder: pathlib.Path, name: str, node: str) -> None:
    """Write all of them.

    Args:
        folder: the cluster's state.
        name: of the cgroup that holds the pods' cgroups.
        node: address of the node.
    """
    (folder / "containerd.toml").write_text(CONTAINERD)
    (folder / "address").write_text(node)
    (folder / "resolv.conf").write_text("")
    # Every pod has a link of its own to the node (ptp), so that what is sent to a Service's address always passes it.
    network = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "subnet": PODS,
                    "dataDir": "/run/addresses",
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    (folder / "cni/10-pods.conflist").write_text(json.dumps(network))
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{HOME}/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        # The machine's disk and memory are not the node's alone, and images are there only once.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "oomScoreAdj": 0,
        "podLogsDir": "/var/log/pods",
        "resolvConf": f"{HOME}/resolv.conf",
        "tlsCertFile": f"{HOME}/pki/kubelet.crt",
        "tlsPrivateKeyFile": f"{HOME}/pki/kubelet.key",
        "volumePluginDir": f"{HOME}/volume-plugins",
    }
    (folder / "kubelet.json").write_text(json.dumps(kubelet))
    for client in CLIENTS:
        home = folder if client == "admin" else pathlib.Path(HOME)
        path = folder / ("kubeconfig" if client == "admin" else f"{client}.kubeconfig")
        path.touch(mode=0o600)
        path.write_text(json.dumps(_kubeconfig(client, home / "pki", node)))


def _kubeconfig(client: str, pki: pathlib.Path, node: str) -> dict:
    cluster = {"server": f"https://{node}:6443", "certificate-authority": f"{pki}/ca.crt"}
    user = {"client-certificate": f"{pki}/{client}.crt", "client-key": f"{pki}/{client}.key"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": client, "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": client}}],
    }


def commands(node: str) -> dict[str, list[str]]:
    """The cluster's programs by name, in the order in which they start."""
    pki, kubernetes = f"{HOME}/pki", f"{PROGRAMS}/kubernetes"

    def config(name: str) -> str:
        return f"--kubeconfig={HOME}/{name}.kubeconfig"

    return {
        "etcd": [
            f"{PROGRAMS}/etcd",
            f"--data-dir={HOME}/etcd",
            "--unsafe-no-fsync",  # what it holds is gone with the cluster
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
        ],
        "containerd": [f"{PROGRAMS}/containerd", f"--config={HOME}/containerd.toml"],
        "kube-apiserver": [
            kubernetes,
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={node}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--service-cluster-ip-range={SERVICES}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            f"--proxy-client-cert-file={pki}/front-proxy.crt",
            f"--proxy-client-key-file={pki}/front-proxy.key",
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/service-accounts.pub",
            f"--service-account-signing-key-file={pki}/service-accounts.key",
        ],
        "kube-controller-manager": [
            kubernetes,
            "kube-controller-manager",
            config("controller-manager"),
            f"--authentication-kubeconfig={HOME}/controller-manager.kubeconfig",
            f"--authorization-kubeconfig={HOME}/controller-manager.kubeconfig",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            "--use-service-account-credentials",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/service-accounts.key",
        ],
        "kube-scheduler": [
            kubernetes,
            "kube-scheduler",
            config("scheduler"),
            f"--authentication-kubeconfig={HOME}/scheduler.kubeconfig",
            f"--authorization-kubeconfig={HOME}/scheduler.kubeconfig",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ],
        "kubelet": [
            kubernetes,
            "kubelet",
            config("node"),
            f"--config={HOME}/kubelet.json",
            f"--root-dir={HOME}/kubelet",
            f"--hostname-override={NODE}",
            f"--node-ip={node}",
        ],
        "kube-proxy": [
            kubernetes,
            "kube-proxy",
            config("proxy"),
            f"--hostname-override={NODE}",
            "--proxy-mode=nftables",
            f"--cluster-cidr={PODS}",
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
            "--oom-score-adj=0",
        ],
    }
