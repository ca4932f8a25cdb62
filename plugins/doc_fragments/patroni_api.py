# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How Patroni's REST API is reached."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  port:
    description: Port of the API.
    type: int
    default: 8009
  user:
    description: User of the API.
    type: str
    default: patroni
  password:
    description: Its password.
    type: str
    required: true
  ca_path:
    description: File with the authorities' certificates, as PEM, by which the API's is verified.
    type: path
    required: true
  timeout:
    description: Seconds for an answer.
    type: float
    default: 5
"""
