# SPDX-License-Identifier: GPL-3.0-or-later
"""What load balancers are answered for each state of a member."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[4] / "roles/postgresql/files/role_server.py"
SPEC = importlib.util.spec_from_file_location("role_server", FILE)
role_server = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(role_server)

PRIMARY = role_server.State("primary", False, 0.0)
REPLICA = role_server.State("standby", True, 0.2)
LATE = role_server.State("standby", True, 60.0)
CUT_OFF = role_server.State("standby", False, 0.0)


@pytest.mark.parametrize(
    ("path", "fitting"),
    [
        ("/", [PRIMARY]),
        ("/primary", [PRIMARY]),
        ("/read-write", [PRIMARY]),
        ("/replica", [REPLICA, LATE]),
        ("/replica?lag=10", [REPLICA]),
        ("/read-only", [PRIMARY, REPLICA, LATE]),
        ("/read-only?lag=10", [PRIMARY, REPLICA]),
        ("/health", [PRIMARY, REPLICA, LATE, CUT_OFF]),
    ],
)
def test_a_path_fits_some_states(path, fitting):
    states = [PRIMARY, REPLICA, LATE, CUT_OFF]
    assert [state for state in states if role_server.answer(path, state)[0] == 200] == fitting
    assert all(role_server.answer(path, state)[0] in (200, 503) for state in states)


@pytest.mark.parametrize("path", ["/primary", "/replica", "/health"])
def test_a_server_that_does_not_answer_fits_nothing(path):
    assert role_server.answer(path, None) == (503, {"role": "unknown"})


def test_what_is_not_understood_is_said():
    assert role_server.answer("/master", PRIMARY)[0] == 404
    code, body = role_server.answer("/replica?lag=10MB", REPLICA)
    assert code == 400
    assert "'10MB'" in body["error"]


def test_the_body_tells_role_and_lag():
    assert role_server.answer("/replica", REPLICA)[1] == {"role": "standby", "streaming": True, "lag_seconds": 0.2}
