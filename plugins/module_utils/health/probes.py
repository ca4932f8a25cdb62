# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Probes as they are given: checked, completed, and free of what must not be shown."""

from __future__ import annotations

import base64
import typing as t
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.core.redact import MASK

from .json_path import is_path

MOST = 1000
Probe = t.Dict[str, t.Any]


def prepare(given: t.Sequence[dict[str, t.Any]]) -> list[Probe]:
    """Complete probes; in what was given, passwords in addresses are masked, since options are shown in results.

    Raises:
        ScalingError: names the probe, the option, its value and what is accepted.
    """
    if not given:
        raise ScalingError(
            "probes is an empty list; give at least one, such as {'url': 'http://127.0.0.1:8080/health'}."
        )
    if len(given) > MOST:
        raise ScalingError(f"probes has {len(given)} entries; give at most {MOST} in one task.")
    probes = [_prepare_one(place, options) for place, options in enumerate(given)]
    if not sum(probe["weight"] for probe in probes):
        raise ScalingError("weight is 0 in every probe; give at least one probe a weight from 1.")
    return probes


def _prepare_one(place: int, options: dict[str, t.Any]) -> Probe:
    probe = dict(options)
    where = f"probes[{place}]"
    if probe["weight"] < 0:
        raise ScalingError(f"{where} has the weight {probe['weight']}; give a whole number from 0.")
    if probe["type"] == "http":
        _prepare_http(where, probe, options)
    elif probe["type"] == "tcp":
        _check_tcp(where, probe)
    elif not probe.get("command") or not probe["command"][0]:
        raise ScalingError(f"{where} has no command; give a program and its arguments as a list.")
    probe["name"] = probe.get("name") or _default_name(probe)
    return probe


def _default_name(probe: Probe) -> str:
    if probe["type"] == "http":
        return str(probe["url"])
    return f"{probe['host']}:{probe['port']}" if probe["type"] == "tcp" else str(probe["command"][0])


def _check_tcp(where: str, probe: Probe) -> None:
    if not probe.get("host"):
        raise ScalingError(f"{where} has no host; give a name or an address.")
    if not probe.get("port") or not 0 < probe["port"] < 65536:
        raise ScalingError(f"{where} has the port {probe.get('port')}; give a number from 1 to 65535.")


def _prepare_http(where: str, probe: Probe, options: dict[str, t.Any]) -> None:
    """Split the address into what is shown (``url``) and what is used (``target``, ``headers``)."""
    parts, port = _split(where, probe.get("url") or "")
    headers = {str(name): str(value) for name, value in (probe.get("headers") or {}).items()}
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers.setdefault("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    plain = parts.netloc.rpartition("@")[2]
    shown = f"{MASK}@{plain}" if parts.username is not None else plain
    options["url"] = probe["url"] = urlunsplit(parts._replace(netloc=shown))
    headers.setdefault("Host", plain)
    tls = parts.scheme == "https"
    path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    probe["target"] = {"tls": tls, "host": parts.hostname, "port": port, "path": path}
    probe["headers"] = headers
    wrong = [name for name, value in headers.items() if any(mark in name + value for mark in "\r\n\0") or not name]
    if wrong:
        raise ScalingError(
            f"{where} has the header '{wrong[0].strip()}' with a line break; give names and values of one line."
        )
    if not probe["status"] or any(not 100 <= code <= 599 for code in probe["status"]):
        raise ScalingError(f"{where} has the status {probe['status']}; give HTTP status codes from 100 to 599.")
    if not probe["method"].isalpha():
        raise ScalingError(f"{where} has the method '{probe['method']}'; give an HTTP method such as GET or HEAD.")
    if probe.get("json_path") and not is_path(probe["json_path"]):
        raise ScalingError(
            f"{where} has the json_path '{probe['json_path']}'; give names joined by dots and places in square "
            "brackets, such as checks.databases[0].state."
        )
    _check_tls(where, probe, tls)


def _check_tls(where: str, probe: Probe, tls: bool) -> None:
    least = probe.get("tls_expiry_days")
    if least is None:
        return
    if least < 0 or not tls or not probe["validate_certs"]:
        raise ScalingError(
            f"{where} has tls_expiry_days {least}; give days from 0, with an https address and validate_certs."
        )


def _split(where: str, url: str) -> tuple[t.Any, int]:
    wrong = f"{where} has an url that is no address; give one such as http://127.0.0.1:8080/health."
    if any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ScalingError(wrong)
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise ScalingError(wrong) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ScalingError(wrong)
    return parts, port
