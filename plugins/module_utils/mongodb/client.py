# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A connection to one member: commands in, documents out; every failure is a ScalingError that names the member."""

from __future__ import annotations

import contextlib
import socket
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

Document = t.Dict[str, t.Any]

APPLICATION = "horizontal.scaling"
UNAUTHORIZED, AUTHENTICATION_FAILED, USER_NOT_FOUND = 13, 18, 11
NOT_YET_INITIALIZED, NOT_A_MEMBER = 94, 93
INCOMPATIBLE = 103


class Client:
    """One member's server, asked directly whatever its state; connects at the first command.

    Args:
        place: host:port.
        options: the module's parameters; see connection.CONNECTION.
        login: user, password and database; None asks without authentication.
        loopback: connect to 127.0.0.1 instead, as the localhost exception wants; the certificate's name is not
            compared then, its issuer is.
    """

    def __init__(
        self, place: str, options: t.Mapping[str, t.Any], login: tuple[str, str, str] | None, loopback: bool = False
    ) -> None:
        self.place = place
        self._timeout: float = options["timeout"]
        host, port = split(place)
        self._keywords: Document = {
            "host": "127.0.0.1" if loopback else host,
            "port": port,
            "directConnection": True,
            "appname": APPLICATION,
            "retryWrites": False,
            "tls": options["tls"],
        }
        if options["tls"]:
            files = {"tlsCAFile": options["tls_ca_file"], "tlsCertificateKeyFile": options["tls_certificate_key_file"]}
            self._keywords.update({name: path for name, path in files.items() if path})
            if loopback:
                self._keywords["tlsAllowInvalidHostnames"] = True
        if login:
            self._keywords.update(zip(("username", "password", "authSource"), login))
        # By the seconds that an answer may take, which belong to the connection.
        self._open: dict[float, t.Any] = {}

    @property
    def connected(self) -> bool:
        """Whether there is a connection from an earlier command, which may have died meanwhile."""
        return bool(self._open)

    def command(
        self, name: str, value: t.Any = 1, /, *, database: str = "admin", seconds: float = 0, **fields: t.Any
    ) -> Document:
        """A command's answer, which may take `seconds` longer than the timeout; raises Refused or Unreachable."""
        errors = library().errors
        try:
            return self._connected(seconds)[database].command(name, value, **fields)
        except (errors.OperationFailure, _not_primary(errors)) as error:
            text = (error.details or {}).get("errmsg") or str(error).split(", full error", maxsplit=1)[0]
            code = (error.details or {}).get("code") or getattr(error, "code", 0) or 0
            raise Refused(f"MongoDB {self.place} refused {name}: {text}.", code=code) from error
        except (errors.PyMongoError, OSError, ValueError) as error:
            # What follows is the driver's own view of all servers.
            text = " ".join(str(error).split(", Timeout:", maxsplit=1)[0].split()) or type(error).__name__
            raise Unreachable(
                f"MongoDB {self.place} gives no answer: {text}.",
                "Bring a certificate to it that is valid now; update_database puts it in force."
                if "certificate has expired" in text
                else "Check that it runs, that its address is right, and that TLS is wanted on both sides or on none.",
            ) from error

    def close(self) -> None:
        """End the connections; the next command makes another."""
        for connection in self._open.values():
            with contextlib.suppress(Exception):
                connection.close()
        self._open = {}

    def _connected(self, seconds: float) -> t.Any:
        if seconds not in self._open:
            # The driver tries again and again where nobody listens.
            socket.create_connection((self._keywords["host"], self._keywords["port"]), self._timeout).close()
            milliseconds = int(self._timeout * 1000)
            self._open[seconds] = library().MongoClient(
                **self._keywords,
                connectTimeoutMS=milliseconds,
                serverSelectionTimeoutMS=milliseconds,
                socketTimeoutMS=int(milliseconds + seconds * 1000),
            )
        return self._open[seconds]


class Refused(ScalingError):
    """An error that a member answered with; `code` is the server's."""

    def __init__(self, message: str, hint: str = "", code: int = 0) -> None:
        super().__init__(message, hint)
        self.code = code


class Unreachable(ScalingError):
    """A member that gave no answer."""


def split(place: str) -> tuple[str, int]:
    """Host and port; the port is 27017 where none is given, and IPv6 addresses stand in brackets."""
    host, colon, port = place.rpartition(":")
    if not colon or "]" in port or not port.isdigit():
        host, port = place, "27017"
    return host.strip("[]"), int(port)


def _not_primary(errors: t.Any) -> t.Any:
    """What the driver makes of an answer that the member is not the primary, or shuts down."""
    return errors.NotPrimaryError if hasattr(errors, "NotPrimaryError") else errors.NotMasterError


def library() -> t.Any:
    """pymongo; raises ScalingError with the package's name where it is missing."""
    try:
        import pymongo
        import pymongo.errors
    except ImportError as error:
        raise ScalingError(
            f"The Python library pymongo is missing on this host ({error}).",
            "Install the package python3-pymongo, or pymongo by pip.",
        ) from error
    return pymongo
