# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections of `config` become the state that plans are made from; a router that gives no answer is passed over."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import client, router


class Config:
    """Answers from documents, two at a time; keeps what it was told."""

    def __init__(self, **collections):
        self.collections = collections
        self.updates = []
        self.rest = []

    def command(self, name, value=1, /, **fields):
        if name == "find":
            query = fields["filter"]
            found = [
                each
                for each in self.collections.get(value, [])
                if all(each.get(field) == wanted for field, wanted in query.items())
            ]
            self.rest = found[2:]
            return {"cursor": {"firstBatch": found[:2], "id": 7 if self.rest else 0}}
        if name == "getMore":
            batch, self.rest = self.rest[:2], self.rest[2:]
            return {"cursor": {"nextBatch": batch, "id": 7 if self.rest else 0}}
        if name == "aggregate":
            return {"cursor": {"firstBatch": []}}
        self.updates.append((name, value, fields))
        return {"ok": 1}


def balancer(**fields):
    return router.read(Config(settings=[{"_id": "balancer", **fields}]))


def test_the_balancer_as_servers_keep_it():
    assert router.read(Config())["balancer"] is True
    assert balancer(mode="full", stopped=False)["balancer"] is True
    assert balancer(mode="off", stopped=True)["balancer"] is False
    assert balancer(mode="off")["balancer"] is False
    assert balancer(activeWindow={"start": "9:30", "stop": "17:00"})["window"] == "09:30-17:00"
    assert balancer()["window"] == "always"


def test_a_hold_is_noted_beside_the_balancer_and_taken_back():
    config = Config()
    router.note_hold(config, True)
    router.note_hold(config, False)
    changes = [fields["updates"][0] for _name, _value, fields in config.updates]
    assert [each["q"] for each in changes] == [{"_id": "balancer"}] * 2
    assert changes[0]["u"] == {"$set": {router.HELD: True}}
    assert changes[1]["u"] == {"$unset": {router.HELD: True}}
    assert balancer(**{router.HELD: True, "mode": "off"})["held"] is True
    assert balancer(mode="off")["held"] is False


def test_all_batches_are_read():
    names = ["a", "b", "c", "d", "e"]
    shards = [{"_id": name, "host": f"{name}/{name}2:1,{name}1:1", "tags": ["z", "n"]} for name in names]
    found = router.read(Config(shards=shards))["shards"]
    assert list(found) == names
    assert found["e"] == {"replica_set": "e", "hosts": ["e1:1", "e2:1"], "zones": ["n", "z"], "draining": False}


class Silent:
    """A router that is away, or one that answers."""

    def __init__(self, place, answers):
        self.place, self.answers, self.closed = place, answers, 0

    def command(self, name, value=1, /, **fields):
        if not self.answers:
            raise client.Unreachable(f"{self.place} is away.")
        return {"from": self.place}

    def close(self):
        self.closed += 1


def routers(*answering):
    made = router.Routers({"routers": [], "user": "", "tls": False, "timeout": 1})
    made._clients = [Silent(f"r{number}", each) for number, each in enumerate(answering)]
    return made


def test_the_next_router_is_asked_and_kept():
    asked = routers(False, True)
    assert asked.command("ping") == {"from": "r1"}
    assert asked.place == "r1"
    with pytest.raises(client.Unreachable) as error:
        routers(False, False).command("ping")
    assert "r0 is away. r1 is away." in str(error.value)
