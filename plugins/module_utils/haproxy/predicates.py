# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pure functions on the documents of HAProxy's runtime API: text in, plain data out."""

from __future__ import annotations

import csv
import io
import re
import typing as t

# srv_admin_state is a mask (management guide, "show servers state").
FORCED_MAINT = 0x01
INHERITED_MAINT = 0x02
FORCED_DRAIN = 0x08
INHERITED_DRAIN = 0x10
UNRESOLVED_MAINT = 0x20
_MAINT = FORCED_MAINT | INHERITED_MAINT | UNRESOLVED_MAINT
_DRAIN = FORCED_DRAIN | INHERITED_DRAIN
_CHECK_CONFIGURED = 0x02
_HEALTH = {0: "down", 1: "up", 2: "up", 3: "stopping"}

Row = t.Dict[str, str]

# Fields of a server's document that are observed, not administered.
OBSERVED = (
    "initial_weight",
    "fqdn",
    "admin_mask",
    "backup",
    "health",
    "status",
    "throttle",
    "last_change",
    "check_status",
    "check_reason",
    "check_duration",
    "sessions",
    "queue",
    "requests",
    "responses_2xx",
    "responses_4xx",
    "responses_5xx",
    "errors",
    "errors_connection",
    "errors_response",
    "retries",
    "redispatches",
)


def parse_servers_state(text: str) -> list[Row]:
    """Rows of `show servers state`, by column name; columns of later versions come along."""
    rows: list[Row] = []
    columns: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            columns = line[1:].split()
        elif columns and line.strip():
            rows.append(dict(zip(columns, line.split(" "))))
    return rows


def parse_stat(text: str) -> list[Row]:
    """Rows of `show stat` (CSV), by field name."""
    text = text.lstrip("# ")
    return [
        {field: value or "" for field, value in row.items() if field}
        for row in csv.DictReader(io.StringIO(text))
        if row.get("pxname")
    ]


def parse_info(text: str) -> dict[str, t.Any]:
    """Fields of `show info`; whole numbers become int."""
    fields: dict[str, t.Any] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip()] = _number_or_text(value.strip())
    return fields


def parse_version(text: str) -> tuple[int, int]:
    """(major, minor) of a version such as 2.6.12-1+deb12u4; (0, 0) when there is none."""
    match = re.match(r"\D*(\d+)\.(\d+)", text)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def parse_table_list(text: str) -> list[dict[str, t.Any]]:
    """The tables that `show table` lists: name, type, size, used."""
    pattern = re.compile(r"^# table: (?P<name>[^,]+), type: (?P<type>\w+), size: ?(?P<size>\d+), used: ?(?P<used>\d+)")
    tables = []
    for match in filter(None, map(pattern.match, text.splitlines())):
        table: dict[str, t.Any] = match.groupdict()
        table.update(size=int(table["size"]), used=int(table["used"]))
        tables.append(table)
    return tables


def parse_table(text: str) -> list[dict[str, t.Any]]:
    """Entries of `show table <name>`: key, use, exp (milliseconds) and the stored data by its name."""
    entries = []
    for line in text.splitlines():
        if line.startswith("0x"):
            pairs = (word.partition("=") for word in line.split()[1:])
            entries.append({name: value if name == "key" else _number_or_text(value) for name, _, value in pairs})
    return entries


def admin_state(mask: int) -> str:
    """ready, drain or maint, from srv_admin_state; maintenance wins, as it does in HAProxy."""
    if mask & _MAINT:
        return "maint"
    return "drain" if mask & _DRAIN else "ready"


def servers(balancer: str, state_rows: t.Iterable[Row], stat_rows: t.Iterable[Row]) -> list[dict[str, t.Any]]:
    """One document per server; its first fields are what haproxy_server takes."""
    stats = {(row["pxname"], row["svname"]): row for row in stat_rows}
    return [
        _server(balancer, row, stats.get((row["be_name"], row["srv_name"]), {}))
        for row in state_rows
        if row.get("srv_name")
    ]


def _server(balancer: str, row: Row, stat: Row) -> dict[str, t.Any]:
    mask = int(row["srv_admin_state"])
    document = {
        "balancer": balancer,
        "backend": row["be_name"],
        "name": row["srv_name"],
        "address": "" if row["srv_addr"] == "-" else row["srv_addr"],
        "port": int(row.get("srv_port") or 0),
        "state": admin_state(mask),
        "weight": int(row["srv_uweight"]),
        "initial_weight": int(row["srv_iweight"]),
        "fqdn": "" if row.get("srv_fqdn", "-") == "-" else row["srv_fqdn"],
        "admin_mask": mask,
        "backup": stat.get("bck") == "1",
        "health": _health(row, mask),
        "status": stat.get("status", ""),
        "throttle": _int(stat.get("throttle"), 100),
        "last_change": _int(stat.get("lastchg")),
        "check_status": stat.get("check_status", "").lstrip("* "),
        "check_reason": _reason(stat),
        "check_duration": _int(stat.get("check_duration")),
    }
    document.update(counters(stat))
    return document


def counters(stat: Row) -> dict[str, int]:
    """Cumulative counters and present load of a row of `show stat`; requests are sessions in TCP mode."""
    http = stat.get("mode", "") == "http"
    return {
        "sessions": _int(stat.get("scur")),
        "queue": _int(stat.get("qcur")),
        "requests": _int(stat.get("req_tot") if http else None, _int(stat.get("stot"))),
        "responses_2xx": _int(stat.get("hrsp_2xx")),
        "responses_4xx": _int(stat.get("hrsp_4xx")),
        "responses_5xx": _int(stat.get("hrsp_5xx")),
        "errors_connection": _int(stat.get("econ")),
        "errors_response": _int(stat.get("eresp")),
        "errors": _int(stat.get("econ")) + _int(stat.get("eresp")),
        "retries": _int(stat.get("wretr")),
        "redispatches": _int(stat.get("wredis")),
    }


def proxies(balancer: str, stat_rows: t.Iterable[Row], kind: str) -> list[dict[str, t.Any]]:
    """Documents of all rows of one kind: FRONTEND or BACKEND."""
    return [
        dict(
            counters(row),
            balancer=balancer,
            name=row["pxname"],
            mode=row.get("mode", ""),
            status=row.get("status", ""),
            session_limit=_int(row.get("slim")),
            session_rate=_int(row.get("rate")),
            **(
                {
                    "algorithm": row.get("algo", ""),
                    "servers_active": _int(row.get("act")),
                    "servers_backup": _int(row.get("bck")),
                }
                if kind == "BACKEND"
                else {"requests_denied": _int(row.get("dreq")), "request_errors": _int(row.get("ereq"))}
            ),
        )
        for row in stat_rows
        if row.get("svname") == kind
    ]


def _reason(stat: Row) -> str:
    """The last check in words, e.g. `Layer7 wrong status: Service Unavailable (503)`."""
    words = ": ".join(filter(None, [stat.get("check_desc", ""), stat.get("last_chk", "")]))
    return f"{words} ({stat['check_code']})" if stat.get("check_code") else words


def _health(row: Row, mask: int) -> str:
    if not int(row.get("srv_check_state") or 0) & _CHECK_CONFIGURED:
        return "nocheck"
    if mask & _MAINT:
        return "unknown"  # checks are paused
    return _HEALTH.get(int(row["srv_op_state"]), "unknown")


def _int(value: str | None, default: int = 0) -> int:
    try:
        return int(value or "")
    except ValueError:
        return default


def _number_or_text(value: str) -> t.Any:
    return int(value) if re.match(r"^-?\d+$", value) else value
