"""Rules on identifiers: names, dates, contacts, numbers, places and ages, and what only looks like them."""

from __future__ import annotations

import pytest

from sentence_rules import form_codes


@pytest.mark.parametrize(
    "text",
    [
        "Mrs. Doe is seen for follow-up.",
        "Seen with Dr. Roe for follow-up.",
        "Patient was brought in by Zelda after a fall.",
        "Doe reports poor sleep.",
        "Mary was pleasant on examination.",
        "Referred to the Riverbend clinic for testing.",
        "Patient J.D. is seen today.",
        "Patient, called Bobby, is seen today.",
        "patient mary is seen today.",
        "JOHN is seen today.",
    ],
)
def test_identifier_name(text: str) -> None:
    assert "identifier-name" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Scored 18 on the Montreal Cognitive Assessment today.",
        "Lewy body changes were considered.",
        "Zung Depression Scale was completed today.",
        "Patient speaks Spanish and attends the Memory Clinic.",
        "Impression: Decline since the last visit.",
        "Pt. reports poor sleep.",
        "Patient's Daughter attended the visit.",
        "Boston Naming Test was below expectation.",
    ],
)
def test_capitalised_words_that_are_no_names(text: str) -> None:
    assert form_codes(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "Seen on 2019-03-04 for follow-up.",
        "Seen on 3/4/2019 for follow-up.",
        "Symptoms began in March 2019 after a move.",
        "Seen on March 4th for follow-up.",
        "Seen on 4 Mar for follow-up.",
        "Symptoms began in October after a move.",
        "Seen 03/2019 for follow-up.",
        "Last seen on 3/14 for follow-up.",
    ],
)
def test_identifier_date(text: str) -> None:
    assert "identifier-date" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Scored 18/30 on examination today.",
        "Blood pressure was 132/78 at rest.",
        "Recalled 2/3 words on 1/3 trials.",
        "Sleep may be poor on some nights.",
        "Seen 6 months ago for follow-up.",
        "Thyroid level was 2.5 on two occasions.",
    ],
)
def test_figures_that_are_no_dates(text: str) -> None:
    assert form_codes(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "Daughter can be reached at (555) 555-0123 after work.",
        "Daughter can be reached at 555-0123 after work.",
        "Call 1-555-555-0123 for results.",
        "Results were sent to a.b@example.org today.",
        "Resources are listed at www.example.org today.",
        "Resources are listed at http://example today.",
    ],
)
def test_identifier_contact(text: str) -> None:
    assert "identifier-contact" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Patient with MRN 448812 is seen today.",
        "Social security 000-12-3456 is on file.",
        "Record number A-1042 was reviewed today.",
        "Patient, DOB unknown, is seen today.",
        "Chart 00448812 was reviewed today.",
    ],
)
def test_identifier_number(text: str) -> None:
    assert "identifier-number" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Lives at 12 Example Street with family.",
        "Seen in room 214 this morning.",
        "Lives in zip 00001 with family.",
        "Transferred from St. Example after a fall.",
        "Followed at Example Hospital for years.",
        "Lives in Springfield, IL with family.",
    ],
)
def test_identifier_place(text: str) -> None:
    assert "identifier-place" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "A 92-year-old is seen today.",
        "Ninety-one-year-old patient is seen today.",
        "Patient aged 94 is seen.",
        "Patient is 92.",
        "Patient turned 92 last week.",
    ],
)
def test_identifier_age(text: str) -> None:
    assert form_codes(text, age=92.0 if "94" not in text else 94.0) == {"identifier-age"}


def test_ages_above_89_said_as_a_class_do_not_identify() -> None:
    assert form_codes("Patient is over 90 years old and seen today.", age=93.0) == set()
    assert form_codes("Patient, age 90 or older, is seen today.", age=93.0) == set()
    assert form_codes("Patient in her 90s is seen today.", age=93.0) == set()
