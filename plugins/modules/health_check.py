#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: health_check
short_description: Wait until services answer as healthy, or report how they are
version_added: "0.1.0"
description:
  - Probes many services side by side over HTTP, TCP or by a command, and repeats each probe until it is healthy, its
    retries are used up, or O(deadline) is reached. Ends as soon as all are healthy.
  - HTTP goes straight to the server. No proxy is used and no redirect is followed; a redirect is an answer.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description:
      - Tries every probe once and never fails, since on a first run the service is not there yet. Commands are not run.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: Changes nothing, as long as the commands of probes do not.
    support: full
options:
  probes:
    description: What to ask. At most 1000 in one task.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name in results; by default the address or the command.
        type: str
      type:
        description: V(http) for HTTP and HTTPS, V(tcp) for a connection alone, V(command) for a program on this host.
        type: str
        choices: [http, tcp, command]
        default: http
      weight:
        description: Share of the probe in RV(score).
        type: int
        default: 1
      url:
        description:
          - Address to ask, for V(http). A user and a password in it are sent as basic authentication and never shown.
        type: str
      method:
        description: HTTP method.
        type: str
        default: GET
      headers:
        description: Headers of the request.
        type: dict
        default: {}
      status:
        description: HTTP status codes that are healthy.
        type: list
        elements: int
        default: [200]
      body:
        description: Text that the body, or the output of a command, must contain; not looked at when empty.
        type: str
        default: ""
      json_path:
        description: Path that the JSON of the body must have, as names and places such as V(checks.databases[0].state).
        type: str
        default: ""
      json_value:
        description: Value that O(probes[].json_path) must have; compared as text. Any value when left out.
        type: raw
      tls_expiry_days:
        description: Least number of days that the server's certificate must still be valid.
        type: int
      validate_certs:
        description: Whether the server's certificate must be valid for its name.
        type: bool
        default: true
      ca_path:
        description: File with the certificates to trust, on this host; by default those of the system.
        type: path
      host:
        description: Host for V(tcp).
        type: str
      port:
        description: Port for V(tcp).
        type: int
      command:
        description: Program and arguments for V(command), run without a shell; status 0 is healthy.
        type: list
        elements: str
  successes:
    description: Healthy answers in a row that a probe needs.
    type: int
    default: 1
  retries:
    description: Failed attempts of a probe that are forgiven; V(0) reports at once. Until O(deadline) when left out.
    type: int
  interval:
    description: Seconds between two attempts of a probe.
    type: float
    default: 1
  timeout:
    description: Seconds that one attempt may take.
    type: float
    default: 5
  deadline:
    description: Seconds that everything may take.
    type: float
    default: 30
  fail:
    description: Whether the task fails when a probe is not healthy.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Wait until the service is healthy twice in a row
  horizontal.scaling.health_check:
    probes:
      - {name: claims-service, url: "http://127.0.0.1:8080/health", json_path: status, json_value: ok}
    successes: 2
    deadline: 60

- name: Report how the platform is
  horizontal.scaling.health_check:
    probes:
      - {name: web, url: "https://claims.example.com/health", weight: 3, tls_expiry_days: 14}
      - {name: database, type: tcp, host: db1, port: 5432, weight: 2}
      - {name: disk, type: command, command: [test, -w, /var/lib/claims]}
    retries: 0
    fail: false
  register: platform
"""

RETURN = r"""
healthy:
  description: Whether every probe is healthy.
  returned: always
  type: bool
  sample: false
score:
  description: Share of the healthy probes by weight, 0 to 100.
  returned: always
  type: int
  sample: 83
health:
  description: V(healthy) when every probe is, else V(degraded) from a score of 50, else V(unhealthy).
  returned: always
  type: str
  sample: degraded
seconds:
  description: Time that everything took.
  returned: always
  type: float
  sample: 2.104
probes:
  description: Every probe in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str, sample: web}
    type: {description: Its type., type: str, sample: http}
    weight: {description: Its weight., type: int, sample: 3}
    healthy: {description: Whether it is healthy; null when check mode left it out., type: bool, sample: false}
    seconds: {description: Time of its last attempt., type: float, sample: 0.0123}
    attempts: {description: How often it was tried., type: int, sample: 4}
    reason:
      description: Why it is not healthy, without passwords; empty when it is.
      type: str
      sample: "HTTP 503 from https://claims.example.com/health, wanted 200: body says starting"
"""

import re
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.probe.watch import check

PROBE = {
    "name": {"type": "str"},
    "type": {"type": "str", "choices": ["http", "tcp", "command"], "default": "http"},
    "weight": {"type": "int", "default": 1},
    "url": {"type": "str"},
    "method": {"type": "str", "default": "GET"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "body": {"type": "str", "default": ""},
    "json_path": {"type": "str", "default": ""},
    "json_value": {"type": "raw"},
    "tls_expiry_days": {"type": "int"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "command": {"type": "list", "elements": "str"},
}
SPEC = {
    "probes": {"type": "list", "elements": "dict", "required": True, "options": PROBE},
    "successes": {"type": "int", "default": 1},
    "retries": {"type": "int"},
    "interval": {"type": "float", "default": 1},
    "timeout": {"type": "float", "default": 5},
    "deadline": {"type": "float", "default": 30},
    "fail": {"type": "bool", "default": True},
}
SECRET = re.compile(r"(?i)auth|cookie|token|key|secret|password|session")


def plain_headers(parameters: dict[str, t.Any]) -> set[str]:
    """Values of headers that carry no secret; masking them would mask the same words in every reason."""
    return {
        str(value)
        for probe in parameters["probes"]
        for name, value in (probe["headers"] or {}).items()
        if not SECRET.search(str(name))
    }


def main() -> None:
    run(SPEC, check, plain_headers)


if __name__ == "__main__":
    main()
