# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core import lock
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.files import tree
from ansible_collections.horizontal.scaling.plugins.module_utils.files.installation import Installation


class Validator:
    """Sees what a validator would see."""

    def __init__(self, status=0, output=""):
        self.answer = (status, output)
        self.seen = {}
        self.words = []

    def __call__(self, words, seconds):
        self.words = words
        staged = Path(words[-1])
        for path in sorted(staged.rglob("*")):
            name = str(path.relative_to(staged))
            self.seen[name] = os.readlink(str(path)) if path.is_symlink() else path.is_file() and path.read_text()
        status, output = self.answer
        return status, output.replace("STAGED", str(staged))


@pytest.fixture(autouse=True)
def everything_is_installed(monkeypatch):
    monkeypatch.setattr(tree, "installed", lambda program: program != "missing")


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "product"
    root.mkdir()
    (root / "kept.conf").write_text("kept\n")
    (root / "old.conf").write_text("old\n")
    return root


def converge(root, files, check_mode=False, run=None, **options):
    params = {
        "root": str(root),
        "files": files,
        "validate": "judge {root}",
        "validate_timeout": 5,
        "stage": "tree",
        "prune": [],
    }
    params.update(options)
    return tree.converge(params, check_mode, run or Validator())


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write(path, content, **options):
    return dict(path=path, content=content, **options)


def test_create_change_remove_and_again(root, tmp_path):
    files = [write("old.conf", "new\n"), write("a/b/c.conf", "c\n"), {"path": "kept.conf", "state": "absent"}]
    predicted = converge(root, files, check_mode=True).as_result(with_diff=True)
    assert listing(root) == ["kept.conf", "old.conf"]
    done = converge(root, files).as_result(with_diff=True)
    assert predicted == done
    assert done["changed_paths"] == [str(root / name) for name in ("a/b/c.conf", "old.conf", "kept.conf")]
    assert listing(tmp_path) == ["product", *(f"product/{n}" for n in ("a", "a/b", "a/b/c.conf", "old.conf"))]
    again = converge(root, files).as_result(with_diff=True)
    assert again == {"changed": False, "changed_paths": [], "validated": False}


def test_the_root_is_made(tmp_path):
    root = tmp_path / "one" / "two"
    assert converge(root, [write("x", "y")], check_mode=True).changed
    assert listing(tmp_path) == []
    converge(root, [write("x", "y")])
    assert (root / "x").read_text() == "y"


def test_a_root_that_was_made_goes_when_the_files_are_refused(tmp_path):
    with pytest.raises(ScalingError):
        converge(tmp_path / "one" / "two", [write("x", "y")], run=Validator(1, "no"))
    assert listing(tmp_path) == []


def test_the_validator_sees_the_whole_tree_as_it_will_be(root):
    (root / "link").symlink_to(root / "kept.conf")
    (root / "naming.conf").write_text(f"include {root}/kept.conf; not {root}-other\n")
    judge = Validator()
    converge(root, [write("old.conf", "new\n"), {"path": "kept.conf", "state": "absent"}], run=judge)
    staged = judge.words[-1]
    assert judge.seen == {
        "link": f"{staged}/kept.conf",
        "naming.conf": f"include {staged}/kept.conf; not {root}-other\n",
        "old.conf": "new\n",
    }
    assert (root / "naming.conf").read_text() == f"include {root}/kept.conf; not {root}-other\n"
    assert not Path(staged).exists()


def test_only_what_is_listed(root):
    judge = Validator()
    converge(root, [write("a", "b")], run=judge, stage="listed")
    assert judge.seen == {"a": "b"}


def test_refused_files_change_nothing_and_the_message_names_the_real_place(root):
    before = listing(root)
    with pytest.raises(ScalingError, match="nothing was changed: .*/product/old.conf:1: unknown") as failed:
        converge(root, [write("old.conf", "x"), write("n/n", "x")], run=Validator(1, "STAGED/old.conf:1: unknown"))
    assert failed.value.details == {"validator_output": f"{root}/old.conf:1: unknown"}
    assert listing(root) == before
    assert (root / "old.conf").read_text() == "old\n"


def test_a_validator_that_is_not_there(root):
    files = [write("x", "y")]
    assert converge(root, files, check_mode=True, validate="missing {root}").values["validated"] is False
    with pytest.raises(ScalingError, match="'missing' is not installed"):
        converge(root, files, validate="missing {root}")
    assert not (root / "x").exists()


def test_a_validator_without_the_copy_is_refused(root):
    with pytest.raises(ScalingError, match="does not say where the copy goes"):
        converge(root, [], validate=["judge", str(root)])


def test_sensitive_text_is_shown_nowhere(root):
    (root / "secret").write_text("former sesame")
    secret = write("secret", "password = opensesame\n", sensitive=True, mode="0600")
    assert "sesame" not in str(converge(root, [secret], check_mode=True).as_result(with_diff=True))
    with pytest.raises(ScalingError) as failed:
        converge(root, [secret], run=Validator(1, "line 1: password = opensesame, not 'opensesame'"))
    assert "sesame" not in str(failed.value) + str(failed.value.details)


def test_modes_alone_are_a_change_and_have_a_diff(root):
    (root / "kept.conf").chmod(0o600)
    files = [write("kept.conf", "kept\n", mode="0640")]
    result = converge(root, files).as_result(with_diff=True)
    assert len(result["diff"]) == 1
    assert "mode: 0600" in result["diff"][0]["before"]
    assert "mode: 0640" in result["diff"][0]["after"]
    assert (root / "kept.conf").stat().st_mode & 0o777 == 0o640


def test_prune_spares_what_is_listed_hidden_or_no_file(root):
    for name in (".hidden.conf", "listed.conf", "other.txt"):
        (root / name).write_text("x")
    (root / "dir.conf").mkdir()
    outcome = converge(root, [write("listed.conf", "x")], prune=["*.conf"])
    assert listing(root) == [".hidden.conf", "dir.conf", "listed.conf", "other.txt"]
    assert outcome.values["changed_paths"] == [str(root / "kept.conf"), str(root / "old.conf")]


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", ""])
def test_prune_stays_inside(root, pattern):
    with pytest.raises(ScalingError, match="prune"):
        converge(root, [], prune=[pattern])


def test_a_link_out_of_the_root_is_not_followed(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "way").symlink_to(outside)
    with pytest.raises(ScalingError, match="by a symbolic link"):
        converge(root, [write("way/file", "x")])
    with pytest.raises(ScalingError, match="by a symbolic link"):
        (outside / "file").write_text("x")
        converge(root, [], prune=["way/*"])
    assert (outside / "file").read_text() == "x"


def test_a_link_inside_never_leads_the_copy_to_the_real_files(root):
    (root / "real").mkdir()
    (root / "real" / "file").write_text("real")
    (root / "way").symlink_to(root / "real")
    with pytest.raises(ScalingError):
        converge(root, [write("way/file", "changed")], run=Validator(1, "no"))
    assert (root / "real" / "file").read_text() == "real"


def test_a_link_itself_is_replaced_or_removed_but_not_its_target(root, tmp_path):
    (tmp_path / "target").write_text("target")
    (root / "one").symlink_to(tmp_path / "target")
    (root / "two").symlink_to(tmp_path / "target")
    converge(root, [write("one", "mine"), {"path": "two", "state": "absent"}])
    assert (tmp_path / "target").read_text() == "target"
    assert (root / "one").read_text() == "mine"
    assert not (root / "one").is_symlink()
    assert not (root / "two").is_symlink()


def test_a_directory_is_never_replaced(root):
    (root / "dir").mkdir()
    for item in (write("dir", "x"), {"path": "dir", "state": "absent"}):
        with pytest.raises(ScalingError, match="is a directory; it is left alone"):
            converge(root, [item])


@pytest.mark.parametrize("step", range(1, 5))
def test_whatever_fails_half_way_all_is_as_before(root, monkeypatch, step):
    """Every rename and removal in turn fails as on a full or broken disk."""
    count = {"calls": 0}

    def failing(real):
        def call(self, *args, **kwargs):
            if ".config_tree-" not in self.name or self.name.endswith("-new"):
                count["calls"] += 1
                if count["calls"] == step:
                    raise OSError(errno.ENOSPC, "No space left on device", str(self))
            return real(self, *args, **kwargs)

        return call

    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    files = [write(name, "new") for name in ("a/1", "b", "kept.conf", "old.conf")]
    with pytest.raises(ScalingError, match=r"No space left on device \(12 bytes needed, \d+ free\)") as failed:
        converge(root, files)
    assert ("nothing was replaced" if step == 1 else f"put back ({step - 1} of 4)") in str(failed.value)
    assert listing(root) == ["kept.conf", "old.conf"]
    assert (root / "kept.conf").read_text() == "kept\n"
    assert (root / "old.conf").read_text() == "old\n"


def test_a_full_disk_is_noticed_before_anything_is_replaced(root, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ScalingError, match="nothing was replaced"):
        converge(root, [write("kept.conf", "new"), write("n/n", "new")])
    assert listing(root) == ["kept.conf", "old.conf"]


def test_what_a_killed_run_left_is_cleaned(root, tmp_path):
    (tmp_path / ".product.staged-abc").mkdir()
    (root / ".kept.conf.config_tree-new").write_text("half")
    converge(root, [write("kept.conf", "new")])
    assert listing(tmp_path) == ["product", "product/kept.conf", "product/old.conf"]


def test_a_second_editor_waits_and_is_told(root, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.2)
    holder = os.open(str(root), os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(ScalingError, match="Another process has been changing"):
            converge(root, [])
    finally:
        os.close(holder)


@pytest.mark.parametrize("value", ["etc/x", "{root}/kept.conf"])
def test_roots_that_are_none(root, value):
    with pytest.raises(ScalingError, match="root '.*' is not"):
        converge(value.replace("{root}", str(root)), [])


def test_nothing_of_an_installation_is_left_over(root):
    Installation(root).make([])
    assert listing(root) == ["kept.conf", "old.conf"]
