# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.process import RefusedError, Worker
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.service import Service
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.sources import Sources
from ansible_collections.horizontal.scaling.plugins.module_utils.nginx.tree import PENDING, Tree

DRAIN = {"backend": "claims", "name": "app1", "state": "drain"}


class Process:
    """A master that does as it is told; old workers leave after so many looks."""

    def __init__(self, running=True, looks=2, refuses="", silent=False):
        self.running, self.looks, self.refuses, self.reloads = running, looks, refuses, 0
        self.slept, self.silent = [], silent

    def master(self):
        return 10 if self.running else 0

    def workers(self, master):
        self.looks -= 1
        return [Worker(12, 2, False)] + ([Worker(11, 1, True)] if self.looks > 0 else [])

    def connections(self, pids):
        return {("10.0.0.1", 80): 3} if 11 in list(pids) else {}

    def reload(self, error_log):
        self.reloads += 1
        if self.refuses:
            raise RefusedError(self.refuses)
        if self.silent:
            raise ScalingError("no new workers")
        return {11}


class Valid(Tree):
    def validate(self, texts):
        if any("10.6.6.6" in text for text in texts.values()):
            raise ScalingError("NGINX refuses it.")


@pytest.fixture
def make(tmp_path):
    (tmp_path / "upstreams").mkdir()
    path = tmp_path / "upstreams" / "claims.conf"
    path.write_text("upstream claims {\n    server 10.0.0.1:80 weight=9; # app1\n    server 10.0.0.2:80; # app2\n}\n")

    def build(**arguments):
        tree, process = Valid(str(tmp_path / "nginx.conf")), Process(**arguments)
        return (
            Service(
                tree,
                process,
                Sources(tree),
                error_log="/nonexistent",
                closing=str(tmp_path / "closing"),
                sleep=lambda seconds: process.slept.append((seconds, (tmp_path / "closing").exists())),
            ),
            process,
            path,
        )

    return build


def converge(service, *wanted, reload="changed", seconds=5, check_mode=False):
    outcome = service.converge(list(wanted), reload, seconds=seconds, settle=1.5, check_mode=check_mode)
    return outcome.as_result(with_diff=True)


def test_a_drain_is_written_reloaded_and_awaited(make):
    service, process, path = make()
    result = converge(service, DRAIN)
    assert result["changed"] and result["reloaded"] and process.reloads == 1
    assert "weight=9 down; # app1 [state=drain]" in path.read_text()
    assert result["remaining_workers"] == []
    assert result["remaining_sessions"] == {"app1": 0}
    assert "+" not in result["diff"]["before"] and "state: drain" in result["diff"]["after"]


def test_a_second_run_changes_nothing_but_still_waits_for_leaving_workers(make):
    service, process, path = make(looks=50)
    converge(service, DRAIN, seconds=0)
    process.looks = 50
    result = converge(service, DRAIN, seconds=0)
    assert not result["changed"] and not result["reloaded"] and process.reloads == 1
    assert result["remaining_workers"] == [11]
    assert result["remaining_sessions"] == {"app1": 3}


def test_check_mode_computes_the_same_and_does_nothing(make):
    service, process, path = make()
    before = path.read_text()
    planned = converge(service, DRAIN, check_mode=True)
    assert path.read_text() == before and process.reloads == 0
    done = converge(service, DRAIN)
    assert planned["diff"] == done["diff"]
    assert planned["servers"][0]["state"] == done["servers"][0]["state"] == "drain"


def test_a_refused_configuration_changes_nothing(make):
    service, process, path = make()
    before = path.read_text()
    with pytest.raises(ScalingError, match="refuses"):
        converge(service, {"backend": "claims", "name": "app1", "address": "10.6.6.6"})
    assert path.read_text() == before and process.reloads == 0


def test_a_refused_reload_puts_the_files_back(make):
    service, process, path = make(refuses="bind() failed")
    before = path.read_text()
    with pytest.raises(ScalingError, match="bind"):
        converge(service, DRAIN)
    assert path.read_text() == before
    assert not (path.parent.parent / PENDING).exists()


def test_a_reload_of_which_nothing_is_known_is_done_again_by_the_next_run(make):
    service, process, path = make(silent=True)
    with pytest.raises(ScalingError, match="no new workers"):
        converge(service, DRAIN)
    assert "state=drain" in path.read_text()
    process.silent = False
    result = converge(service, DRAIN)
    assert not result["changed"] and result["reloaded"]


def test_a_run_that_was_cut_off_before_its_reload_is_made_good(make):
    service, process, path = make()
    (path.parent.parent / PENDING).touch()
    result = converge(service, {"backend": "claims", "name": "app1", "state": "ready"})
    assert not result["changed"] and result["reloaded"] and process.reloads == 1
    assert not (path.parent.parent / PENDING).exists()


def test_files_are_changed_when_nginx_does_not_run(make):
    service, process, path = make(running=False)
    result = converge(service, DRAIN)
    assert result["changed"] and not result["reloaded"] and not result["running"] and process.reloads == 0


def test_reload_can_be_left_to_others_or_asked_for(make):
    service, process, path = make()
    assert converge(service, DRAIN, reload="never")["changed"] and process.reloads == 0
    assert not converge(service, reload="always")["changed"] and process.reloads == 1


def test_clients_are_told_before_a_reload_where_the_configuration_knows_how(make):
    service, process, path = make()
    flag = path.parent.parent / "closing"
    (path.parent.parent / "nginx.conf").write_text(f"if (-f {flag})\n")
    converge(service, DRAIN)
    assert process.slept == [(1.5, True)] and not flag.exists()
    converge(service, DRAIN)  # no reload, no wait
    assert len(process.slept) == 1


def test_nobody_waits_for_a_configuration_that_does_not_know_the_file(make):
    service, process, path = make()
    converge(service, DRAIN)
    assert process.slept == []
