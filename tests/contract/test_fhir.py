"""FHIR R4: what never counts never does, every resource is an event or a skip, and every form of the same data gives one graph."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fhir_source as fhir
from fhir_source import (
    AD,
    LOINC,
    MMSE,
    PHARYNGITIS,
    SEIZURE,
    SNOMED,
    concept,
    condition,
    encounter,
    observation,
    patient,
)
from graph_loaders.load import load
from graph_loaders.mapping import read_code_mapping
from graph_loaders.onset import trajectories
from graph_loaders.readers import fhir as reader
from graph_loaders.spill import Spill
from graph_loaders.tally import Tally
from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui
from ontology.errors import DualAlignError, SourceError
from ontology.linker import CatalogLinker
from ontology.mention import Assertion
from ontology.pack import load_pack

CATALOG = Catalog(
    [
        Concept(Cui("C0002395"), "Alzheimer's disease", codings=(Coding("SNOMEDCT_US", "26929004"),)),
        Concept(Cui("C0036572"), "Seizure", codings=(Coding("SNOMEDCT_US", "91175000"),)),
        Concept(Cui("C0031350"), "Pharyngitis", codings=(Coding("SNOMEDCT_US", "195662009"),)),
    ]
)
MAPPING = """
cohort = "mercy"
source = "made for this test"
[[thresholds]]
code = "LNC:72106-8"
when = "< 24"
cui = "C0234985"
"""
TODAY = date(2026, 1, 1)
SEEN = encounter("2005-05-01", "2015-05-01")
"""A follow-up from the age of 75 to 85 years."""


@cache
def linker():
    return CatalogLinker(CATALOG, fuzzy=False)


@pytest.fixture(scope="module")
def pack():
    return load_pack()


@pytest.fixture(scope="module")
def mapping(pack, tmp_path_factory):
    path = tmp_path_factory.mktemp("mapping") / "m.toml"
    path.write_text(MAPPING)
    return read_code_mapping(path, pack)


def people_of(resources, mapping, tmp_path, tally=None, **options):
    """The trajectories and the tally."""
    tally = tally or Tally(today=TODAY)
    path = fhir.write_lines(tmp_path / "all.ndjson", resources)
    found = trajectories(reader.read(path, mapping, tally, **options), tally, mapping.look_up(CATALOG), mapping.risks)
    people = list(found)
    assert tally.read == tally.used + tally.skipped.total()
    return people, tally


def loaded(path, pack, tmp_path, name="ad.graph", **options):
    (tmp_path / "m.toml").write_text(MAPPING)
    return load(
        "fhir", path, pack, tmp_path / name, mapping=tmp_path / "m.toml", catalog=CATALOG, today=TODAY, **options
    )


# What never counts


@pytest.mark.parametrize("status", ["refuted", "entered-in-error", "Refuted", " ENTERED-IN-ERROR "])
def test_what_is_refuted_or_entered_in_error_never_counts(status, mapping, tmp_path):
    said = [patient(), SEEN, condition(id="c", **fhir.verified(status))]
    (person,), tally = people_of(said, mapping, tmp_path)
    assert not person.onsets
    assert not person.absences
    assert tally.skipped[f"condition {status.strip().lower()}"] == 1


@pytest.mark.parametrize("status", ["provisional", "differential", "unconfirmed"])
def test_what_is_not_confirmed_is_only_possible(status, mapping, tmp_path):
    (person,), tally = people_of([patient(), SEEN, condition(**fhir.verified(status))], mapping, tmp_path)
    assert not person.onsets
    assert tally.skipped["assertion possible"] == 1


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_no_observation_request_report_or_document_that_was_withdrawn_counts(status, mapping, tmp_path):
    withdrawn = [
        observation(AD, status=status),
        observation(**fhir.score(10)) | {"status": status},
        {"resourceType": "MedicationRequest", "status": status, "intent": "order", "authoredOn": "2010-01-01",
         "subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": concept(AD)},
        {"resourceType": "DiagnosticReport", "status": status, "effectiveDateTime": "2010-01-01",
         "subject": {"reference": "Patient/p1"}, "conclusionCode": [concept(AD)]},
        {"resourceType": "DocumentReference", "status": status, "date": "2010-01-01T00:00:00Z",
         "subject": {"reference": "Patient/p1"}, "content": [text_of("Alzheimer's disease")]},
    ]  # fmt: skip
    (person,), tally = people_of([patient(), SEEN, *withdrawn], mapping, tmp_path, linker=linker())
    assert not person.onsets
    assert tally.used == 0
    assert sum(count for reason, count in tally.skipped.items() if status in reason) == len(withdrawn)


def test_family_history_and_what_is_said_of_others_is_never_the_patients(mapping, tmp_path):
    others = [
        {"resourceType": "FamilyMemberHistory", "status": "completed", "patient": {"reference": "Patient/p1"},
         "relationship": concept(("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH")),
         "condition": [{"code": concept(AD), "onsetAge": {"value": 70, "code": "a"}}]},
        observation(AD, focus=[{"reference": "RelatedPerson/mother"}]),
        condition() | {"subject": {"reference": "Group/1"}},
        condition() | {"subject": {"reference": "RelatedPerson/p1"}},
        condition(person="somebody-else"),
    ]  # fmt: skip
    (person,), tally = people_of([patient(), SEEN, *others], mapping, tmp_path)
    assert not person.onsets
    assert tally.used == 0
    assert dict(tally.skipped) == {
        "encounter (it only dates the follow-up)": 1,
        "family history (never the patient's own)": 1,
        "observation of someone or something else (focus)": 1,
        "resource of no patient": 2,
        "resource of an unknown patient": 1,
    }


@pytest.mark.parametrize("swap", [False, True])
def test_a_later_version_takes_back_an_earlier_one_in_whatever_order_they_come(swap, mapping, tmp_path):
    old = condition(id="c", meta={"lastUpdated": "2011-01-01T00:00:00Z"})
    new = condition(id="c", meta={"lastUpdated": "2012-01-01T00:00:00+01:00"}, **fhir.verified("entered-in-error"))
    (person,), tally = people_of([patient(), SEEN, *((new, old) if swap else (old, new))], mapping, tmp_path)
    assert not person.onsets
    assert tally.skipped["condition entered-in-error"] == 1
    assert tally.skipped["resource said twice"] == 1


# What counts, and when


@pytest.mark.parametrize(
    ("said", "age"),
    [
        ({"onsetDateTime": "2010-05-01T23:59:00-05:00"}, 80.0),
        ({"onsetDateTime": "2010-05"}, 80.038),
        ({"onsetDateTime": "2010"}, 80.17),
        ({"onsetDateTime": "2010", "recordedDate": "2010-02-01"}, 79.756),  # not after it was written down
        ({"onsetDateTime": None, "onsetAge": {"value": 960, "code": "mo"}}, 80.0),
        ({"onsetDateTime": None, "onsetPeriod": {"start": "2010-05-01", "end": "2011-05-01"}}, 80.0),
        (
            {
                "onsetDateTime": None,
                "onsetRange": {"low": {"value": 79, "code": "a"}, "high": {"value": 81, "code": "a"}},
            },
            80.0,
        ),
        ({"onsetDateTime": None, "onsetString": "as a grandmother", "recordedDate": "2010-05-01"}, 80.0),
        ({"onsetDateTime": "last spring", "encounter": {"reference": "Encounter/e"}}, 79.001),
    ],
)
def test_an_onset_is_dated_by_what_the_condition_has(said, age, mapping, tmp_path):
    visits = [SEEN, encounter("2009-05-01", id="e")]
    (person,), _ = people_of([patient(), *visits, condition(**said)], mapping, tmp_path)
    assert [(onset.cui, onset.age) for onset in person.onsets] == [("C0002395", pytest.approx(age, abs=0.002))]


def test_a_year_of_birth_is_enough_and_ages_count_without_one(mapping, tmp_path):
    aged = condition(person="p2", onset=None, onsetAge={"value": 80, "unit": "years"})
    said = [
        patient(born="1930"),
        SEEN,
        condition(onset="1930", code=SEIZURE),
        patient("p2", ""),
        aged,
        condition(person="p2"),
    ]
    (one, two), tally = people_of(said, mapping, tmp_path)
    assert [(onset.age, onset.after) for onset in one.onsets] == [(one.entry_age, None)]
    assert [onset.age for onset in two.onsets] == [80.0]
    assert tally.skipped["person without a birth date"] == 1


def test_the_window_goes_from_the_first_record_to_death_and_what_came_before_was_there_at_entry(mapping, tmp_path):
    said = [
        patient(deceasedDateTime="2014-05-01T10:00:00Z"),
        SEEN,
        condition(SEIZURE, "2001-01-01", recordedDate="2006-01-01"),
        condition(AD, "2010-05-01"),
        observation(**fhir.score(28)) | {"effectiveDateTime": "2006-05-01"},
        observation(**fhir.score(21)),
        observation(**fhir.score(20)) | {"effectiveDateTime": "2014-12-01"},
    ]
    (person,), tally = people_of(said, mapping, tmp_path)
    assert (person.entry_age, person.exit_age, person.died) == (75.001, 84.0, True)
    assert [(onset.cui, onset.after) for onset in person.onsets] == [
        ("C0036572", None),
        ("C0234985", 76.0),
        ("C0002395", 80.0),
    ]
    assert tally.skipped["outside the person's follow-up"] == 1


def test_with_visits_a_sign_began_after_the_time_before(mapping, tmp_path):
    said = [patient(), SEEN, encounter("2009-05-01"), condition(onset="2010-05-01", recordedDate="2010-05-01")]
    (person,), _ = people_of(said, mapping, tmp_path, visits=True)
    assert [(onset.age, onset.after) for onset in person.onsets] == [(80.0, 79.001)]
    assert person.visits == (75.001, 79.001, 80.0, 84.999)


def test_a_condition_that_ended_is_absent_from_then_on_unless_another_of_its_concept_goes_on(mapping, tmp_path):
    ended = condition(onset="2008-05-01", abatementDateTime="2010-05-01")
    (person,), _ = people_of([patient(), SEEN, ended, condition(onset="2012-05-01")], mapping, tmp_path)
    assert [(a.cui, a.age) for a in person.absences] == [("C0002395", 80.0)]
    assert [p.age for p in person.presences] == [82.001]
    (person,), _ = people_of([patient(), SEEN, ended, condition(onset="2009-05-01")], mapping, tmp_path)
    assert not person.absences


@pytest.mark.parametrize(
    ("said", "present", "absent"),
    [
        (observation(AD), True, False),
        (observation(AD, valueBoolean=True), True, False),
        (observation(AD, valueBoolean=False), False, True),
        (observation(AD, valueCodeableConcept=concept((LOINC, "LA33-6"))), True, False),
        (observation(AD, valueCodeableConcept=concept((LOINC, "LA32-8"))), False, True),
        (observation(AD, valueCodeableConcept=concept((SNOMED, "2667000"))), False, True),
        (observation(AD, valueCodeableConcept=concept((SNOMED, "24484000"))), True, False),
        (observation(AD, valueCodeableConcept=concept((LOINC, "LA4489-6"))), False, False),
        (observation(AD, valueCodeableConcept={"text": "rather not"}), False, False),
        (observation((LOINC, "75325-1"), valueCodeableConcept=concept(AD)), True, False),
        (observation(AD, valueCodeableConcept=concept(PHARYNGITIS)), False, False),
        (observation(AD, dataAbsentReason=concept(("x", "unknown"))), False, False),
        (observation(AD, status="preliminary"), False, False),
        (observation(AD, valueQuantity={"value": 0}), False, False),  # a number needs a threshold
        (observation((LOINC, "85354-9"), component=[{"code": concept(AD), "valueBoolean": True}]), True, False),
        (observation((LOINC, "85354-9"), hasMember=[{"reference": "Observation/2"}]), False, False),
    ],
)
def test_an_observation_says_what_its_value_says(said, present, absent, mapping, tmp_path):
    (person,), _ = people_of([patient(), SEEN, said], mapping, tmp_path)
    assert ([o.cui for o in person.onsets] == ["C0002395"], [a.cui for a in person.absences] == ["C0002395"]) == (
        present,
        absent,
    )


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ({"valueQuantity": {"value": 23}}, True), ({"valueInteger": 24}, False), ({"valueString": "23/30"}, True),
        ({"valueRatio": {"numerator": {"value": 25}, "denominator": {"value": 30}}}, False),
        ({"valueQuantity": {"value": 23, "comparator": "<"}}, None), ({"valueString": "refused"}, None), ({}, None),
    ],
)  # fmt: skip
def test_a_score_meets_its_threshold_or_not(value, holds, mapping, tmp_path):
    (person,), _ = people_of([patient(), SEEN, observation(MMSE, **value)], mapping, tmp_path)
    found = True if person.onsets else False if person.absences else None
    assert found is holds


def test_the_first_code_that_has_a_concept_counts_and_a_resource_is_one_event(mapping, tmp_path):
    codes = concept(("http://example.org/local", "7"), ("http://hl7.org/fhir/sid/icd-10-cm", "G30.9"), AD)
    (person,), tally = people_of([patient(), SEEN, condition(code=AD) | {"code": codes}], mapping, tmp_path)
    assert [onset.cui for onset in person.onsets] == ["C0002395"]
    assert (tally.used, dict(tally.unmapped)) == (1, {})


def test_a_medication_is_found_where_it_is_contained_or_elsewhere(mapping, tmp_path):
    def request(**more):
        return {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": "2010-05-01",
                "subject": {"reference": "Patient/p1"}, **more}  # fmt: skip

    kept = {"resourceType": "Medication", "id": "m", "code": concept(AD)}
    for said, used in (
        ([request(medicationReference={"reference": "#m"}, contained=[kept])], 1),
        ([request(medicationReference={"reference": "Medication/m"}), kept], 1),
        ([request(medicationReference={"reference": "Medication/none"})], 0),
        ([request(medicationCodeableConcept=concept(AD), doNotPerform=True)], 0),
    ):
        _, tally = people_of([patient(), SEEN, *said], mapping, tmp_path)
        assert tally.used == used


@pytest.mark.parametrize(
    ("extension", "traits"),
    [
        ([fhir.omb("race", "2106-3")], {"sex": "female", "race": "white"}),
        ([fhir.omb("race", "2054-5"), fhir.omb("ethnicity", "2186-5")], {"sex": "female", "race": "black"}),
        ([fhir.omb("ethnicity", "2135-2"), fhir.omb("race", "2106-3")], {"sex": "female", "race": "hispanic"}),
        ([fhir.omb("race", "2106-3", "2028-9")], {"sex": "female"}),
        ([{"url": f"{fhir.US_CORE}birthsex", "valueCode": "M"}], {"sex": "male"}),
        ([{"url": f"{fhir.US_CORE}birthsex", "valueCode": "UNK"}], {"sex": "female"}),
    ],
)
def test_traits_are_those_of_us_core(extension, traits, mapping, tmp_path):
    (person,), _ = people_of([patient(extension=extension), SEEN], mapping, tmp_path)
    assert person.persona.traits == traits


# Notes


def text_of(text, kind="text/plain"):
    return {"attachment": {"contentType": kind, "data": base64.b64encode(text.encode()).decode()}}


def test_documents_are_given_to_the_reader_of_notes_or_counted(mapping, tmp_path):
    def document(*content):
        return {"resourceType": "DocumentReference", "status": "current", "date": "2010-05-01T00:00:00Z",
                "subject": {"reference": "Patient/p1"}, "content": list(content)}  # fmt: skip

    broken = {"attachment": {"contentType": "text/plain", "data": "%%%"}}
    told = "Alzheimer's disease. No seizure. Mother had pharyngitis."
    documents = [document(text_of(told)), document(text_of("Well.")), document(text_of("%PDF", "application/pdf")),
                 document(broken)]  # fmt: skip
    (person,), tally = people_of([patient(), SEEN, *documents], mapping, tmp_path, linker=linker())
    assert [(onset.cui, onset.age) for onset in person.onsets] == [("C0002395", 80.0)]
    assert [absence.cui for absence in person.absences] == ["C0036572"]
    assert (tally.used, tally.skipped["assertion family"], tally.skipped["note without a concept"]) == (2, 1, 1)
    assert tally.skipped["document without plain text in it"] == 2
    assert dict(tally.notes) == {"with concepts": 1, "note without a concept": 1}
    _, tally = people_of([patient(), SEEN, *documents], mapping, tmp_path)
    assert tally.skipped["free text (--notes reads it)"] == 2


# Everything is accounted for


def accounted(path, mapping):
    """How many Conditions became events, and how many were skipped, when nothing else was in the source."""
    tally, events = Tally(today=TODAY), Counter()
    for _, found in reader.read(path, mapping, tally):
        events.update(event.where for event in found if event.where.startswith("Condition/"))
    assert set(events.values()) <= {1}
    return events.total(), tally.skipped


def test_every_condition_of_the_sample_bundles_is_accounted_for(mapping, shared_data, tmp_path):
    conditions, count = [], 0
    for file in sorted((shared_data / "fhir_synthea").glob("*.json.gz")):
        with gzip.open(file) as stream:
            plain = json.load(stream)
        count += sum(e["resource"]["resourceType"] == "Condition" for e in plain["entry"])
        conditions += [
            e["resource"] for e in plain["entry"] if e["resource"]["resourceType"] in {"Patient", "Condition"}
        ]
    assert count == 2258
    events, skipped = accounted(fhir.write_lines(tmp_path / "conditions.ndjson", conditions), mapping)
    assert events + skipped.total() == count
    assert accounted(shared_data / "fhir_synthea", mapping)[0] == events


@pytest.mark.parametrize("seed", range(3))
def test_every_condition_of_a_mixed_export_is_accounted_for(seed, mapping, tmp_path):
    import random

    rng = random.Random(seed)  # noqa: S311 - rows of a test
    statuses = ["confirmed", "refuted", "entered-in-error", "provisional", "differential", "unconfirmed", "nonsense"]
    days = ["2010-05-01", "1800-01-01", "2999-01-01", "2010", "", "soon", "2010-02-30"]
    conditions = [
        condition(rng.choice([AD, SEIZURE, PHARYNGITIS, ("urn:x", "7")]), rng.choice(days), rng.choice(["p1", "p2", "nobody"]),
                  id=f"c{i}", **fhir.verified(rng.choice(statuses)))
        for i in range(300)
    ]  # fmt: skip
    everything = [patient(), patient("p2"), *conditions]
    rng.shuffle(everything)
    path = fhir.write_lines(tmp_path / "a.ndjson", everything)
    events, skipped = accounted(path, mapping)
    assert events + skipped.total() == 300
    never = [c for c in conditions if c["verificationStatus"]["coding"][0]["code"] in {"refuted", "entered-in-error"}]
    never_of_known = sum("nobody" not in c["subject"]["reference"] for c in never)
    assert skipped["condition refuted"] + skipped["condition entered-in-error"] == never_of_known
    barred = {f"Condition/{c['id']}" for c in never}
    said = [e for _, es in reader.read(path, mapping, Tally()) for e in es]
    assert not barred & {event.where for event in said}
    assert all(
        (e.assertion is Assertion.PRESENT)
        == (conditions[int(e.where[11:])]["verificationStatus"]["coding"][0]["code"] == "confirmed")
        for e in said
    )


# Forms


def cohort():
    said = []
    for number in range(6):
        key = f"p{number}"
        said += [
            patient(key, f"19{30 + number}-05-01"),
            encounter("2005-05-01", "2015-05-01", key, id=f"e{number}"),
            condition(AD, f"20{10 + number % 3}-03-01", key, id=f"c{number}"),
            observation(MMSE, "2008-05-01", key, **fhir.score(18 + 2 * number), id=f"o{number}"),
        ]
    return said


def test_bundles_of_every_type_lines_and_folders_of_them_gzipped_or_not_give_the_same_graph(pack, mapping, tmp_path):
    said = cohort()
    kinds = [
        [one for one in said if one["resourceType"] == kind]
        for kind in ("Observation", "Condition", "Encounter", "Patient")
    ]
    paths = [
        fhir.write_bundle(tmp_path / f"{kind}.json", said, kind) for kind in ("transaction", "collection", "searchset")
    ]
    paths.append(fhir.write_bundle(tmp_path / "one.json.gz", said))
    paths.append(fhir.write_lines(tmp_path / "lines.jsonl", [fhir.bundle(said[:9]), fhir.bundle(said[9:])]))
    for kind in kinds:
        fhir.write_lines(tmp_path / "bulk" / f"{kind[0]['resourceType']}.ndjson.gz", kind)
    (tmp_path / "bulk" / "manifest.json").write_text('{"transactionTime": "2026-01-01T00:00:00Z", "output": []}')
    for number in range(6):
        fhir.write_bundle(tmp_path / "bundles" / "deep" / f"{5 - number}.json", said[number * 4 : number * 4 + 4])
    paths += [tmp_path / "bulk", tmp_path / "bundles"]
    people, tallies = [], []
    for path in paths:
        tally = Tally(today=TODAY)
        found = trajectories(reader.read(path, mapping, tally), tally, mapping.look_up(CATALOG), mapping.risks)
        people.append(list(found))
        tallies.append((tally.persons, tally.read, tally.used))
    assert all(found == people[0] for found in people)
    assert set(tallies) == {(6, 18, 12)}
    reports = [loaded(paths[number], pack, tmp_path) for number in (0, -2, 0)]
    assert len({report.fingerprint for report in reports}) == 1
    assert dict(reports[0].onsets) == {"Alzheimer's disease": 6, "Mental deterioration": 3}


def test_references_by_address_and_by_uuid_and_merged_patients_are_followed(mapping, tmp_path):
    uuid, other = "urn:uuid:5f0e-a", "urn:uuid:77"
    entries = [
        {"fullUrl": "urn:uuid:c1", "resource": condition() | {"subject": {"reference": uuid}}},
        {"fullUrl": uuid, "resource": patient("real-id")},
        {"fullUrl": other, "resource": {k: v for k, v in patient().items() if k != "id"}},
        {"resource": condition(SEIZURE) | {"subject": {"reference": other}}},
        {
            "resource": condition(SEIZURE)
            | {"subject": {"reference": "https://h.example/fhir/Patient/real-id/_history/3"}}
        },
        {"resource": patient("old", link=[{"type": "replaced-by", "other": {"reference": "Patient/real-id"}}])},
        {"resource": condition(PHARYNGITIS, person="old")},
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"type": "transaction", "entry": entries, "resourceType": "Bundle"}))
    tally = Tally()
    found = {person.id: [event.coding.code for event in events] for person, events in reader.read(path, mapping, tally)}
    assert found == {"real-id": [AD[1], SEIZURE[1], PHARYNGITIS[1]], "77": [SEIZURE[1]]}


def test_no_identifier_date_name_or_text_is_in_the_graph(pack, tmp_path):
    loaded(fhir.write_bundle(tmp_path / "secret-file.json", cohort()), pack, tmp_path)
    raw = (tmp_path / "ad.graph").read_bytes()
    for secret in (
        b"Zorn",
        b"2010-03-01",
        b"1930-05",
        b"secret-file",
        b"p0000000",
        b"Condition/",
        str(tmp_path).encode(),
    ):
        assert secret not in raw


# Damage, other versions, and resources of any shape


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (condition() | {"verificationStatus": "confirmed"}, "STU3 or DSTU2"),
        (condition() | {"context": {"reference": "Encounter/1"}}, "STU3"),
        (condition() | {"participant": []}, "R5"),
        (encounter("2010") | {"class": [concept(AD)]}, "R5"),
        (encounter("2010") | {"actualPeriod": {"start": "2010"}}, "R5"),
        ({"resourceType": "MedicationOrder"}, "DSTU2"),
        (patient() | {"meta": {"profile": ["http://hl7.org/fhir/5.0/StructureDefinition/Patient"]}}, "R5"),
    ],
)
@pytest.mark.parametrize("form", ["a.json", "a.ndjson"])
def test_another_version_is_one_clear_error_and_no_graph(resource, said, form, pack, tmp_path):
    write = fhir.write_bundle if form == "a.json" else fhir.write_lines
    path = write(tmp_path / form, [*cohort(), resource])
    with pytest.raises(SourceError, match=f"{said}.*R4 is read, so convert it first"):
        loaded(path, pack, tmp_path)
    assert not (tmp_path / "ad.graph").exists()


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.ndjson", "a.ndjson.gz"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:-2],
        lambda _: b"",
        lambda raw: b"\x00" * len(raw),
        lambda raw: raw.decode().encode("utf-16"),
        lambda raw: raw.replace(b"Zorn", "Zörn".encode("latin-1")),
        lambda raw: raw.replace(b"Zorn", b"Z\x00rn"),
        lambda raw: raw.replace(b'"p1"', b'"p\\u00001"'),
        lambda raw: raw.replace(b'"p1"', b'"p\\ud8001"'),
        lambda raw: b"[" * 100_000 + raw,
        lambda _: b'{"a": ' * 100_000,
    ],
)
def test_damaged_files_are_counted_skips_or_one_clear_error(name, damage, mapping, tmp_path):
    write = fhir.write_bundle if ".json" in name else fhir.write_lines
    path = write(tmp_path / name, cohort())
    hurt = damage(gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes())
    path.write_bytes(gzip.compress(hurt) if name.endswith(".gz") else hurt)
    assert len(check_is_clear(path, mapping).splitlines()) < 2


@pytest.mark.parametrize("keep", [0, 1, 10, 200, -1])
def test_a_truncated_gzip_file_is_one_clear_error(keep, pack, tmp_path):
    path = fhir.write_lines(tmp_path / "a.ndjson.gz", cohort())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DualAlignError):
        loaded(path, pack, tmp_path)
    assert not (tmp_path / "ad.graph").exists()


def check_is_clear(path, mapping):
    """Every row is used or skipped, or one error says what is wrong; a load writes only after all was read."""
    tally = Tally(today=TODAY)
    try:
        found = list(trajectories(reader.read(path, mapping, tally, linker=linker()), tally, mapping.look_up(CATALOG)))
    except SourceError as error:
        return str(error)
    assert tally.read == tally.used + tally.skipped.total()
    assert all(0 <= onset.age <= 130 for person in found for onset in person.onsets)
    return ""


def test_lines_that_are_no_resource_are_counted_with_their_place(pack, tmp_path):
    path = fhir.write_lines(tmp_path / "a.ndjson", cohort())
    path.write_bytes(
        path.read_bytes() + b'{"resourceType": "Condition", "code": 5}\n{"resourceType": "Cond\n[]\n\n"x"\n'
    )
    report = loaded(path, pack, tmp_path)
    assert report.skipped["resource that is not of the form of FHIR R4"] == 4
    assert [str(issue).split(": ")[0] for issue in report.issues] == [
        f"warning row-skipped at a.ndjson:{n}" for n in (25, 26, 27, 29)
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"transactionTime": "x"}', "no resourceType"),
        ("a.json", '{"resourceType": "Bundle", "type": "history", "entry": []}', "old versions"),
        ("a.json", '{"resourceType": "Patient"}\n{"resourceType": "Patient"}', "ndjson"),
        ("a.xml", "<Bundle/>", "no JSON file by its name"),
    ],
)
def test_what_is_no_fhir_data_is_one_sentence(name, text, said, pack, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=said):
        loaded(tmp_path / name, pack, tmp_path)
    with pytest.raises(SourceError, match="is not there"):
        loaded(tmp_path / "none", pack, tmp_path)


LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=6),
    st.sampled_from(["p1", "Patient/p1", "2010-05-01", "2999", "1800-01-01", "refuted", "confirmed", "final", "\x00", "9999-12-31"]),
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "resourceType", "id", "subject", "reference", "code", "coding", "system", "status", "verificationStatus", "onsetDateTime",
        "onsetAge", "value", "unit", "birthDate", "extension", "url", "valueQuantity", "component", "meta", "lastUpdated",
        "versionId", "period", "start", "content", "attachment", "data", "contained", "medicationReference", "link", "other",
        "type", "focus", "abatementAge", "entry", "resource",
    ]
)  # fmt: skip
TREES = st.recursive(
    LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)), max_leaves=12
)
KINDS = st.sampled_from(
    ["Patient", "Condition", "Observation", "MedicationRequest", "Medication", "DiagnosticReport", "Encounter", "DocumentReference",
     "FamilyMemberHistory", "Bundle", "Procedure", "", "x" * 99]
)  # fmt: skip
BASES = st.sampled_from([condition(), observation(**fhir.score(20)), patient(), encounter("2010-01-01"), {}])


@settings(max_examples=150)
@given(
    st.lists(st.tuples(BASES, st.one_of(st.none(), KINDS), st.dictionaries(NAMES, TREES, max_size=4)), max_size=6),
    st.sampled_from(["a.json", "a.ndjson"]),
)
def test_resources_of_any_shape_are_counted_skips_or_one_clear_error(mapping, tmp_path_factory, rows, name):
    resources = [patient("p2"), condition(person="p2")]
    resources += [base | ({} if kind is None else {"resourceType": kind}) | more for base, kind, more in rows]
    folder = tmp_path_factory.mktemp("fuzz")
    path = (fhir.write_bundle if name == "a.json" else fhir.write_lines)(folder / name, resources)
    assert len(check_is_clear(path, mapping).splitlines()) < 2


# The temporary file


def test_what_is_spilled_can_be_opened_by_no_one_else_and_is_gone_whatever_happens(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    child = (
        "import os, sys, time\nfrom graph_loaders.spill import Spill\nwith Spill() as people:\n"
        "    for i in range(60000): people.add(str(i % 999), b'x' * 400)\n    next(iter(people))\n"
        "    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, env={**os.environ})
    try:
        assert process.stdout is not None
        process.stdout.readline()
        if Path("/proc").is_dir():
            opened = [fd for fd in Path(f"/proc/{process.pid}/fd").iterdir() if str(tmp_path) in str(fd.readlink())]
            assert opened, "nothing was spilled"
            assert all(" (deleted)" in str(fd.readlink()) and fd.stat().st_mode & 0o777 == 0o600 for fd in opened)
        assert not list(tmp_path.iterdir())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert not list(tmp_path.iterdir())


def test_a_spill_has_no_name_while_it_is_there_and_leaves_none(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with Spill() as people:
        people.add("a", b"x" * 10_000_000)
        assert list(people)
        assert not list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
