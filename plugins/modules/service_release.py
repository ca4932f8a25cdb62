#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_release
short_description: Run one version of a service on a systemd host, beside the versions before it
version_added: "0.1.0"
description:
  - Keeps the releases of a service side by side as C(releases/<version>) below one directory, and lets the link
    C(current) lead to one of them. The service's unit runs what lies behind the link.
  - A release appears under its name only when its artifact's checksum is right and all of it is unpacked and on disk.
  - To change the version, the unit is stopped gracefully, the link is switched atomically, and the unit is started and
    watched. How it stopped and how long that took is part of the result.
  - When the new version does not run, the task fails with the last lines of its journal, and leaves the host as it is;
    the caller decides about going back, which is the same task with the version before.
options:
  name:
    description: Name of the service.
    type: str
    required: true
  version:
    description:
      - The version, as it names the release's directory.
      - With O(state=running) the default is the current one.
    type: str
    default: ""
  state:
    description:
      - V(staged) has the release on the host; what runs is left alone.
      - V(running) has the release staged and current, and the unit running it.
      - V(stopped) has the unit stopped.
      - V(absent) has the release deleted; refused for the current one.
    type: str
    choices: [staged, running, stopped, absent]
    default: running
  root:
    description: Directory of the service. The default is C(/opt/) and O(name).
    type: path
  artifact:
    description:
      - Path on the host of the tar archive (plain, gzip, bzip2 or xz) with the release's files. It is needed only
        when the release is not on the host yet.
      - Members that could be written outside the release, devices and the like are refused.
      - All files belong to C(root) and can be read by everybody.
    type: path
  artifact_remove:
    description: Delete the artifact when the release is on the host.
    type: bool
    default: false
  checksum:
    description:
      - Checksum of the artifact, C(sha256:) or C(sha512:) and the hexadecimal digits.
      - Nothing is unpacked unless it is right.
      - It is kept with the release, and another one for the same version is refused later.
    type: str
    default: ""
  replace:
    description: Unpack again when the release is there with another checksum.
    type: bool
    default: false
  unit:
    description: The systemd unit. The default is O(name) with C(.service).
    type: str
  restart_on:
    description:
      - Files and directories that the service reads at its start, such as its unit and its environment file.
      - With O(state=running) the unit is restarted when they have changed since it started.
    type: list
    elements: path
    default: []
  enabled:
    description: With O(state=running), have the unit started at boot.
    type: bool
    default: true
  stop_timeout:
    description:
      - Seconds after which all processes of a unit that does not stop are killed.
      - Without it the unit's own C(TimeoutStopSec) decides, after which systemd kills.
    type: float
  start_timeout:
    description: Seconds until the unit must be active, and listen on O(port).
    type: float
    default: 60
  port:
    description:
      - TCP port that the service listens on, on whatever address, when it has started. V(0) does not look.
    type: int
    default: 0
  settle:
    description:
      - Seconds that the unit must stay active after its start, to notice one that ends at once.
      - Not used with O(port) and for C(Type=notify), which tell more.
    type: float
    default: 1
  keep:
    description:
      - Number of old releases that stay on the host beside the current one. The newest ones stay, the one that
        ran before in any case.
    type: int
    default: 3
attributes:
  check_mode:
    description:
      - Computes the same steps. An artifact that is not on the host yet is not an error then.
    support: full
  diff_mode:
    description: The current version, what runs, the releases with their checksums.
    support: full
  idempotent:
    description: A version that runs is neither unpacked nor restarted.
    support: full
seealso:
  - module: horizontal.scaling.service_info
  - name: systemd.service
    description: TimeoutStopSec, Type and the exit of a service.
    link: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html
author: The horizontal.scaling developers (@horizontal)
"""

EXAMPLES = r"""
- name: Have the next release on the host
  horizontal.scaling.service_release:
    name: claims-service
    version: 2.0.0
    state: staged
    artifact: /var/tmp/claims-service-2.0.0.tar.gz
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

- name: Run it
  horizontal.scaling.service_release:
    name: claims-service
    version: 2.0.0
    restart_on: [/etc/systemd/system/claims-service.service, /etc/claims-service]

- name: Go back
  horizontal.scaling.service_release:
    name: claims-service
    version: 1.0.0
"""

RETURN = r"""
version:
  description: The current version.
  returned: success, and when the version does not run
  type: str
  sample: 2.0.0
previous_version:
  description: The version before the current one, empty when there is none.
  returned: success, and when the version does not run
  type: str
  sample: 1.0.0
releases:
  description: All versions on this host.
  returned: success
  type: list
  elements: str
  sample: [1.0.0, 2.0.0]
removed:
  description: Releases that were deleted.
  returned: success
  type: list
  elements: str
  sample: [0.8.0]
staged:
  description: Whether the artifact was unpacked.
  returned: success
  type: bool
  sample: true
restarted:
  description: Whether a running process was replaced.
  returned: success
  type: bool
  sample: true
stop:
  description:
    - How the unit stopped.
    - C(result) is V(graceful), V(killed) (it did not stop in time), V(not_running) (there was nothing to stop) or
      V(not_stopped) (no need to).
    - C(exit_status) is that of the main process.
  returned: success, and when the version does not run
  type: dict
  sample: {seconds: 0.42, result: graceful, exit_status: 0}
start_seconds:
  description: Seconds until the unit was active and listened, or until it was clear that it would not be.
  returned: success, and when the version does not run
  type: float
  sample: 0.11
journal:
  description: The last 20 lines that the unit logged, without values that are named as secrets.
  returned: when the version does not run
  type: list
  elements: str
  sample: ["Address already in use"]
verified:
  description: Whether the artifact was read and its checksum compared.
  returned: success
  type: bool
  sample: true
needed_bytes:
  description: What the release needs.
  returned: when the disk is full
  type: int
  sample: 12345678
free_bytes:
  description: What is free.
  returned: when the disk is full
  type: int
  sample: 1234567
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.release.service import converge


def main() -> None:
    run(
        {
            "name": {"type": "str", "required": True},
            "version": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["staged", "running", "stopped", "absent"], "default": "running"},
            "root": {"type": "path"},
            "artifact": {"type": "path"},
            "artifact_remove": {"type": "bool", "default": False},
            "checksum": {"type": "str", "default": ""},
            "replace": {"type": "bool", "default": False},
            "unit": {"type": "str"},
            "restart_on": {"type": "list", "elements": "path", "default": []},
            "enabled": {"type": "bool", "default": True},
            "stop_timeout": {"type": "float"},
            "start_timeout": {"type": "float", "default": 60},
            "port": {"type": "int", "default": 0},
            "settle": {"type": "float", "default": 1},
            "keep": {"type": "int", "default": 3},
        },
        converge,
        required_if=[("state", "staged", ["version"]), ("state", "absent", ["version"])],
    )


if __name__ == "__main__":
    main()
