#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_split
short_description: Share the traffic of a service out between its versions
version_added: "0.2.0"
description:
  - Leads the split of one service behind one router to wanted weights, to rules by header or cookie, and reads
    back what is in force. Run it on the hosts of the load balancers; for a cluster, where its API server can be reached
    from. Without a wish it only reads.
  - With O(router=haproxy) and O(router=nginx) it takes services whose data have C(split), as the roles
    P(horizontal.scaling.haproxy#role) and P(horizontal.scaling.nginx#role) render them. What is set here is kept by a
    reload, a restart and the role.
  - With O(router=haproxy) the running process is changed at one instant, without a reload, and then the files that it
    starts from.
  - With O(router=nginx) files are validated on a copy of the whole configuration, installed and reloaded without losing
    a request; then the workers are waited for that still know the split of before.
  - With O(router=gateway_api) the rules of an HTTPRoute are written, and its gateway's controller is waited for until
    it has accepted them. The route has to be there, with its parents and host names; its last rule is the one that is
    shared out, with its own paths, filters and timeouts. Rules before it are written for O(match), and no others are
    accepted.
  - With O(router=kubernetes) the selector of a Service is written, and its EndpointSlices are waited for until they
    have no pod of another version. It knows 0 and 100 percent alone.
  - In a cluster nothing is locked. A change is refused when somebody else has made one since it was read, and taken
    back when it does not come into force.
  - What a router cannot do is refused with the reason before anything is changed. So is a version that would get more
    traffic while none of its servers takes requests.
options:
  router:
    description: The product that chooses the version.
    type: str
    choices: [haproxy, nginx, gateway_api, kubernetes]
    required: true
  service:
    description: Name of the service; in a cluster that of its HTTPRoute or of its Service.
    type: str
    required: true
  weights:
    description:
      - Whole percent of the requests for each version. They add up to 100; a version that is not named gets 0.
      - Left out, the weights stay as they are.
    type: dict
  match:
    description:
      - Requests that go to a version whatever its weight, also one of 0. Headers come before cookies, then names in the
        order of the alphabet. These are all the rules; an empty list takes them away.
      - With O(router=haproxy) only headers and cookies that a rule of the service's data looks at.
      - With O(router=gateway_api) a cookie is a regular expression for the header C(cookie), which not every gateway
        supports, nor in the same words; at most 15 rules. A Service cannot.
      - Left out, the rules stay as they are.
    type: list
    elements: dict
    suboptions:
      by:
        description: What is looked at.
        type: str
        choices: [header, cookie]
        required: true
      name:
        description: Name of the header or cookie.
        type: str
        required: true
      value:
        description: The whole value that it must have.
        type: str
        required: true
      version:
        description: The version that gets the request.
        type: str
        required: true
  sticky:
    description:
      - What a client keeps its version by, as long as the weights are the same. With two versions, the one that grows
        keeps its clients.
      - Anything but V(chance) is refused by routers in a cluster.
      - With O(router=haproxy) it is part of the configuration; another value than the service's data have is refused.
      - Left out, it stays as it is.
    type: dict
    suboptions:
      by:
        description:
          - V(chance) chooses anew for every request.
          - V(address) is the client's as the load balancer sees it, the same for all clients behind one NAT.
          - A V(header) or V(cookie) is hashed; where a request has none, chance decides.
        type: str
        choices: [chance, address, header, cookie]
        required: true
      name:
        description: Name of the header or cookie.
        type: str
  mirror:
    description:
      - A version that gets copies of requests; its answers are thrown away. Without O(mirror.version), none does.
      - HAProxy and a Service cannot, and refuse it.
      - With O(router=gateway_api) not every gateway copies at all, nor looks at the percent.
      - Left out, it stays as it is.
    type: dict
    suboptions:
      version:
        description: The version that gets the copies.
        type: str
      percent:
        description: Of how many of 100 requests.
        type: int
        default: 100
  socket:
    description: Runtime API socket of HAProxy; needs C(level admin) to change anything.
    type: path
    default: /run/haproxy/admin.sock
  timeout:
    description: Seconds to wait for an answer of HAProxy's.
    type: int
    default: 10
  config:
    description: NGINX's main configuration file.
    type: path
    default: /etc/nginx/nginx.conf
  pid_file:
    description: NGINX's process id.
    type: path
    default: /run/nginx.pid
  error_log:
    description: NGINX's error log, read for the reason when a reload is refused.
    type: path
    default: /var/log/nginx/error.log
  binary:
    description: The program that validates NGINX's configuration.
    type: str
    default: nginx
  settle:
    description: Seconds in which NGINX's clients are told to open new connections before it is reloaded.
    type: float
    default: 1
  closing_file:
    description: The file that makes NGINX tell them so.
    type: path
    default: /run/nginx.closing
  drain_timeout:
    description:
      - Seconds to wait until the workers of NGINX have gone that know the split of before; requests that last longer,
        and WebSockets, keep them. When the time is over the task still succeeds; RV(remaining_workers) says who is
        left.
    type: float
    default: 30
  namespace:
    description: Namespace of the HTTPRoute or Service; required for these.
    type: str
  backends:
    description: Version to the name of its Service, in the namespace of the HTTPRoute; required for that.
    type: dict
  port:
    description: Port of these Services. The default is the only one that they have.
    type: int
  version_label:
    description: The label of pods that has the version, and that is in the Service's selector.
    type: str
    default: app.kubernetes.io/version
  wait_timeout:
    description:
      - Seconds to wait until the controllers of the HTTPRoute's parents have accepted it, or until the Service's
        EndpointSlices have followed its selector.
    type: float
    default: 60
extends_documentation_fragment:
  - horizontal.scaling.kubernetes_api
attributes:
  check_mode:
    description: Computes the same split without changing anything; in a cluster the server is asked, too (dry run).
    support: full
  diff_mode:
    description: Weights, rules, stickiness and mirror in force, and whether a restart would begin with them.
    support: full
  idempotent:
    description: Compares what is in force.
    support: full
notes:
  - Every load balancer has a split of its own; run the task on each. With the same weights all of them give a client
    the same version, as long as they are of the same product.
  - In a cluster the user needs C(get) and C(patch) of C(httproutes) or C(services), C(list) of C(endpointslices), and
    C(get) of C(services) or C(list) of C(pods).
  - The package C(kubernetes) is needed for routers in a cluster alone.
seealso:
  - module: horizontal.scaling.haproxy_server
  - module: horizontal.scaling.nginx_upstream
  - name: NGINX split_clients module
    description: How a share is chosen by a hash.
    link: https://nginx.org/en/docs/http/ngx_http_split_clients_module.html
  - name: NGINX mirror module
    description: What happens to copies.
    link: https://nginx.org/en/docs/http/ngx_http_mirror_module.html
  - name: HAProxy configuration manual, maps
    description: What a map is, and its converters.
    link: https://docs.haproxy.org/2.6/configuration.html#7.3.1-map
  - name: HAProxy management guide, section 9.3
    description: How a map is replaced as a whole.
    link: https://docs.haproxy.org/2.6/management.html#9.3
  - name: HTTPRoute
    description: Rules, matches and weights.
    link: https://gateway-api.sigs.k8s.io/api-types/httproute/
  - name: EndpointSlices
    description: Who takes the requests of a Service.
    link: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
author: The horizontal.scaling developers (@horizontal)
"""

EXAMPLES = r"""
- name: Give the new version a twentieth of the requests
  horizontal.scaling.traffic_split:
    router: haproxy
    service: claims-service
    weights: {stable: 95, canary: 5}

- name: Lead testers to it, whatever its weight
  horizontal.scaling.traffic_split:
    router: haproxy
    service: claims-service
    match:
      - {by: header, name: X-Version, value: canary, version: canary}

- name: Read what is in force
  horizontal.scaling.traffic_split:
    router: haproxy
    service: claims-service
  register: now

- name: Bring back what was before
  horizontal.scaling.traffic_split:
    router: haproxy
    service: claims-service
    weights: "{{ now.split.weights }}"
    match: "{{ now.split.match }}"

- name: Give the new version a twentieth of what comes to an HTTPRoute
  horizontal.scaling.traffic_split:
    router: gateway_api
    namespace: healthcare-claims
    service: claims-service
    backends: {stable: claims-service-stable, canary: claims-service-canary}
    weights: {stable: 95, canary: 5}
  delegate_to: localhost

- name: Lead all requests to the other version
  horizontal.scaling.traffic_split:
    router: kubernetes
    namespace: healthcare-claims
    service: claims-service
    weights: {2.0.0: 100}
  delegate_to: localhost
"""

RETURN = r"""
split:
  description: The split in force after the task; in check mode as it would be.
  returned: success
  type: dict
  contains:
    weights: {description: Version to percent., type: dict, sample: {stable: 95, canary: 5}}
    match:
      description: Rules in the order in which they are tried.
      type: list
      elements: dict
      sample: [{by: header, name: x-version, value: canary, version: canary}]
    sticky: {description: What a client keeps its version by., type: dict, sample: {by: cookie, name: user}}
    mirror: {description: "Version and percent of copies; empty for none.", type: dict, sample: {}}
previous:
  description: The split that was in force before the task, in the same form.
  returned: success
  type: dict
versions:
  description: The versions of the service, with the number of their servers (in a cluster, of pods) that take requests.
  returned: success
  type: dict
  sample: {stable: 3, canary: 1}
files:
  description: Files that were written.
  returned: success
  type: list
  elements: str
  sample: [/etc/haproxy/splits/claims-service/weights.chance.map]
reloaded:
  description: Whether NGINX was reloaded.
  returned: when O(router=nginx) has changed something
  type: bool
  sample: true
remaining_workers:
  description: Process ids of NGINX's workers that still know the split of before.
  returned: when O(router=nginx) has changed something
  type: list
  elements: int
  sample: []
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import OPTIONS
from ansible_collections.horizontal.scaling.plugins.module_utils.traffic.converge import ROUTERS, converge

RULE = {
    "by": {"type": "str", "choices": ["header", "cookie"], "required": True},
    "name": {"type": "str", "required": True},
    "value": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
}
STICKY = {
    "by": {"type": "str", "choices": ["chance", "address", "header", "cookie"], "required": True},
    "name": {"type": "str"},
}


def main() -> None:
    run(
        {
            "router": {"type": "str", "choices": list(ROUTERS), "required": True},
            "service": {"type": "str", "required": True},
            "weights": {"type": "dict"},
            "match": {"type": "list", "elements": "dict", "options": RULE},
            "sticky": {"type": "dict", "options": STICKY},
            "mirror": {
                "type": "dict",
                "options": {"version": {"type": "str"}, "percent": {"type": "int", "default": 100}},
            },
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "timeout": {"type": "int", "default": 10},
            "config": {"type": "path", "default": "/etc/nginx/nginx.conf"},
            "pid_file": {"type": "path", "default": "/run/nginx.pid"},
            "error_log": {"type": "path", "default": "/var/log/nginx/error.log"},
            "binary": {"type": "str", "default": "nginx"},
            "settle": {"type": "float", "default": 1},
            "closing_file": {"type": "path", "default": "/run/nginx.closing"},
            "drain_timeout": {"type": "float", "default": 30},
            **OPTIONS,
            "namespace": {"type": "str"},
            "backends": {"type": "dict"},
            "port": {"type": "int"},
            "version_label": {"type": "str", "default": "app.kubernetes.io/version"},
            "wait_timeout": {"type": "float", "default": 60},
        },
        converge,
        required_if=[
            ("router", "gateway_api", ("namespace", "backends")),
            ("router", "kubernetes", ("namespace",)),
        ],
    )


if __name__ == "__main__":
    main()
