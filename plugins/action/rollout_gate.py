# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module rollout_gate without a process on a host."""

from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.modules import rollout_gate
from ansible_collections.horizontal.scaling.plugins.plugin_utils.in_process import InProcess


class ActionModule(InProcess):
    SPEC = rollout_gate.SPEC
    converge = staticmethod(rollout_gate.converge)
