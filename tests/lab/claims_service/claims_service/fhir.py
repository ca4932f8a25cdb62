# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the FHIR R4 Claim resource that the service uses: https://hl7.org/fhir/R4/claim.html."""

from __future__ import annotations

import re
import typing as t

STATUSES = ("active", "cancelled", "draft", "entered-in-error")
USES = ("claim", "preauthorization", "predetermination")
DATE_TIME = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?")

Issue = t.Tuple[str, str]


def validate(claim: t.Any) -> list[Issue]:
    """What is wrong with a claim, as pairs of FHIRPath expression and reason; empty when nothing is."""
    if not isinstance(claim, dict):
        return [("Claim", "must be a JSON object")]
    if claim.get("resourceType") != "Claim":
        return [("Claim.resourceType", "must be 'Claim'")]
    issues: list[Issue] = []
    _code(claim, "status", STATUSES, issues)
    _code(claim, "use", USES, issues)
    _concept(claim, "type", issues)
    _concept(claim, "priority", issues)
    _reference(claim, "patient", issues)
    _reference(claim, "provider", issues)
    if not isinstance(claim.get("created"), str) or not DATE_TIME.fullmatch(claim["created"]):
        issues.append(("Claim.created", "must be a dateTime such as 2026-01-31 or 2026-01-31T12:00:00Z"))
    _insurance(claim, issues)
    _items(claim.get("item", []), issues)
    return issues


def operation_outcome(issues: t.Sequence[Issue]) -> dict[str, t.Any]:
    """The answer to an invalid claim: https://hl7.org/fhir/R4/operationoutcome.html."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "error", "code": "invalid", "expression": [path], "diagnostics": f"{path} {reason}"}
            for path, reason in issues
        ],
    }


def _code(claim: dict, name: str, allowed: t.Sequence[str], issues: list[Issue]) -> None:
    if claim.get(name) not in allowed:
        issues.append((f"Claim.{name}", f"must be one of {', '.join(allowed)}"))


def _concept(claim: dict, name: str, issues: list[Issue]) -> None:
    concept = claim.get(name)
    codings = concept.get("coding") if isinstance(concept, dict) else None
    if not isinstance(codings, list) or not any(isinstance(coding, dict) and coding.get("code") for coding in codings):
        issues.append((f"Claim.{name}", "must be a CodeableConcept with at least one coding that has a code"))


def _reference(claim: dict, name: str, issues: list[Issue]) -> None:
    reference = claim.get(name)
    if not isinstance(reference, dict) or not isinstance(reference.get("reference"), str) or not reference["reference"]:
        issues.append((f"Claim.{name}", "must be a Reference with a reference such as Patient/1"))


def _insurance(claim: dict, issues: list[Issue]) -> None:
    insurance = claim.get("insurance")
    if not isinstance(insurance, list) or not insurance:
        issues.append(("Claim.insurance", "must have at least one entry"))
        return
    for index, entry in enumerate(insurance):
        path = f"Claim.insurance[{index}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("sequence"), int) or entry["sequence"] < 1:
            issues.append((f"{path}.sequence", "must be a positive integer"))
        elif not isinstance(entry.get("focal"), bool):
            issues.append((f"{path}.focal", "must be true or false"))
        elif not isinstance(entry.get("coverage"), dict):
            issues.append((f"{path}.coverage", "must be a Reference"))


def _items(items: t.Any, issues: list[Issue]) -> None:
    if not isinstance(items, list):
        issues.append(("Claim.item", "must be a list"))
        return
    seen = set()
    for index, item in enumerate(items):
        path = f"Claim.item[{index}]"
        sequence = item.get("sequence") if isinstance(item, dict) else None
        if not isinstance(sequence, int) or sequence < 1 or sequence in seen:
            issues.append((f"{path}.sequence", "must be a positive integer of its own"))
            continue
        seen.add(sequence)
        net = item.get("net")
        if net is not None and not (isinstance(net, dict) and isinstance(net.get("value"), (int, float))):
            issues.append((f"{path}.net", "must be Money with a value"))
