"""FHIR R4: Bundles, single resources, bulk NDJSON, and folders of them, each also gzipped. A reader only reads.

Read are Patient (US Core's race, ethnicity, birth sex), Condition, Observation, MedicationRequest (with Medication),
DiagnosticReport (coded conclusions), DocumentReference (plain text, where notes are read) and Encounter (it dates the follow-up).
What is refuted or entered in error never counts, what is provisional is only possible, and family history is never the patient's.
Every resource is an event or is skipped for a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graph_loaders.spill import Spill
from ontology.errors import MissingExtra, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graph_loaders.event import ClinicalEvent, Patient
    from graph_loaders.fhir.r4 import Patient as R4Patient
    from graph_loaders.fhir.r4 import Resource
    from graph_loaders.fhir.source import Entry
    from graph_loaders.mapping import CodeMapping
    from graph_loaders.tally import Tally
    from ontology.mention import Linker

__all__ = ["read"]

_REASONS = 200
"""Kinds of resource that are not read, by name; a source that has more of them makes names up."""

NOT_R4 = "resource that is not of the form of FHIR R4"


def read(
    path: str | Path,
    mapping: CodeMapping,
    tally: Tally,
    *,
    linker: Linker | None = None,
    visits: bool = False,
) -> Iterator[tuple[Patient, list[ClinicalEvent]]]:
    """Patients with what is stated of them, in order of their id; the resources of one may lie anywhere.

    They are gathered by patient in a temporary file (`Spill`), so that memory does not grow. Ids are those of one server: a resource
    that comes twice counts once, in its latest version. A number needs a threshold in the mapping.

    Args:
        path: a file or folder.
        mapping: the codes; its thresholds are what makes signs of numbers.
        tally: counts what is skipped.
        linker: finds concepts in plain texts (`graph_loaders.notes`); without it, they are skipped and counted.
        visits: a sign is known only when the person is seen: what is first recorded then began after the time before.

    Raises:
        SourceError: a file that cannot be read, is cut off or not JSON, or is of another version of FHIR.
        MissingExtra: the libraries that read FHIR are not installed.
    """
    _needed()
    from graph_loaders.fhir.person import Assembler

    with Spill() as people:
        _gather(path, people, tally, texts=linker is not None)
        assembler = Assembler(tally, mapping.thresholds, people.shared, linker, visits=visits)
        for key, records in people:
            found = assembler.person(key, records)
            if found is not None:
                yield found


def _needed() -> None:
    try:
        import ijson
        import msgspec
    except ImportError:
        raise MissingExtra("the FHIR reader", "pip install 'dualalign[fhir]'") from None
    del ijson, msgspec


def _resources(path: str | Path, tally: Tally) -> Iterator[tuple[Entry, Resource]]:
    """What is read, as typed resources; the rest is counted."""
    from graph_loaders.fhir.r4 import TYPES, Misshapen, OtherVersion, decode, kind_of
    from graph_loaders.fhir.source import entries

    for entry in entries(path):
        if entry.raw is None:
            tally.skip("entry without a resource")
            continue
        try:
            kind = kind_of(entry.raw)
            if kind in TYPES:
                yield entry, decode(entry.raw, kind)
                continue
        except Misshapen as error:
            tally.skip(NOT_R4, f"{error}", entry.where)
            continue
        except OtherVersion as error:
            raise SourceError(f"is {error} at {entry.where}; R4 is read, so convert it first", path) from None
        reason = f"{kind} is not read"
        tally.skip(reason if reason in tally.skipped or len(tally.skipped) < _REASONS else "other types are not read")


def _gather(path: str | Path, people: Spill, tally: Tally, *, texts: bool) -> None:
    import msgspec

    from graph_loaders.fhir.answers import codings_of
    from graph_loaders.fhir.r4 import Medication, Misshapen, Patient
    from graph_loaders.fhir.statements import record_of, reference_key

    encode: Any = msgspec.msgpack.Encoder().encode
    for entry, resource in _resources(path, tally):
        other = reference_key(entry.url)[1]
        key = resource.id or other
        if isinstance(resource, Medication):
            codes = [(code.system, code.code) for code in codings_of(resource.code)]
            for name in {key, other} - {""}:
                people.share(name, encode(codes))
            tally.skip("medication (requests point to it)")
        elif isinstance(resource, Patient):
            _patient(resource, key, other, people, tally, encode)
        else:
            try:
                made = record_of(resource, key, other, texts=texts)
            except Misshapen as error:
                tally.skip(NOT_R4, f"{error}", entry.where)
                continue
            if isinstance(made, str):
                tally.skip(made)
            else:
                people.add(made[0], encode(made[1]))


def _patient(patient: R4Patient, key: str, other: str, people: Spill, tally: Tally, encode: Any) -> None:
    """A patient; `other`: another name that the Bundle refers to it by."""
    from graph_loaders.fhir.statements import patient_record, reference_key

    if not key:
        tally.skip("patient without an id")
        return
    if other:
        people.same(other, key)
    heir = next((link.other.reference for link in patient.link if link.type == "replaced-by"), "")
    if heir and (into := reference_key(heir)[1]):
        people.same(key, into)
        tally.skip("patient record that another replaces")
    else:
        people.add(key, encode(patient_record(patient, key)))
