"""The parts of FHIR R4 resources that are read, as types: what has another shape is a `Misshapen`, another version a `ValueError`.

Only what is declared here is looked at, so that names, addresses and narratives are never even decoded. Elements are those of
https://hl7.org/fhir/R4/; the marks of other versions are elements that R4 does not have in that place.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import msgspec

__all__ = ["TYPES", "Misshapen", "OtherVersion", "Resource", "decode", "kind_of"]


class Misshapen(Exception):
    """A resource whose elements have not the shape of R4; says which."""


class OtherVersion(Exception):
    """A resource of another version of FHIR; says which, and by what that is seen."""


class Part(msgspec.Struct, rename="camel", frozen=True):
    """Of a resource."""


class Coding(Part, frozen=True):
    system: str = ""
    code: str = ""


class CodeableConcept(Part, frozen=True):
    coding: list[Coding] = []
    text: str = ""


class Reference(Part, frozen=True):
    reference: str = ""


class Quantity(Part, frozen=True):
    value: float | None = None
    comparator: str = ""
    unit: str = ""
    code: str = ""


class Period(Part, frozen=True):
    start: str = ""
    end: str = ""


class Range(Part, frozen=True):
    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Part, frozen=True):
    numerator: Quantity | None = None


class Timing(Part, frozen=True):
    event: list[str] = []


class Extension(Part, frozen=True):
    url: str = ""
    extension: list[Extension] = []
    value_coding: Coding | None = None
    value_code: str = ""


class Attachment(Part, frozen=True):
    content_type: str = ""
    data: str = ""
    url: str = ""


class Content(Part, frozen=True):
    attachment: Attachment = Attachment()


class Meta(Part, frozen=True):
    last_updated: str = ""
    version_id: str = ""
    profile: list[str] = []


class Value(Part, frozen=True):
    """What an observation, or a component of one, found."""

    code: CodeableConcept = CodeableConcept()
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_ratio: Ratio | None = None
    data_absent_reason: CodeableConcept | None = None


class Resource(Part, frozen=True):
    """What every resource has."""

    id: str = ""
    meta: Meta = Meta()


class Link(Part, frozen=True):
    other: Reference = Reference()
    type: str = ""


class Patient(Resource, frozen=True):
    gender: str = ""
    birth_date: str = ""
    deceased_date_time: str = ""
    deceased_boolean: bool = False
    extension: list[Extension] = []
    link: list[Link] = []
    animal: Any = None


class Condition(Resource, frozen=True):
    subject: Reference = Reference()
    code: CodeableConcept = CodeableConcept()
    verification_status: CodeableConcept | str | None = None
    clinical_status: CodeableConcept | str | None = None
    encounter: Reference = Reference()
    onset_date_time: str = ""
    onset_age: Quantity | None = None
    onset_period: Period | None = None
    onset_range: Range | None = None
    abatement_date_time: str = ""
    abatement_age: Quantity | None = None
    abatement_period: Period | None = None
    abatement_range: Range | None = None
    recorded_date: str = ""
    patient: Any = None
    context: Any = None
    asserted_date: Any = None
    participant: Any = None


class Observation(Resource, frozen=True):
    subject: Reference = Reference()
    status: str = ""
    focus: list[Any] = []
    encounter: Reference = Reference()
    effective_date_time: str = ""
    effective_period: Period | None = None
    effective_instant: str = ""
    effective_timing: Timing | None = None
    issued: str = ""
    component: list[Value] = []
    has_member: list[Any] = []
    code: CodeableConcept = CodeableConcept()
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_ratio: Ratio | None = None
    data_absent_reason: CodeableConcept | None = None
    context: Any = None
    related: Any = None
    triggered_by: Any = None


class MedicationRequest(Resource, frozen=True):
    subject: Reference = Reference()
    status: str = ""
    intent: str = ""
    do_not_perform: bool = False
    medication_codeable_concept: CodeableConcept | None = None
    medication_reference: Reference | None = None
    contained: list[dict[str, Any]] = []
    encounter: Reference = Reference()
    authored_on: str = ""
    medication: Any = None
    context: Any = None


class Medication(Resource, frozen=True):
    code: CodeableConcept = CodeableConcept()


class DiagnosticReport(Resource, frozen=True):
    subject: Reference = Reference()
    status: str = ""
    encounter: Reference = Reference()
    effective_date_time: str = ""
    effective_period: Period | None = None
    issued: str = ""
    conclusion: str = ""
    conclusion_code: list[CodeableConcept] = []
    presented_form: list[Attachment] = []
    context: Any = None
    coded_diagnosis: Any = None


class Encounter(Resource, frozen=True):
    subject: Reference = Reference()
    status: str = ""
    period: Period = Period()
    class_: Any = msgspec.field(default=None, name="class")
    actual_period: Any = None


class DocumentReference(Resource, frozen=True):
    subject: Reference = Reference()
    status: str = ""
    doc_status: str = ""
    date: str = ""
    content: list[Content] = []
    indexed: Any = None


class FamilyMemberHistory(Resource, frozen=True):
    patient: Reference = Reference()


TYPES: dict[str, type[Resource]] = {
    kind.__name__: kind
    for kind in (
        Patient, Condition, Observation, MedicationRequest, Medication, DiagnosticReport, Encounter, DocumentReference,
        FamilyMemberHistory,
    )
}  # fmt: skip

_OTHER_VERSION: dict[str, dict[str, str]] = {
    "Patient": {"animal": "STU3"},
    "Condition": {"patient": "DSTU2", "context": "STU3", "asserted_date": "STU3", "participant": "R5"},
    "Observation": {"context": "STU3", "related": "STU3", "triggered_by": "R5"},
    "MedicationRequest": {"context": "STU3", "medication": "R5"},
    "DiagnosticReport": {"context": "STU3", "coded_diagnosis": "STU3"},
    "Encounter": {"actual_period": "R5"},
    "DocumentReference": {"indexed": "STU3"},
}
_OLD_TYPES = {"MedicationOrder", "DiagnosticOrder", "ProcedureRequest", "ReferralRequest"}
_PROFILES = re.compile(r"hl7\.org/fhir/(?:(?P<name>DSTU2|STU3|R4B?|R5|R6)/|(?P<number>[1-6])\.[0-9]+(?:\.[0-9]+)?/)")
_NUMBERS = {"1": "DSTU2", "3": "STU3", "5": "R5", "6": "R6"}
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,40}")


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str = ""


_head = msgspec.json.Decoder(_Head)
_converters = {name: partial(msgspec.convert, type=kind) for name, kind in TYPES.items()}
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in TYPES.items()}


def kind_of(raw: bytes | dict[str, Any]) -> str:
    """The resource's type. Misshapen where it has none, or is no JSON object; OtherVersion where R4 has no such type any more."""
    kind = raw.get("resourceType") if isinstance(raw, dict) else _said(_head.decode, raw).resource_type
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise Misshapen("it has no resourceType")
    if kind in _OLD_TYPES:
        raise OtherVersion(f"FHIR DSTU2 or STU3 (it has a {kind})")
    return kind


def decode(raw: bytes | dict[str, Any], kind: str) -> Resource:
    """A resource of one of `TYPES`, from JSON or from what JSON gave.

    Raises:
        Misshapen: an element of another shape.
        OtherVersion: it is not of R4.
    """
    found: Resource = _said(_converters[kind] if isinstance(raw, dict) else _decoders[kind].decode, raw)
    for name, version in _OTHER_VERSION.get(kind, {}).items():
        if getattr(found, name) is not None:
            raise OtherVersion(f"FHIR {version} ({kind} has {_camel(name)})")
    if isinstance(found, Condition) and isinstance(found.verification_status or found.clinical_status, str):
        raise OtherVersion("FHIR STU3 or DSTU2 (the status of a Condition is a plain code)")
    if isinstance(found, Encounter) and isinstance(found.class_, list):
        raise OtherVersion("FHIR R5 (the class of an Encounter is a list)")
    for match in filter(None, map(_PROFILES.search, found.meta.profile)):
        version = match["name"] or _NUMBERS.get(match["number"], "R4")
        if not version.startswith("R4"):
            raise OtherVersion(f"FHIR {version} (the profile of a {kind} says so)")
    return found


def _said(make: Any, raw: Any) -> Any:
    try:
        return make(raw)
    except msgspec.ValidationError as error:
        raise Misshapen(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misshapen(f"not JSON: {error}") from None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
