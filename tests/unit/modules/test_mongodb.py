# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' documentation, their argument specs and what mongodb_cluster_info returns must fit together."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb.connection import (
    MEMBERS,
    OBSERVED,
    OBSERVED_OF_SHARD,
)
from ansible_collections.horizontal.scaling.plugins.modules import (
    mongodb_cluster_info,
    mongodb_feature_compatibility,
    mongodb_primary,
    mongodb_replica_set,
    mongodb_sharded_cluster,
    mongodb_users,
)


def test_every_field_of_info_is_documented_and_accepted():
    returned = set(yaml.safe_load(mongodb_cluster_info.RETURN)["members"]["contains"])
    accepted = set(yaml.safe_load(mongodb_replica_set.DOCUMENTATION)["options"]["members"]["suboptions"])
    assert set(OBSERVED) <= returned
    assert returned == accepted == set(MEMBERS["members"]["options"])


def test_every_field_of_shards_is_documented_and_accepted():
    sharding = yaml.safe_load(mongodb_cluster_info.RETURN)["sharding"]
    returned = set(sharding["contains"]["shards"]["contains"])
    documented = yaml.safe_load(mongodb_sharded_cluster.DOCUMENTATION)["options"]
    accepted = set(documented["shards"]["suboptions"])
    assert set(OBSERVED_OF_SHARD) <= returned
    assert returned | {"state"} == accepted == set(mongodb_sharded_cluster.SHARD)
    assert set(documented["collections"]["suboptions"]) == set(mongodb_sharded_cluster.COLLECTION)
    assert set(sharding["contains"]) - {"jumbo"} <= set(documented)


MODULES = [
    mongodb_cluster_info,
    mongodb_feature_compatibility,
    mongodb_primary,
    mongodb_replica_set,
    mongodb_sharded_cluster,
    mongodb_users,
]


@pytest.mark.parametrize("module", MODULES)
def test_documentation_is_yaml(module):
    assert yaml.safe_load(module.DOCUMENTATION)
    assert yaml.safe_load(module.EXAMPLES)
