# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of a real set of three members (MongoDB 6.0.5), whose primary is A."""

from __future__ import annotations

import copy
import json
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"
A, B, C, D, E = (f"127.0.0.1:2900{number}" for number in range(1, 6))
_READ = {path.stem: json.loads(path.read_text()) for path in FIXTURES.glob("*.json")}


def document(name):
    """One that was recorded alone."""
    return copy.deepcopy(_READ[name])


def status(one_down=False):
    """The set as its primary sees it, whole or with C gone."""
    return copy.deepcopy(_READ["status_one_down_6.0" if one_down else "status_6.0"])


def two_down():
    """The set as A sees it once B and C are gone, and it is no primary any more."""
    return copy.deepcopy(_READ["status_two_down_6.0"])


def config(count=3, **changes):
    """The configuration with so many of A to E, and with changed fields of members by their letter."""
    made = copy.deepcopy(_READ["config_6.0"])
    pattern = made["members"][0]
    made["members"] = [dict(pattern, _id=number, host=place) for number, place in enumerate((A, B, C, D, E)[:count])]
    for letter, fields in changes.items():
        made["members"]["abcde".index(letter)].update(fields)
    return made


def member(place, **options):
    """A member as the module is told of it."""
    unset = dict.fromkeys(("priority", "votes", "hidden", "delay", "tags", "arbiter"))
    return {**unset, "host": place, **options}
