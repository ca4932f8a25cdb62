# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.horizontal.scaling.plugins.filter import mongodb_tls


def test_steps():
    filters = mongodb_tls.FilterModule().filters()
    assert filters["mongodb_tls_steps"](["allowTLS", "allowTLS"], "requireTLS", False) == ["preferTLS", "requireTLS"]


def test_what_cannot_be_is_told_as_ansible_tells_it():
    with pytest.raises(AnsibleFilterError, match="do not understand each other"):
        mongodb_tls.mongodb_tls_steps(["disabled", "requireTLS"], "requireTLS", False)
