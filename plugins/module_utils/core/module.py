# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of every module: argument spec in, one exit point out, ``changed`` and ``diff`` from values alone."""

from __future__ import annotations

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.yaml import HAS_YAML, yaml_dump

from .errors import ScalingError


class Outcome:
    """What a module found and what it made of it.

    Args:
        before, after: normalised states as plain data; ``changed`` and the diff come from comparing them.
            In check mode ``after`` is the computed state, otherwise the state that was read back.
        header: what the diff is about, e.g. the name of a file or a service.
        values: the task's return values.
    """

    def __init__(self, before: t.Any = None, after: t.Any = None, header: str = "", **values: t.Any) -> None:
        self.before = before
        self.after = after
        self.header = header
        self.values = values

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def as_result(self, with_diff: bool) -> dict[str, t.Any]:
        result = dict(self.values, changed=self.changed)
        if with_diff and self.changed:
            result["diff"] = {
                "before": _text(self.before),
                "after": _text(self.after),
                "before_header": self.header,
                "after_header": self.header,
            }
        return result


def _text(state: t.Any) -> str:
    """A state as a diff shows it: text stays text, data becomes YAML with sorted keys."""
    if state is None or state == "":
        return ""
    if isinstance(state, str):
        return state
    if not HAS_YAML:
        return json.dumps(state, indent=2, sort_keys=True) + "\n"
    return yaml_dump(state, default_flow_style=False, sort_keys=True)


class Module(AnsibleModule):
    """Logs its call on the host without the options that hold documents, where secrets would not be found to mask."""

    unlogged: frozenset[str] = frozenset()

    def log(self, msg: str, log_args: dict[str, t.Any] | None = None) -> None:
        if log_args:
            log_args = {name: value for name, value in log_args.items() if name not in self.unlogged}
            msg = f"Invoked with {' '.join(f'{name}={value}' for name, value in log_args.items())}"
        super().log(msg, log_args)


def run(
    argument_spec: dict[str, t.Any],
    converge: t.Callable[[dict[str, t.Any], bool], Outcome],
    unmasked: t.Callable[[dict[str, t.Any]], set[str]] | None = None,
    unlogged: t.Iterable[str] = (),
    **constraints: t.Any,
) -> None:
    """Run a module and exit.

    Args:
        argument_spec: as AnsibleModule takes it.
        converge: gets the parameters and whether this is check mode; returns an Outcome, raises ScalingError.
        unmasked: gives values of ``no_log`` options that are no secrets and may stand in the result.
        unlogged: names of options that must not stand in the host's log.
        constraints: further AnsibleModule arguments (required_if, mutually_exclusive, …).
    """
    Module.unlogged = frozenset(unlogged)
    module = Module(argument_spec=argument_spec, supports_check_mode=True, **constraints)
    if unmasked:
        module.no_log_values -= unmasked(module.params)
    try:
        outcome = converge(module.params, module.check_mode)
    except ScalingError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**outcome.as_result(with_diff=True))
