# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a Kubernetes API server is reached."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - File that says which cluster and as whom. The default is the variable E(KUBECONFIG), else C(~/.kube/config);
        in a pod without such a file, its service account.
    type: path
  context:
    description: Context of the O(kubeconfig); its current one when left out.
    type: str
  host:
    description: Address of the API server, such as V(https://192.0.2.10:6443), instead of a O(kubeconfig).
    type: str
  token:
    description: Bearer token, instead of the credentials of the O(kubeconfig).
    type: str
  ca_path:
    description: File with the authorities' certificates, as PEM, by which the API server's is verified. It always is.
    type: path
  request_timeout:
    description: Seconds for an answer to a single request.
    type: float
    default: 30
requirements:
  - kubernetes (Python package) 24.2 or newer
notes:
  - The module runs where the API server can be reached from, usually on the controller (C(delegate_to=localhost) or
    C(connection=local)).
  - An API server that is away after it has answered once, or that is busy, is asked again for 60 seconds.
"""
