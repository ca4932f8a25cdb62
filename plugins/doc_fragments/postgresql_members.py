# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The members of a cluster, and how they are reached."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  members:
    description:
      - All members of the cluster.
      - RV(horizontal.scaling.postgresql_cluster_info#module:members) can be given as it is.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the member; its standbys' C(application_name) has to be their name.
        type: str
        required: true
      host:
        description: Host name or address, the same that the standbys use.
        type: str
        required: true
      port:
        description: Port of the server.
        type: int
        default: 5432
      slot:
        description: Physical replication slot that the member uses on whomever it streams from. Empty for none.
        type: str
        default: ""
      role: &observed
        description: Observed by M(horizontal.scaling.postgresql_cluster_info); accepted so that its result can be
          given as it is, and not looked at.
        type: raw
      reason: *observed
      upstream: *observed
      streaming: *observed
      timeline: *observed
      lsn: *observed
      lag_bytes: *observed
      lag_seconds: *observed
      applies_later: *observed
      sync_state: *observed
      replay_paused: *observed
      version: *observed
      system_identifier: *observed
      checksums: *observed
      slots: *observed
      clones: *observed
  user:
    description: User that connects to every member, with the rights that docs/postgresql.md lists.
    type: str
    required: true
  dbname:
    description: Database to connect to.
    type: str
    default: postgres
  password:
    description: The user's password. O(passfile) keeps it out of playbooks.
    type: str
  passfile:
    description: File of passwords as libpq reads it, on the host where the task runs.
    type: path
  sslmode:
    description: How TLS is asked for; C(prefer) is libpq's own default, which protects against nobody.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
  sslrootcert:
    description: File of the certificate authorities.
    type: path
  sslcert:
    description: File of the client's certificate.
    type: path
  sslkey:
    description: File of the client's key.
    type: path
  timeout:
    description: Seconds to wait for a member's answer.
    type: float
    default: 5
"""
