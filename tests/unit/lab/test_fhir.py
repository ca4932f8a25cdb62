# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import pathlib

import pytest
from claims_service import fhir

CLAIM = json.loads((pathlib.Path(__file__).resolve().parents[2] / "load/claim.json").read_text(encoding="utf-8"))


def changed(path: str, value: object) -> dict:
    """The valid claim with one value replaced; `a.0.b` descends, and None removes."""
    claim = copy.deepcopy(CLAIM)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    inner = claim
    for part in parents:
        inner = inner[part]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return claim


def test_the_claim_of_the_load_is_valid():
    assert fhir.validate(CLAIM) == []


@pytest.mark.parametrize("name", ["status", "use", "type", "priority", "patient", "provider", "created", "insurance"])
def test_a_required_element_is_named_when_it_is_missing(name):
    assert [path for path, _ in fhir.validate(changed(name, None))] == [f"Claim.{name}"]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("resourceType", "Patient", "Claim.resourceType"),
        ("status", "open", "Claim.status"),
        ("status", ["active"], "Claim.status"),
        ("use", "bill", "Claim.use"),
        ("type", {"coding": []}, "Claim.type"),
        ("type", {"coding": [{"code": " "}]}, "Claim.type"),
        ("priority", {"coding": [{"code": 1}]}, "Claim.priority"),
        ("patient", {"reference": "Practitioner/1"}, "Claim.patient"),
        ("patient", {"reference": "Patient/"}, "Claim.patient"),
        ("patient", "Patient/1", "Claim.patient"),
        ("provider", {"reference": "Patient/1"}, "Claim.provider"),
        ("created", "yesterday", "Claim.created"),
        ("created", "2026-13-01", "Claim.created"),
        ("created", "2026-02-30", "Claim.created"),
        ("created", "2026-01-31T12:00:00", "Claim.created"),
        ("insurance", [], "Claim.insurance"),
        ("insurance.0", "x", "Claim.insurance[0]"),
        ("insurance.0.sequence", True, "Claim.insurance[0].sequence"),
        ("insurance.0.sequence", 0, "Claim.insurance[0].sequence"),
        ("insurance.0.focal", "yes", "Claim.insurance[0].focal"),
        ("insurance.0.coverage", {}, "Claim.insurance[0].coverage"),
        ("item", {}, "Claim.item"),
        ("item.0", 1, "Claim.item[0].sequence"),
        ("item.0.sequence", True, "Claim.item[0].sequence"),
        ("item.0.productOrService", {}, "Claim.item[0].productOrService"),
        ("item.0.net", {"value": "12"}, "Claim.item[0].net"),
        ("item.0.net", {"value": False}, "Claim.item[0].net"),
        ("item.0.net", {"value": 1, "currency": "euro"}, "Claim.item[0].net.currency"),
    ],
)
def test_a_bad_value_is_named(path, value, named):
    assert [found for found, _ in fhir.validate(changed(path, value))] == [named]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("created", "2026"),
        ("created", "2026-01"),
        ("created", "2026-01-31T23:59:59.5+14:00"),
        ("patient", {"reference": "https://example.org/fhir/Patient/1"}),
        ("provider", {"reference": "Organization/7"}),
        ("item", []),
        ("item", None),
    ],
)
def test_what_the_specification_allows_is_accepted(path, value):
    assert fhir.validate(changed(path, value)) == []


def test_a_sequence_is_used_once():
    assert fhir.validate(changed("item", [{"sequence": 1}, {"sequence": 1}]))[0][0] == "Claim.item[1].sequence"


@pytest.mark.parametrize("claim", [None, [], "Claim", 3])
def test_anything_but_an_object_is_refused(claim):
    assert fhir.validate(claim) == [("Claim", "must be a JSON object")]


def test_the_outcome_carries_the_path_and_the_reason():
    (issue,) = fhir.operation_outcome([("Claim.use", "must be claim")])["issue"]
    assert issue["expression"] == ["Claim.use"]
    assert issue["diagnostics"] == "Claim.use must be claim"
