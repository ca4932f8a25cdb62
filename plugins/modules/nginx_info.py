#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_info
short_description: Servers, counters and processes of NGINX
version_added: "0.1.0"
description:
  - Reports the servers of all upstreams with the keys that M(horizontal.scaling.haproxy_info) uses, so that what
    reads one can read the other; they are valid input for M(horizontal.scaling.nginx_upstream).
  - Open-source NGINX counts nothing per server. The counters are added up from the structured access log that the role
    configures. Only what is new in the log is read, and the totals are kept in O(counters_file) from call to call.
  - When a log was rotated between two calls, the rest of its predecessor is read from the file beside it that ends
    in C(.1). When that one is gone too, or the log was emptied in place, requests are missing from the totals, and
    RV(counter_gaps) goes up. Call it at least once in the time of a rotation.
  - A host without NGINX is reported with RV(installed=false).
options:
  gather:
    description:
      - V(servers) reads the upstreams, V(counters) adds the counters to them, V(process) reads master, workers,
        version and connections.
    type: list
    elements: str
    choices: [servers, counters, process]
    default: [servers, counters, process]
  access_logs:
    description: The structured access logs, of HTTP and of TCP services.
    type: list
    elements: path
    default: [/var/log/nginx/services.log, /var/log/nginx/tcp_services.log]
  counters_file:
    description: Where totals and the place in each log are kept. Written in check mode too; it is a cache.
    type: path
    default: /var/lib/horizontal_scaling/nginx_counters.json
  status_url:
    description: Where C(stub_status) answers; empty to leave it out.
    type: str
    default: http://127.0.0.1:8404/status
  certificates:
    description: Certificate files on the host whose DNS names are wanted.
    type: list
    elements: path
    default: []
  resolve:
    description: Host names to look up on the host.
    type: list
    elements: str
    default: []
  config:
    description: The main configuration file.
    type: path
    default: /etc/nginx/nginx.conf
  directory:
    description:
      - Directory of the role's upstream files, one a service, relative to the directory of O(config).
    type: str
    default: upstreams
  whole_configuration:
    description:
      - Look for upstreams in the whole configuration instead of O(directory), for one that the role did not write.
        Needs the Python package C(crossplane) on the host.
    type: bool
    default: false
  pid_file:
    description: File with the master's process id.
    type: path
    default: /run/nginx.pid
  binary:
    description: The program that knows its version.
    type: str
    default: nginx
attributes:
  check_mode:
    description: Changes nothing but its own cache of counters.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
requirements:
  - crossplane (only for O(whole_configuration))
seealso:
  - module: horizontal.scaling.nginx_upstream
  - name: NGINX stub_status module
    description: What the connection counts mean.
    link: https://nginx.org/en/docs/http/ngx_http_stub_status_module.html#data
author: The horizontal.scaling developers (@horizontal)
"""

EXAMPLES = r"""
- name: Read servers and counters
  horizontal.scaling.nginx_info:
  register: nginx

- name: Show servers that take no traffic
  ansible.builtin.debug:
    msg: "{{ nginx['servers'] | rejectattr('state', 'eq', 'ready') | map(attribute='name') }}"
"""

RETURN = r"""
installed:
  description: Whether the host has NGINX.
  returned: success
  type: bool
  sample: true
modules:
  description: Dynamic modules that are installed on the host, loaded or not.
  returned: success
  type: list
  elements: str
  sample: [ngx_stream_module]
servers:
  description: All servers of all upstreams, in the order of the configuration.
  returned: when O(gather) has V(servers) or V(counters)
  type: list
  elements: dict
  contains:
    balancer: {description: This host's name., type: str, returned: success}
    backend: {description: Name of the upstream., type: str, returned: success}
    name: {description: Name of the server., type: str, returned: success}
    address: {description: Address or host name., type: str, returned: success}
    resolved: {description: 'Address that the host name had when the role ran, if that is what NGINX uses.', type: str,
               returned: success}
    port: {description: Port., type: int, returned: success}
    state: {description: 'V(ready), V(drain) or V(maint).', type: str, returned: success}
    health: {description: 'Always V(nocheck): open-source NGINX does not probe.', type: str, returned: success}
    weight: {description: Weight in force., type: int, returned: success}
    initial_weight: {description: Weight that a percentage refers to., type: int, returned: success}
    backup: {description: Whether it gets traffic only when all others are down., type: bool, returned: success}
    sessions: {description: 'Established connections of all workers to it, idle kept-alive ones among them.', type: int,
               returned: success}
    requests: {description: Requests sent to it since the first call., type: int, returned: 'with V(counters)'}
    responses_5xx: {description: Answers of it with a status of 500 and above., type: int, returned: 'with V(counters)'}
    errors: {description: 'Requests that it did not answer: refused, reset or timed out.', type: int,
             returned: 'with V(counters)'}
  sample:
    - {balancer: lb1, backend: claims-service, name: app1, address: 192.0.2.11, resolved: '', port: 8080, state: ready,
       health: nocheck, weight: 100, initial_weight: 100, backup: false, sessions: 4, requests: 1200,
       responses_5xx: 0, errors: 0}
splits:
  description: Texts of the files that split services between versions, by service.
  returned: when O(gather) has V(servers) or V(counters)
  type: dict
  sample: {}
backends:
  description: Whole services as clients saw them; C(errors) counts requests that found no server to try.
  returned: when O(gather) has V(counters)
  type: list
  elements: dict
  sample: [{balancer: lb1, name: claims-service, requests: 3600, responses_5xx: 0, errors: 0}]
counter_gaps:
  description: How often a part of a log was lost to the counters.
  returned: when O(gather) has V(counters)
  type: int
  sample: 0
process:
  description:
    - Master, workers, version, and the connection counts of C(stub_status).
    - C(stale) is true when a file of the configuration is newer than the workers, as after a run that was cut off
      before its reload.
  returned: when O(gather) has V(process)
  type: dict
  sample:
    running: true
    pid: 812
    version: 1.22.1
    stale: false
    workers: [813, 814]
    leaving_workers: []
    connections: {active: 12, accepted: 5021, handled: 5021, requests: 90211, reading: 0, writing: 2, waiting: 10}
certificates:
  description: For each of O(certificates), its DNS names; null when it cannot be read.
  returned: when O(certificates) is given
  type: dict
  sample: {/etc/ssl/claims.pem: [claims.example.org]}
addresses:
  description: For each of O(resolve), its only address; empty when it has none or several.
  returned: when O(resolve) is given
  type: dict
  sample: {app1: 192.0.2.11}
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.info import gather


def main() -> None:
    run(
        {
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": ["servers", "counters", "process"],
                "default": ["servers", "counters", "process"],
            },
            "access_logs": {
                "type": "list",
                "elements": "path",
                "default": ["/var/log/nginx/services.log", "/var/log/nginx/tcp_services.log"],
            },
            "counters_file": {"type": "path", "default": "/var/lib/horizontal_scaling/nginx_counters.json"},
            "status_url": {"type": "str", "default": "http://127.0.0.1:8404/status"},
            "certificates": {"type": "list", "elements": "path", "default": []},
            "resolve": {"type": "list", "elements": "str", "default": []},
            "config": {"type": "path", "default": "/etc/nginx/nginx.conf"},
            "directory": {"type": "str", "default": "upstreams"},
            "whole_configuration": {"type": "bool", "default": False},
            "pid_file": {"type": "path", "default": "/run/nginx.pid"},
            "binary": {"type": "str", "default": "nginx"},
        },
        gather,
    )


if __name__ == "__main__":
    main()
