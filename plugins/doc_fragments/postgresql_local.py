# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the server on this host is asked, as its owner."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  port:
    description: Port of the server.
    type: int
    default: 5432
  socket_directory:
    description: Where its socket is.
    type: path
    default: /var/run/postgresql
  owner:
    description: User that owns the data, who is its superuser, too, and whose name is used if the task runs as root.
    type: str
    default: postgres
"""
