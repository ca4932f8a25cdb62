# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the ledger of rollouts is."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  path:
    description: Directory of the ledger on a local file system.
    type: path
    default: /var/lib/horizontal_scaling/rollouts
  kubernetes:
    description:
      - Keep the ledger in a Kubernetes cluster instead of in O(path), in a ConfigMap C(rollouts-SERVICE).
      - Needs the Python package C(kubernetes) on the host that runs this module. Without O(kubernetes.kubeconfig) and
        O(kubernetes.host), the variable C(KUBECONFIG), C(~/.kube/config), or the pod's own account are used.
    type: dict
    suboptions:
      namespace:
        description: Namespace of the ConfigMap.
        type: str
        required: true
      kubeconfig:
        description: File that names the API server and the credentials.
        type: path
      context:
        description: Context of the kubeconfig; its current one when left out.
        type: str
      host:
        description: Address of the API server, instead of a kubeconfig.
        type: str
      token:
        description: Bearer token.
        type: str
      ca_path:
        description: File with the authorities that sign the API server's certificate.
        type: path
      request_timeout:
        description: Seconds until an answer has to be there.
        type: float
        default: 30
"""
