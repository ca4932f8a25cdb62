# SPDX-License-Identifier: GPL-3.0-or-later
"""The waiter on events in turn: ready, hopeless, late, deleted, not allowed."""

from __future__ import annotations

import json
import types

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.client import ApiError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Identity
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.wait import Waiter

KEY = Identity("batch/v1", "Job", "claims", "migrate")


def job(**conditions):
    found = [{"type": kind, "status": status, "reason": "Because"} for kind, status in conditions.items()]
    return {"metadata": {"name": "migrate", "namespace": "claims"}, "spec": {}, "status": {"conditions": found}}


class Answer:
    """A watch whose events come at once, and that is quiet then."""

    def __init__(self, events, until):
        self._events = events
        self._until = until

    def stream(self, *_arguments, **_options):
        text = "".join(json.dumps(event) + "\n" for event in self._events).encode()
        # As a network cuts it: in the middle of a line.
        yield text[: len(text) // 2]
        yield text[len(text) // 2 :]
        self._until.wait(5)

    def close(self):
        pass


class Service:
    """What a Waiter asks of the cluster: the list once, the events after it."""

    def __init__(self, listed, *events, error=None):
        import threading

        self.quiet = threading.Event()
        self._listed = listed
        self._events = events
        self._error = error
        self.client = types.SimpleNamespace(request=self.request, stream=self.stream)

    def path(self, key, namespace_only=False):
        return f"/{key.kind}"

    def request(self, method, path, query=None):
        if self._error:
            raise self._error
        return {"metadata": {"resourceVersion": "1"}, "items": self._listed}

    def stream(self, path, query, seconds):
        return Answer([{"type": kind, "object": document} for kind, document in self._events], self.quiet)

    def warning(self, namespace, pod):
        return ""

    def log(self, namespace, pod, container):
        return []


def wait(service, seconds=10.0, condition=None):
    try:
        return Waiter(service, {KEY: condition}).until_ready(seconds)
    finally:
        service.quiet.set()


def test_what_is_ready_already_needs_no_event():
    assert wait(Service([job(Complete="True")])) < 5


def test_an_event_ends_the_wait():
    assert wait(Service([job()], ("MODIFIED", job(Complete="True")))) < 5


def test_what_cannot_come_true_any_more_ends_it_too():
    with pytest.raises(ScalingError, match="Job claims/migrate cannot become ready: it has failed: Because"):
        wait(Service([job()], ("MODIFIED", job(Failed="True"))))


def test_a_deadline_tells_what_was_missing():
    with pytest.raises(ScalingError, match=r"was not ready within 0\.3 s: 0 of 1 completions"):
        wait(Service([job()]), 0.3)
    with pytest.raises(ScalingError, match="it is not there"):
        wait(Service([]), 0.3)


def test_an_object_that_somebody_deletes_is_not_waited_for():
    with pytest.raises(ScalingError, match="was deleted by somebody"):
        wait(Service([job()], ("DELETED", job())))


def test_a_watch_that_is_not_allowed_is_an_error():
    with pytest.raises(ScalingError, match="cannot watch"):
        wait(Service([], error=ApiError("No permission: cannot watch.", "", 403)))


def test_a_condition_of_ones_own_is_waited_for():
    assert wait(Service([job()], ("MODIFIED", job(Ripe="True"))), condition=("Ripe", "True")) < 5
    with pytest.raises(ScalingError, match="its condition Ripe is False: Because"):
        wait(Service([job(Ripe="False")]), 0.3, ("Ripe", "True"))
