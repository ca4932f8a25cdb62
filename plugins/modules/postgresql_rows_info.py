#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_rows_info
short_description: Count the rows of every table of a PostgreSQL cluster at one position of the WAL
version_added: "0.2.0"
description:
  - Runs on a member's host and counts every row of all databases but the templates, by one snapshot for each.
  - On a standby the replay stands still while the snapshots are taken, some milliseconds, so that they are of exactly
    RV(lsn). A restore up to there, exclusively, has as many rows in every table.
  - On a primary the databases' snapshots follow each other, and RV(lsn) is empty.
  - Unlogged and foreign tables are left out.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Reads only, but for the replay that stands still for a moment.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: Reads only.
    support: full
options:
  timeout:
    description: Seconds that the count of a table may take.
    type: float
    default: 3600
extends_documentation_fragment:
  - horizontal.scaling.postgresql_local
requirements:
  - psycopg 3
notes:
  - A run that is killed while the replay stands still leaves it so. The next one has no need for it to go on; run
    C(SELECT pg_wal_replay_resume()) there.
  - A count that the standby breaks off, since its replay would remove rows that are counted, is begun anew twice. Give
    the standby C(hot_standby_feedback), or a longer C(max_standby_streaming_delay), if tables are that large.
seealso:
  - module: horizontal.scaling.postgresql_check
  - name: PostgreSQL manual, recovery control functions
    description: How a replay is made to stand still.
    link: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL
"""

EXAMPLES = r"""
- name: Count the rows on a replica
  horizontal.scaling.postgresql_rows_info:
  register: counted
"""

RETURN = r"""
rows:
  description: Rows by database and table.
  returned: success
  type: dict
  sample: {claims: {public.claims: 1000}}
lsn:
  description: The position in the WAL that the rows are of; empty on a primary.
  returned: success
  type: str
  sample: 0/5000060
standby:
  description: Whether the server is in recovery.
  returned: success
  type: bool
  sample: true
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.content import LOCAL, gather


def main() -> None:
    run(LOCAL, gather)


if __name__ == "__main__":
    main()
