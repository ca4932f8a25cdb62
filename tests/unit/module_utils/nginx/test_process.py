# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx import process as module
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.process import Process, Worker

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:D2F0 0100007F:1F90 01 00000000:00000000 00:00000000 00000000    33        0 501 1
   1: 0100007F:D2F1 0100007F:1F90 01 00000000:00000000 00:00000000 00000000    33        0 502 1
   2: 0100007F:D2F2 0100007F:1F90 06 00000000:00000000 00:00000000 00000000    33        0 503 1
   3: 0100007F:D2F3 0100007F:1F90 01 00000000:00000000 00:00000000 00000000    33        0 999 1
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm
   0: 00000000000000000000000001000000:A 0000000000000000FFFF00000100007F:1F91 01 0:0 00:0 0 33 0 504 1
   1: 00000000000000000000000001000000:A B80D0120000000000000000001000000:0050 01 0:0 00:0 0 33 0 505 1
"""


class Proc:
    """A /proc made of files."""

    def __init__(self, root):
        self.root = root
        (root / "stat").write_text("cpu 1 2\nbtime 1000\n")

    def add(self, pid, parent, title, started=100, inodes=()):
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True, exist_ok=True)
        (folder / "net").mkdir(exist_ok=True)
        (folder / "net" / "tcp").write_text(TCP)
        (folder / "net" / "tcp6").write_text(TCP6)
        (folder / "cmdline").write_bytes(title.encode() + b"\0")
        fields = ["S", str(parent)] + ["0"] * 17 + [str(started)] + ["0"] * 5
        (folder / "stat").write_text(f"{pid} (nginx) {' '.join(fields)}\n")
        for number, inode in enumerate(inodes):
            link = folder / "fd" / str(number)
            if not link.is_symlink():
                link.symlink_to(f"socket:[{inode}]")


@pytest.fixture
def proc(tmp_path):
    root = tmp_path / "proc"
    root.mkdir()
    fake = Proc(root)
    fake.add(10, 1, "nginx: master process /usr/sbin/nginx")
    fake.add(11, 10, "nginx: worker process is shutting down", 100, (501, 504))
    fake.add(12, 10, "nginx: worker process", 200, (502, 503, 505))
    fake.add(13, 10, "nginx: cache manager process", 200)
    fake.add(14, 99, "nginx: worker process", 300, (999,))
    (tmp_path / "pid").write_text("10\n")
    return fake


def make(proc, **arguments):
    return Process(str(proc.root.parent / "pid"), str(proc.root), **arguments)


def test_master_and_its_workers(proc):
    nginx = make(proc)
    assert nginx.master() == 10
    assert nginx.workers(10) == [Worker(11, 100, True), Worker(12, 200, False)]
    assert nginx.started(Worker(12, 200, False)) == 1000 + 200 / os.sysconf("SC_CLK_TCK")


def test_a_process_id_that_somebody_else_has_now_is_no_master(proc):
    proc.add(10, 1, "sleep")
    assert make(proc).master() == 0


def test_no_pid_file_means_not_running(proc):
    assert Process("/nonexistent/pid", str(proc.root)).master() == 0


def test_connections_are_those_of_the_process_and_established(proc):
    assert make(proc).connections([12]) == {("127.0.0.1", 8080): 1, ("2001:db8::1", 80): 1}
    assert make(proc).connections([11]) == {("127.0.0.1", 8080): 1, ("127.0.0.1", 8081): 1}
    assert make(proc).connections([77]) == {}


def test_a_reload_is_confirmed_by_new_workers_and_leaving_old_ones(proc):
    def kill(pid, number):
        proc.add(12, 10, "nginx: worker process is shutting down", 200)
        proc.add(20, 10, "nginx: worker process", 400)

    assert make(proc, kill=kill).reload("/nonexistent") == {11, 12}


def test_a_refused_reload_has_the_words_of_nginx(proc, tmp_path):
    log = tmp_path / "error.log"
    log.write_text("2026/01/01 00:00:00 [emerg] 10#10: long ago\n")

    def kill(pid, number):
        with log.open("a") as out:
            out.write("2026/01/02 00:00:00 [emerg] 10#10: bind() to 0.0.0.0:80 failed (98: Address already in use)\n")

    with pytest.raises(ScalingError, match=r"keeps the old configuration: bind\(\) to 0.0.0.0:80 failed"):
        make(proc, kill=kill).reload(str(log))


@pytest.mark.parametrize("workers", [[], [20]])
def test_a_reload_after_which_old_workers_still_accept_is_an_error(proc, monkeypatch, workers):
    def kill(pid, number):
        for worker in workers:
            proc.add(worker, 10, "nginx: worker process", 400)

    monkeypatch.setattr(module, "CONFIRM_SECONDS", 0)
    with pytest.raises(ScalingError, match="did not replace its workers"):
        make(proc, kill=kill).reload("/nonexistent")
