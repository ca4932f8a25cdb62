#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: config_tree
short_description: Install the files of a configuration directory in one go, validated on a copy first
version_added: "0.1.0"
description:
  - Brings many files below one directory into their wanted state in one task.
  - When something differs, a copy of the directory is made with the changes in it, and the product's own validator
    judges the copy. Only then is anything replaced. A configuration that does not validate leaves every file as it
    was, and the task fails with the validator's message.
  - All new contents are written under temporary names first, so a full disk replaces nothing. Each file is then
    replaced atomically; new files come first and removed ones last. When that fails half-way, the files that were
    replaced are put back.
options:
  root:
    description:
      - The directory, an absolute path. It is created (V(0755)) when it is missing.
      - While the task runs, nobody else who uses this module changes the directory.
    type: path
    required: true
  files:
    description: The wanted files. Other files are left alone unless O(prune) says otherwise.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Path relative to O(root). Directories above it are created (V(0755)).
          - A path that leads out of O(root), also by a symbolic link, is refused. A symbolic link at the path itself
            is replaced; what it points to is left alone.
        type: str
        required: true
      content:
        description: The whole text of the file.
        type: str
      state:
        description:
          - V(absent) removes a file or a link, never a directory.
          - V(directory) is for directories that need a mode or an owner of their own.
        type: str
        choices: [file, absent, directory]
        default: file
      mode:
        description: File mode in octal. The default is V(0644), for a directory V(0755).
        type: str
      owner:
        description: Name or number of the user. The default is the user that the task runs as, usually C(root).
        type: str
      group:
        description: Name or number of the group. The default is the group that the task runs as, usually C(root).
        type: str
      sensitive:
        description: Never show the file's text in a diff, and take it out of the validator's message.
        type: bool
        default: false
  validate:
    description:
      - Command that judges the copy, as one line or as a list of words. C({root}) stands for the copy's directory.
      - No shell is involved.
      - In the copy, texts and links that name O(root) by its absolute path name the copy instead.
    type: raw
  validate_timeout:
    description: Seconds that the validator may take.
    type: float
    default: 60
  stage:
    description:
      - V(tree) copies the whole directory. Files are linked rather than copied where the file system can.
      - V(listed) copies only what changes; for a large directory such as C(/etc) of which the validator needs no more.
    type: str
    choices: [tree, listed]
    default: tree
  prune:
    description:
      - Patterns such as V(conf.d/*.conf), relative to O(root). Files and links that match and are not listed in
        O(files) are removed. Hidden files match only a pattern that begins with a dot.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: The copy is made and validated too. A validator that is not installed yet is skipped.
    support: full
  diff_mode:
    description: One diff a file. Sensitive contents, and those of pruned files, are not shown.
    support: full
  idempotent:
    description: Compares contents, modes and owners.
    support: full
author: The horizontal.scaling developers (@horizontal)
"""

EXAMPLES = r"""
- name: Install the configuration of HAProxy
  horizontal.scaling.config_tree:
    root: /etc/haproxy
    files:
      - path: haproxy.cfg
        content: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"
        mode: "0640"
        group: haproxy
      - path: certs/example.pem
        content: "{{ example_certificate }}"
        mode: "0600"
        sensitive: true
      - path: conf.d/old.cfg
        state: absent
    validate: haproxy -c -f {root}/haproxy.cfg
    prune: ["errors/*.http"]
  notify: Reload HAProxy

- name: Install a unit
  horizontal.scaling.config_tree:
    root: /etc/systemd/system
    files:
      - path: example.service
        content: "{{ lookup('ansible.builtin.template', 'example.service.j2') }}"
    validate: [systemd-analyze, verify, "{root}/example.service"]
    stage: listed
"""

RETURN = r"""
changed_paths:
  description: The files that were changed or removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/haproxy/haproxy.cfg]
validated:
  description:
    - Whether the validator has judged and accepted the new files.
    - False when nothing differs, when there is no validator, and in check mode when it is not installed yet.
  returned: success
  type: bool
  sample: true
validator_output:
  description: What the validator said.
  returned: when it refused the files
  type: str
  sample: "unknown keyword 'blanace' in 'backend' section"
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.files.tree import converge

FILE = {
    "path": {"type": "str", "required": True},
    # Masked in the result; run() unmasks what is not sensitive, so that it can stand in the diff.
    "content": {"type": "str", "no_log": True},
    "state": {"type": "str", "choices": ["file", "absent", "directory"], "default": "file"},
    "mode": {"type": "str"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "sensitive": {"type": "bool", "default": False},
}


def public_contents(params: dict) -> set:
    return {item["content"] for item in params["files"] if item["content"] and not item["sensitive"]}


def main() -> None:
    run(
        {
            "root": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "validate": {"type": "raw"},
            "validate_timeout": {"type": "float", "default": 60},
            "stage": {"type": "str", "choices": ["tree", "listed"], "default": "tree"},
            "prune": {"type": "list", "elements": "str", "default": []},
        },
        converge,
        unmasked=public_contents,
        unlogged=["files"],
    )


if __name__ == "__main__":
    main()
