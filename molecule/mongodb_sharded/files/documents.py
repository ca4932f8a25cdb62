#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of the sharded cluster, written to and counted on its shards themselves: the lab's router routes none.

documents.py fill PASSWORD   writes numbered documents to the shards that own their ranges, and some to a database
                             without sharding, which it makes on south through the router, as manager
documents.py show            prints, as JSON, how many documents all shards together have of each collection, and
                             where chunks and databases are
"""

import json
import sys
from pathlib import Path

import pymongo
from bson.son import SON

KEY = Path("/etc/mongodb/keyfile").read_text(encoding="utf-8").strip()


def server(host):
    return pymongo.MongoClient(
        *(host, 27017),
        directConnection=True,
        tls=True,
        tlsCAFile="/etc/mongodb/ca.crt",
        username="__system",
        password=KEY,
        authSource="local",
        authMechanism="SCRAM-SHA-256",
        uuidRepresentation="standard",
    )


config = server("config1").config
shards = {each["_id"]: server(f"{each['_id']}1") for each in config.shards.find()}


def fill():
    files = config.collections.find_one({"_id": "claims.files"})
    owners = [each["shard"] for each in config.chunks.find({"uuid": files["uuid"]}).sort("min", 1)]
    for region, owner in zip("mno", owners):
        documents = [SON(region=region, number=number, text="x" * 500) for number in range(1000)]
        shards[owner].claims.files.insert_many(documents)
    router = pymongo.MongoClient(
        *("config1", 27016),
        directConnection=True,
        tls=True,
        tlsCAFile="/etc/mongos/ca.crt",
        username="manager",
        password=sys.argv[2],
    )
    router.admin.command("enableSharding", "notes", primaryShard="south")
    shards["south"].notes.plain.insert_many([{"_id": number} for number in range(500)])


def show():
    counted = {"claims.files": "files", "claims.patients": "patients", "notes.plain": "plain"}
    result = dict.fromkeys(counted.values(), 0)
    for shard in shards.values():
        for name, short in counted.items():
            database, collection = name.split(".")
            result[short] += shard[database][collection].count_documents({})
    result["chunks"] = {name: config.chunks.count_documents({"shard": name}) for name in shards}
    result["databases"] = {each["_id"]: each["primary"] for each in config.databases.find()}
    result["draining"] = [each["_id"] for each in config.shards.find({"draining": True})]
    print(json.dumps(result))


if sys.argv[1] == "fill":
    fill()
show()
