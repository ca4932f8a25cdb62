# SPDX-License-Identifier: GPL-3.0-or-later
"""Upstreams are found in the role's files, and else in a configuration that people have written."""

from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.sources import Sources
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.tree import Tree

CONFIGURATION = """\
events {}
http {
    upstream claims {
        server 10.0.0.1:80; # app1
        server 10.0.0.2:80
            weight=3;
    }
    server { listen 80; location / { proxy_pass http://claims; } }
    include sites/*.conf;
}
stream {
    upstream database { server 10.0.0.9:5432; }
}
"""


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "nginx"
    (root / "sites").mkdir(parents=True)
    (root / "nginx.conf").write_text(CONFIGURATION)
    (root / "sites" / "members.conf").write_text("upstream members {\n    server 10.0.0.1:81; # app1\n}\n")
    return root


def sources(root):
    return Sources(Tree(str(root / "nginx.conf")))


def of_role(root, **upstreams):
    (root / "upstreams").mkdir()
    for name, server in upstreams.items():
        text = f"upstream {name} {{\n    server 10.0.0.7:80; # {server}\n}}\n"
        (root / "upstreams" / f"{name}.conf").write_text(text)


def test_upstreams_of_a_configuration_with_what_it_includes(root):
    found = {upstream.name: upstream for upstream in sources(root).all()}
    assert list(found) == ["claims", "database", "members"]
    # One that stands in several lines is no line that can be rewritten, and is known by its address.
    assert list(found["claims"].servers) == ["app1", "10.0.0.2:80"]
    assert found["members"].path == str(root / "sites" / "members.conf")
    assert sources(root).upstream("members").servers["app1"].address == "10.0.0.1"


def test_a_file_of_the_role_comes_first(root):
    of_role(root, members="app7")
    assert list(sources(root).upstream("members").servers) == ["app7"]
    assert [upstream.name for upstream in sources(root).of_role()] == ["members"]
    with pytest.raises(ScalingError, match=r"no upstream 'other' \(it has: claims, database, members\)"):
        sources(root).upstream("other")


def test_a_star_is_every_upstream_that_has_the_server(root):
    assert sources(root).names("*", "app1", "drain") == ["claims", "members"]
    of_role(root, claims="app7", members="app8")
    assert sources(root).names("*", "app7", "drain") == ["claims"]
    assert sources(root).names("*", "app1", "absent") == []
    assert sources(root).names("members", "app1", "present") == ["members"]
    for state, words in {"drain": "No upstream of .* has a server 'app1'", "present": "cannot be added"}.items():
        with pytest.raises(ScalingError, match=words):
            sources(root).names("*", "app1", state)


def test_a_file_outside_of_the_tree_is_refused(root):
    elsewhere = root.parent / "elsewhere.conf"
    elsewhere.write_text("upstream far { server 10.0.0.1:80; }\n")
    (root / "nginx.conf").write_text(f"http {{ include {elsewhere}; }}\n")
    with pytest.raises(ScalingError, match=f"Upstream 'far' is in {elsewhere}, outside of {root}"):
        sources(root).all()


def test_a_configuration_that_cannot_be_parsed(root):
    (root / "nginx.conf").write_text("http {\n")
    with pytest.raises(ScalingError, match=f"{root}/nginx.conf cannot be parsed"):
        sources(root).all()
