# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules that only compute run inside Ansible: a process on a host costs more than they do."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome


class InProcess(ActionBase):
    """An action that stands for the module of its name; a subclass names the module's ``SPEC`` and ``converge``."""

    SPEC: dict[str, t.Any]
    converge: t.Callable[[dict[str, t.Any], bool], Outcome]
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _, parameters = self.validate_argument_spec(argument_spec=self.SPEC)
        try:
            outcome = type(self).converge(parameters, self._task.check_mode)
        except ScalingError as error:
            return {**result, **error.details, "failed": True, "msg": str(error)}
        return {**result, **outcome.as_result(with_diff=True)}
