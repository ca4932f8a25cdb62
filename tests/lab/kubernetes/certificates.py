# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's certificates, by openssl: two authorities, a certificate for each part, a key for service accounts."""

from __future__ import annotations

import pathlib
import subprocess

CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "kubelet-client": "/O=system:masters/CN=kube-apiserver",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "node": "/O=system:nodes/CN=system:node:node1",
}
DAYS = "30"


def make(folder: pathlib.Path, node: str) -> None:
    """Write them to a folder.

    Args:
        node: address of the node, where the API server listens, too.
    """
    for authority in ("ca", "front-proxy-ca"):
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS,
                 "-subj", f"/CN={authority}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                 "-keyout", folder / f"{authority}.key", "-out", folder / f"{authority}.crt")  # fmt: skip
    for name, subject in CLIENTS.items():
        _sign(folder, "ca", name, subject, "extendedKeyUsage=clientAuth")
    _sign(folder, "front-proxy-ca", "front-proxy", "/CN=front-proxy-client", "extendedKeyUsage=clientAuth")
    names = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
    _sign(folder, "ca", "apiserver", "/CN=kube-apiserver",
          f"subjectAltName={names},IP:127.0.0.1,IP:10.96.0.1,IP:{node}", "extendedKeyUsage=serverAuth")  # fmt: skip
    _sign(folder, "ca", "kubelet", "/CN=node1", f"subjectAltName=DNS:node1,IP:{node}", "extendedKeyUsage=serverAuth")
    _openssl("genrsa", "-out", folder / "service-accounts.key", "2048")
    _openssl("rsa", "-in", folder / "service-accounts.key", "-pubout", "-out", folder / "service-accounts.pub")


def _sign(folder: pathlib.Path, authority: str, name: str, subject: str, *extensions: str) -> None:
    request, settings = folder / f"{name}.csr", folder / f"{name}.ext"
    _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
             "-keyout", folder / f"{name}.key", "-out", request)  # fmt: skip
    settings.write_text("\n".join(["keyUsage=critical,digitalSignature", *extensions]) + "\n")
    _openssl("x509", "-req", "-in", request, "-CA", folder / f"{authority}.crt", "-CAkey", folder / f"{authority}.key",
             "-CAcreateserial", "-days", DAYS, "-extfile", settings, "-out", folder / f"{name}.crt")  # fmt: skip
    request.unlink()
    settings.unlink()


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
