#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_restore
short_description: Have a PostgreSQL cluster as it was at a time, a named point or a position in the WAL
version_added: "0.2.0"
description:
  - Runs on the host that is restored onto. Chooses the backup that leads to O(target), restores it, starts the server,
    and waits until it has replayed its WAL up to there and takes writes.
  - Refuses a target that no backup leads to, and says where the oldest one begins, before anything is touched.
  - Writes into an empty directory, or one whose restore was cut off before its cluster ever took writes. O(replace)
    allows more, by name.
  - Ends early when the server says that the target cannot be reached, with its own line.
  - The restored cluster does not archive into the repository that it came from, unless O(archive) says so.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Reads the repository and the data directory, chooses the backup, and refuses as the real run would.
    support: full
  diff_mode:
    description: Shows what the data directory has, before and after.
    support: full
  idempotent:
    description: A target that was restored into this directory is not restored again. V(latest) is such a target, too;
      have it anew with O(again=true) and O(replace=restored).
    support: partial
options:
  stanza:
    description: Name of the cluster in pgBackRest's configuration.
    type: str
    required: true
  repository:
    description: Number of the repository.
    type: int
    default: 1
  backup:
    description: Label of the backup; the newest one that leads to O(target) when empty, for a name the oldest, since
      nobody knows when the name was given.
    type: str
    default: ""
  target_type:
    description: What O(target) is. V(latest) is all WAL that was archived, V(immediate) the end of the backup.
    type: str
    choices: [latest, immediate, time, name, lsn]
    default: latest
  target:
    description: A time with its zone (V(2026-01-31 12:00:00+00)), a restore point's name, or a position (V(0/5000060)).
    type: str
    default: ""
  inclusive:
    description: Whether WAL is replayed past a time or position, to the end of the record or transaction that is there,
      or up to it only.
    type: bool
    default: true
  again:
    description: Whether a target is restored although it was restored into this directory before, as a test does;
      O(replace) has to allow that.
    type: bool
    default: false
  replace:
    description:
      - What the data directory may hold and still be replaced.
      - V(restored) is what this module restored there before. V(any) is whatever is there, also a server that runs; it
        is stopped.
    type: str
    choices: [never, restored, any]
    default: never
  archive:
    description: Whether the restored cluster archives its WAL as its configuration says.
    type: bool
    default: false
  start:
    description: Whether the server is started, and waited for.
    type: bool
    default: true
  keep_discarded:
    description: Directory to which WAL since the last checkpoint is copied before a cluster is replaced. Empty for
      none.
    type: path
    default: ""
  processes:
    description: Processes that copy side by side.
    type: int
    default: 2
  timeout:
    description: Seconds that copying and replaying may take, each.
    type: float
    default: 86400
  start_timeout:
    description: Seconds that the server may take until it reads its WAL.
    type: float
    default: 3600
extends_documentation_fragment:
  - horizontal.scaling.postgresql_server
notes:
  - The module runs as root or as O(owner). As root it starts programs in the name of O(owner).
seealso:
  - module: horizontal.scaling.pgbackrest_info
  - name: pgBackRest, restore command
    description: What restores.
    link: https://pgbackrest.org/command.html#command-restore
  - name: PostgreSQL manual, point-in-time recovery
    description: Targets and timelines.
    link: https://www.postgresql.org/docs/current/continuous-archiving.html
"""

EXAMPLES = r"""
- name: Have the cluster as it was before the accident
  horizontal.scaling.pgbackrest_restore:
    stanza: main
    data_directory: /var/lib/postgresql/15/main
    config_file: /etc/postgresql/15/main/postgresql.conf
    service: postgresql@15-main
    log_file: /var/log/postgresql/postgresql-15-main.log
    target_type: time
    target: 2026-01-31 12:00:00+00
"""

RETURN = r"""
action:
  description: What was done, or would be; V(none) or V(restore).
  returned: success
  type: str
  sample: restore
reason:
  description: Why the data directory may be replaced.
  returned: success
  type: str
  sample: there was nothing
backup:
  description: The backup, as in RV(horizontal.scaling.pgbackrest_info#module:backups).
  returned: success
  type: dict
  sample: {label: 20260131-010000F, type: full, age_seconds: 3600}
kept_wal:
  description: Where discarded WAL was copied to.
  returned: success
  type: str
  sample: /var/lib/postgresql/discarded/main-1-0-5000110
seconds:
  description: Seconds that copying and replaying took.
  returned: success
  type: dict
  sample: {copy: 12.5, replay: 3.1}
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.connection import SERVER
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.restore import converge, options


def main() -> None:
    run(
        {**SERVER, **options()},
        converge,
        required_if=[("target_type", kind, ("target",)) for kind in ("time", "name", "lsn")],
    )


if __name__ == "__main__":
    main()
