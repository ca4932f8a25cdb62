# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server lines of an upstream block: read, rewritten line by line, everything else left as it was.

A line of the role's own files, and what an edit leaves in a person's own file:

    server 10.0.0.1:8080 weight=50 max_fails=3 fail_timeout=6s down; # app1 [state=drain configured=100 address=app1]

NGINX knows only ``down``; what it cannot tell stands in the brackets: drain or maint, the configured weight when the
one in force differs from it, and the name that the address was resolved from.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

STATES = ("ready", "drain", "maint")
WEIGHT_MAX = 256

_LINE = re.compile(
    r"^(?P<indent>\s*)server\s+(?P<address>[^\s;{]+)(?P<parameters>[^;#{]*);[ \t]*(?:#(?P<comment>.*))?$"
)
_FACTS = re.compile(r"\s*\[(?P<facts>(?:\w+=\S+\s*)+)\]\s*$")
_WORD = re.compile(r"[A-Za-z0-9_.:-]+\Z")


class Server:
    """One server of an upstream.

    Args:
        name: as people call it; the comment's single word, or address:port.
        address, port: where NGINX connects to; port 0 for a UNIX socket.
        state: ready, drain or maint.
        weight: in force; 0 takes no traffic (NGINX itself has no weight 0: the line says down).
        configured: the weight that a percentage refers to.
        source: the host name that ``address`` was resolved from; empty when none was.
        parameters: all other parameters of the line, untouched.
        remark: a person's own comment, kept.
    """

    def __init__(
        self,
        name: str,
        address: str,
        port: int,
        *,
        state: str = "ready",
        weight: int = 1,
        configured: int | None = None,
        source: str = "",
        parameters: t.Sequence[str] = (),
        remark: str = "",
    ) -> None:
        self.name = name
        self.address = address
        self.port = port
        self.state = state
        self.weight = weight
        self.configured = weight if configured is None else configured
        self.source = source
        self.parameters = tuple(parameters)
        self.remark = remark

    def changed(self, **values: t.Any) -> Server:
        """A copy with other values."""
        return Server(**dict(vars(self), **values))

    def facts(self) -> dict[str, t.Any]:
        """What a person wants to know of it, for diffs and return values."""
        return {
            "address": self.source or self.address,
            "port": self.port,
            "state": self.state,
            "weight": self.weight,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Server) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.name)

    def line(self, indent: str = "    ") -> str:
        """The directive with its comment."""
        words = ["server", join_address(self.address, self.port)]
        if self.weight != 1:
            words.append(f"weight={max(1, self.weight)}" if self.weight else "weight=1")
        words += self.parameters
        if self.state != "ready" or self.weight == 0:
            words.append("down")
        facts = []
        if self.state != "ready":
            facts.append(f"state={self.state}")
        if self.weight == 0:
            facts.append("weight=0")
        if self.configured != self.weight:
            facts.append(f"configured={self.configured}")
        if self.source:
            facts.append(f"address={self.source}")
        comment = " ".join(filter(None, [self._label(), f"[{' '.join(facts)}]" if facts else ""]))
        return indent + " ".join(words) + ";" + (f" # {comment}" if comment else "")

    def _label(self) -> str:
        if self.remark:
            return self.remark
        return "" if self.name == join_address(self.address, self.port) else self.name


def join_address(address: str, port: int) -> str:
    """address:port as NGINX writes it."""
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def split_address(text: str) -> tuple[str, int]:
    """The inverse of join_address; port 80 when none is given, 0 for a UNIX socket."""
    if text.startswith("unix:"):
        return text, 0
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or not port.isdigit():
        return text.strip("[]"), 80
    return host.strip("[]"), int(port)


def parse_line(text: str) -> Server | None:
    """The server of one line; None when the line has none (or not all of one)."""
    found = _LINE.match(text)
    if found is None:
        return None
    address, port = split_address(found.group("address"))
    remark, facts = _read_comment(found.group("comment") or "")
    weight, down, parameters = 1, False, []
    for word in found.group("parameters").split():
        if word == "down":
            down = True
        elif word.startswith("weight=") and word[7:].isdigit():
            weight = int(word[7:])
        else:
            parameters.append(word)
    if facts.get("weight") == "0":
        weight = 0
    configured = int(facts["configured"]) if facts.get("configured", "").isdigit() else weight
    state = facts.get("state", "maint" if down and weight else "ready")
    word = bool(_WORD.match(remark))
    return Server(
        name=remark if word else join_address(address, port),
        address=address,
        port=port,
        state=state if state in STATES and down else "ready",
        weight=weight,
        configured=configured,
        source=facts.get("address", ""),
        parameters=parameters,
        remark="" if word else remark,
    )


def _read_comment(comment: str) -> tuple[str, dict[str, str]]:
    found = _FACTS.search(comment)
    if found is None:
        return comment.strip(), {}
    facts = dict(fact.split("=", 1) for fact in found.group("facts").split())
    return comment[: found.start()].strip(), facts


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


class Upstream:
    """One upstream block inside a file's text.

    Args:
        name: of the upstream.
        path: the file, for messages and writing.
        text: the file's whole text.
        span: first and last line of the block, counted from 0 (the whole text when not given).
    """

    def __init__(self, name: str, path: str, text: str, span: tuple[int, int] | None = None) -> None:
        self.name = name
        self.path = path
        self.text = text
        lines = text.splitlines()
        first, last = span or (0, len(lines) - 1)
        found = {number: parse_line(lines[number]) for number in range(first, min(last + 1, len(lines)))}
        self.lines = {server.name: number for number, server in found.items() if server is not None}
        self.servers = {server.name: server for server in found.values() if server is not None}
        self.first = first
        self._fixed: dict[str, int] = {}

    def add_fixed(self, directive: str, line: int) -> None:
        """A server whose directive shares its line (counted from 1) with others: it can be read but not edited."""
        server = parse_line(directive)
        if server is not None:
            self.servers[server.name] = server
            self._fixed[server.name] = line

    def server(self, name: str) -> Server:
        """Raises ScalingError when there is none of that name."""
        if name not in self.servers:
            known = ", ".join(sorted(self.servers)) or "none"
            raise ScalingError(
                f"Upstream '{self.name}' in {self.path} has no server '{name}' (it has: {known}).",
                "Correct the name, or add it with state 'present' and an address.",
            )
        return self.servers[name]

    def rewritten(self, wanted: dict[str, Server], text: str | None = None) -> str:
        """The file's text with exactly these servers; lines of unchanged ones stay byte for byte.

        Args:
            text: the file's text when blocks further down have been rewritten already.

        Raises:
            ScalingError: a server that would change has no line of its own.
        """
        for name, line in self._fixed.items():
            if wanted.get(name) != self.servers[name]:
                raise ScalingError(
                    f"{self.path}, line {line}: server '{name}' of upstream '{self.name}' cannot be edited.",
                    "Give the directive a line of its own.",
                )
        lines = (self.text if text is None else text).splitlines()
        tail = max(self.lines.values()) if self.lines else self.first
        indent = _indent(lines[tail]) if self.lines else "    "
        added = [server.line(indent) for name, server in wanted.items() if name not in self.servers]
        result = []
        for number, line in enumerate(lines):
            name = next((known for known, at in self.lines.items() if at == number), None)
            if name is None:
                result.append(line)
            elif name in wanted:
                same = wanted[name] == self.servers[name]
                result.append(line if same else wanted[name].line(_indent(line)))
            if number == tail:
                result.extend(added)
        return "\n".join(result) + "\n"
