#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_info
short_description: Read servers, backends, frontends, stick tables and the process of running HAProxy load balancers
version_added: "0.1.0"
description:
  - Reads everything from the runtime API of the running processes, in one round trip for each.
  - RV(servers) is valid input for O(horizontal.scaling.haproxy_server#module:servers).
author:
  - The horizontal.scaling developers (@horizontal)
options:
  sockets:
    description:
      - Runtime API sockets of the balancers, as paths of UNIX sockets or V(tcp://host:port).
      - C(level operator) on the C(stats socket) line is enough.
    type: list
    elements: str
    default: [/run/haproxy/admin.sock]
  backends:
    description: Names of the backends whose servers are returned; all when empty.
    type: list
    elements: str
    default: []
  tables:
    description: Names of the stick tables whose entries are returned; V(*) for all. Every table itself is listed.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for a balancer's answer.
    type: int
    default: 10
extends_documentation_fragment:
  - horizontal.scaling.info_module
seealso:
  - module: horizontal.scaling.haproxy_server
  - name: HAProxy management guide, section 9
    description: The fields of the statistics.
    link: https://docs.haproxy.org/2.6/management.html#9
"""

EXAMPLES = r"""
- name: Read the local balancer
  horizontal.scaling.haproxy_info:
  register: balancer

- name: Fail if a server is down
  ansible.builtin.assert:
    that: balancer.servers | selectattr('health', 'equalto', 'down') | length == 0

- name: Read one backend on two balancers, with all rate limit counters
  horizontal.scaling.haproxy_info:
    sockets: ["tcp://192.0.2.11:9999", "tcp://192.0.2.12:9999"]
    backends: [claims-service]
    tables: ["*"]
"""

RETURN = r"""
servers:
  description: Every server of the chosen backends on every balancer.
  returned: success
  type: list
  elements: dict
  contains:
    balancer: {description: The socket., type: str, sample: /run/haproxy/admin.sock}
    backend: {description: Name of the backend., type: str, sample: claims-service}
    name: {description: Name of the server., type: str, sample: app1}
    address: {description: IP address; empty while its name does not resolve., type: str, sample: 192.0.2.21}
    port: {description: Port., type: int, sample: 8080}
    state: {description: "Administrative state: ready, drain or maint.", type: str, sample: ready}
    weight: {description: "Administrative weight, 0 to 256.", type: int, sample: 100}
    initial_weight: {description: "Weight in the configuration, to which percentages refer.", type: int, sample: 100}
    fqdn: {description: Host name in the configuration., type: str, sample: app1}
    admin_mask: {description: HAProxy's srv_admin_state., type: int, sample: 0}
    backup: {description: Whether it is a backup server., type: bool, sample: false}
    health:
      description: V(up), V(down), V(stopping), V(nocheck), or V(unknown) while maintenance pauses the checks.
      type: str
      sample: up
    status: {description: "Status in HAProxy's words, with the way to a change.", type: str, sample: UP 1/3}
    throttle: {description: "Percentage of its weight while a server starts slowly, else 100.", type: int, sample: 100}
    last_change: {description: Seconds since the health changed., type: int, sample: 3600}
    check_status: {description: Result of the last health check., type: str, sample: L7OK}
    check_reason: {description: What the last health check saw., type: str, sample: Layer7 check passed (200)}
    check_duration: {description: Milliseconds of the last health check., type: int, sample: 2}
    sessions: {description: Sessions at this moment., type: int, sample: 4}
    queue: {description: Requests queued for the server at this moment., type: int, sample: 0}
    requests: {description: "Requests since the start of the process; sessions in TCP mode.", type: int, sample: 120345}
    responses_2xx: {description: Responses of this class since the start of the process., type: int, sample: 120300}
    responses_4xx: {description: Responses of this class since the start of the process., type: int, sample: 40}
    responses_5xx: {description: Responses of this class since the start of the process., type: int, sample: 5}
    errors: {description: Connection and response errors since the start of the process., type: int, sample: 0}
    errors_connection: {description: Failed connections since the start of the process., type: int, sample: 0}
    errors_response: {description: Broken responses since the start of the process., type: int, sample: 0}
    retries: {description: Connections tried again since the start of the process., type: int, sample: 0}
    redispatches: {description: Requests moved to another server since the start of the process., type: int, sample: 0}
backends:
  description: Totals of every chosen backend, with its algorithm and the number of servers that are up.
  returned: success
  type: list
  elements: dict
  sample:
    - balancer: /run/haproxy/admin.sock
      name: claims-service
      mode: http
      status: UP
      algorithm: leastconn
      servers_active: 4
      servers_backup: 0
      requests: 120345
frontends:
  description: Totals of every frontend.
  returned: success
  type: list
  elements: dict
  sample:
    - balancer: /run/haproxy/admin.sock
      name: claims-service
      mode: http
      status: OPEN
      requests: 120345
      requests_denied: 12
process:
  description: Every process, with the level of the socket and all fields of HAProxy's C(show info).
  returned: success
  type: list
  elements: dict
  sample:
    - balancer: /run/haproxy/admin.sock
      version: 2.6.12
      level: admin
      node: lb1
      pid: 812
      uptime: 3600
      connections: 12
      info: {}
tables:
  description: Every stick table, with its entries where O(tables) asks for them.
  returned: success
  type: list
  elements: dict
  sample:
    - balancer: /run/haproxy/admin.sock
      name: rates
      type: ip
      size: 102400
      used: 1
      entries: [{"key": "192.0.2.7", "use": 0, "exp": 9800, "http_req_rate(10000)": 12}]
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.info import gather


def main() -> None:
    run(
        {
            "sockets": {"type": "list", "elements": "str", "default": ["/run/haproxy/admin.sock"]},
            "backends": {"type": "list", "elements": "str", "default": []},
            "tables": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 10},
        },
        gather,
    )


if __name__ == "__main__":
    main()
