# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What mongodb_users does: have users with their roles and passwords, all in one task."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome

from . import service
from .client import AUTHENTICATION_FAILED, Client, Document, Refused
from .cluster import Cluster, check_login


def converge(params: Document, check_mode: bool) -> Outcome:
    """Entry point of mongodb_users."""
    cluster = Cluster(params, params["hosts"])
    try:
        reading = cluster.read()
        check_login(reading, params["user"])
        if not reading.primary:
            reading = cluster.wait_for_primary(Deadline(params["primary_timeout"]))
        return _converge(cluster.clients[reading.primary], params, check_mode)
    finally:
        cluster.close()


def roles_of(told: Document) -> list[Document]:
    """The wanted roles as the server names them: a word is a role of the user's own database. Raises ScalingError."""
    made = []
    for name in told["roles"]:
        role = {"role": name, "db": told["database"]} if isinstance(name, str) else name
        if not isinstance(role, dict) or set(role) != {"role", "db"}:
            raise ScalingError(f"users: {told['name']} has the role {role}.", "Accepted are a name, or role and db.")
        made.append(role)
    return service.sort_roles(made)


def plan(have: t.Mapping[str, list[Document]], told: Document, password_fits: bool) -> Document | None:
    """Command and fields that bring one user to what is told; None when it is so already."""
    name = told["name"]
    if told["state"] == "absent":
        return {"name": "dropUser"} if name in have else None
    roles = roles_of(told)
    if name not in have:
        return {"name": "createUser", "roles": roles, "pwd": told["password"]}
    fields: Document = {}
    if have[name] != roles:
        fields["roles"] = roles
    if not password_fits:
        fields["pwd"] = told["password"]
    return {"name": "updateUser", **fields} if fields else None


def _converge(client: Client, params: Document, check_mode: bool) -> Outcome:
    before: Document = {}
    after: Document = {}
    for told in params["users"]:
        if told["state"] == "present" and not told["password"]:
            raise ScalingError(f"users: {told['name']} has no password.", "Give one, from a vault.")
        have = service.users(client, told["database"])
        fits = told["name"] not in have or told["state"] == "absent" or _fits(client, params, told)
        change = plan(have, told, fits)
        key = f"{told['database']}.{told['name']}"
        before[key] = _view(have.get(told["name"]), "as before")
        after[key] = before[key]
        if change is None:
            continue
        roles = None if told["state"] == "absent" else roles_of(told)
        after[key] = _view(roles, "as wanted" if "pwd" in change else "as before")
        if not check_mode:
            command = change.pop("name")
            client.command(command, told["name"], database=told["database"], **change, writeConcern=_MAJORITY)
            read_back = service.users(client, told["database"]).get(told["name"])
            after[key] = _view(read_back, "as wanted" if "pwd" in change else "as before")
    return Outcome(before, after, header="users")


_MAJORITY = {"w": "majority", "wtimeout": 10000}


def _fits(client: Client, params: Document, told: Document) -> bool:
    """Whether the user gets in with the password, which only a login tells."""
    other = Client(client.place, params, (told["name"], told["password"], told["database"]))
    try:
        other.command("ping")
    except Refused as error:
        if error.code == AUTHENTICATION_FAILED:
            return False
        raise
    finally:
        other.close()
    return True


def _view(roles: list[Document] | None, password: str) -> t.Any:
    if roles is None:
        return "absent"
    return {"roles": [f"{each['role']}@{each['db']}" for each in roles], "password": password}
