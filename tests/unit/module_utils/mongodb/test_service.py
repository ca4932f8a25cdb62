# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers' documents become plain data, and a member of no set is told apart from one that refuses."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import client, service


class Timestamp(t.NamedTuple):
    """As the driver's, which only hosts with a member have."""

    time: int
    inc: int


class Int64(int):
    """As the driver's."""


class Member:
    """Refuses with a code."""

    def __init__(self, code):
        self.code = code

    def command(self, name, value=1, /, **fields):
        raise client.Refused("refused", code=self.code)


def test_a_document_as_plain_data():
    seen = datetime.datetime(2026, 1, 2, 3, 4, 5)
    found = service.plain(
        {
            "optime": {"ts": Timestamp(1795477521, 7), "t": Int64(3)},
            "lastHeartbeat": seen,
            "self": True,
            "$clusterTime": {"clusterTime": Timestamp(1, 1)},
            "hosts": ("a:27017", None, 1.5),
            "unknown": datetime.timezone.utc,
        }
    )
    assert found == {
        "optime": {"ts": [1795477521, 7], "t": 3},
        "lastHeartbeat": 1767323045.0,
        "self": True,
        "hosts": ["a:27017", None, 1.5],
        "unknown": "UTC",
    }
    assert type(found["optime"]["t"]) is int


@pytest.mark.parametrize("code", [client.NOT_YET_INITIALIZED, client.NOT_A_MEMBER])
def test_a_member_of_no_set_has_no_status(code):
    assert service.status(Member(code)) == {}


def test_another_refusal_is_an_error():
    with pytest.raises(client.Refused):
        service.status(Member(13))
