"""Headings of notes: where their sections begin, and what they say of the mentions in them."""

from __future__ import annotations

import itertools

import pytest

from ontology.context import Context
from ontology.sections import read_sections

NOTE = """Chief complaint: memory loss.
HPI: Daughter reports wandering for two years. No falls.
PMH: TIA; depression.
FAMILY HISTORY
Dementia in later life. No tremor.
Return precautions: severe headache, vomiting.
Collateral from son: apathy at home.
Assessment and Plan:
1. Insomnia, start melatonin.
Differential diagnosis: delirium.
"""


@pytest.fixture(scope="module")
def context() -> Context:
    return Context()


@pytest.mark.parametrize(
    ("concept", "section", "assertion", "informant"),
    [
        ("memory loss", "chief_complaint", "present", "clinician"),
        ("wandering", "history_of_present_illness", "present", "daughter"),
        ("falls", "history_of_present_illness", "absent", "clinician"),
        ("TIA", "past_medical_history", "historical", "clinician"),
        ("depression", "past_medical_history", "historical", "clinician"),
        ("Dementia", "family_history", "family", "clinician"),
        ("tremor", "family_history", "family", "clinician"),
        ("headache", "patient_instructions", "hypothetical", "clinician"),
        ("vomiting", "patient_instructions", "hypothetical", "clinician"),
        ("apathy", "collateral_history", "present", "son"),
        ("Insomnia", "assessment_and_plan", "present", "clinician"),
        ("delirium", "differential_diagnosis", "possible", "clinician"),
    ],
)
def test_a_heading_says_what_stands_under_it(
    context: Context, concept: str, section: str, assertion: str, informant: str
) -> None:
    start = NOTE.index(concept)
    said = context.read(NOTE, [(start, start + len(concept))])[0]
    assert (said.section, said.assertion.value, said.informant.value) == (section, assertion, informant)


@pytest.mark.parametrize(
    "text", ["", "\n", "He said: no.", "PMH", "PMH:", NOTE, ":\n" * 50, "Plan: Plan: Plan:", "x. FH: y", "ﬁ\nROS:\n"]
)
def test_sections_cover_the_text_in_order(text: str) -> None:
    found = list(read_sections(text))
    assert found[0].start == 0
    assert found[-1].end == len(text)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    assert not "".join(text[one.end : other.start] for one, other in itertools.pairwise(found)).strip()


def test_a_word_of_a_heading_inside_a_sentence_opens_nothing() -> None:
    assert [one.kind for one in read_sections("We discussed the plan: rest, and family history of stroke.")] == [""]
