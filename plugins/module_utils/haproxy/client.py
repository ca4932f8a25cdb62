# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runtime API over a UNIX socket or TCP: one connection per batch, commands pipelined, one answer per command."""

from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

# The interactive mode is the only one that marks the end of an answer for certain: in the other one some messages
# of HAProxy swallow the empty line that should separate them.
_PROMPT = b"\n> "
_PREAMBLE = ("prompt", "set severity-output number")
# HAProxy stops reading while nobody reads its answers, so a batch must fit into the socket's buffers.
_LINES_IN_FLIGHT = 100
_SEVERITY = re.compile(r"^\[([0-7])\]: ?")
_ERROR = 3


class Answer(t.NamedTuple):
    """HAProxy's answer to one command: text without the severity mark, severity as syslog counts (3 is an error)."""

    command: str
    text: str
    severity: int

    @property
    def is_error(self) -> bool:
        return self.severity <= _ERROR or self.text.startswith("Unknown command")


class Client:
    """A balancer's runtime API.

    Args:
        address: path of the UNIX socket, or ``tcp://host:port``.
        timeout: seconds for connecting and for each answer.
    """

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        self.address = address
        self.timeout = timeout
        self._target = parse_address(address)

    def run(self, commands: t.Sequence[str]) -> list[Answer]:
        """Run commands in order over one connection; raises ScalingError when the balancer does not answer."""
        lines = list(_PREAMBLE) + list(commands)
        for line in lines:
            if "\n" in line or ";" in line or "<<" in line:
                raise ScalingError(f"the command '{line!r}' is not one line for HAProxy's runtime API.")
        answers: list[str] = []
        try:
            with self._connect() as connection:
                for start in range(0, len(lines), _LINES_IN_FLIGHT):
                    answers += self._exchange(connection, lines[start : start + _LINES_IN_FLIGHT])
        except OSError as error:
            raise self._unreachable(error) from error
        return [_answer(command, text) for command, text in zip(lines, answers)][len(_PREAMBLE) :]

    def ask(self, commands: t.Sequence[str]) -> list[str]:
        """Texts of the answers; an error answer raises ScalingError."""
        answers = self.run(commands)
        for answer in answers:
            if answer.is_error:
                raise ScalingError(f"HAProxy at {self.address} refused '{answer.command}': {answer.text}")
        return [answer.text for answer in answers]

    def _connect(self) -> socket.socket:
        family, target = self._target
        if family == "unix":
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self.timeout)
            try:
                connection.connect(t.cast(str, target))
            except OSError:
                connection.close()
                raise
            return connection
        return socket.create_connection(t.cast("tuple[str, int]", target), timeout=self.timeout)

    def _exchange(self, connection: socket.socket, lines: t.Sequence[str]) -> list[str]:
        connection.sendall("".join(line + "\n" for line in lines).encode())
        received = bytearray()
        while received.count(_PROMPT) < len(lines):
            data = connection.recv(262144)
            if not data:
                raise ConnectionResetError("the connection was closed before the answer was complete")
            received += data
        return [part.decode("utf-8", "replace") for part in bytes(received).split(_PROMPT)][: len(lines)]

    def _unreachable(self, error: OSError) -> ScalingError:
        if isinstance(error, socket.timeout):
            reason = f"no answer within {self.timeout:g} s"
        elif isinstance(error, socket.gaierror):
            reason = "the host name does not resolve"
        else:
            reason = error.strerror or str(error)
        if isinstance(error, PermissionError):
            hint = "Run the task with become, or as a user whom 'stats socket … user/group/mode' lets in."
        else:
            hint = "Check that HAProxy runs and that its global section has a 'stats socket' at this address."
        return ScalingError(
            f"The HAProxy socket {self.address} does not answer: {reason}.", hint, balancer=self.address
        )


def parse_address(address: str) -> tuple[str, str | tuple[str, int]]:
    """('unix', path) or ('tcp', (host, port)); raises ScalingError for anything else."""
    if address.startswith("/"):
        return "unix", address
    match = re.match(r"^tcp://(?:\[([^\]]+)\]|([^:/\[\]]+)):(\d{1,5})$", address)
    if match is None or not 0 < int(match.group(3)) < 65536:
        raise ScalingError(
            f"sockets: '{address}' is neither the absolute path of a UNIX socket nor tcp://host:port.",
            "Give for example /run/haproxy/admin.sock or tcp://192.0.2.10:9999.",
        )
    return "tcp", (match.group(1) or match.group(2), int(match.group(3)))


def _answer(command: str, text: str) -> Answer:
    mark = _SEVERITY.match(text)
    if mark is None:
        return Answer(command, text.strip("\n"), 6)
    return Answer(command, text[mark.end() :].strip("\n"), int(mark.group(1)))
