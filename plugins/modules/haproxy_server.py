#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_server
short_description: Lead servers of running HAProxy load balancers to a wanted state
version_added: "0.1.0"
description:
  - Sets the administrative state, weight and address of any number of servers, in any number of backends, on one or
    more HAProxy processes, in one task; adds servers and removes them at run time.
  - Draining waits until no session is left on the servers, up to O(drain_timeout), and names what was left.
  - All balancers are read and every change is computed before the first command is sent, so a balancer that is down,
    an unknown server or an impossible wish changes nothing anywhere. The result is read back from the processes.
  - Changes are made to the running process. Write them to the configuration as well if they are to last; weights,
    drains and maintenance survive a reload by O(state_file).
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Computes the same change without sending it. Only HAProxy itself knows whether a hash-based backend
      accepts a weight or an additional server.
    support: full
  diff_mode:
    description: Shows state, weight, address and port of the addressed servers, before and after.
    support: full
  idempotent:
    description: RV(ignore:changed) follows state, weight, address and existence of the servers, never their sessions.
    support: full
options:
  sockets:
    description:
      - Runtime API sockets of the balancers, as paths of UNIX sockets or V(tcp://host:port).
      - Writing needs C(level admin) on the C(stats socket) line.
    type: list
    elements: str
    default: [/run/haproxy/admin.sock]
  servers:
    description:
      - What is wanted of each server; what an entry leaves out stays as it is.
      - RV(horizontal.scaling.haproxy_info#module:servers) can be given as it is.
    type: list
    elements: dict
    required: true
    suboptions:
      backend:
        description: Name of the backend; V(*) for every backend that has a server of this name.
        type: str
        required: true
      name:
        description: Name of the server.
        type: str
        required: true
      balancer:
        description: The one of O(sockets) that the entry is for; all of them when left out.
        type: str
      state:
        description:
          - V(ready) takes traffic, as far as its health checks are good. A server that leaves maintenance starts slowly
            where C(slowstart) is set; one that leaves drain does not.
          - V(drain) takes no new traffic but from clients that are bound to it by a cookie, and is still checked. See
            O(drain_then).
          - V(maint) takes no new traffic at all, at once. Sessions in flight go on.
          - V(present) adds the server if it does not exist, and leaves the state of an existing one alone. Needs
            HAProxy 2.5, and a backend with a dynamic algorithm such as C(leastconn), C(roundrobin) or C(random).
          - V(absent) drains the server, puts it in maintenance and removes it. Needs HAProxy 2.5.
        type: str
        choices: [ready, drain, maint, present, absent]
      weight:
        description:
          - A number from 0 to 256, or a percentage of the weight in HAProxy's configuration such as V(50%).
          - Weights relate to those of the other servers of the backend that are up. With 0 a server is not chosen.
          - Static algorithms accept only 0 and the configured weight.
        type: str
      address:
        description: IP address of the server. A host name is resolved on the host that runs the module. Required to add
          a server.
        type: str
      port:
        description: Port of the server. Required to add a server.
        type: int
      check:
        description: Whether a server that is added is health checked, in the way of its backend. It takes no traffic
          before the checks are good; with V(false) it does at once.
        type: bool
        default: true
      options:
        description: Further keywords for a server that is added, such as V(inter 2s rise 2 fall 3 slowstart 10s).
          C(default-server) does not apply to servers that are added at run time.
        type: str
      initial_weight: &observed
        description: Observed by M(horizontal.scaling.haproxy_info); accepted so that its result can be given as it is,
          and not looked at.
        type: raw
      fqdn: *observed
      admin_mask: *observed
      backup: *observed
      health: *observed
      status: *observed
      throttle: *observed
      last_change: *observed
      check_status: *observed
      check_reason: *observed
      check_duration: *observed
      sessions: *observed
      queue: *observed
      requests: *observed
      responses_2xx: *observed
      responses_4xx: *observed
      responses_5xx: *observed
      errors: *observed
      errors_connection: *observed
      errors_response: *observed
      retries: *observed
      redispatches: *observed
  drain_timeout:
    description: Seconds to wait, over all servers together, until no session is left on the drained ones; V(0) looks
      once and does not wait.
    type: int
    default: 30
  drain_then:
    description:
      - The state that a server with O(servers[].state=drain) ends in, as soon as it was seen without sessions, or when
        O(drain_timeout) has passed.
      - V(maint) keeps out clients that are bound by a cookie, too.
    type: str
    choices: [drain, maint]
    default: drain
  state_file:
    description:
      - Where the states of the local process are saved after a change, for C(server-state-file) and
        C(load-server-state-from-file global), so that a reload keeps them.
      - Written only if its directory exists, and only when exactly one of O(sockets) is a UNIX socket. Empty never
        writes.
    type: path
    default: /var/lib/haproxy/server-state
  timeout:
    description: Seconds to wait for a balancer's answer.
    type: int
    default: 10
notes:
  - Every HAProxy process has states of its own. Name all balancers in O(sockets), or run the task on each.
seealso:
  - module: horizontal.scaling.haproxy_info
  - name: HAProxy management guide, section 9.3
    description: The commands of the runtime API.
    link: https://docs.haproxy.org/2.6/management.html#9.3
"""

EXAMPLES = r"""
- name: Take app1 out of every backend and wait until it serves nobody
  horizontal.scaling.haproxy_server:
    servers:
      - backend: "*"
        name: app1
        state: drain
    drain_timeout: 60
    drain_then: maint

- name: Put app1 back, with half of its weight
  horizontal.scaling.haproxy_server:
    servers:
      - backend: "*"
        name: app1
        state: ready
        weight: 50%

- name: Add a server to the claims backend on both balancers
  horizontal.scaling.haproxy_server:
    sockets: ["tcp://192.0.2.11:9999", "tcp://192.0.2.12:9999"]
    servers:
      - backend: claims-service
        name: app5
        state: present
        address: 192.0.2.25
        port: 8080
        weight: 100
        options: inter 2s rise 2 fall 3 slowstart 10s maxconn 1000

- name: Remember the servers of this balancer
  horizontal.scaling.haproxy_info:
  register: remembered

- name: Bring them back to what they were
  horizontal.scaling.haproxy_server:
    servers: "{{ remembered.servers }}"
"""

RETURN = r"""
servers:
  description: The addressed servers after the change, as M(horizontal.scaling.haproxy_info) returns them; in check mode
    as they would be.
  returned: success
  type: list
  elements: dict
  sample:
    - balancer: /run/haproxy/admin.sock
      backend: claims-service
      name: app1
      address: 192.0.2.21
      port: 8080
      state: maint
      weight: 100
      health: unknown
      sessions: 0
commands:
  description: Commands of the change by balancer, in their order.
  returned: success
  type: dict
  sample:
    /run/haproxy/admin.sock:
      - set server claims-service/app1 state drain
      - set server claims-service/app1 state maint
remaining_sessions:
  description: Sessions and queued requests that were left when O(drain_timeout) had passed, by backend/server over all
    balancers; empty when all ended.
  returned: success
  type: dict
  sample: {"claims-service/app1": 3}
drain_seconds:
  description: Seconds spent on draining.
  returned: success
  type: float
  sample: 1.204
state_file:
  description: The state file that was written; empty if none was.
  returned: success
  type: str
  sample: /var/lib/haproxy/server-state
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.converge import converge
from ansible_collections.horizontal.scaling.plugins.module_utils.haproxy.predicates import OBSERVED


def main() -> None:
    server = {
        "backend": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "balancer": {"type": "str"},
        "state": {"type": "str", "choices": ["ready", "drain", "maint", "present", "absent"]},
        "weight": {"type": "str"},
        "address": {"type": "str"},
        "port": {"type": "int"},
        "check": {"type": "bool", "default": True},
        "options": {"type": "str"},
    }
    server.update({name: {"type": "raw"} for name in OBSERVED})
    run(
        {
            "sockets": {"type": "list", "elements": "str", "default": ["/run/haproxy/admin.sock"]},
            "servers": {"type": "list", "elements": "dict", "required": True, "options": server},
            "drain_timeout": {"type": "int", "default": 30},
            "drain_then": {"type": "str", "choices": ["drain", "maint"], "default": "drain"},
            "state_file": {"type": "path", "default": "/var/lib/haproxy/server-state"},
            "timeout": {"type": "int", "default": 10},
        },
        converge,
    )


if __name__ == "__main__":
    main()
