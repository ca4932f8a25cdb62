# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the FHIR R4 Claim resource that the service uses: https://hl7.org/fhir/R4/claim.html."""

from __future__ import annotations

import datetime
import re
import typing as t

STATUSES = ("active", "cancelled", "draft", "entered-in-error")
USES = ("claim", "preauthorization", "predetermination")
DATE_TIME = re.compile(
    r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])"
    r"(T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d))?)?)?"
)
CURRENCY = re.compile(r"[A-Z]{3}")
PATIENTS = ("Patient",)
PROVIDERS = ("Practitioner", "PractitionerRole", "Organization")
COVERAGES = ("Coverage",)

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
    _reference("Claim.patient", claim.get("patient"), PATIENTS, issues)
    _reference("Claim.provider", claim.get("provider"), PROVIDERS, issues)
    if not _is_date_time(claim.get("created")):
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


def _is_date_time(value: t.Any) -> bool:
    if not isinstance(value, str) or not DATE_TIME.fullmatch(value):
        return False
    try:
        # A year or a month alone is a date too; the rest must be a day that exists.
        datetime.date.fromisoformat((value + "-01-01"[len(value) - 4 :])[:10] if len(value) < 10 else value[:10])
    except ValueError:
        return False
    return True


def _code(claim: dict, name: str, allowed: t.Sequence[str], issues: list[Issue]) -> None:
    value = claim.get(name)
    if not isinstance(value, str) or value not in allowed:
        issues.append((f"Claim.{name}", f"must be one of {', '.join(allowed)}"))


def _concept(claim: dict, name: str, issues: list[Issue]) -> None:
    if not _is_concept(claim.get(name)):
        issues.append((f"Claim.{name}", "must be a CodeableConcept with at least one coding that has a code"))


def _is_concept(concept: t.Any) -> bool:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return isinstance(codings, list) and any(_has_code(coding) for coding in codings)


def _has_code(coding: t.Any) -> bool:
    return isinstance(coding, dict) and isinstance(coding.get("code"), str) and bool(coding["code"].strip())


def _reference(path: str, reference: t.Any, types: t.Sequence[str], issues: list[Issue]) -> None:
    """A reference in the relative form TYPE/ID, or an absolute one, whose target cannot be judged from here."""
    target = reference.get("reference") if isinstance(reference, dict) else None
    absolute = isinstance(target, str) and target.startswith(("http://", "https://", "urn:"))
    kind, slash, identity = target.partition("/") if isinstance(target, str) else ("", "", "")
    if not absolute and not (kind in types and slash and identity):
        issues.append((path, f"must be a Reference to {' or '.join(types)}, such as {types[0]}/1"))


def _positive(value: t.Any) -> bool:
    # JSON's true is an int to Python.
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _insurance(claim: dict, issues: list[Issue]) -> None:
    insurance = claim.get("insurance")
    if not isinstance(insurance, list) or not insurance:
        issues.append(("Claim.insurance", "must have at least one entry"))
        return
    for index, entry in enumerate(insurance):
        path = f"Claim.insurance[{index}]"
        if not isinstance(entry, dict):
            issues.append((path, "must be an object"))
            continue
        if not _positive(entry.get("sequence")):
            issues.append((f"{path}.sequence", "must be a positive integer"))
        if not isinstance(entry.get("focal"), bool):
            issues.append((f"{path}.focal", "must be true or false"))
        _reference(f"{path}.coverage", entry.get("coverage"), COVERAGES, issues)


def _items(items: t.Any, issues: list[Issue]) -> None:
    if not isinstance(items, list):
        issues.append(("Claim.item", "must be a list"))
        return
    seen = set()
    for index, item in enumerate(items):
        path = f"Claim.item[{index}]"
        sequence = item.get("sequence") if isinstance(item, dict) else None
        if not _positive(sequence) or sequence in seen:
            issues.append((f"{path}.sequence", "must be a positive integer of its own"))
            continue
        seen.add(sequence)
        if "productOrService" in item and not _is_concept(item["productOrService"]):
            issues.append((f"{path}.productOrService", "must be a CodeableConcept with a coding that has a code"))
        if "net" in item:
            _money(f"{path}.net", item["net"], issues)


def _money(path: str, money: t.Any, issues: list[Issue]) -> None:
    value = money.get("value") if isinstance(money, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        issues.append((path, "must be Money with a value"))
    elif "currency" in money and not (isinstance(money["currency"], str) and CURRENCY.fullmatch(money["currency"])):
        issues.append((f"{path}.currency", "must be a currency of ISO 4217 such as EUR"))
