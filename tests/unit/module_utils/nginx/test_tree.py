# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.sources import Sources
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.tree import PENDING, Tree


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "nginx"
    (root / "upstreams").mkdir(parents=True)
    (root / "nginx.conf").write_text(f"include {root}/upstreams/*.conf;\n")
    (root / "upstreams" / "claims.conf").write_text("upstream claims {\n    server 10.0.0.1:80; # app1\n}\n")
    (root / "upstreams" / "members.conf").write_text("upstream members {\n    server 10.0.0.1:81; # app1\n}\n")
    return root


class Judged(Tree):
    """A tree whose staged copy is looked at instead of started."""

    def _judge(self, staged):
        self.seen = {str(p.relative_to(staged)): p.read_text() for p in staged.rglob("*") if p.is_file()}
        self.staged = staged


def test_the_staged_copy_has_the_new_text_and_means_itself(root):
    tree = Judged(str(root / "nginx.conf"))
    tree.validate({str(root / "upstreams" / "claims.conf"): "new\n"})
    assert tree.seen["upstreams/claims.conf"] == "new\n"
    assert tree.seen["nginx.conf"] == f"include {tree.staged}/upstreams/*.conf;\n"
    assert (root / "upstreams" / "claims.conf").read_text().startswith("upstream")
    assert not tree.staged.exists()


def test_sockets_are_not_copied(root, monkeypatch):
    monkeypatch.chdir(root)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        tree = Judged(str(root / "nginx.conf"))
        tree.validate({})
    assert "s" not in tree.seen


def test_a_missing_program_is_named(root):
    with pytest.raises(ScalingError, match="no-such-nginx"):
        Tree(str(root / "nginx.conf"), "no-such-nginx").validate({})


def test_installing_keeps_the_mode_and_leaves_nothing_behind(root):
    path = root / "upstreams" / "claims.conf"
    path.chmod(0o640)
    Tree(str(root / "nginx.conf")).install({str(path): "new\n"})
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["claims.conf", "members.conf"]


def test_newer_files_are_noticed_but_not_the_mark_of_a_pending_reload(root):
    tree = Tree(str(root / "nginx.conf"))
    for path in [*root.rglob("*")]:
        os.utime(str(path), (100, 100))
    (root / PENDING).touch()
    assert tree.pending()
    assert not tree.newer_than(150)
    os.utime(str(root / "upstreams" / "claims.conf"), (200, 200))
    assert tree.newer_than(150)


def test_names_of_upstreams(root):
    sources = Sources(Tree(str(root / "nginx.conf")))
    assert sources.names("claims", "anything", "drain") == ["claims"]
    assert sources.names("*", "app1", "drain") == ["claims", "members"]
    assert sources.names("*", "app9", "absent") == []
    with pytest.raises(ScalingError, match="'app9'"):
        sources.names("*", "app9", "drain")
    with pytest.raises(ScalingError, match="Name the backend"):
        sources.names("*", "app9", "present")
