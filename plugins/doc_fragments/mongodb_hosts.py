# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts by which a replica set is found."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  hosts:
    description: Members by which the set is found, as C(host) or C(host:port), with port 27017 if none is given. One
      that answers is enough; the others are found by it.
    type: list
    elements: str
    required: true
"""
