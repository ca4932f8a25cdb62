# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What happened between two readings of the load balancers' counters."""

from __future__ import annotations

import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

COUNTED = ("requests", "responses_5xx", "errors")
Server = t.Mapping[str, t.Any]
Key = t.Tuple[str, str, str]


class Measured(t.NamedTuple):
    """Differences of the counters.

    samples: requests that were tried, at least the failed ones (a connection that fails may not count as a request).
    blind: sentences about what could not be seen.
    servers: the same by server, added up over the load balancers.
    missing: names of counters that no reading carries.
    """

    samples: int
    failed: int
    blind: list[str]
    servers: list[dict[str, t.Any]]
    missing: list[str]
    response_time: float | None  # milliseconds, weighted by requests


def measure(before: t.Sequence[Server], after: t.Sequence[Server]) -> Measured:
    """Compare two readings, server by server and balancer by balancer.

    A counter that went down belongs to a process that began anew. All that it has counted happened since, so it is
    taken whole; what the old process still counted is not known, and is said to be so.
    """
    pairs, blind = _pair(_by_key("before", before), _by_key("after", after))
    missing = sorted({field for _key, _old, new in pairs for field in COUNTED if new.get(field) is None})
    servers: dict[str, dict[str, t.Any]] = {}
    timed: list[tuple[int, float]] = []
    for key, old, new in pairs:
        change = {field: _number(new, field) - _number(old, field) for field in COUNTED}
        if min(change.values()) < 0:
            blind.append(f"{_name(key)} began counting anew")
            change = {field: _number(new, field) for field in COUNTED}
        failed = change["responses_5xx"] + change["errors"]
        samples = max(change["requests"], failed)
        total = servers.setdefault(key[2], {"name": key[2], "requests": 0, "failed": 0})
        total["requests"] += samples
        total["failed"] += failed
        if new.get("response_time") is not None:
            timed.append((samples, float(new["response_time"])))
    for total in servers.values():
        total["error_rate"] = rate(total["failed"], total["requests"])
    return Measured(
        sum(total["requests"] for total in servers.values()),
        sum(total["failed"] for total in servers.values()),
        blind,
        sorted(servers.values(), key=lambda total: str(total["name"])),
        missing,
        _mean(timed),
    )


def rate(part: int, whole: int) -> float | None:
    """Percentage, or None of nothing."""
    return round(100.0 * part / whole, 4) if whole else None


def _mean(timed: list[tuple[int, float]]) -> float | None:
    weight = sum(samples for samples, _time in timed)
    return sum(samples * time for samples, time in timed) / weight if weight else None


def _by_key(option: str, servers: t.Sequence[Server]) -> dict[Key, list[Server]]:
    found: dict[Key, list[Server]] = {}
    for place, server in enumerate(servers):
        if not isinstance(server, dict) or not server.get("name"):
            raise ScalingError(
                f"{option}[{place}] is no server with a name; give servers as haproxy_info or nginx_info return them."
            )
        key = (str(server.get("balancer", "")), str(server.get("backend", "")), str(server["name"]))
        found.setdefault(key, []).append(server)
    return found


def _pair(
    old: dict[Key, list[Server]], new: dict[Key, list[Server]]
) -> tuple[list[tuple[Key, Server, Server]], list[str]]:
    """Readings that belong together, and sentences about those that have no partner.

    A socket's path may be the same on several balancers; their readings are told apart by their order, as long as
    there are as many before as after.
    """
    pairs: list[tuple[Key, Server, Server]] = []
    blind = []
    for key in [*old, *(key for key in new if key not in old)]:
        earlier, later = old.get(key, []), new.get(key, [])
        if not later:
            blind.append(f"{_name(key)} has no counters any more")
        elif not earlier:
            blind.append(f"{_name(key)} had no counters before")
        elif len(earlier) != len(later):
            blind.append(f"{_name(key)} was read {len(earlier)} times before and {len(later)} times after")
        else:
            pairs.extend((key, *both) for both in zip(earlier, later))
    return pairs, blind


def _name(key: Key) -> str:
    return f"{key[2]} on {key[0]}" if key[0] else key[2]


def _number(server: Server, field: str) -> int:
    value = server.get(field)
    if value is None:
        return 0
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise ScalingError(f"{field} of server {server['name']} is '{value}'; it must be a whole number.") from error
