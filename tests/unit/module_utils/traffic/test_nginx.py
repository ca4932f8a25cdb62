# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.horizontal.scaling.plugins.module_utils.traffic import nginx

SERVICE = {
    "name": "claims",
    "servers": [{"name": "app1", "version": "stable"}, {"name": "app2", "version": "canary"}],
    "split": {"weights": {"stable": 95, "canary": 5}},
}


def test_files_of_a_service_and_what_was_set_at_run_time():
    split, location = nginx.described_files(SERVICE, {}, "# managed\n")
    assert (split["path"], location["path"]) == ("splits/claims.conf", "splits/claims.location")
    assert "    5% canary;\n    * stable;\n" in split["content"] and "mirror" not in location["content"]
    text = split["content"].replace("5% canary", "40% canary").replace('* "";', "* canary;")
    kept, location = nginx.described_files(SERVICE, {"claims": text}, "# managed\n")
    assert kept["content"] == text and location["content"].endswith("mirror /.mirror;\n")
    changed = dict(SERVICE, split={"weights": {"stable": 90, "canary": 10}})
    assert "    10% canary;\n" in nginx.described_files(changed, {"claims": text}, "# managed\n")[0]["content"]
