# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter that gives the role mongodb the steps to another TLS mode."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import tls

DOCUMENTATION = r"""
name: mongodb_tls
short_description: The steps from one TLS mode of a MongoDB replica set to another one
version_added: "0.2.0"
description:
  - C(mongodb_tls_steps) gives the modes that all members of a replica set go through one after the other.
author: The horizontal.scaling developers (@horizontal)
options: {}
"""


def mongodb_tls_steps(modes: t.Collection[str], wanted: str, pending: bool) -> list[str]:
    """See tls.steps."""
    try:
        return tls.steps(modes, pending, wanted)
    except ScalingError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"mongodb_tls_steps": mongodb_tls_steps}
