# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.kubernetes.ownership import applied

from .recorded import documents

OURS = "horizontal.scaling"


@pytest.fixture
def pair() -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """A Deployment as it was applied, and as the API server had it afterwards."""
    wanted, there = documents("applied")
    return wanted, there


def container(document: dict[str, t.Any]) -> dict[str, t.Any]:
    return document["spec"]["template"]["spec"]["containers"][0]


def test_what_was_applied_needs_no_request(pair):
    assert applied(*pair, OURS)


@pytest.mark.parametrize(
    "change",
    [
        lambda wanted: wanted["spec"].update(replicas=3),
        lambda wanted: wanted["spec"].pop("replicas"),
        lambda wanted: wanted["spec"].update(paused=False),
        lambda wanted: wanted["metadata"]["labels"].update(more="yes"),
        lambda wanted: wanted["metadata"]["labels"].clear(),
        lambda wanted: wanted["metadata"].update(annotations={}),
        lambda wanted: container(wanted).update(image="another"),
        lambda wanted: container(wanted)["env"].reverse(),
        lambda wanted: container(wanted)["env"].pop(),
        lambda wanted: container(wanted)["env"].append({"name": "MORE", "value": "1"}),
        lambda wanted: container(wanted)["env"][0].update(value=None),
        lambda wanted: container(wanted)["args"].append("more"),
        lambda wanted: container(wanted)["ports"][0].update(name="other"),
        lambda wanted: wanted["spec"]["template"]["spec"].update(volumes=[]),
    ],
)
def test_another_wish_does(pair, change):
    wanted, there = pair
    change(wanted)
    assert not applied(wanted, there, OURS)


@pytest.mark.parametrize(
    "change",
    [
        lambda there: there["spec"].update(replicas=3),
        lambda there: there["spec"].pop("replicas"),
        lambda there: container(there).update(image="another"),
        lambda there: container(there)["env"].reverse(),
        lambda there: container(there)["env"].clear(),
        lambda there: container(there)["args"].pop(),
        lambda there: there["metadata"].pop("managedFields"),
        lambda there: there["metadata"]["managedFields"][0].update(subresource="scale"),
        lambda there: there["metadata"]["managedFields"][0].update(operation="Update"),
        lambda there: there["metadata"]["managedFields"][0].update(apiVersion="apps/v1beta1"),
    ],
)
def test_what_others_have_changed_does(pair, change):
    wanted, there = pair
    change(there)
    assert not applied(wanted, there, OURS)


def test_what_others_have_added_does_not(pair):
    wanted, there = pair
    changed = copy.deepcopy(there)
    changed["metadata"]["labels"]["theirs"] = "yes"
    container(changed)["env"].append({"name": "THEIRS", "value": "1"})
    changed["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    assert applied(wanted, changed, OURS)


def test_nobody_elses_application_counts(pair):
    assert not applied(*pair, "kubectl")
