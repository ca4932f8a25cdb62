# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the members of a replica set are reached."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  user:
    description: User who connects to every member. Empty connects without authentication.
    type: str
    default: ""
  password:
    description: The user's password.
    type: str
    default: ""
  auth_database:
    description: Database that the user belongs to.
    type: str
    default: admin
  tls:
    description: Whether TLS is used. The server's certificate and name are verified.
    type: bool
    default: true
  tls_ca_file:
    description: File with the authorities' certificates, as PEM, on the host where the task runs. Empty takes the
      system's.
    type: path
    default: ""
  tls_certificate_key_file:
    description: File with a certificate and key of the client's own, as PEM, for servers that ask for one.
    type: path
    default: ""
  timeout:
    description: Seconds to wait for a member's answer.
    type: float
    default: 5
requirements:
  - pymongo 3.11 or later, such as Debian's python3-pymongo
  - MongoDB 5.0 or later
"""
