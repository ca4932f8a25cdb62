# SPDX-License-Identifier: GPL-3.0-or-later
"""States of a real sharded cluster (MongoDB 6.0.5), and what the module is told of it."""

from __future__ import annotations

import copy
import json

from ansible_collections.horizontal.scaling.plugins.module_utils.mongodb import sharding_options, sharding_plan

from .recorded import FIXTURES

EMPTY = {
    **{"shards": {}, "databases": {}, "collections": {}, "ranges": [], "chunks": {}, "jumbo": []},
    **{"balancer": True, "held": False, "window": "always"},
}
RANGE = {"collection": "claims.files", "min": {"_id": 0}, "max": {"_id": 100}}


def recorded(name="sharded", **changes):
    """The cluster with two shards, of which b is the primary of the database; or b being drained."""
    return {**json.loads((FIXTURES / f"{name}_6.0.json").read_text()), "held": False, "window": "always", **changes}


def shard(name, **options):
    return {"name": name, "replica_set": "", "hosts": [f"{name}1"], "zones": None, "state": "present", **options}


def collection(name, **options):
    plain = {"unique": False, "initial_chunks": 0, "presplit_hashed_zones": False}
    return {"name": name, "key": {"_id": 1}, **plain, **options}


def told(**options):
    nothing = {"shards": [], "zones": [], "collections": [], "balancer": None, "balancer_hold": None}
    return {**nothing, "balancer_window": "", "databases_to": "", **options}


def plan(state, **options):
    return sharding_plan.steps_to(state, sharding_options.normalise(told(**options), state))


def messages(state, **options):
    return [step.message for step in plan(state, **options)]


def with_zone(state, zone="north", name="a", others=()):
    made = copy.deepcopy(state)
    made["ranges"] = [{"zone": zone, **RANGE}]
    for each in made["shards"].values():
        each["zones"] = []
    for each in (name, *others):
        made["shards"][each]["zones"] = [zone]
    return made
