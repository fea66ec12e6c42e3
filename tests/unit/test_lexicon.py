"""The exact tier finds a string however it is written, and never a part of a word."""

from __future__ import annotations

import pytest

from ontology.concept import Concept, Cui
from ontology.lexicon import EXACT, INFLECTED, Lexicon, normalise, variants

WANDERING, DISEASE, LOSS, FALL, ANAEMIA, MCI, MEMORY, ALS = (Cui(f"C000000{n}") for n in range(1, 9))
CONCEPTS = [
    Concept(WANDERING, "wandering"),
    Concept(DISEASE, "Alzheimer's disease", aliases=("dementia of the Alzheimer type",)),
    Concept(LOSS, "short-term memory loss"),
    Concept(FALL, "fall", aliases=("recurrent falls",)),
    Concept(ANAEMIA, "anemia", aliases=("abnormal behavior",)),
    Concept(MCI, "mild cognitive impairment", aliases=("MCI",)),
    Concept(MEMORY, "memory loss"),
    Concept(ALS, "ALS", aliases=("the", "of", "7", "", "CAN")),
]


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(CONCEPTS)


def said(lexicon: Lexicon, text: str) -> list[tuple[str, Cui]]:
    return [(text[hit.start : hit.end], hit.candidates[0][0]) for hit in lexicon.find(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Daughter denies WANDERING.", ("WANDERING", WANDERING)),
        ("Has Alzheimer’s disease", ("Alzheimer’s disease", DISEASE)),
        ("Has Alzheimer disease", ("Alzheimer disease", DISEASE)),
        ("Has Alzheimers disease", ("Alzheimers disease", DISEASE)),
        ("Short term  memory\nloss noted", ("Short term  memory\nloss", LOSS)),
        ("short‑term memory loss", ("short‑term memory loss", LOSS)),
        ("two falls, one fracture", ("falls", FALL)),
        ("recurrent fall", ("recurrent fall", FALL)),
        ("known anaemia", ("anaemia", ANAEMIA)),
        ("abnormal behaviours", ("abnormal behaviours", ANAEMIA)),
        ("(memory loss)", ("memory loss", MEMORY)),
        ("Hx:memory loss;none", ("memory loss", MEMORY)),
        ("mem\u00adory loss", ("mem\u00adory loss", MEMORY)),
        ("memo\u0301ry loss", ("memo\u0301ry loss", MEMORY)),
        ("'wandering'", ("wandering", WANDERING)),
        ("wandering's toll", ("wandering", WANDERING)),
    ],
)
def test_a_string_is_found_however_it_is_written(lexicon: Lexicon, text: str, found: tuple[str, Cui]) -> None:
    assert said(lexicon, text) == [found]


@pytest.mark.parametrize(
    "text", ["memory. Loss of interest", "memory, loss", "wanderings2", "overfall", "fallow", "the CAN of", "7", ""]
)
def test_parts_of_words_and_words_across_punctuation_are_no_strings(lexicon: Lexicon, text: str) -> None:
    assert said(lexicon, text) == []


def test_the_longest_string_wins(lexicon: Lexicon) -> None:
    assert said(lexicon, "short-term memory loss and memory loss") == [
        ("short-term memory loss", LOSS),
        ("memory loss", MEMORY),
    ]


def test_an_acronym_is_found_in_capitals_only(lexicon: Lexicon) -> None:
    assert said(lexicon, "MCI, and ALS") == [("MCI", MCI), ("ALS", ALS)]
    assert said(lexicon, "mci als") == []


def test_a_string_of_two_concepts_gives_both_by_score_then_cui() -> None:
    lexicon = Lexicon([Concept(FALL, "falls"), Concept(LOSS, "fall"), Concept(DISEASE, "fall")])
    assert lexicon.find("fall")[0].candidates == ((DISEASE, EXACT), (LOSS, EXACT), (FALL, INFLECTED))


def test_an_empty_lexicon_finds_nothing() -> None:
    assert Lexicon([]).find("memory loss") == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tremor", "tremors"),
        ("biopsies", "biopsy"),
        ("pain in the joint", "pains in the joint"),
        ("reflex", "reflexes"),
        ("tumour", "tumor"),
        ("anemia", "anaemia"),
        ("organize", "organise"),
        ("non verbal", "nonverbal"),
        ("parkinson's disease", "parkinson disease"),
        ("tumour behaviour (oesophageal)", "tumor behavior (esophageal)"),
        ("edema of fetal leukocyte", "oedema of foetal leucocyte"),
    ],
)
def test_variants_are_other_ways_to_write_a_string(one: str, other: str) -> None:
    assert other in variants(one)


@pytest.mark.parametrize("word", ["paralysis", "loss", "virus"])
def test_a_word_that_only_looks_plural_keeps_its_ending(word: str) -> None:
    assert word[:-1] not in variants(word)


def test_offsets_lead_back_to_the_original() -> None:
    text = "A\u200bb  (c,d)"
    normal = normalise(text)
    assert normal.text == " ab c, d)"
    place = normal.text.index("d")
    assert text[slice(*normal.span(place, place + 1))] == "d"


def test_a_text_of_ten_megabytes_is_searched_in_seconds(lexicon: Lexicon) -> None:
    text = "wandering  and fall; " * 500_000
    assert len(lexicon.find(text)) == 1_000_000
