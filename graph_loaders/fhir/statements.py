"""A resource as a record: whose it is, what it states and when; or why it is not read. Nothing here needs a person's other records."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NoBase64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from graph_loaders.fhir import r4
from graph_loaders.fhir.answers import UNKNOWN, answer_of, codings_of, number_of
from graph_loaders.fhir.dates import When, dated, from_age, from_period, from_range
from ontology.mention import Assertion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ontology.concept import Coding

__all__ = ["FREE_TEXT", "Record", "Statement", "patient_record", "record_of", "reference_key"]

FREE_TEXT = "free text (--notes reads it)"
FAMILY = "family history (never the patient's own)"
NO_CODE = "resource without a code"
NO_VALUE = "observation without a value"
NO_PATIENT = "resource of no patient"

_NEVER = {"refuted", "entered-in-error"}
_POSSIBLE = {"unconfirmed", "provisional", "differential"}
_ENDED = {"inactive", "remission", "resolved"}
_OVER = {"entered-in-error", "cancelled"}
_UNSURE = {"preliminary", "partial", "registered", "unknown", "draft", ""}
_PROPOSED = {"proposal", "plan", "option"}
_KEY = re.compile(r"(?:^|/)(?P<type>[A-Z][A-Za-z]+)/(?P<id>[^/?#]+)(?:/_history/[^/?#]+)?$")
_MOST_TEXT = 1_000_000
"""Characters of a document that are read."""

_RACE = {"2106-3": "white", "2054-5": "black", "2028-9": "asian"}
_SEX = {"F": "female", "M": "male", "248152002": "female", "248153007": "male", "female": "female", "male": "male"}
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


class Statement(msgspec.Struct, frozen=True, array_like=True):
    """One thing stated: its codes as (system, code), its value, what is said of it; `number`: it has a number, which needs a threshold."""

    codes: list[tuple[str, str]]
    value: float | None = None
    said: str = "present"
    number: bool = False


class Record(msgspec.Struct, array_like=True):
    """A resource of a person. `reason`: why it is skipped; a later version that is entered in error takes back an earlier one."""

    kind: str
    id: str
    version: tuple[float, int] = (0.0, 0)
    reason: str = ""
    when: When | None = None
    until: When | None = None
    known: When | None = None
    goes_on: bool = False
    encounter: str = ""
    statements: list[Statement] = []
    medication: str = ""
    text: str = ""
    traits: dict[str, str] = {}


def reference_key(reference: str) -> tuple[str, str]:
    """The type ("" where it is not said) and the key that a reference points to.

    >>> reference_key("http://h/fhir/Patient/7/_history/2"), reference_key("urn:uuid:A-1"), reference_key("#p")
    (('Patient', '7'), ('', 'A-1'), ('', ''))
    """
    if reference.startswith(("urn:uuid:", "urn:oid:")):
        return "", reference.rpartition(":")[2]
    match = _KEY.search(reference)
    return (match["type"], match["id"]) if match else ("", "")


def patient_record(patient: r4.Patient, key: str) -> Record:
    """Birth, death and US Core's race, ethnicity and birth sex; a person's several races are none of the pack's."""
    died = dated(patient.deceased_date_time)
    return Record(
        "Patient", key, _version(patient), when=dated(patient.birth_date), until=died, traits=_traits(patient)
    )


def record_of(resource: r4.Resource, key: str, other: str = "", *, texts: bool = False) -> tuple[str, Record] | str:
    """The key of the person and the record; or why the resource is not read. `key`: its own; `other`: its name in its
    Bundle; `texts`: whether free text is read.

    A record that is not to count but takes back an earlier version of itself has a `reason`.
    """
    if isinstance(resource, r4.FamilyMemberHistory):
        return FAMILY
    make: Callable[[Any, Record], str] = _MAKERS[type(resource).__name__]
    kind, person = reference_key(resource.subject.reference)  # type: ignore[attr-defined] # all that have a maker
    if not person or kind not in {"", "Patient"}:
        return NO_PATIENT
    record = Record(type(resource).__name__, key, _version(resource))
    record.reason = make(resource, record)
    if not record.reason and not (record.statements or record.medication or record.text):
        record.reason = NO_CODE
    if record.text and not texts:
        record.text, record.reason = "", FREE_TEXT
    if record.kind == "Encounter":
        record.encounter = other
    return person, record


def _version(resource: r4.Resource) -> tuple[float, int]:
    text = resource.meta.last_updated
    try:
        moment = datetime.fromisoformat(text) if text else None
        number = int(resource.meta.version_id) if resource.meta.version_id.isdecimal() else 0
    except ValueError:
        moment, number = None, 0
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return (moment.timestamp() if moment else 0.0), min(number, 2**62)
    except (OverflowError, ValueError):
        return 0.0, min(number, 2**62)


def _traits(patient: r4.Patient) -> dict[str, str]:
    found, races = dict[str, str](), set[str]()
    sex = patient.gender
    for extension in patient.extension:
        name = extension.url.removeprefix(_US_CORE) if extension.url.startswith(_US_CORE) else ""
        inner = [e.value_coding.code for e in extension.extension if e.url == "ombCategory" and e.value_coding]
        if name in {"birthsex", "sex"} and extension.value_code in _SEX:
            sex = extension.value_code
        elif name == "race":
            races |= set(inner)
        elif name == "ethnicity" and "2135-2" in inner:
            found["race"] = "hispanic"
    if sex in _SEX:
        found["sex"] = _SEX[sex]
    if len(races) == 1 and "race" not in found and (race := _RACE.get(next(iter(races)))):
        found["race"] = race
    return found


def _plain(codes: Iterable[Coding]) -> list[tuple[str, str]]:
    return [(code.system, code.code) for code in codes]


def _encounter(resource: Any) -> str:
    return reference_key(resource.encounter.reference)[1]


def _condition(condition: r4.Condition, record: Record) -> str:
    status = condition.verification_status
    words = {one.code.strip().casefold() for one in status.coding} if isinstance(status, r4.CodeableConcept) else set()
    if isinstance(status, r4.CodeableConcept) and not words:
        words = {status.text.strip().casefold()}
    if gone := sorted(words & _NEVER):
        return f"condition {gone[0]}"
    if not words <= {"confirmed", "", *_POSSIBLE}:
        return "condition of a verification status that FHIR does not have"
    codes = codings_of(condition.code)
    if codes:
        said = Assertion.POSSIBLE if words & _POSSIBLE else Assertion.PRESENT
        record.statements = [Statement(_plain(codes), said=said.value)]
    record.when = (
        dated(condition.onset_date_time)
        or from_age(condition.onset_age)
        or from_period(condition.onset_period)
        or from_range(condition.onset_range)
    )
    record.until = (
        dated(condition.abatement_date_time)
        or from_age(condition.abatement_age)
        or from_period(condition.abatement_period, end=True)
        or from_range(condition.abatement_range)
    )
    record.known, record.encounter = dated(condition.recorded_date), _encounter(condition)
    clinical = condition.clinical_status
    ended = isinstance(clinical, r4.CodeableConcept) and {one.code.casefold() for one in clinical.coding} & _ENDED
    record.goes_on = record.until is None and not ended
    return ""


def _observation(observation: r4.Observation, record: Record) -> str:
    status = observation.status.strip().casefold()
    if status in _OVER:
        return f"observation {status}"
    if observation.focus:
        return "observation of someone or something else (focus)"
    timing = observation.effective_timing
    record.when = (
        dated(observation.effective_date_time, observation.effective_instant)
        or from_period(observation.effective_period)
        or dated(*(timing.event if timing else ()), observation.issued)
    )
    record.encounter = _encounter(observation)
    reasons = []
    valued: list[r4.Value | r4.Observation] = [observation, *observation.component]
    for value in valued:
        if value is observation and _silent(observation) and (observation.component or observation.has_member):
            continue  # a panel: its parts say something
        found = _found(value, unsure=status in _UNSURE)
        if isinstance(found, str):
            reasons.append(found)
        else:
            record.statements.append(found)
    return "" if record.statements else (reasons or ["panel (its parts are read)"])[0]


def _silent(value: r4.Value | r4.Observation) -> bool:
    return all(
        one is None
        for one in (
            value.value_quantity,
            value.value_codeable_concept,
            value.value_string,
            value.value_boolean,
            value.value_integer,
            value.value_ratio,
            value.data_absent_reason,
        )
    )


def _found(value: r4.Value | r4.Observation, *, unsure: bool) -> Statement | str:
    """What an observation or a component of one states. A LOINC code asks, so that it states nothing without a value."""
    codes = codings_of(value.code)
    if not codes:
        return NO_CODE
    sure = Assertion.POSSIBLE if unsure else Assertion.PRESENT
    if value.value_quantity or value.value_ratio or value.value_string is not None or value.value_integer is not None:
        number = number_of(value)
        return (
            "measurement without a number"
            if number is None
            else Statement(_plain(codes), number, sure.value, number=True)
        )
    if _silent(value):
        finding = [code for code in codes if code.system != "LNC"]
        return Statement(_plain(finding), said=sure.value) if finding else NO_VALUE
    said, answers = answer_of(value)
    if said is None or value.data_absent_reason is not None:
        return UNKNOWN
    return Statement(_plain(answers or codes), said=(sure if unsure else said).value)


def _request(request: r4.MedicationRequest, record: Record) -> str:
    status = request.status.strip().casefold()
    if status in _OVER:
        return f"medication request {status}"
    if request.do_not_perform:
        return "medication that is not to be taken"
    record.when, record.encounter = dated(request.authored_on), _encounter(request)
    unsure = status in {"draft", "unknown", ""} or request.intent.strip().casefold() in _PROPOSED
    said = (Assertion.POSSIBLE if unsure else Assertion.PRESENT).value
    codes = codings_of(request.medication_codeable_concept)
    reference = request.medication_reference.reference if request.medication_reference else ""
    if reference.startswith("#"):
        for inner in request.contained:
            if inner.get("id") == reference[1:] and inner.get("resourceType") == "Medication":
                found = r4.decode(inner, "Medication")
                codes += codings_of(found.code) if isinstance(found, r4.Medication) else []
    elif reference and not codes:
        record.medication = reference_key(reference)[1]
    if codes or record.medication:
        record.statements = [Statement(_plain(codes), said=said)]
    return ""


def _report(report: r4.DiagnosticReport, record: Record) -> str:
    status = report.status.strip().casefold()
    if status in _OVER:
        return f"diagnostic report {status}"
    record.when = dated(report.effective_date_time) or from_period(report.effective_period) or dated(report.issued)
    record.encounter = _encounter(report)
    said = (Assertion.POSSIBLE if status in _UNSURE else Assertion.PRESENT).value
    record.statements = [
        Statement(_plain(codes), said=said) for one in report.conclusion_code if (codes := codings_of(one))
    ]
    if not record.statements:
        record.text = _texts([report.conclusion], report.presented_form)
        return "" if record.text else "report without a coded conclusion"
    return ""


def _visit(encounter: r4.Encounter, record: Record) -> str:
    status = encounter.status.strip().casefold()
    if status in {"entered-in-error", "cancelled", "planned"}:
        return f"encounter {status}"
    record.when, record.until = from_period(encounter.period), from_period(encounter.period, end=True)
    return "encounter (it only dates the follow-up)"


def _document(document: r4.DocumentReference, record: Record) -> str:
    for status in (document.status.strip().casefold(), document.doc_status.strip().casefold()):
        if status in {*_OVER, "superseded", "deprecated"}:
            return f"document {status}"
    record.when = dated(document.date)
    record.text = _texts([], [content.attachment for content in document.content])
    return "" if record.text else "document without plain text in it"


def _texts(texts: list[str], attachments: list[r4.Attachment]) -> str:
    """Plain text, of the resource itself; what lies at another address is not fetched."""
    found = [text for text in texts if text.strip()]
    for attachment in attachments:
        kind, _, rest = attachment.content_type.partition(";")
        if kind.strip().casefold() != "text/plain" or not attachment.data:
            continue
        charset = rest.partition("charset=")[2].strip().strip('"').casefold() or "utf-8"
        try:
            raw = b64decode("".join(attachment.data.split()), validate=True)
            found.append(raw.decode("latin-1" if charset in {"iso-8859-1", "latin-1", "latin1"} else "utf-8"))
        except (NoBase64, ValueError):
            continue
    return "\n".join(found)[:_MOST_TEXT]


_MAKERS: dict[str, Callable[[Any, Record], str]] = {
    "Condition": _condition,
    "Observation": _observation,
    "MedicationRequest": _request,
    "DiagnosticReport": _report,
    "Encounter": _visit,
    "DocumentReference": _document,
}
