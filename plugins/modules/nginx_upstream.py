#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_upstream
short_description: Drain, re-enable, weight, add and remove servers of NGINX upstreams
version_added: "0.1.0"
description:
  - Brings servers of one or many upstreams into their wanted states, validates the result on a copy of the whole
    configuration, installs it, reloads NGINX without losing a request, and waits until the old workers have gone.
  - Takes the same wanted states as M(horizontal.scaling.haproxy_server).
  - The states stand in the upstream's own file, so a later reload or restart keeps them, and so does the role
    P(horizontal.scaling.nginx#role) when it writes the file again.
  - A reload that NGINX refuses after the validation, for instance because a port is taken, is noticed; the files
    are put back and the task fails with NGINX's own message.
options:
  servers:
    description:
      - The wanted states. May be empty together with O(reload=always).
    type: list
    elements: dict
    required: true
    suboptions:
      backend:
        description:
          - Name of the upstream; the role names it after the service.
          - V(*) means every upstream that has the server.
        type: str
        required: true
        aliases: [upstream]
      name:
        description:
          - Name of the server, as the role's service data calls it.
          - In a configuration that the role did not write, the comment of one word behind the server, or its
            address and port, as in V(192.0.2.10:8080).
        type: str
        required: true
      state:
        description:
          - V(ready) takes traffic.
          - V(drain) and V(maint) both take no new request. Open-source NGINX has one way to say so, C(down), and moves
            clients that are tied to the server to another one at once; which of the two was meant is kept beside it.
          - V(present) adds the server if it is missing, as its neighbours are, and leaves its state alone if not.
          - V(absent) removes it.
          - Not given, the state is left as it is, and the server must be there.
        type: str
        choices: [ready, drain, maint, present, absent]
      weight:
        description:
          - An absolute weight from V(0) to V(256), or a percentage of the configured weight, as in V(50%).
          - Weight 0 takes no traffic.
        type: str
      address:
        description: Address or host name that NGINX connects to; for V(present) the server's name is the default.
        type: str
      port:
        description: Port that NGINX connects to; for V(present) the port of the upstream's first server is the default.
        type: int
      balancer: &observed
        description: Observed by M(horizontal.scaling.nginx_info); accepted so that its result can be given as it is,
          and not looked at.
        type: raw
      backup: *observed
      errors: *observed
      health: *observed
      initial_weight: *observed
      requests: *observed
      resolved: *observed
      responses_5xx: *observed
      sessions: *observed
  drain_timeout:
    description:
      - Seconds to wait until the old workers have gone, when a server is to drain, to be in maintenance or to go.
      - An old worker may still send a request that it has been reading to a server that is down by now, and it goes
        when its last request has been answered, or after C(worker_shutdown_timeout).
      - When the time is over the task still succeeds; RV(remaining_sessions) says what was left. V(0) does not wait.
    type: float
    default: 30
  drain_then:
    description:
      - The state that a server with O(servers[].state=drain) ends in. To NGINX they are the same, so this is only
        what is remembered; the option is there so that a task reads as with M(horizontal.scaling.haproxy_server).
    type: str
    choices: [drain, maint]
    default: drain
  reload:
    description:
      - V(changed) reloads when a file was changed, or when an earlier run was cut off before its reload.
      - V(always) reloads in any case and sees that the configuration is in force; V(never) leaves it to somebody else.
    type: str
    choices: [changed, always, never]
    default: changed
  settle:
    description:
      - Seconds before a reload in which NGINX tells clients with every answer to open a new connection.
      - On a reload NGINX closes idle client connections. A client that is just sending a request on one gets a reset,
        and may not repeat the request if it was a POST. After this time only connections are left that had no
        request in it.
      - Works with a configuration of the role. NGINX 1.27.4 and later does it better itself (C(keepalive_min_timeout));
        with it, and with a configuration that does not know O(closing_file), there is no such wait.
    type: float
    default: 1
  closing_file:
    description: The file that the role's configuration looks for while O(settle) lasts.
    type: path
    default: /run/nginx.closing
  config:
    description: The main configuration file. Only files in its directory and below are edited.
    type: path
    default: /etc/nginx/nginx.conf
  directory:
    description:
      - Directory of the role's upstream files, one a service, relative to the directory of O(config).
      - An upstream that has no file there is looked for in the whole configuration, which needs the
        Python package C(crossplane) on the host.
    type: str
    default: upstreams
  pid_file:
    description: File with the master's process id.
    type: path
    default: /run/nginx.pid
  error_log:
    description: The error log, where the reason of a refused reload is read.
    type: path
    default: /var/log/nginx/error.log
  binary:
    description: The program that validates the configuration.
    type: str
    default: nginx
attributes:
  check_mode:
    description: The new configuration is computed and validated, nothing is written.
    support: full
  diff_mode:
    description: The servers of every upstream that was named.
    support: full
  idempotent:
    description: Compares the configuration; connection counts never make a change.
    support: full
requirements:
  - crossplane (only for upstreams that the role did not write)
seealso:
  - module: horizontal.scaling.nginx_info
  - module: horizontal.scaling.haproxy_server
  - name: NGINX upstream module
    description: What the parameters of a server mean.
    link: https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server
  - name: Controlling NGINX
    description: What a reload does to old workers.
    link: https://nginx.org/en/docs/control.html
author: The horizontal.scaling developers (@horizontal)
"""

EXAMPLES = r"""
- name: Drain a server of every service and see that it is empty
  horizontal.scaling.nginx_upstream:
    servers:
      - {backend: "*", name: app1, state: drain}
    drain_timeout: 30

- name: Give a server half of its configured weight
  horizontal.scaling.nginx_upstream:
    servers:
      - {backend: claims-service, name: app1, state: ready, weight: "50%"}

- name: Add a server
  horizontal.scaling.nginx_upstream:
    servers:
      - {backend: claims-service, name: app5, state: present, address: 192.0.2.15, port: 8080}
"""

RETURN = r"""
servers:
  description: The servers of all upstreams that were named, as M(horizontal.scaling.nginx_info) has them, no counters.
  returned: success
  type: list
  elements: dict
  sample:
    - {balancer: lb1, backend: claims-service, name: app1, address: 192.0.2.11, port: 8080, state: drain,
       health: nocheck, weight: 100, sessions: 0}
reloaded:
  description: Whether NGINX was reloaded, or would be.
  returned: success
  type: bool
  sample: true
running:
  description: Whether NGINX runs. When it does not, the files are changed all the same.
  returned: success
  type: bool
  sample: true
files:
  description: The files that were changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/upstreams/claims-service.conf]
remaining_sessions:
  description: For each server that was to be emptied, the connections of old workers to it at the deadline.
  returned: success
  type: dict
  sample: {app1: 0}
remaining_workers:
  description: Process ids of the old workers that were still there at the deadline.
  returned: success
  type: list
  elements: int
  sample: []
seconds:
  description: How long it took, the wait included.
  returned: success
  type: float
  sample: 0.42
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import Outcome, run
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.process import Process
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.service import Service
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.sources import Sources
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.tree import Tree

SERVER: dict = {
    "backend": {"type": "str", "required": True, "aliases": ["upstream"]},
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["ready", "drain", "maint", "present", "absent"]},
    "weight": {"type": "str"},
    "address": {"type": "str"},
    "port": {"type": "int"},
}
# What nginx_info observes beside it.
OBSERVED = (
    "backup",
    "balancer",
    "errors",
    "health",
    "initial_weight",
    "requests",
    "resolved",
    "responses_5xx",
    "sessions",
)
SERVER.update((name, {"type": "raw"}) for name in OBSERVED)


def converge(params: dict, check_mode: bool) -> Outcome:
    tree = Tree(params["config"], params["binary"])
    service = Service(
        tree,
        Process(params["pid_file"]),
        Sources(tree, params["directory"]),
        error_log=params["error_log"],
        closing=params["closing_file"],
    )
    servers = [
        dict(item, state=params["drain_then"]) if item["state"] == "drain" else item for item in params["servers"]
    ]
    return service.converge(
        servers,
        params["reload"],
        seconds=params["drain_timeout"],
        settle=params["settle"],
        check_mode=check_mode,
    )


def main() -> None:
    run(
        {
            "servers": {"type": "list", "elements": "dict", "required": True, "options": SERVER},
            "drain_timeout": {"type": "float", "default": 30},
            "drain_then": {"type": "str", "choices": ["drain", "maint"], "default": "drain"},
            "reload": {"type": "str", "choices": ["changed", "always", "never"], "default": "changed"},
            "settle": {"type": "float", "default": 1},
            "closing_file": {"type": "path", "default": "/run/nginx.closing"},
            "config": {"type": "path", "default": "/etc/nginx/nginx.conf"},
            "directory": {"type": "str", "default": "upstreams"},
            "pid_file": {"type": "path", "default": "/run/nginx.pid"},
            "error_log": {"type": "path", "default": "/var/log/nginx/error.log"},
            "binary": {"type": "str", "default": "nginx"},
        },
        converge,
    )


if __name__ == "__main__":
    main()
