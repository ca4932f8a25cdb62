# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The account that owns the data directory: PostgreSQL's programs refuse to run as root, systemctl needs root."""

from __future__ import annotations

import contextlib
import os
import pwd
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError


class Account:
    """What a task that runs as root does in the name of the server's owner; any other user acts as itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._switch = os.geteuid() == 0
        if self._switch:
            try:
                self._entry = pwd.getpwnam(name)
            except KeyError as error:
                raise ScalingError(
                    f"owner: this host has no user {name}.", "Install PostgreSQL first, or name the owner of its data."
                ) from error

    def words(self, command: list[str]) -> list[str]:
        """A command as it is started in the owner's name."""
        return ["runuser", "-u", self.name, "--", *command] if self._switch else command

    @contextlib.contextmanager
    def acting(self) -> t.Iterator[None]:
        """Files that are made and sockets that are opened within belong to the owner.

        Nothing may be imported within: Ansible's own modules lie where only root reads.
        """
        if not self._switch or os.geteuid() == self._entry.pw_uid:
            yield
            return
        home = os.environ.get("HOME")
        group = os.getegid()
        os.setegid(self._entry.pw_gid)
        os.seteuid(self._entry.pw_uid)
        # libpq finds .pgpass and the client's certificate by it.
        os.environ["HOME"] = self._entry.pw_dir
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(group)
            if home is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = home
