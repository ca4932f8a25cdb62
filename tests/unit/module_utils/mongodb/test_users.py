# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for a user."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import users

ROLE = {"role": "readWrite", "db": "claims"}
TOLD = {"name": "claims", "database": "admin", "password": "sesame", "roles": [ROLE], "state": "present"}


@pytest.mark.parametrize(
    ("have", "told", "fits", "change"),
    [
        ({}, {}, True, {"name": "createUser", "roles": [ROLE], "pwd": "sesame"}),
        ({"claims": [ROLE]}, {}, True, None),
        ({"claims": [ROLE]}, {}, False, {"name": "updateUser", "pwd": "sesame"}),
        ({"claims": []}, {}, True, {"name": "updateUser", "roles": [ROLE]}),
        ({"claims": [ROLE]}, {"state": "absent"}, True, {"name": "dropUser"}),
        ({}, {"state": "absent"}, True, None),
        ({"claims": [{"role": "read", "db": "admin"}]}, {"roles": ["read"]}, True, None),
    ],
)
def test_plan(have, told, fits, change):
    assert users.plan(have, {**TOLD, **told}, fits) == change


def test_the_order_of_roles_is_none():
    other = {"role": "read", "db": "claims"}
    assert users.roles_of({**TOLD, "roles": [ROLE, other]}) == users.roles_of({**TOLD, "roles": [other, ROLE]})


def test_a_role_that_is_none():
    with pytest.raises(ScalingError):
        users.roles_of({**TOLD, "roles": [{"role": "read"}]})
