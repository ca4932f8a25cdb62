# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The split in a service's data, as the roles haproxy and nginx take them. Values in, values out."""

from __future__ import annotations

import re
import typing as t

from .split import BY_CHANCE, NAMED, NAMES, VALUE, WHOLE, Document, Split, in_order

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


def versions_of(service: t.Mapping[str, t.Any]) -> list[str]:
    """Versions that the service's servers have, in the order of their names; none of a service that is not split."""
    if not service.get("split"):
        return []
    return sorted({_version(server) for server in service["servers"]})


def split_of(service: t.Mapping[str, t.Any]) -> Split:
    """The split that the data ask for."""
    given = service["split"]
    weights = dict.fromkeys(versions_of(service), 0)
    weights.update({str(version): int(share) for version, share in (given.get("weights") or {}).items()})
    rules = [
        {field: str(rule[field]) for field in ("by", "name", "value", "version")} for rule in given.get("match") or []
    ]
    return Split(weights, in_order(rules), _sticky(given), {})


def configured(split: Split) -> str:
    """One line that says what the data ask for; what was set at run time lasts until it changes."""
    shares = [f"{version} {share}" for version, share in sorted(split.weights.items())]
    rules = [f"{rule['by']} {rule['name']} {rule['value']} {rule['version']}" for rule in split.match]
    return ", ".join([*shares, " ".join(filter(None, [split.sticky["by"], split.sticky["name"]])), *rules])


def refusals(service: t.Mapping[str, t.Any], services: t.Iterable[str], router: str) -> list[str]:
    """A sentence for everything that cannot be the split of a service.

    Args:
        services: names of all services.
        router: haproxy or nginx.
    """
    versions = sorted({_version(server) for server in service["servers"]})
    given = service.get("split") or {}
    if not given:
        return ["servers have a version, accepted without split is none"] if any(versions) else []
    found = _of_versions(service, versions, services)
    found += _of_weights(given, versions)
    found += _of_names(given, versions, router)
    if service.get("mode") == "tcp":
        found.append("split is set, accepted with mode tcp is none, since the version is chosen for each request")
    if service.get("sticky_cookie") and _sticky(given)["by"] == "chance":
        found.append(
            f"sticky_cookie is '{service['sticky_cookie']}', which keeps a client at a server that its next request's"
            " version may not have; give split.sticky as well"
        )
    return found


def _of_versions(service: t.Mapping[str, t.Any], versions: t.Sequence[str], services: t.Iterable[str]) -> list[str]:
    found = [
        f"a server has the version '{version}', accepted with split are letters, digits and - _ ."
        for version in versions
        if not _VERSION.match(version)
    ]
    if len({version.lower() for version in versions}) != len(versions):
        found.append(f"versions are {', '.join(versions)}, accepted are names that differ in more than capitals")
    prefix = service["name"] + "."
    found += [
        f"there is a service {name}, accepted are other names, since {prefix}<version> is that of a backend"
        for name in services
        if name.startswith(prefix)
    ]
    return found


def _of_weights(given: t.Mapping[str, t.Any], versions: t.Sequence[str]) -> list[str]:
    weights = given.get("weights") or {}
    odd = [str(share) for share in weights.values() if not re.match(r"\d{1,3}\Z", str(share))]
    if odd:
        return [f"split.weights has {', '.join(odd)}, accepted are whole percent"]
    total = sum(int(share) for share in weights.values())
    found = [f"split.weights add up to {total}, accepted is {WHOLE}"] if total != WHOLE else []
    unknown = {str(version) for version in weights} - set(versions)
    return found + [f"split.weights has {name}, which is no server's version" for name in sorted(unknown)]


def _of_names(given: t.Mapping[str, t.Any], versions: t.Sequence[str], router: str) -> list[str]:
    found: list[str] = []
    seen: set[tuple[str, str, str]] = set()
    rules = given.get("match") or []
    for rule in rules:
        name, value, version = (str(rule[field]) for field in ("name", "value", "version"))
        key = (rule["by"], name.lower() if rule["by"] == "header" else name, value)
        found += [f"split.match names {version}, which is no server's version"] * (version not in versions)
        found += [f"split.match has the value '{value}' of {rule['by']} {name} twice"] * (key in seen)
        if not VALUE.match(value):
            found.append(f"split.match has the value '{value}', accepted are letters, digits and - _ . : / @ +")
        seen.add(key)
    sticky = _sticky(given)
    if sticky["by"] not in NAMED and sticky["name"]:
        found.append(f"split.sticky has a name, accepted with {sticky['by']} is none")
    for by, name in [(rule["by"], str(rule["name"])) for rule in rules] + [(sticky["by"], sticky["name"])]:
        if by in NAMED and not NAMES[by].match(name):
            found.append(f"split names the {by} '{name}', accepted are letters, digits and -, for a cookie also _")
        elif router == "nginx" and by == "cookie" and "-" in name:
            found.append(f"split names the cookie '{name}', but NGINX can read none with - in its name")
    return found


def _sticky(given: t.Mapping[str, t.Any]) -> Document:
    sticky = dict(BY_CHANCE, **(given.get("sticky") or {}))
    name = str(sticky["name"] or "")
    return {"by": sticky["by"], "name": name.lower() if sticky["by"] == "header" else name}


def _version(server: t.Mapping[str, t.Any]) -> str:
    return str(server.get("version") or "")
