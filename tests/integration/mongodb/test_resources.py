# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a replica set when a disk is full, and what modules say when a certificate has expired."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess

import pymongo
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..running import free_ports, run_module, until
from .conftest import LOGIN, Server, info, places


@pytest.fixture
def small_disk():
    """Puts a server's data onto a small file system."""
    mounted = []

    def make(server):
        server.kill()
        aside = server.data.with_suffix(".aside")
        server.data.rename(aside)
        server.data.mkdir()
        used = int(subprocess.check_output(["du", "-sm", str(aside)]).split()[0])
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={used + 40}m", "tmpfs", str(server.data)], check=True)
        mounted.append(server)
        shutil.copytree(aside, server.data, dirs_exist_ok=True)
        shutil.rmtree(aside)
        server.start()

    yield make
    for each in mounted:
        if each.runs:
            each.kill()
        subprocess.run(["umount", str(each.data)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_full_disk_costs_its_server_and_no_document(sets, small_disk):
    members = sets.start_set("full", role="", count=3)
    sets.first_user("full")
    until(lambda: info(members)["healthy_votes"] == 3, 60)
    first = members[0]
    small_disk(first)
    until(lambda: info(members)["primary"] == first.place and info(members)["healthy_votes"] == 3, 90)
    users = first.internal.admin
    users.command("createUser", "writer", pwd="writes", roles=[{"role": "readWrite", "db": "claims"}])
    uri = f"mongodb://writer:writes@{','.join(places(members))}/?replicaSet=full&w=majority"
    files = pymongo.MongoClient(uri, socketTimeoutMS=5000).claims.files
    acknowledged = []
    for number in range(400):
        try:
            files.insert_one({"_id": number, "text": os.urandom(2**19)})
            acknowledged.append(number)
        except pymongo.errors.PyMongoError:
            continue
        if not first.runs and number > acknowledged[0] and len(acknowledged) % 10 == 0:
            break
    assert not first.runs, "the disk was not full"
    told = info(members)
    assert told["primary"] not in ("", first.place) and told["healthy_votes"] == 2, told
    assert first.place in told["errors"]
    there = {each["_id"] for each in files.find({}, {"_id": 1})}
    assert [each for each in acknowledged if each not in there] == []
    subprocess.run(["mount", "-o", "remount,size=2g", str(first.data)], check=True)
    first.start()
    until(lambda: info(members)["healthy_votes"] == 3, 90)


def certificate(base, seconds):
    """A certificate of its own authority that is valid for so long, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(seconds=seconds))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (base / "server.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)


def test_an_expired_certificate_is_named(sets):
    port = free_ports("tls")["tls"]
    pem = str(sets.base / "server.pem")
    certificate(sets.base, 20)
    words = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", pem, "--tlsCAFile", pem]
    words += ["--tlsAllowConnectionsWithoutCertificates"]
    server = Server(sets.binary, sets.base, "tls", role="", port=port, words=words)
    sets.sets["tls"] = [server]
    place = f"localhost:{port}"
    secure = {**LOGIN, "tls": True, "tls_ca_file": pem}

    def replica_set():
        told = {"name": "tls", "members": [{"host": place}], "local": place}
        return run_module("mongodb_replica_set", {**told, **secure, "reach_timeout": 8})

    first = replica_set()
    assert first.get("changed") is True, first
    until(lambda: "expired" in str(run_module("mongodb_cluster_info", {"hosts": [place], **secure})["errors"]), 45)
    refused = replica_set()
    assert "certificate has expired" in refused["msg"], refused
    assert "update_database" in refused["msg"], refused
    server.kill()
    server.start()
    until(lambda: not server.runs, 30)
    certificate(sets.base, 3600)
    server.start()
    until(lambda: run_module("mongodb_cluster_info", {"hosts": [place], **secure})["primary"] == place, 60)
