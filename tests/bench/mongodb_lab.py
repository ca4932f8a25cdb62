# SPDX-License-Identifier: GPL-3.0-or-later
"""What the measurements of MongoDB share: hosts with the binary, our playbooks, a look at a set through its client."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import typing as t

import lab

MEMBERS = ("mongo1", "mongo2", "mongo3")
PLAYS = lab.ROOT / "tests/bench/mongodb"
SCENARIO = lab.ROOT / "molecule/mongodb"
DRIVER = "PYTHONPATH=/opt/lab/bin/pymongo"
# As an application comes in; writes wait for a majority, which is MongoDB's default, too.
URL = "mongodb://writer:writes-in-the-lab@{hosts}/?replicaSet=claims&tls=true&tlsCAFile=/root/ca.pem&w=majority"
# A write that so many members have to have, which shows at once that they are members, are synced, and know the user.
WHOLE = """
import sys, pymongo
count, url = int(sys.argv[1]), sys.argv[2]
client = pymongo.MongoClient(url, serverSelectionTimeoutMS=60000)
known = client.admin.command("hello")["hosts"]
assert len(known) == count, f"members are {known}, wanted are {count}"
concern = pymongo.WriteConcern(w=count, wtimeout=60000)
client.numbers.get_collection("whole", write_concern=concern).insert_one({})
"""


@contextlib.contextmanager
def hosts(name: str, members: t.Sequence[str]) -> t.Iterator[None]:
    """A lab as long as the block, whose members have the binary and nothing more, and a client."""
    if "HS_PEERS" not in os.environ:
        raise SystemExit("HS_PEERS is not set: tests/bench/run.sh fetches the peer and sets it.")
    ours = os.environ["ANSIBLE_COLLECTIONS_PATH"]
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = os.pathsep.join((ours, os.environ["HS_PEERS"]))
    with lab.hosts(name, (*members, lab.CLIENT)) as own:
        certificates = str(pathlib.Path(os.environ["HS_STATE"], "certificates", own))
        # The peer's modules compare the name of the loopback address, too.
        names = [f"{each}={each},localhost" for each in members]
        lab.check([str(lab.ROOT / "tests/lab/issue_certificates.sh"), certificates, *names])
        lab.check(lab.playbook(PLAYS / "hosts.yml", certificates=certificates))
        yield
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = ours


def ours(name: str, **values: t.Any) -> list[str]:
    """A playbook of ours for hosts that have the binary; members that are stopped answer for as long as by default."""
    installed = {"mongodb_installation": "distribution", "mongodb_distribution_packages": []}
    extras = json.dumps({**installed, "mongodb_shutdown_timeout": 15, **values})
    return [*lab.playbook(name), "-e", f"@{SCENARIO}/lab.yml", "-e", extras]


def url(members: t.Sequence[str]) -> str:
    return URL.format(hosts=",".join(members))


def wait_until_whole(members: t.Sequence[str]) -> None:
    """Wait until all of them are in the set and synced; it ends the run when they are not."""
    lab.on(lab.CLIENT, "env", DRIVER, "python3", "-c", WHOLE, str(len(members)), url(members))
