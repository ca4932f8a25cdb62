# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' documentation, their argument specs and what postgresql_cluster_info returns must fit together."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.horizontal.scaling.plugins.doc_fragments.postgresql_members import ModuleDocFragment
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.connection import OBSERVED
from ansible_collections.horizontal.scaling.plugins.modules import (
    postgresql_cluster_info,
    postgresql_primary,
    postgresql_standby,
)


def test_every_field_of_info_is_documented_and_accepted():
    returned = set(yaml.safe_load(postgresql_cluster_info.RETURN)["members"]["contains"])
    accepted = set(yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["members"]["suboptions"])
    assert set(OBSERVED) <= returned
    assert returned <= accepted


@pytest.mark.parametrize("module", [postgresql_cluster_info, postgresql_primary, postgresql_standby])
def test_examples_and_return_are_yaml(module):
    assert yaml.safe_load(module.EXAMPLES)
    assert yaml.safe_load(module.RETURN)
