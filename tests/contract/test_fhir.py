"""FHIR R4: what never counts never does, what counts is dated by what it has."""

from __future__ import annotations

import pytest

import fhir_source as fhir
from fhir_reading import SEEN, linker, people_of, text_of
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
