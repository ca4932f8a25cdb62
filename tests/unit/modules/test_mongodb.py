# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' documentation, their argument specs and what mongodb_cluster_info returns must fit together."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.connection import MEMBERS, OBSERVED
from ansible_collections.horizontal.scaling.plugins.modules import (
    mongodb_cluster_info,
    mongodb_primary,
    mongodb_replica_set,
    mongodb_users,
)


def test_every_field_of_info_is_documented_and_accepted():
    returned = set(yaml.safe_load(mongodb_cluster_info.RETURN)["members"]["contains"])
    accepted = set(yaml.safe_load(mongodb_replica_set.DOCUMENTATION)["options"]["members"]["suboptions"])
    assert set(OBSERVED) <= returned
    assert returned == accepted == set(MEMBERS["members"]["options"])


@pytest.mark.parametrize("module", [mongodb_cluster_info, mongodb_primary, mongodb_replica_set, mongodb_users])
def test_documentation_is_yaml(module):
    assert yaml.safe_load(module.DOCUMENTATION)
    assert yaml.safe_load(module.EXAMPLES)
