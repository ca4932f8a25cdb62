# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an object is as it is wanted, and whether it can still become so: from documents alone.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.objects import Document

# Seconds that a shortage may last before it counts: pods that end make room for those that come.
GRACE = 15.0
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
IMAGE = ("ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff", "ErrImagePull", "ImageInspectError")
CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


class Verdict(t.NamedTuple):
    """What an object's document says.

    Attributes:
        ready: it is as it is wanted.
        reason: what is missing, in a few words; empty if it is ready.
        hopeless: it cannot become ready any more without somebody's doing.
        pod: name of the pod that tells more.
        container: the container of that pod.
    """

    ready: bool
    reason: str = ""
    hopeless: bool = False
    pod: str = ""
    container: str = ""


READY = Verdict(True)


def judge(
    document: Document,
    pods: t.Sequence[Document],
    now: datetime.datetime,
    condition: tuple[str, str] | None = None,
    replica_set: Document | None = None,
) -> Verdict:
    """Judge an object.

    Args:
        document: as the server has it.
        pods: a workload's own pods of the wanted revision (see `pods_of`).
        now: for shortages that may pass; aware of its time zone.
        condition: type and status to wait for, instead of what is known of the kind.
        replica_set: a Deployment's newest ReplicaSet, which knows why its pods cannot be created; the Deployment itself
            goes on telling what the former one said.
    """
    if document["metadata"].get("deletionTimestamp"):
        return Verdict(False, "it is being deleted", True)
    if condition:
        return _has_condition(document, *condition)
    verdict = KINDS.get(document["kind"], _other)(document)
    if verdict.ready or verdict.hopeless or verdict == NOT_SEEN:
        return verdict  # until it was seen, pods are those of the former version
    troubles = [
        _shortage(replica_set if document["kind"] == "Deployment" else document, now),
        *(pod_trouble(pod, now) for pod in pods),
    ]
    found = [trouble for trouble in troubles if trouble]
    for trouble in found:
        if trouble.hopeless:
            return trouble
    if found:
        return found[0]._replace(reason=f"{verdict.reason}; {found[0].reason}")
    return verdict


def awaited(kind: str) -> bool:
    """Whether there is anything to wait for with objects of this kind."""
    return kind in KINDS


def conditions(document: Document) -> dict[str, dict]:
    return {each["type"]: each for each in (document.get("status") or {}).get("conditions") or []}


def _has_condition(document: Document, kind: str, status: str) -> Verdict:
    found = conditions(document).get(kind)
    if (
        found
        and found["status"] == status
        and found.get("observedGeneration", 0) in (0, document["metadata"].get("generation", 0))
    ):
        return READY
    if not found:
        return Verdict(False, f"it has no condition {kind} yet")
    return Verdict(False, f"its condition {kind} is {found['status']}: {_words(found)}")


def _words(condition: dict) -> str:
    return ": ".join(str(condition[key]).strip().rstrip(".") for key in ("reason", "message") if condition.get(key))


def _observed(document: Document) -> bool:
    return (document.get("status") or {}).get("observedGeneration", 0) >= document["metadata"].get("generation", 0)


NOT_SEEN = Verdict(False, "its controller has not looked at it yet")


def _deployment(document: Document) -> Verdict:
    spec, status = document["spec"], document.get("status") or {}
    if not _observed(document):
        return NOT_SEEN
    wanted = spec.get("replicas", 1)
    progressing = conditions(document).get("Progressing", {})
    if spec.get("paused") and status.get("updatedReplicas", 0) < wanted:
        return Verdict(False, "it is paused, with a change that is not rolled out", True)
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Verdict(False, f"it made no progress for its progressDeadlineSeconds: {_words(progressing)}", True)
    return _counted(
        wanted, status.get("updatedReplicas", 0), status.get("availableReplicas", 0), status.get("replicas", 0)
    )


def _counted(wanted: int, updated: int, available: int, all_of_them: int) -> Verdict:
    if updated < wanted:
        return Verdict(False, f"{updated} of {wanted} replicas are of the wanted version")
    if all_of_them > updated:
        return Verdict(False, f"{all_of_them - updated} replicas of the former version have not ended yet")
    if available < wanted:
        return Verdict(False, f"{available} of {wanted} replicas are available")
    return READY


def _stateful_set(document: Document) -> Verdict:
    spec, status = document["spec"], document.get("status") or {}
    if not _observed(document):
        return NOT_SEEN
    wanted = spec.get("replicas", 1)
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        updated = wanted
    else:
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0) or 0
        done = status.get("currentRevision") == status.get("updateRevision")
        updated = wanted if done else min(wanted, status.get("updatedReplicas", 0) + partition)
    if status.get("replicas", 0) > wanted:
        return Verdict(False, f"{status['replicas'] - wanted} replicas too many have not ended yet")
    return _counted(
        wanted, updated, min(status.get("readyReplicas", 0), status.get("availableReplicas", wanted)), updated
    )


def _daemon_set(document: Document) -> Verdict:
    status = document.get("status") or {}
    if not _observed(document):
        return NOT_SEEN
    wanted = status.get("desiredNumberScheduled", 0)
    on_delete = (document["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
    updated = wanted if on_delete else status.get("updatedNumberScheduled", 0)
    return _counted(wanted, updated, status.get("numberAvailable", 0), updated)


def _replica_set(document: Document) -> Verdict:
    if not _observed(document):
        return NOT_SEEN
    wanted, status = document["spec"].get("replicas", 1), document.get("status") or {}
    return _counted(wanted, wanted, status.get("availableReplicas", 0), status.get("replicas", 0))


def _pod(document: Document) -> Verdict:
    status = document.get("status") or {}
    if status.get("phase") == "Succeeded" or conditions(document).get("Ready", {}).get("status") == "True":
        return READY
    if status.get("phase") == "Failed":
        return Verdict(
            False,
            f"it has failed: {_words(status) or 'a container ended with an error'}",
            True,
            document["metadata"]["name"],
        )
    return Verdict(False, f"it is {status.get('phase', 'Pending')}")


def _job(document: Document) -> Verdict:
    found, status = conditions(document), document.get("status") or {}
    if found.get("Complete", {}).get("status") == "True" or document["spec"].get("suspend"):
        return READY
    if found.get("Failed", {}).get("status") == "True":
        return Verdict(False, f"it has failed: {_words(found['Failed'])}", True)
    return Verdict(False, f"{status.get('succeeded', 0)} of {document['spec'].get('completions') or 1} completions")


def _service(document: Document) -> Verdict:
    if document["spec"].get("type") != "LoadBalancer":
        return READY
    has_address = ((document.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    return READY if has_address else Verdict(False, "it has no address of a load balancer yet")


def _definition(document: Document) -> Verdict:
    names = conditions(document).get("NamesAccepted", {})
    if names.get("status") == "False":
        return Verdict(False, f"its names are taken: {_words(names)}", True)
    return _has_condition(document, "Established", "True")


def _budget(document: Document) -> Verdict:
    return READY if _observed(document) else NOT_SEEN


def _namespace(document: Document) -> Verdict:
    status = (document.get("status") or {}).get("phase")
    return READY if status == "Active" else Verdict(False, f"it is {status}", status == "Terminating")


def _other(document: Document) -> Verdict:
    """As most controllers do: a condition Ready, if there is one, says it."""
    return _has_condition(document, "Ready", "True") if "Ready" in conditions(document) else READY


KINDS: dict[str, t.Callable[[Document], Verdict]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "ReplicaSet": _replica_set,
    "Pod": _pod,
    "Job": _job,
    "Service": _service,
    "CustomResourceDefinition": _definition,
    "APIService": lambda document: _has_condition(document, "Available", "True"),
    "PodDisruptionBudget": _budget,
    "Namespace": _namespace,
    "Certificate": lambda document: _has_condition(document, "Ready", "True"),
    "Gateway": lambda document: _has_condition(document, "Programmed", "True"),
}


def _seconds(since: str | None, now: datetime.datetime) -> float:
    if not since:
        return 0.0
    return (now - datetime.datetime.fromisoformat(since.replace("Z", "+00:00"))).total_seconds()


def _shortage(document: Document | None, now: datetime.datetime) -> Verdict | None:
    """No pods can be made: a quota is exceeded, or admission refuses them."""
    failure = conditions(document).get("ReplicaFailure", {}) if document else {}
    if failure.get("status") == "True":
        lasting = _seconds(failure.get("lastTransitionTime"), now) >= GRACE
        return Verdict(False, f"its pods cannot be created: {_words(failure)}", lasting)
    return None


def pod_trouble(pod: Document, now: datetime.datetime) -> Verdict | None:
    """What keeps a pod from being ready; None if nothing can be told from its document."""
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return None
    main = status.get("containerStatuses") or []
    for container in [*(status.get("initContainerStatuses") or []), *main]:
        reason, hopeless = _container_trouble(container)
        if reason:
            return Verdict(
                False, f"pod {name}, container {container['name']}: {reason}", hopeless, name, container["name"]
            )
    scheduled = conditions(pod).get("PodScheduled", {})
    if scheduled.get("reason") == "Unschedulable":
        lasting = _seconds(scheduled.get("lastTransitionTime"), now) >= GRACE
        return Verdict(False, f"pod {name} fits on no node: {scheduled.get('message', '').rstrip('.')}", lasting, name)
    for container in main:
        if not container.get("ready") and "running" in (container.get("state") or {}):
            words = f"pod {name}, container {container['name']} runs, but is not ready{_ended(container)}"
            return Verdict(False, words, False, name, container["name"])
    return None


def _container_trouble(container: dict) -> tuple[str, bool]:
    """What a container waits for that should not be, and whether it waits in vain."""
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason")
    if reason in IMAGE:
        # The first refusal may be a registry that is away for a moment; the next one comes after a pause.
        return _words(waiting), reason != "ErrImagePull"
    if reason in CONFIG:
        return _words(waiting), reason == "CreateContainerConfigError"
    if reason == "CrashLoopBackOff":
        return f"it crashes on start again and again{_ended(container)}", True
    return "", False


def _ended(container: dict) -> str:
    last = (container.get("lastState") or {}).get("terminated") or {}
    if not last:
        return ""
    code, restarts = last.get("exitCode"), container.get("restartCount", 0)
    return f" (exit code {code}, {last.get('reason', 'Error')}, {restarts} restarts)"


def pods_of(workload: Document, pods: list[Document], replica_sets: list[Document]) -> list[Document]:
    """A workload's pods of its newest revision, the newest first: the others say nothing of what is wanted."""
    uid = workload["metadata"]["uid"]
    own = [pod for pod in pods if owner(pod) == uid]
    if workload["kind"] == "Deployment":
        newest = newest_set(workload, replica_sets)
        own = [pod for pod in pods if newest and owner(pod) == newest["metadata"]["uid"]]
    elif workload["kind"] == "StatefulSet":
        wanted = (workload.get("status") or {}).get("updateRevision")
        own = [pod for pod in own if pod_hash(pod) == wanted]
    elif workload["kind"] == "DaemonSet":
        generation = _annotation(workload, "deprecated.daemonset.template.generation")
        own = [pod for pod in own if _label(pod, "pod-template-generation") == generation]
    return sorted(own, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", reverse=True)


def newest_set(deployment: Document, replica_sets: t.Sequence[Document]) -> Document | None:
    """The ReplicaSet of a Deployment's newest revision; None where there is none yet."""
    uid, wanted = deployment["metadata"]["uid"], revision(deployment)
    return next((each for each in replica_sets if owner(each) == uid and revision(each) == wanted), None)


def owner(document: Document) -> str:
    """The uid of the controller that an object belongs to; empty without one."""
    for reference in document["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return reference["uid"]
    return ""


def revision(document: Document) -> int:
    """A Deployment's or a ReplicaSet's revision; 0 before it has one."""
    return int(_annotation(document, "deployment.kubernetes.io/revision") or 0)


def pod_hash(document: Document) -> str:
    """What tells pods of one revision from those of another, of a pod or of a revision."""
    named = _label(document, "pod-template-hash") or _label(document, "controller-revision-hash")
    # A StatefulSet's pods have their revision's name.
    return named or (document["metadata"]["name"] if document.get("kind") == "ControllerRevision" else "")


def _annotation(document: Document, name: str) -> str:
    return str((document["metadata"].get("annotations") or {}).get(name, ""))


def _label(document: Document, name: str) -> str:
    return str((document["metadata"].get("labels") or {}).get(name, ""))
