# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, and what becomes of the driver's types."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import client, service


@pytest.mark.parametrize(
    ("told", "meant"),
    [("db1", ("db1", 27017)), ("db1:1", ("db1", 1)), ("[::1]:2", ("::1", 2)), ("[::1]", ("::1", 27017))],
)
def test_split(told, meant):
    assert client.split(told) == meant


class Timestamp(t.NamedTuple):
    time: int
    inc: int


class Int64(int):
    pass


def test_documents_become_plain_data():
    read = {
        "$clusterTime": {},
        "optime": {"ts": [Timestamp(5, 1)], "t": Int64(3)},
        "at": datetime.datetime(1970, 1, 1, 0, 0, 2),
        "flag": True,
        "none": None,
    }
    made = service.plain(read)
    assert made == {"optime": {"ts": [[5, 1]], "t": 3}, "at": 2.0, "flag": True, "none": None}
    assert type(made["optime"]["t"]) is int
    assert made["flag"] is True
