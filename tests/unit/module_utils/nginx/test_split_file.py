# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.split_file import location, parse, render

PLAIN = {"weights": {"stable": 95, "canary": 5}, "match": [], "sticky": {"by": "chance", "name": ""}, "mirror": {}}
FULL = {
    "weights": {"a": 33, "b": 33, "c": 34},
    "match": [
        {"by": "header", "name": "x-version", "value": "1.0+b", "version": "b"},
        {"by": "header", "name": "x-version", "value": "one/two:3", "version": "a"},
        {"by": "cookie", "name": "Version", "value": "c", "version": "c"},
    ],
    "sticky": {"by": "cookie", "name": "user"},
    "mirror": {"version": "c", "percent": 20},
}
TEXT = """\
# managed
# configured: some words
# sticky: cookie user
map $cookie_user $scaling_client_a_b {
    default $cookie_user;
    "" $request_id;
}
split_clients $scaling_client_a_b $scaling_version_a_b_2 {
    33% a;
    33% b;
    * c;
}
# match: cookie Version
map $cookie_Version $scaling_version_a_b_1 {
    default $scaling_version_a_b_2;
    "~^c$" c;
}
# match: header x-version
map $http_x_version $scaling_version_a_b {
    default $scaling_version_a_b_1;
    "~^1\\.0\\+b$" b;
    "~^one/two:3$" a;
}
# mirror
split_clients "$request_id copy" $scaling_mirror_a_b {
    20% c;
    * "";
}
"""


def test_the_whole_file():
    assert render("a.b", "# managed\n", "some words", FULL) == TEXT


@pytest.mark.parametrize(
    "split",
    [
        PLAIN,
        FULL,
        dict(PLAIN, weights={"stable": 100}, sticky={"by": "address", "name": ""}),
        dict(PLAIN, sticky={"by": "header", "name": "x-user"}, mirror={"version": "canary", "percent": 100}),
    ],
)
def test_what_is_written_is_read(split):
    found = parse(render("claims", "#\n# managed\n#", "some words", split))
    assert (found.pop("header"), found.pop("configured")) == ("#\n# managed\n#", "some words")
    key = lambda rule: sorted(rule.items())  # noqa: E731
    assert sorted(found.pop("match"), key=key) == sorted(split["match"], key=key)
    assert found == {name: value for name, value in split.items() if name != "match"}


def test_weights_of_nothing_are_left_out_and_one_version_gets_all():
    text = render("claims", "", "", dict(PLAIN, weights={"stable": 100, "canary": 0}))
    assert "split_clients $request_id $scaling_version_claims {\n    * stable;\n}" in text


def test_copies_are_made_only_where_they_are_wanted():
    assert location("claims", "# managed", PLAIN) == "# managed\n"
    assert location("claims", "# managed", FULL) == "# managed\nmirror /.mirror;\n"
