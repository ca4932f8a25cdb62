# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens on the member's host, with a data directory of this test and no process."""

from __future__ import annotations

import getpass
import os

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql import predicates
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.account import Account
from ansible_collections.horizontal.scaling.plugins.module_utils.postgresql.tools import Tools
from ansible_collections.horizontal.scaling.tests.unit.module_utils.postgresql.recorded import text


class Runner:
    """Answers by the program's name."""

    def __init__(self, **answers):
        self.answers = answers
        self.seen = []

    def __call__(self, words, seconds):
        words = words[words.index("--") + 1 :] if words[0] == "runuser" else words
        self.seen.append(words)
        return self.answers.get(words[0].rsplit("/", 1)[-1], (0, ""))


@pytest.fixture
def data(tmp_path):
    made = tmp_path / "data"
    (made / "pg_wal").mkdir(parents=True)
    (made / "PG_VERSION").write_text("15\n")
    return made


def tools(data, runner=None, **more):
    given = {
        "data_directory": str(data),
        "bin_directory": "/opt/pg/bin",
        "config_file": "",
        "service": "",
        "log_file": "",
    }
    return Tools({**given, "owner": getpass.getuser(), **more}, runner or Runner())


def test_what_is_in_the_directory(data, tmp_path):
    assert tools(data).exists()
    assert not tools(data).is_empty()
    assert tools(tmp_path / "none").is_empty()
    (tmp_path / "mount" / "lost+found").mkdir(parents=True)
    assert tools(tmp_path / "mount").is_empty()


def test_a_standby_is_made_and_taken_back(data):
    (data / "postgresql.auto.conf").write_text("# kept\nwork_mem = '8MB'\nprimary_conninfo = 'host=old'\n")
    settings = {"primary_conninfo": "host=db1 passfile='/it\\'s here'", "primary_slot_name": "db2"}
    tools(data).make_standby(settings)
    assert tools(data).is_standby()
    assert tools(data).auto_conf() == settings
    written = (data / "postgresql.auto.conf").read_text()
    assert written.startswith("# kept\nwork_mem = '8MB'\n")
    assert "old" not in written
    assert oct((data / "postgresql.auto.conf").stat().st_mode)[-3:] == "600"
    tools(data).make_primary()
    tools(data).make_primary()
    assert not tools(data).is_standby()


def test_wiping_follows_no_link_and_keeps_the_directory(data, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("kept")
    (data / "link").symlink_to(elsewhere)
    (data / "base" / "1").mkdir(parents=True)
    tools(data).wipe()
    assert list(data.iterdir()) == []
    assert (elsewhere / "precious").read_text() == "kept"
    # A run that is cut off here is known as one that may clone again.
    assert tools(data).clone_was_cut_off()


def test_a_process_number_that_is_another_s_by_now(data):
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    assert tools(data).pid() == 0
    (data / "postmaster.pid").write_text("nonsense")
    assert tools(data).pid() == 0


def test_the_end_of_the_wal_is_beyond_what_the_control_file_knows(data):
    (data / "pg_wal" / "00000002000000000000000B").touch()
    runner = Runner(pg_waldump=(1, text("waldump_15.txt")))
    control = predicates.parse_control(text("control_standby_15.txt"))
    assert tools(data, runner).end_of_wal(control) == (2, 0xB03E40)
    words = runner.seen[0]
    assert words[words.index("-s") + 1] == "0/B00868"
    assert words[words.index("-t") + 1] == "2"


def test_without_wal_of_its_timeline_the_control_file_counts(data):
    runner = Runner()
    control = predicates.parse_control(text("control_standby_15.txt"))
    assert tools(data, runner).end_of_wal(control) == (2, 0xB00868)
    assert runner.seen == []


def test_a_failed_program_is_quoted_without_secrets(data):
    said = "pg_basebackup: error: connection failed: password=sesame-open-now host=db1\n"
    with pytest.raises(ScalingError, match="pg_basebackup failed on .*: error: connection failed") as failed:
        tools(data, Runner(pg_basebackup=(1, said))).clone("host=db1", "db2", 5)
    assert "sesame" not in str(failed.value)
    assert tools(data).clone_was_cut_off()


def test_a_clone_that_is_complete_leaves_no_mark(data):
    runner = Runner()
    tools(data, runner).clone("host=db1", "db2", 5)
    assert not tools(data).clone_was_cut_off()
    assert runner.seen[0][-2:] == ["-S", "db2"]


def test_a_start_that_fails_quotes_the_server_s_log(data, tmp_path):
    log = tmp_path / "log"
    log.write_text("FATAL:  of an earlier time\n")

    def systemctl(words, seconds):
        with log.open("a") as stream:
            stream.write('FATAL:  could not open file "pg_hba.conf"\nLOG:  database system is shut down\n')
        return 0, ""

    with pytest.raises(ScalingError, match='does not start: FATAL:  could not open file "pg_hba.conf"'):
        tools(data, systemctl, log_file=str(log), service="postgresql@15-main").start(5)


def test_the_log_of_the_collector(data):
    (data / "log").mkdir()
    (data / "current_logfiles").write_text("stderr log/one.log\ncsvlog log/one.csv\n")
    (data / "log" / "one.log").write_text("first\n")
    mark = tools(data).log_size()
    with (data / "log" / "one.log").open("a") as stream:
        stream.write("second\n")
    assert tools(data).log_since(mark) == "second\n"
    (data / "current_logfiles").write_text("stderr log/two.log\n")
    (data / "log" / "two.log").write_text("third\n")
    assert tools(data).log_since(mark) == "third\n"


def test_an_owner_that_is_not_there(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ScalingError, match="this host has no user no-such-user"):
        Account("no-such-user")
