# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a member is on its host."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  data_directory:
    description: Data directory of the member on this host, an absolute path.
    type: path
    required: true
  bin_directory:
    description: Where C(pg_ctl), C(pg_rewind) and the others are; found by the version of the data when empty.
    type: path
    default: ""
  config_file:
    description: The C(postgresql.conf), where it is not in O(data_directory).
    type: path
    default: ""
  service:
    description: Unit of systemd that starts the member, such as V(postgresql@15-main). C(pg_ctl) does when it is empty.
    type: str
    default: ""
  log_file:
    description: File that the server logs into, from which failures are explained; the logging collector's when empty.
    type: path
    default: ""
  owner:
    description: User that owns the data and runs the server, if the task runs as root.
    type: str
    default: postgres
"""
