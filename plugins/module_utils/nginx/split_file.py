# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file that shares a service's requests out between its versions: text in, values out, and back.

    # configured: canary 5, stable 95, cookie user
    # sticky: cookie user
    map $cookie_user $scaling_client_claims {
        default $cookie_user;
        "" $request_id;
    }
    split_clients $scaling_client_claims $scaling_version_claims_1 {
        5% canary;
        * stable;
    }
    # match: header x-version
    map $http_x_version $scaling_version_claims {
        default $scaling_version_claims_1;
        "~^beta$" canary;
    }
    # mirror
    split_clients "$request_id copy" $scaling_mirror_claims {
        * "";
    }

Values are compared by regular expressions, since a map's plain text takes capitals and small letters for the same.
"""

from __future__ import annotations

import re
import typing as t

Document = t.Dict[str, t.Any]

MARK = "# configured: "
_SOURCES = {"chance": "$request_id", "address": "$remote_addr", "header": "$http_{}", "cookie": "$cookie_{}"}
_SHARE = re.compile(r"\s+(?:(\d+)%|\*) (\S+);\Z")
_RULE = re.compile(r'\s+"~\^(.*)\$" (\S+);\Z')
_SAID = re.compile(r"# (sticky|match|mirror)(?:: (\S+)(?: (\S+))?)?\Z")


def identifier(service: str) -> str:
    """A service's name as part of a variable's."""
    return re.sub(r"[^A-Za-z0-9_]", "_", service)


def render(service: str, header: str, configured: str, split: Document) -> str:
    """The file's text.

    Args:
        header: comment lines of the one who writes.
        configured: what the service's data ask for.
        split: weights, match, sticky and mirror.
    """
    name = f"scaling_version_{identifier(service)}"
    groups: dict[tuple[str, str], list[Document]] = {}
    for rule in split["match"]:
        groups.setdefault((rule["by"], rule["name"]), []).append(rule)
    names = [name, *(f"{name}_{number}" for number in range(1, len(groups) + 1))]
    lines = [*header.strip().splitlines(), MARK + configured]
    lines += _shares(service, names[-1], split)
    for (by, of), (variable, following) in reversed(list(zip(groups, zip(names, names[1:])))):
        lines += [f"# match: {by} {of}", f"map {_source(by, of)} ${variable} {{", f"    default ${following};"]
        lines += [f'    "~^{_escaped(rule["value"])}$" {rule["version"]};' for rule in groups[by, of]]
        lines += ["}"]
    return "\n".join([*lines, *_mirror(service, split["mirror"])]) + "\n"


def parse(text: str) -> Document:
    """What the file says: header, configured, weights above 0, match (in no order), sticky and mirror."""
    found: Document = {"header": "", "configured": "", "weights": {}, "match": [], "mirror": {}}
    found["sticky"] = {"by": "chance", "name": ""}
    said = ("", "", "")
    header = []
    for line in text.splitlines():
        mark, share, rule = _SAID.match(line), _SHARE.match(line), _RULE.match(line)
        if line.startswith(MARK):
            found["configured"] = line[len(MARK) :]
        elif mark:
            said = (mark.group(1), mark.group(2) or "", mark.group(3) or "")
            if said[0] == "sticky":
                found["sticky"] = {"by": said[1], "name": said[2]}
        elif rule:
            value = re.sub(r"\\(.)", r"\1", rule.group(1))
            found["match"].append({"by": said[1], "name": said[2], "value": value, "version": rule.group(2)})
        elif share and said[0] == "mirror":
            if share.group(2) != '""':
                found["mirror"] = {"version": share.group(2), "percent": int(share.group(1) or 100)}
        elif share:
            rest = 100 - sum(found["weights"].values())
            found["weights"][share.group(2)] = int(share.group(1) or rest)
        elif line.startswith("#") and not found["configured"]:
            header.append(line)
    return dict(found, header="\n".join(header))


def location(service: str, header: str, split: Document) -> str:
    """The part that belongs into the service's location."""
    lines = header.strip().splitlines() + (["mirror /.mirror;"] if split["mirror"] else [])
    return "\n".join(lines) + "\n"


def _shares(service: str, variable: str, split: Document) -> list[str]:
    by, of = split["sticky"]["by"], split["sticky"]["name"]
    lines = [f"# sticky: {' '.join(filter(None, [by, of]))}"]
    key = _source(by, of)
    if of:
        client = f"$scaling_client_{identifier(service)}"
        lines += [f"map {key} {client} {{", f"    default {key};", '    "" $request_id;', "}"]
        key = client
    lines.append(f"split_clients {key} ${variable} {{")
    shares = [(share, version) for version, share in sorted(split["weights"].items()) if share]
    lines += [f"    {share}% {version};" for share, version in shares[:-1]]
    # The last one is written as the rest: 100 % would leave out the highest hash.
    lines += [f"    * {version};" for _, version in shares[-1:]]
    return [*lines, "}"]


def _mirror(service: str, mirror: Document) -> list[str]:
    variable = f"$scaling_mirror_{identifier(service)}"
    # Not by the key of the shares, or always the same clients were copied.
    lines = ["# mirror", f'split_clients "$request_id copy" {variable} {{']
    if mirror and mirror["percent"] < 100:
        lines.append(f"    {mirror['percent']}% {mirror['version']};")
    whole = mirror["version"] if mirror and mirror["percent"] == 100 else '""'
    return [*lines, f"    * {whole};", "}"]


def _source(by: str, name: str) -> str:
    return _SOURCES[by].format(name.lower().replace("-", "_") if by == "header" else name)


def _escaped(value: str) -> str:
    return re.sub(r"([.+])", r"\\\1", value)
