# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.files.nodes import ABSENT, found, relative, wanted


@pytest.mark.parametrize("path", ["", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "a\0b"])
def test_paths_that_could_leave_the_root_are_refused(path):
    with pytest.raises(ScalingError, match="relative to the root"):
        relative(path, "files[0].path")


@pytest.mark.parametrize(("path", "plain"), [("a//b", "a/b"), ("./a", "a"), ("a/./b/", "a/b"), ("..a/b", "..a/b")])
def test_paths_are_normalised(path, plain):
    assert relative(path, "x") == plain


def test_defaults_of_files_and_directories():
    entries = wanted([{"path": "a", "content": "x"}, {"path": "b", "state": "directory"}], strict=True)
    assert [entry.node.mode for entry in entries] == [0o644, 0o755]
    assert entries[0].node.content == b"x"


@pytest.mark.parametrize("mode", ["644", "0644", "1755", "01755"])
def test_octal_modes(mode):
    assert wanted([{"path": "a", "content": "", "mode": mode}], strict=True)[0].node.mode == int(mode, 8)


@pytest.mark.parametrize("mode", ["u=rw", "999", "420000", "0x1ff", "6"])
def test_other_modes_are_refused_with_the_option(mode):
    with pytest.raises(ScalingError, match=r"files\[1\].mode '.*' is not a file mode"):
        wanted([{"path": "a", "content": ""}, {"path": "b", "content": "", "mode": mode}], strict=True)


def test_unknown_owner_is_an_error_outside_check_mode():
    files = [{"path": "a", "content": "", "owner": "nobody-knows-me"}]
    with pytest.raises(ScalingError, match=r"files\[0\].owner 'nobody-knows-me' does not exist"):
        wanted(files, strict=True)
    assert wanted(files, strict=False)[0].node.owner == "nobody-knows-me"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([{"path": "a"}], "has no content"),
        ([{"path": "a", "content": "x", "state": "absent"}], "content and state absent"),
        ([{"path": "a", "content": "x"}, {"path": "./a", "content": "y"}], "listed twice"),
        ([{"path": "a", "content": "x"}, {"path": "a/b", "content": "y"}], "lies below it"),
    ],
)
def test_contradictions_are_refused(files, message):
    with pytest.raises(ScalingError, match=message):
        wanted(files, strict=True)


def test_found_tells_the_kinds_apart(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    assert found(tmp_path / "none") == ABSENT
    assert found(tmp_path / "file" / "below") == ABSENT
    assert found(tmp_path / "file").content == b"x"
    assert found(tmp_path / "link").target == "file"
    assert found(tmp_path).kind == "directory"
