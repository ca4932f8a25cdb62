# SPDX-License-Identifier: GPL-3.0-or-later
"""A primary that steps down between two questions is no error."""

from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import info
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.client import Refused

from .recorded import config


class Former:
    """Answers as a member that is the primary no more."""

    def command(self, name, value=1, **fields):
        if "commitmentStatus" in fields:
            raise Refused("commitmentStatus is only supported on primary.", code=10107)
        return {"config": config()}


def test_the_configuration_of_a_former_primary():
    assert info._configuration(Former(), True) == (config(), False)
