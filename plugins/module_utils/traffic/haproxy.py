# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HAProxy as a router: a backend for each version, chosen by a number from 0 to 99 that a map gives to a version.

The names of the map files say what the configuration looks at, so the running process tells all of it:

    splits/<service>/weights.chance.map                weights.address.map, weights.cookie.user.map, …
    splits/<service>/match.header.x-version.map        match.cookie.version.map, …

Backends are named <service>.<version>. Weights of servers would not do: they are relative to the servers that are up.
"""

from __future__ import annotations

import contextlib
import re
import typing as t
from pathlib import Path

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.lock import directory_lock
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.client import Client
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.maps import Entries, Maps, parse_file, save
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.service import Balancer, Snapshot

from . import described
from .router import Router
from .split import WHOLE, Document, Split, State, in_order, ranges

_FILE = re.compile(
    r"(?P<root>.*)/splits/(?P<service>[^/]+)/(?P<use>weights|match)\.(?P<by>[a-z]+)(\.(?P<name>.+))?\.map"
)


class Place(t.NamedTuple):
    """What a map file is for."""

    file: str
    root: str
    use: str
    by: str
    name: str


class Haproxy(Router):
    """One service behind one HAProxy process on this host."""

    def __init__(self, parameters: Document) -> None:
        super().__init__(parameters)
        self._client = Client(parameters["socket"], parameters["timeout"])
        self._maps = Maps(self._client)
        self._places: list[Place] = []
        self._entries: dict[str, Entries] = {}
        self._level = ""

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """No other editor of the configuration meanwhile."""
        self._places = places(self._maps.files(), self._service)
        weights = [place for place in self._places if place.use == "weights"]
        if len(weights) != 1:
            raise ScalingError(
                f"HAProxy at {self._client.address} does not split service '{self._service}'.",
                "Give the service 'split' and its servers a 'version' in haproxy_services, and apply the role haproxy.",
            )
        with directory_lock(Path(weights[0].root)):
            yield

    def read(self) -> State:
        """From the running process."""
        snapshot = Balancer(self._client).read()
        self._level = snapshot.level
        self._entries = self._maps.read([place.file for place in self._places])
        versions = versions_of(snapshot, self._service)
        return State(
            split=split_of(self._places, self._entries, versions),
            versions=versions,
            settled=all(_saved(file) == found for file, found in self._entries.items()),
        )

    def refuse(self, state: State, split: Split) -> None:
        """Raises ScalingError for what this HAProxy cannot do."""
        if split.mirror:
            raise ScalingError(
                "mirror: HAProxy does not copy requests itself; an SPOE agent beside it would have to.",
                "Leave mirror out, or use another router.",
            )
        if split.sticky != state.split.sticky:
            raise ScalingError(
                f"sticky: HAProxy tells clients apart by {_words(state.split.sticky)} here, and only its configuration"
                f" can change that to {_words(split.sticky)}.",
                "Give split.sticky in haproxy_services and apply the role haproxy.",
            )
        known = {(place.by, place.name) for place in self._places if place.use == "match"}
        for rule in split.match:
            if (rule["by"], rule["name"]) not in known:
                raise ScalingError(
                    f"match: HAProxy's configuration does not look at {rule['by']} {rule['name']} for this service.",
                    "Give a rule for it in split.match of haproxy_services, and apply the role haproxy.",
                )
        if self._level != "admin" and split != state.split:
            raise ScalingError(
                f"The HAProxy socket {self._client.address} has level {self._level}, which cannot change maps.",
                "Use a 'stats socket' with 'level admin'.",
            )

    def apply(self, state: State, split: Split) -> Document:
        """Put the split in force in the running process, then write it to its files."""
        files = []
        for place in self._places:
            entries = entries_of(place, split)
            if entries != self._entries[place.file]:
                self._maps.replace(place.file, entries)
            if entries != _saved(place.file):
                save(place.file, entries)
                files.append(place.file)
        return {"files": sorted(files)}


def described_maps(service: t.Mapping[str, t.Any], there: t.Mapping[str, str]) -> list[Document]:
    """Map files of the split in a service's data, in the order in which they are asked.

    Args:
        there: texts of the files that the host has, by path below splits/. What was set at run time is kept as long as
            the data are the same.
    """
    split = described.split_of(service)
    mark = f"# configured: {described.configured(split)}"
    folder = service["name"] + "/"
    mine = {path: text for path, text in there.items() if path.startswith(folder) and mark in text.splitlines()}
    maps = []
    for use, by, name in _looked_at(split):
        path = folder + ".".join(filter(None, [use, by, name, "map"]))
        place = Place(path, "", use, by, name)
        entries = parse_file(mine[path]) if path in mine else entries_of(place, split)
        lines = [mark, *(f"{key} {version}" for key, version in entries)]
        maps.append({"path": path, "use": use, "by": by, "name": name, "lines": lines})
    return maps


def _looked_at(split: Split) -> list[tuple[str, str, str]]:
    names = dict.fromkeys(("match", rule["by"], rule["name"]) for rule in split.match)
    return [*names, ("weights", split.sticky["by"], split.sticky["name"])]


def places(files: t.Iterable[str], service: str) -> list[Place]:
    """The maps of one service's split."""
    found = (_FILE.fullmatch(file) for file in files)
    return [
        Place(match.group(0), match["root"], match["use"], match["by"], match["name"] or "")
        for match in found
        if match and match["service"] == service
    ]


def versions_of(snapshot: Snapshot, service: str) -> dict[str, int]:
    """Version to its number of servers that take requests."""
    prefix = service + "."
    return {
        row["pxname"][len(prefix) :]: int(row.get("act") or 0) + int(row.get("bck") or 0)
        for row in snapshot.stat
        if row["svname"] == "BACKEND" and row["pxname"].startswith(prefix)
    }


def split_of(places: t.Sequence[Place], entries: t.Mapping[str, Entries], versions: t.Iterable[str]) -> Split:
    """The split that the maps mean."""
    weights, rules, sticky = dict.fromkeys(versions, 0), [], {}
    for place in places:
        if place.use == "weights":
            sticky = {"by": place.by, "name": place.name}
            for version in numbers(entries[place.file]).values():
                weights[version] = weights.get(version, 0) + 1
        else:
            rules += [
                {"by": place.by, "name": place.name, "value": value, "version": version}
                for value, version in entries[place.file]
            ]
    return Split(weights, in_order(rules), sticky, {})


def numbers(entries: Entries) -> dict[int, str]:
    """Which version each number from 0 to 99 gets; the first entry that has it counts."""
    found: dict[int, str] = {}
    for key, version in entries:
        low, _, high = key.partition(":")
        for number in range(int(low), int(high or low) + 1):
            if number < WHOLE:
                found.setdefault(number, version)
    return found


def entries_of(place: Place, split: Split) -> Entries:
    """What a map has to say for a split."""
    if place.use == "weights":
        return [(f"{first}:{last}", version) for first, last, version in ranges(split.weights)]
    return [
        (rule["value"], rule["version"]) for rule in split.match if (rule["by"], rule["name"]) == (place.by, place.name)
    ]


def _saved(file: str) -> Entries:
    try:
        return parse_file(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ScalingError(
            f"The map file {file} cannot be read: {error.strerror}.",
            "Run the task on the host of the load balancer; where its configuration has changed, reload HAProxy first.",
        ) from error


def _words(sticky: Document) -> str:
    return " ".join(filter(None, [sticky["by"], sticky["name"]]))
