# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.release.unit import Unit, listening, span

# As `systemctl show` of systemd 252 prints a service that runs.
RUNNING = {
    "Type": "exec",
    "TimeoutStopUSec": "10s",
    "MainPID": "2828",
    "NRestarts": "0",
    "ExecMainCode": "0",
    "ExecMainStatus": "0",
    "ExecMainStartTimestampMonotonic": "166502370932",
    "Result": "success",
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "ConditionResult": "yes",
    "NeedDaemonReload": "no",
    "InvocationID": "8948234e00ea4e38a02e4dc115085072",
}
STARTING = dict(RUNNING, ActiveState="activating", SubState="start", Job="812")
QUEUED = dict(RUNNING, ActiveState="inactive", SubState="dead", MainPID="0", Job="811")
STOPPING = dict(RUNNING, ActiveState="deactivating", SubState="stop-sigterm", Job="813")
STOPPED = dict(RUNNING, ActiveState="inactive", SubState="dead", MainPID="0", ExecMainCode="1")
TIMED_OUT = dict(
    STOPPED, ActiveState="failed", SubState="failed", Result="timeout", ExecMainCode="2", ExecMainStatus="9"
)
CRASHED = dict(
    RUNNING,
    ActiveState="activating",
    SubState="auto-restart",
    Result="exit-code",
    MainPID="0",
    ExecMainCode="1",
    ExecMainStatus="1",
)
AGAIN = dict(RUNNING, NRestarts="2", Result="exit-code", ExecMainStatus="1")


class Time:
    def __init__(self):
        self.now = 1000.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Systemd:
    """Plays `systemctl show` from a list (the last one stays) and notes the verbs."""

    def __init__(self, *states, journal=""):
        self.states = list(states)
        self.verbs = []
        self.journal = journal
        self.kills = None

    def run(self, words, seconds):
        verb = words[1] if words[0] == "systemctl" else words[0]
        if verb == "show":
            state = self.states[0] if len(self.states) == 1 else self.states.pop(0)
            return 0, "".join(f"{name}={value}\n" for name, value in state.items())
        self.verbs.append(verb)
        if verb == "kill":
            self.states = [self.kills]
        return 0, self.journal if "--quiet" in words else ""


def unit(systemd, listens=None):
    time = Time()
    return Unit("claims", systemd.run, lambda seconds: Deadline(seconds, time.clock, time.sleep), listens)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1min 30s", 90), ("1h", 3600), ("500ms", 0.5), ("infinity", None), ("", None), ("1month", 2629800)],
)
def test_spans(text, seconds):
    assert span(text) == seconds


def test_names_get_their_suffix():
    assert Unit("claims").name == "claims.service"
    assert Unit("claims@1.service").name == "claims@1.service"


def test_a_graceful_stop():
    systemd = Systemd(RUNNING, STOPPING, STOPPING, STOPPED)
    stop = unit(systemd).stop(None)
    assert (stop["result"], stop["exit_status"]) == ("graceful", 0)
    assert 0 < stop["seconds"] < 1
    assert systemd.verbs == ["stop"]


def test_a_stop_that_systemd_had_to_force_is_called_killed():
    assert unit(Systemd(RUNNING, STOPPING, TIMED_OUT)).stop(None)["result"] == "killed"


def test_our_own_limit_kills():
    systemd = Systemd(RUNNING, STOPPING)
    systemd.kills = dict(TIMED_OUT, Result="signal")
    stop = unit(systemd).stop(3.0)
    assert stop["result"] == "killed"
    assert abs(stop["seconds"] - 3.0) < 0.5
    assert systemd.verbs == ["stop", "kill"]


def test_the_unit_has_the_time_that_it_asks_for():
    systemd = Systemd(
        *([RUNNING] + [STOPPING] * 60), STOPPED
    )  # about 15 s, more than TimeoutStopSec: hooks come before
    assert unit(systemd).stop(None)["result"] == "graceful"


def test_what_survives_sigkill_is_an_error():
    systemd = Systemd(RUNNING, STOPPING)
    systemd.kills = STOPPING
    with pytest.raises(ScalingError, match="still deactivating 10 s after SIGKILL"):
        unit(systemd).stop(1.0)


def test_nothing_to_stop():
    systemd = Systemd(STOPPED)
    assert unit(systemd).stop(None)["result"] == "not_running"
    assert systemd.verbs == []


def test_a_unit_between_two_crashes_is_kept_from_coming_back():
    systemd = Systemd(CRASHED)
    assert unit(systemd).stop(None)["result"] == "not_running"
    assert systemd.verbs == ["stop"]


def test_a_start_that_lasts():
    systemd = Systemd(QUEUED, STARTING, RUNNING)
    assert 0 < unit(systemd).start(10, 1) < 1
    assert systemd.verbs == ["reset-failed", "start"]


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        ([QUEUED, CRASHED], "waits for its restart: result exit-code, status 1"),
        ([STARTING, RUNNING, AGAIN], "crashes again and again: 2 restarts"),
        ([QUEUED, dict(CRASHED, ActiveState="failed", SubState="failed")], "did not start: result exit-code"),
        ([RUNNING, STOPPED], "ended right after its start: result success, status 0"),
        ([dict(STOPPED, ConditionResult="no")], "a condition of the unit is not met"),
        ([STARTING], "still activating after 10 s"),
    ],
)
def test_starts_that_fail_say_why_and_end_early(states, reason):
    systemd = Systemd(*states, journal="password=hunter2\nAddress already in use\n")
    with pytest.raises(ScalingError, match=reason) as failed:
        unit(systemd).start(10, 1)
    assert failed.value.details["journal"] == ["password=********", "Address already in use"]
    assert str(failed.value).endswith("Address already in use")
    assert failed.value.details["start_seconds"] <= 10


def test_notify_needs_no_settling():
    systemd = Systemd(dict(RUNNING, Type="notify"), AGAIN)
    assert unit(systemd).start(10, 60) == 0.0


# As /proc/net/tcp has them: 0.0.0.0:8080 listening, a connection to it, 127.0.0.1:25 listening.
SOCKETS = """\
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 66502 1 0 100 0 0 10 0
   1: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000   998        0 66503 1 0 20 4 30 10 -1
   2: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 66504 1 0 100 0 0 10 0
""".splitlines()


@pytest.mark.parametrize(("port", "there"), [(8080, True), (8081, False), (25, True), (50000, False)])
def test_listening_sockets(port, there):
    assert listening(SOCKETS, port) is there


def test_a_start_is_complete_when_the_port_is_there():
    systemd, answers = Systemd(RUNNING), [False, False, True]
    started = unit(systemd, lambda pid, port: (pid, port) == (2828, 8080) and answers.pop(0)).start(10, 60, 8080)
    assert 0 < started < 1


def test_a_crash_before_the_port_is_there_is_noticed():
    with pytest.raises(ScalingError, match="waits for its restart"):
        unit(Systemd(RUNNING, RUNNING, RUNNING, CRASHED), lambda pid, port: False).start(60, 0, 8080)


def test_a_port_that_never_comes():
    with pytest.raises(ScalingError, match="still active and does not listen on port 8080 after 5 s"):
        unit(Systemd(RUNNING), lambda pid, port: False).start(5, 0, 8080)


def test_errors_of_systemctl_are_errors():
    with pytest.raises(ScalingError, match="'systemctl daemon-reload' failed: Access denied"):
        Unit("claims", lambda words, seconds: (1, "Access denied\n")).reload_manager()
