#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_check
short_description: See that a PostgreSQL cluster, such as one that was restored, is whole and has its rows
version_added: "0.2.0"
description:
  - Runs on the host of the server.
  - Has C(pg_amcheck) read every table and every B-tree index of all databases, with their page checksums, and look for
    rows that an index lacks.
  - Compares the rows of every table with those that another server had at the same position.
  - Asks queries whose answers have to lie within bounds.
  - Fails with everything that is wrong, after all was looked at.
  - Takes locks that keep writes off a table while its indexes are looked at, so it is for servers that nobody uses.
author:
  - The horizontal.scaling developers (@horizontal)
attributes:
  check_mode:
    description: Looks at everything, but for databases without the extension C(amcheck), which is not installed.
    support: full
  diff_mode:
    description: Shows in which databases the extension C(amcheck) was installed.
    support: full
  idempotent:
    description: Changes nothing but the extension C(amcheck), where it is missing.
    support: full
options:
  amcheck:
    description: Whether C(pg_amcheck) looks at tables and indexes.
    type: bool
    default: true
  jobs:
    description: Connections that it uses side by side.
    type: int
    default: 1
  rows:
    description: Rows by database and table, as in RV(horizontal.scaling.postgresql_rows_info#module:rows). Empty for no
      comparison.
    type: dict
    default: {}
  queries:
    description: Queries with one value as the answer.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What messages call it.
        type: str
        required: true
      database:
        description: Database that it is asked in.
        type: str
        required: true
      query:
        description: The statement.
        type: str
        required: true
      minimum:
        description: The least that is accepted. With neither bound anything but NULL is.
        type: float
      maximum:
        description: The most that is accepted.
        type: float
  bin_directory:
    description: Where C(pg_amcheck) is; the newest on the host when empty.
    type: path
    default: ""
  timeout:
    description: Seconds that C(pg_amcheck), and each statement, may take.
    type: float
    default: 3600
extends_documentation_fragment:
  - horizontal.scaling.postgresql_local
requirements:
  - psycopg 3
seealso:
  - module: horizontal.scaling.postgresql_rows_info
  - module: horizontal.scaling.pgbackrest_restore
  - name: PostgreSQL manual, pg_amcheck
    description: What it finds.
    link: https://www.postgresql.org/docs/current/app-pgamcheck.html
"""

EXAMPLES = r"""
- name: See that the restored cluster is whole
  horizontal.scaling.postgresql_check:
    queries:
      - {name: claims of the last week, database: claims, minimum: 1,
         query: "SELECT count(*) FROM claims WHERE received > now() - interval '7 days'"}
"""

RETURN = r"""
databases:
  description: Databases that were looked at.
  returned: always
  type: list
  elements: str
  sample: [claims, postgres]
tables:
  description: Tables whose rows were compared.
  returned: always
  type: int
  sample: 12
rows:
  description: Rows in them.
  returned: always
  type: int
  sample: 120000
queries:
  description: Queries that were asked.
  returned: always
  type: int
  sample: 1
seconds:
  description: Seconds that each part took.
  returned: always
  type: dict
  sample: {amcheck: 1.5, rows: 0.2}
failures:
  description: Everything that is wrong.
  returned: failure
  type: list
  elements: str
  sample: ["claims: public.claims has 999 rows and should have 1000 rows"]
"""

from ansible_collections.horizontal.scaling.plugins.module_utils.core.module import run
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.content import LOCAL, check


def main() -> None:
    query = {
        "name": {"type": "str", "required": True},
        "database": {"type": "str", "required": True},
        "query": {"type": "str", "required": True},
        "minimum": {"type": "float"},
        "maximum": {"type": "float"},
    }
    run(
        {
            **LOCAL,
            "amcheck": {"type": "bool", "default": True},
            "jobs": {"type": "int", "default": 1},
            "rows": {"type": "dict", "default": {}},
            "queries": {"type": "list", "elements": "dict", "default": [], "options": query},
            "bin_directory": {"type": "path", "default": ""},
        },
        check,
    )


if __name__ == "__main__":
    main()
