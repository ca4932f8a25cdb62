# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of a rolling update: which hosts change together, in which order, and the way back."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from collections import Counter, deque

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from .amounts import hosts_of

STRATEGIES = ("rolling",)
SERVICE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")
VERSION = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.+~-]{0,127}\Z")


class Host(t.NamedTuple):
    """What is known of a host before the rollout."""

    name: str
    version: str = ""
    running: bool = False
    in_rotation: bool = False
    group: str = ""
    restart_pending: bool = False

    @property
    def available(self) -> bool:
        """Whether it serves traffic now."""
        return self.running and self.in_rotation

    def serves(self, version: str) -> bool:
        """Whether nothing is to be done for it."""
        return self.available and self.version == version and not self.restart_pending


class Limits(t.NamedTuple):
    """How many hosts may change together."""

    sizes: list[int]  # of the batches; the last one repeats
    unavailable: int  # hosts that may be out at once
    allow_empty_group: bool


def make_plan(
    service: str,
    version: str,
    hosts: t.Sequence[t.Mapping[str, t.Any]],
    *,
    strategy: str = "rolling",
    batch_sizes: t.Sequence[str] = ("25%",),
    max_unavailable: str = "25%",
    max_surge: str = "0",
    spare_hosts: t.Sequence[t.Mapping[str, t.Any]] = (),
    allow_empty_group: bool = False,
    expected_hash: str = "",
) -> dict[str, t.Any]:
    """Compute the plan from plain values.

    Returns:
        service, version, from (the version that most hosts leave), strategy, hash (of everything that was given),
        batches (number, kind ``replace`` or ``surge``, hosts), skipped (host, reason), order (hosts of all batches),
        back (host: previous version), release (spare hosts to take out at the end).

    Raises:
        ScalingError: an option is refused, the plan would empty a group, or ``expected_hash`` does not match.
    """
    _check_words(service, version, strategy)
    known, spares = _read_hosts("hosts", hosts), _read_hosts("spare_hosts", spare_hosts)
    if not known:
        raise ScalingError(f"hosts is an empty list; give at least one host that runs or is to run {service}.")
    _check_names(known, spares)
    if not batch_sizes:
        raise ScalingError("batch_sizes is an empty list; give counts or percentages such as ['1', '50%'].")
    sizes = [hosts_of("batch_sizes", size, len(known)) for size in batch_sizes]
    unavailable = hosts_of("max_unavailable", max_unavailable, len(known), smallest=0)
    used = _choose_spares(spares, hosts_of("max_surge", max_surge, len(known), smallest=0))
    if unavailable + len(used) == 0:
        raise ScalingError(
            f"max_unavailable is '{max_unavailable}', so that no host may leave the rotation; "
            "give at least 1, or max_surge with spare_hosts that stand in."
        )
    seen = [service, version, strategy, known, spares, sizes, unavailable, len(used), bool(allow_empty_group)]
    seen_hash = _hash(seen)
    if expected_hash and expected_hash != seen_hash:
        raise ScalingError(
            f"expected_hash is '{expected_hash}', but what is there now has the hash '{seen_hash}': hosts or options "
            "have changed since that plan was made.",
            "Read the new plan and run it with its own hash.",
            hash=seen_hash,
        )
    steps = _steps(version, known, used, Limits(sizes, unavailable, allow_empty_group))
    return dict({"service": service, "version": version, "strategy": strategy, "hash": seen_hash}, **steps)


def describe(plan: t.Mapping[str, t.Any]) -> list[str]:
    """The plan in a runbook's words, a line a step; empty when there is nothing to do."""
    total = len(plan["batches"])
    lines = []
    for batch in plan["batches"]:
        word = "spare " if batch["kind"] == "surge" else ""
        moves = [word + _move(name, plan["back"][name], plan["version"]) for name in batch["hosts"]]
        lines.append(f"batch {batch['number']} of {total}: {', '.join(moves)}")
    if not lines:
        return []
    lines.extend(f"release spare {name}: drain" for name in plan["release"])
    lines.extend(f"skip {skip['host']}: {skip['reason']}" for skip in plan["skipped"])
    lines.append(f"hash of this plan: {plan['hash']}")
    return lines


def _move(name: str, before: str, version: str) -> str:
    if before == version:
        return f"{name} ({version}, back into rotation)"
    return f"{name} ({before or 'none'} -> {version})"


def _check_words(service: str, version: str, strategy: str) -> None:
    if not SERVICE.match(service):
        raise ScalingError(
            f"service is '{service}'; give a name of letters, digits and _.- that starts with a letter or digit, "
            "such as claims-service."
        )
    if not VERSION.match(version):
        raise ScalingError(
            f"version is '{version}'; give a version of letters, digits and _.+- that starts with a letter or digit, "
            "such as 2.0.0."
        )
    if strategy not in STRATEGIES:
        raise ScalingError(f"strategy is '{strategy}'; give {' or '.join(STRATEGIES)}.")


def _read_hosts(option: str, items: t.Sequence[t.Mapping[str, t.Any]]) -> list[Host]:
    hosts = []
    for place, item in enumerate(items):
        name = item.get("name")
        if not isinstance(name, str) or not name.strip():
            raise ScalingError(f"{option}[{place}] has the name '{name}'; give the host's name as text.")
        version, group = item.get("version"), item.get("group")
        version, group = str("" if version is None else version), str("" if group is None else group)
        flags = (bool(item.get(flag)) for flag in ("running", "in_rotation"))
        hosts.append(Host(name, version, *flags, group, bool(item.get("restart_pending"))))
    return hosts


def _check_names(known: t.Sequence[Host], spares: t.Sequence[Host]) -> None:
    counts = Counter(host.name for host in [*known, *spares])
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise ScalingError(f"hosts and spare_hosts name {', '.join(twice[:5])} more than once; give each host once.")


def _choose_spares(spares: list[Host], surge: int) -> list[Host]:
    if surge and not spares:
        raise ScalingError(f"max_surge is {surge}, but spare_hosts is an empty list; name the hosts that can stand in.")
    return spares[:surge]


def _hash(seen: t.Any) -> str:
    text = json.dumps(seen, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _steps(version: str, known: list[Host], spares: list[Host], limits: Limits) -> dict[str, t.Any]:
    todo = [host for host in known if not host.serves(version)]
    spares = spares if todo else []
    limits = limits._replace(unavailable=limits.unavailable + len(spares))
    surge = [host.name for host in spares if not host.serves(version)]
    cut = _cut(todo, known, spares, limits)
    batches = ([("surge", surge)] if surge else []) + [("replace", names) for names in cut]
    order = [name for _kind, names in batches for name in names]
    previous = {host.name: host.version for host in [*known, *spares]}
    left = Counter(host.version for host in todo if host.version not in ("", version))
    waiting = {host.name for host in todo}
    return {
        "from": left.most_common(1)[0][0] if left else "",
        "batches": [
            {"number": number, "kind": kind, "hosts": names} for number, (kind, names) in enumerate(batches, start=1)
        ],
        "skipped": [
            {"host": host.name, "reason": f"runs {version} and takes traffic"}
            for host in known
            if host.name not in waiting
        ],
        "order": order,
        "back": {name: previous[name] for name in order},
        "release": [host.name for host in spares],
    }


def _cut(todo: list[Host], known: list[Host], spares: list[Host], limits: Limits) -> list[list[str]]:
    """Batches that keep every limit, assuming that the hosts of a finished batch serve traffic."""
    members = Counter(host.group for host in [*known, *spares])
    lonely = {group for group, count in members.items() if count == 1}
    if not limits.allow_empty_group:
        _refuse_emptying(todo, lonely)
    serving = Counter(host.group for host in [*(host for host in known if host.available), *spares])
    total = sum(serving.values())
    out = sum(not host.available for host in known)
    # Hosts that are out already cost nothing, and give room once they are back.
    waiting = deque(_spread([host for host in todo if not host.available]))
    waiting.extend(_spread([host for host in todo if host.available]))
    batches: list[list[str]] = []
    while waiting:
        size = limits.sizes[min(len(batches), len(limits.sizes) - 1)]
        # One host of the service always stays, unless there is only one.
        room = min(limits.unavailable - out, total - (len(members) > 1 or not lonely))
        batch = _next_batch(waiting, size, room, serving, lonely)
        for host in batch:
            if not host.available:
                serving[host.group] += 1
                total += 1
                out -= 1
        batches.append([host.name for host in batch])
    return batches


def _next_batch(waiting: deque[Host], size: int, room: int, serving: Counter[str], lonely: set[str]) -> list[Host]:
    """Take a batch off the queue; a host whose group would be left empty keeps its place in it.

    Few hosts are passed over: the last one of a group that this batch uses up, or of one that waits for a host to
    come back. So planning stays linear.
    """
    batch: list[Host] = []
    passed: list[Host] = []
    taken: Counter[str] = Counter()
    while waiting and len(batch) < size:
        host = waiting.popleft()
        if not host.available:
            batch.append(host)
        elif room < 1:
            passed.append(host)
            break
        elif host.group in lonely or serving[host.group] - taken[host.group] > 1:
            batch.append(host)
            taken[host.group] += 1
            room -= 1
        else:
            passed.append(host)
    waiting.extendleft(reversed(passed))
    return batch


def _refuse_emptying(todo: list[Host], lonely: set[str]) -> None:
    alone = [host for host in todo if host.available and host.group in lonely]
    if alone:
        named = ", ".join(f"{host.name} ({host.group or 'no group'})" for host in alone[:5])
        raise ScalingError(
            f"allow_empty_group is false, but {named} serves its group alone: replacing it would leave nobody there.",
            "Add a host to the group, give max_surge with a spare host of it, or set allow_empty_group to true.",
        )


def _spread(hosts: list[Host]) -> list[Host]:
    """Hosts in their order, groups mixed in proportion, so that neighbours come from different groups."""
    sizes = Counter(host.group for host in hosts)
    places: Counter[str] = Counter()
    keyed = []
    for index, host in enumerate(hosts):
        keyed.append(((places[host.group] + 0.5) / sizes[host.group], index, host))
        places[host.group] += 1
    return [host for _share, _index, host in sorted(keyed)]
