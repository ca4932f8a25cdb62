# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on documents recorded from Kubernetes 1.37 while a Deployment, a StatefulSet and a DaemonSet changed."""

from __future__ import annotations

import copy
import datetime
import json
import re
from pathlib import Path

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes import info, predicates, rollout

FIXTURES = Path(__file__).parent / "fixtures"
SOON = datetime.timedelta(seconds=1)
LATER = datetime.timedelta(minutes=5)
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
FAILED_JOB = {
    "type": "Failed",
    "status": "True",
    "reason": "BackoffLimitExceeded",
    "message": "Job has reached the specified backoff limit",
}
ESTABLISHED = {"type": "Established", "status": "True"}
NAMES_TAKEN = {"type": "NamesAccepted", "status": "False", "reason": "ListKindConflict"}


def recorded(name):
    found = {kind: [] for _, kind in info.READ}
    for document in json.loads((FIXTURES / f"{name}.json").read_text()):
        found[document["kind"]].append(document)
    return found


def newest_time(found):
    """About when it was recorded: the newest time in any condition."""
    times = [
        condition["lastTransitionTime"]
        for documents in found.values()
        for document in documents
        for condition in (document.get("status") or {}).get("conditions") or []
    ]
    return datetime.datetime.fromisoformat(max(times).replace("Z", "+00:00"))


def verdict(name, kind="Deployment", after=SOON):
    found = recorded(name)
    workload = found[kind][0]
    pods = predicates.pods_of(workload, found["Pod"], found["ReplicaSet"])
    newest = predicates.newest_set(workload, found["ReplicaSet"])
    return predicates.judge(workload, pods, newest_time(found) + after, replica_set=newest)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("starting", "."),
        ("rolling", "of 2 replicas are of the wanted version"),
        ("pull_error", "ErrImagePull"),
        ("not_ready", "runs, but is not ready"),
        ("no_room", "fits on no node: .*Insufficient cpu"),
        ("quota", "exceeded quota: few"),
    ],
)
def test_what_may_still_come_true(name, words):
    found = verdict(name)
    assert (found.ready, found.hopeless) == (False, False)
    assert re.search(words, found.reason)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_image", "container claims: ErrImageNeverPull"),
        ("pull_back_off", "container claims: ImagePullBackOff"),
        ("crash_loop", "crashes on start again and again (exit code 3, Error"),
        ("no_progress", "no progress for its progressDeadlineSeconds"),
        ("no_configuration", 'configmap "no-such" not found'),
    ],
)
def test_what_cannot_come_true_any_more(name, words):
    found = verdict(name)
    assert (found.ready, found.hopeless) == (False, True)
    assert words in found.reason


@pytest.mark.parametrize("name", ["no_room", "quota"])
def test_a_shortage_that_lasts_is_final(name):
    assert verdict(name, after=LATER).hopeless


def test_a_shortage_is_what_the_newest_replica_set_tells_not_what_the_deployment_still_does():
    found = recorded("quota")
    workload, now = found["Deployment"][0], newest_time(found) + LATER
    newest = copy.deepcopy(predicates.newest_set(workload, found["ReplicaSet"]))
    newest["status"]["conditions"][0]["message"] = "violates PodSecurity"
    assert "violates PodSecurity" in predicates.judge(workload, [], now, replica_set=newest).reason
    del newest["status"]["conditions"]
    judged = predicates.judge(workload, [], now, replica_set=newest)
    assert not judged.hopeless
    assert "quota" not in judged.reason


def test_what_is_ready():
    assert verdict("ready") == predicates.READY
    assert verdict("sets_ready", "StatefulSet") == predicates.READY
    assert verdict("sets_ready", "DaemonSet") == predicates.READY


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_sets_are_judged_by_their_newest_pods(kind):
    assert not verdict("sets_starting", kind).ready
    found = verdict("sets_no_image", kind)
    assert found.hopeless
    assert "ErrImageNeverPull" in found.reason


def test_pods_of_a_former_version_say_nothing():
    found = recorded("no_image")
    newest = predicates.pods_of(found["Deployment"][0], found["Pod"], found["ReplicaSet"])
    assert len(found["Pod"]) > len(newest) == 1


def test_a_change_that_no_controller_has_seen_is_not_ready():
    workload = copy.deepcopy(recorded("ready")["Deployment"][0])
    workload["metadata"]["generation"] += 1
    found = predicates.judge(workload, [], datetime.datetime.now(datetime.timezone.utc))
    assert found == predicates.NOT_SEEN
    # Nor does it say why the version before it failed.
    found = recorded("no_image")
    workload = copy.deepcopy(found["Deployment"][0])
    workload["metadata"]["generation"] += 1
    pods = predicates.pods_of(workload, found["Pod"], found["ReplicaSet"])
    assert predicates.judge(workload, pods, newest_time(found)) == predicates.NOT_SEEN


def test_what_is_being_deleted_never_gets_ready():
    workload = copy.deepcopy(recorded("ready")["Deployment"][0])
    workload["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert predicates.judge(workload, [], datetime.datetime.now(datetime.timezone.utc)).hopeless


@pytest.mark.parametrize(
    ("document", "ready"),
    [
        ({"kind": "Service", "spec": {"type": "ClusterIP"}}, True),
        ({"kind": "Service", "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}}, False),
        ({"kind": "Service", "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{}]}}}, True),
        ({"kind": "Namespace", "status": {"phase": "Active"}}, True),
        ({"kind": "Namespace", "status": {"phase": "Terminating"}}, False),
        ({"kind": "ConfigMap"}, True),
        ({"kind": "Job", "spec": {"suspend": True}}, True),
        ({"kind": "Job", "spec": {"completions": 3}, "status": {"succeeded": 2}}, False),
        ({"kind": "Job", "spec": {}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}, True),
        ({"kind": "Pod", "status": {"phase": "Running"}}, False),
        ({"kind": "Pod", "status": {"phase": "Succeeded"}}, True),
        ({"kind": "Pod", "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, True),
        ({"kind": "PodDisruptionBudget", "status": {}}, False),
        ({"kind": "PodDisruptionBudget", "status": {"observedGeneration": 1}}, True),
        ({"kind": "ReplicaSet", "spec": {"replicas": 2}, "status": {"observedGeneration": 1, "replicas": 2}}, False),
        ({"kind": "CustomResourceDefinition", "status": {"conditions": [ESTABLISHED]}}, True),
        ({"kind": "Database", "status": {"conditions": [{"type": "Ready", "status": "False"}]}}, False),
        ({"kind": "Gateway", "status": {"conditions": [{"type": "Accepted", "status": "True"}]}}, False),
        ({"kind": "Gateway", "status": {"conditions": [{"type": "Programmed", "status": "True"}]}}, True),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else str(value),
)  # fmt: skip
def test_other_kinds(document, ready):
    document = {"metadata": {"name": "a", "generation": 1}, **document}
    assert predicates.judge(document, [], datetime.datetime.now(datetime.timezone.utc)).ready is ready


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            {"kind": "Job", "spec": {}, "status": {"conditions": [FAILED_JOB]}},
            "it has failed: BackoffLimitExceeded: Job has reached the specified backoff limit",
        ),
        ({"kind": "Pod", "status": {"phase": "Failed", "reason": "Evicted"}}, "it has failed: Evicted"),
        ({"kind": "Pod", "status": {"phase": "Failed"}}, "it has failed: a container ended with an error"),
        ({"kind": "CustomResourceDefinition", "status": {"conditions": [NAMES_TAKEN]}}, "its names are taken"),
        ({"kind": "Deployment", "spec": {"paused": True}, "status": {"observedGeneration": 1}}, "it is paused"),
    ],
)
def test_other_kinds_that_wait_in_vain(document, words):
    found = predicates.judge({"metadata": {"name": "a", "generation": 1}, **document}, [], NOW)
    assert (found.ready, found.hopeless) == (False, True)
    assert words in found.reason


@pytest.mark.parametrize(
    ("strategy", "ready"),
    [
        ({"type": "RollingUpdate"}, False),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, False),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, True),
        ({"type": "OnDelete"}, True),
    ],
)
def test_a_set_keeps_the_pods_that_its_strategy_leaves_alone(strategy, ready):
    workload = copy.deepcopy(recorded("sets_ready")["StatefulSet"][0])
    wanted = workload["spec"]["replicas"] = 3
    workload["spec"]["updateStrategy"] = strategy
    counts = {"replicas": wanted, "readyReplicas": wanted, "availableReplicas": wanted, "updatedReplicas": 1}
    workload["status"].update(counts, updateRevision="claims-new")
    assert predicates.judge(workload, [], NOW).ready is ready


def test_a_workload_is_described_with_its_revisions_and_pods():
    found = recorded("crash_loop")
    described = info.describe(found["Deployment"][0], found, newest_time(found))
    assert described["replicas"] == {"wanted": 2, "updated": 1, "available": 2, "all": 3}
    assert (described["ready"], described["hopeless"]) == (False, True)
    assert described["images"] == ["localhost/claims-service:2.0.0-crashes"]
    assert described["revision"] == max(each["revision"] for each in described["revisions"])
    assert [bool(pod["reason"]) for pod in described["pods"]].count(True) == 1
    assert described["autoscaler"] is None


PARAMETERS = {"paused": None, "replicas": None, "undo_to": None, "undo_to_hash": None, "restart": False}


def planned(kind="Deployment", name="crash_loop", **options):
    found = recorded(name)
    history = found["ReplicaSet"] + found["ControllerRevision"]
    return rollout.changes(found[kind][0], history, {**PARAMETERS, **options}, NOW)


def test_nothing_is_patched_that_is_as_wanted():
    assert planned() == []
    assert planned(paused=False, replicas=2) == []


def test_a_rollout_is_scaled_paused_and_restarted_by_one_patch():
    ((patch, _),) = planned(replicas=3, paused=True)
    assert patch == {"spec": {"replicas": 3, "paused": True}}
    ((patch, _),) = planned(restart=True)
    annotations = patch["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"kubectl.kubernetes.io/restartedAt": "2026-01-02T03:04:05Z"}


def test_undo_puts_the_whole_template_of_a_revision_back():
    ((steps, _),) = planned(undo_to=1)
    assert steps[0]["value"]["spec"]["containers"][0]["image"] == "localhost/claims-service:1.0.0"
    assert "pod-template-hash" not in steps[0]["value"]["metadata"]["labels"]
    with pytest.raises(ScalingError, match="has no revision 99; it has 1, 2"):
        planned(undo_to=99)


def test_undo_of_sets_uses_what_their_controller_kept():
    ((patch, _),) = planned("StatefulSet", "sets_no_image", undo_to=0)
    assert patch["spec"]["template"]["spec"]["containers"][0]["image"] == "localhost/claims-service:1.0.0"


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [("StatefulSet", {"paused": True}, "cannot be paused"), ("DaemonSet", {"replicas": 2}, "has no replicas")],
)
def test_what_a_kind_cannot_do_is_refused(kind, options, words):
    with pytest.raises(ScalingError, match=words):
        planned(kind, "sets_ready", **options)
