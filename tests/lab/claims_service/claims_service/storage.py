# SPDX-License-Identifier: GPL-3.0-or-later
"""Where claims are kept. A storage has these three methods; STORAGE names the one to use."""

from __future__ import annotations

import collections
import typing as t

Claim = t.Dict[str, t.Any]


class Memory:
    """Keeps the newest claims in this process; they are gone when it ends."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._claims: collections.OrderedDict[str, Claim] = collections.OrderedDict()
        self._capacity = capacity

    async def add(self, identity: str, claim: Claim) -> None:
        self._claims[identity] = claim
        if len(self._claims) > self._capacity:
            self._claims.popitem(last=False)

    async def get(self, identity: str) -> Claim | None:
        return self._claims.get(identity)

    async def newest(self, count: int) -> list[Claim]:
        claims = reversed(self._claims.values())
        return [claim for claim, _ in zip(claims, range(count))]


STORAGES = {"memory": Memory}
