# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verbs on running members: read them, reconfigure, step down and up, users."""

from __future__ import annotations

import datetime
import typing as t

from .client import NOT_A_MEMBER, NOT_YET_INITIALIZED, Client, Document, Refused

# What a manager of the set has to do: configure and read it, and have users.
MANAGER_ROLES = ("clusterAdmin", "userAdminAnyDatabase")


def plain(value: t.Any) -> t.Any:
    """A server's document as plain data: timestamps become lists of seconds and increment, dates epoch seconds."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items() if not str(key).startswith("$")}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=datetime.timezone.utc).timestamp()
    if hasattr(value, "time") and hasattr(value, "inc"):
        return [value.time, value.inc]
    # The driver's 64-bit integers are a kind of int, and would be no plain data.
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return value if value is None or isinstance(value, (bool, float, str)) else str(value)


def hello(client: Client) -> Document:
    """Who the member says it is; needs no authentication."""
    return plain(client.command("hello"))


def status(client: Client) -> Document:
    """How the member sees the set; empty where it has no configuration, or is none of the set any more."""
    try:
        return plain(client.command("replSetGetStatus"))
    except Refused as error:
        if error.code in (NOT_A_MEMBER, NOT_YET_INITIALIZED):
            return {}
        raise


def configuration(client: Client, primary: bool = True) -> tuple[Document, bool]:
    """The configuration with every field, and whether a majority has it, too, which only a primary knows."""
    answer = client.command("replSetGetConfig", **({"commitmentStatus": True} if primary else {}))
    return answer["config"], bool(answer.get("commitmentStatus"))


def reconfigure(client: Client, config: Document, seconds: float) -> None:
    """Install the next version; the server refuses it when somebody else was first."""
    client.command("replSetReconfig", config, maxTimeMS=int(seconds * 1000), seconds=seconds)


def force(client: Client, config: Document) -> None:
    """Have a member take a configuration without the others; the server chooses a version far above."""
    made = {name: value for name, value in config.items() if name != "term"}
    client.command("replSetReconfig", made, force=True, seconds=30)


def initiate(client: Client, config: Document) -> None:
    client.command("replSetInitiate", config, seconds=60)


def step_down(client: Client, period: int, catch_up: int) -> None:
    """Give the role of primary up once a secondary that may be elected has everything; else it is kept."""
    client.command("replSetStepDown", period, secondaryCatchUpPeriodSecs=catch_up, seconds=catch_up + 5)


def freeze(client: Client, seconds: int) -> None:
    """Keep a secondary from seeking election for so long; 0 lets it again, also after it has stepped down."""
    client.command("replSetFreeze", seconds)


def step_up(client: Client) -> None:
    """Have a secondary seek election now."""
    client.command("replSetStepUp", 1)


def sync_from(client: Client, place: str) -> None:
    """Have a secondary replicate from this member, until it finds a reason to choose anew."""
    client.command("replSetSyncFrom", place)


def note(client: Client, text: str) -> None:
    """Write an entry into the oplog that changes nothing."""
    client.command("appendOplogNote", 1, data={"horizontal.scaling": text})


def defaults(client: Client) -> Document:
    """The read and write concern of operations that name none."""
    answer = client.command("getDefaultRWConcern")
    write = answer.get("defaultWriteConcern", {})
    return {
        "write": {"w": write.get("w"), "wtimeout": write.get("wtimeout", 0)} if write else {},
        "read": (answer.get("defaultReadConcern") or {}).get("level", ""),
        "write_is_set": answer.get("defaultWriteConcernSource") == "global",
    }


def set_defaults(client: Client, write: t.Any, read: str) -> None:
    fields: Document = {}
    if write is not None:
        fields["defaultWriteConcern"] = {"w": write, "wtimeout": 0}
    if read:
        fields["defaultReadConcern"] = {"level": read}
    client.command("setDefaultRWConcern", **fields, writeConcern={"w": "majority", "wtimeout": 10000}, seconds=10)


def version(client: Client) -> str:
    """Version of the server."""
    return client.command("buildInfo")["version"]


def feature_compatibility(client: Client) -> Document:
    """The version that data is compatible with; on the way to another one with a targetVersion, too."""
    answer = client.command("getParameter", 1, featureCompatibilityVersion=1)
    return dict(answer["featureCompatibilityVersion"])


def set_feature_compatibility(client: Client, wanted: str, seconds: float, fields: Document) -> None:
    """Set it, and wait until a majority has it; one that was cut off is finished by the same command."""
    concern = {"w": "majority", "wtimeout": int(seconds * 1000)}
    client.command("setFeatureCompatibilityVersion", wanted, writeConcern=concern, seconds=seconds, **fields)


def sharding_state(client: Client) -> Document:
    """Whether a primary is part of a sharded cluster, and the name of its shard."""
    return plain(client.command("shardingState"))


def create_manager(client: Client, user: str, password: str, database: str) -> None:
    """The first user, whom the localhost exception lets in on the primary's own host."""
    roles = [{"role": role, "db": "admin"} for role in MANAGER_ROLES]
    client.command("createUser", user, database=database, pwd=password, roles=roles)


def users(client: Client, database: str) -> dict[str, list[Document]]:
    """The database's users with their roles, in an order of their own."""
    answer = client.command("usersInfo", 1, database=database)
    return {each["user"]: sort_roles(each["roles"]) for each in answer["users"]}


def sort_roles(roles: t.Iterable[t.Mapping[str, t.Any]]) -> list[Document]:
    plain_roles = [{"role": each["role"], "db": each["db"]} for each in roles]
    return sorted(plain_roles, key=lambda each: (each["db"], each["role"]))
