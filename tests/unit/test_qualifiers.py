"""Severity and time words beside a concept, with their values."""

from __future__ import annotations

import pytest

from ontology.qualifiers import read_qualifiers, read_times


def spans(text: str, *concepts: str) -> list[tuple[int, int]]:
    return [(text.index(one), text.index(one) + len(one)) for one in concepts]


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("Severe apathy.", "severe", "Severe"),
        ("Mild to moderate apathy.", "mild-moderate", "Mild to moderate"),
        ("Moderate-severe apathy.", "moderate-severe", "Moderate-severe"),
        ("Profound new apathy was seen.", "severe", "Profound"),
        ("The apathy is marked.", "severe", "marked"),
        ("apathy: mild", "mild", "mild"),
        ("apathy (moderate)", "moderate", "moderate"),
        ("apathy has become severe.", "severe", "severe"),
        ("Severe pain; apathy.", "", ""),
        ("Apathy without severe pain, apathy.", "", ""),
        ("No apathy.", "", ""),
    ],
)
def test_severity_beside_the_concept_is_its_own(text: str, value: str, words: str) -> None:
    found = read_qualifiers(text, spans(text, "apathy"))[0]
    assert (found.severity, found.severity_text) == (value, words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apathy for two years", [("duration", "for two years", "P2Y")]),
        ("apathy since 2019", [("since", "since 2019", "2019")]),
        ("apathy since last spring", [("since", "since last spring", "XXXX-SP")]),
        ("apathy x3 weeks", [("duration", "x3 weeks", "P3W")]),
        ("apathy in March 2021", [("date", "in March 2021", "2021-03")]),
        ("apathy began 3 months ago", [("since", "began 3 months ago", "-P3M")]),
        ("apathy twice a week", [("frequency", "twice a week", "P1W")]),
        ("apathy every other day", [("frequency", "every other day", "P2D")]),
        ("apathy at night", [("daytime", "at night", "TNI")]),
        ("apathy over the past 6 months", [("duration", "over the past 6 months", "P6M")]),
        ("apathy for years", [("duration", "for years", "")]),
        ("apathy two to three times a day", [("frequency", "two to three times a day", "P1D")]),
        ("nightly apathy for 5 days", [("frequency", "nightly", "P1D"), ("duration", "for 5 days", "P5D")]),
        ("apathy may return", []),
    ],
)
def test_time_words_have_their_kind_and_value(text: str, expected: list[tuple[str, str, str]]) -> None:
    found = read_qualifiers(text, spans(text, "apathy"))[0].times
    assert [(one.kind.value, one.text, one.value) for one in found] == expected


def test_a_time_belongs_to_what_it_stands_by() -> None:
    text = "Insomnia and agitation for two years, but apathy since 2019 and daily falls."
    found = read_qualifiers(text, spans(text, "Insomnia", "agitation", "apathy", "falls"))
    assert [[time.value for time in one.times] for one in found] == [["P2Y"], ["P2Y"], ["2019"], ["P1D"]]


def test_a_time_at_the_beginning_is_said_of_all_after_it() -> None:
    text = "For two years she has had apathy and insomnia."
    found = read_qualifiers(text, spans(text, "apathy", "insomnia"))
    assert [[time.value for time in one.times] for one in found] == [["P2Y"], ["P2Y"]]


def test_long_text_without_an_end_is_read_in_linear_time() -> None:
    assert sum(1 for _ in read_times("in the at night " * 20_000)) == 20_000


@pytest.mark.parametrize(("between", "reached"), [(100, 1), (1_900, 1), (3_000, 0)])
def test_a_time_expression_reaches_a_concept_after_it_no_further_than_a_page(between: int, reached: int) -> None:
    text = f"Since 2019 {'x' * between} apathy"
    (found,) = read_qualifiers(text, spans(text, "apathy"))
    assert len(found.times) == reached


def test_letters_whose_small_form_is_longer_move_nothing() -> None:
    text = "İİİ Severe apathy ſince 2019."
    (found,) = read_qualifiers(text, [(11, 17)])
    assert (found.severity_text, [time.text for time in found.times]) == ("Severe", ["ſince 2019"])
