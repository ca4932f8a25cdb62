# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, patience with a server that is away, and what refusals say."""

from __future__ import annotations

import json
import types

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import client, service
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Identity

pytest.importorskip("urllib3")
KEY = Identity("v1", "ConfigMap", "claims", "settings")
KINDS = {
    "resources": [
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
        {"name": "pods/log", "kind": "Pod", "namespaced": True},
    ]
}


class Manager:
    """Gives answers in turn, and keeps what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def request(self, method, url, **options):
        self.asked.append((method, url, options))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return types.SimpleNamespace(status=status, data=body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(client.Deadline, "sleep", lambda self, seconds: None)


def connected(*answers):
    manager = Manager(*answers)
    return client.Client(manager, "https://api", lambda: {"authorization": "Bearer token"}, 5), manager


def status(code, reason, message, **details):
    return code, {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


def test_a_request_has_its_query_its_body_and_the_credentials():
    api, manager = connected((200, {"kind": "ConfigMap"}))
    assert api.request("PATCH", "/a", {"force": "true"}, {"b": 1}, client.APPLY) == {"kind": "ConfigMap"}
    method, url, options = manager.asked[0]
    assert (method, url, json.loads(options["body"])) == ("PATCH", "https://api/a?force=true", {"b": 1})
    assert options["headers"]["Content-Type"] == client.APPLY
    assert options["headers"]["authorization"] == "Bearer token"


def test_a_server_that_never_answered_is_not_waited_for():
    api, manager = connected(OSError("[Errno 111] Connection refused"))
    with pytest.raises(client.ApiError, match="https://api does not answer: .*Connection refused"):
        api.request("GET", "/a")
    assert len(manager.asked) == 1


def test_a_server_that_is_away_for_a_moment_or_busy_is_asked_again():
    busy = status(429, "TooManyRequests", "please try again later")
    api, manager = connected((200, {}), OSError("refused"), busy, (503, b"no endpoints"), (200, {"a": 1}))
    api.request("GET", "/a")
    assert api.request("GET", "/b") == {"a": 1}
    assert len(manager.asked) == 5


def test_an_eviction_that_a_budget_holds_is_an_answer():
    held = status(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        causes=[
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget claims needs 1 healthy pods and has 1 currently",
            }
        ],
    )
    pods = {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}]}
    api, manager = connected((200, pods), held)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "claims", "uid": "1"}}
    assert service.Service(api).evict(pod) == "The disruption budget claims needs 1 healthy pods and has 1 currently"
    assert len(manager.asked) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(401, "Unauthorized", "Unauthorized"), "the token has expired"),
        (
            status(
                403,
                "Forbidden",
                'configmaps "settings" is forbidden: User "reader" cannot patch resource "configmaps" in API group ""',
            ),
            'No permission: .*cannot patch resource "configmaps".*kubectl auth can-i',
        ),
        (status(404, "NotFound", 'namespaces "claims" not found'), "its namespace is not there"),
        ((500, b"broken"), "refuses it: broken"),
    ],
)
def test_refusals_say_what_to_do(answer, words):
    api, _ = connected((200, KINDS), answer)
    with pytest.raises(ScalingError, match=words):
        service.Service(api).apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "claims"}},
            "us",
            False,
            False,
        )


def conflict(manager):
    return status(
        409,
        "Conflict",
        "Apply failed with 1 conflict",
        causes=[
            {
                "reason": "FieldManagerConflict",
                "message": f'conflict with "{manager}" using v1',
                "field": ".data.colour",
            }
        ],
    )


def test_a_conflict_names_the_field_and_the_manager():
    api, _ = connected((200, KINDS), conflict("gitops"))
    with pytest.raises(ScalingError, match=r'\.data\.colour \(conflict with "gitops" using v1\).*force_conflicts'):
        service.Service(api).apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "claims"}},
            "us",
            False,
            False,
        )


def test_a_conflict_with_our_own_former_patch_is_none():
    api, manager = connected((200, KINDS), conflict("us"), (200, {"kind": "ConfigMap"}))
    service.Service(api).apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "claims"}},
        "us",
        False,
        False,
    )
    assert "force=false" in manager.asked[1][1]
    assert "force=true" in manager.asked[2][1]


def test_paths_come_from_what_the_server_says_of_the_kind():
    api, _ = connected((200, KINDS), (404, {"message": "not found"}))
    server = service.Service(api)
    assert server.path(KEY) == "/api/v1/namespaces/claims/configmaps/settings"
    with pytest.raises(ScalingError, match=r"knows no kind Database of example.com/v1"):
        server.path(Identity("example.com/v1", "Database", "claims", "a"))


def test_a_list_comes_in_pages():
    first = {
        "items": [{"metadata": {"name": "a", "namespace": "claims"}}],
        "metadata": {"continue": "more", "resourceVersion": "7"},
    }
    last = {"items": [{"metadata": {"name": "b", "namespace": "claims"}}], "metadata": {"resourceVersion": "7"}}
    api, manager = connected((200, KINDS), (200, first), (200, last))
    found, version = service.Service(api).list(KEY)
    assert [each["metadata"]["name"] for each in found] == ["a", "b"]
    assert [each["kind"] for each in found] == ["ConfigMap", "ConfigMap"]
    assert version == "7"
    assert "continue=more" in manager.asked[2][1]


def test_of_many_that_fail_all_are_named_once():
    def fail(number):
        if number % 2:
            raise ScalingError(f"object {number % 4} failed.")
        return number

    assert service.in_parallel(lambda number: number, [2, 4]) == [2, 4]
    with pytest.raises(ScalingError, match=r"^object 1 failed\.$"):
        service.in_parallel(fail, [0, 1])
    with pytest.raises(ScalingError, match=r"^4 of 8 objects failed: object 1 failed\. object 3 failed\.$"):
        service.in_parallel(fail, range(8))


def test_a_deletion_in_check_mode_says_so_in_its_body():
    """The server does not look at the query of a deletion that has a body, and would delete."""
    api, manager = connected((200, KINDS), (200, {}), (200, {}))
    server = service.Service(api)
    for check in (True, False):
        server.delete(KEY, "1", check)
    bodies = [json.loads(options["body"]) for _, _, options in manager.asked[1:]]
    assert [body.get("dryRun") for body in bodies] == [["All"], None]
    assert all(body["preconditions"] == {"uid": "1"} for body in bodies)
