"""The exact tier finds a string however it is written, and never a part of a word; the near tier one letter off."""

from __future__ import annotations

import pytest

from ontology.concept import Concept, Cui
from ontology.linking.lexicon import open_index
from ontology.linking.senses import CAP, EXACT, INFLECTED
from ontology.linking.tiers import Tiers

WANDERING, DISEASE, LOSS, FALL, ANAEMIA, MCI, MEMORY, ALS, THINKING = (Cui(f"C000000{n}") for n in range(1, 10))
CONCEPTS = [
    Concept(WANDERING, "wandering"),
    Concept(DISEASE, "Alzheimer's disease", aliases=("dementia of the Alzheimer type",)),
    Concept(LOSS, "short-term memory loss"),
    Concept(FALL, "fall", aliases=("recurrent falls",)),
    Concept(ANAEMIA, "anemia", aliases=("abnormal behavior",)),
    Concept(MCI, "mild cognitive impairment", aliases=("MCI",)),
    Concept(MEMORY, "memory loss"),
    Concept(ALS, "ALS", aliases=("the", "of", "7", "", "CAN")),
    Concept(THINKING, "slow thinking, chronic"),
]


def tiers(concepts: list[Concept], *, fuzzy: bool = False) -> Tiers:
    return Tiers(open_index({concept.cui: concept for concept in concepts}, None), fuzzy=fuzzy)


@pytest.fixture(scope="module")
def exact() -> Tiers:
    return tiers(CONCEPTS)


@pytest.fixture(scope="module")
def both() -> Tiers:
    return tiers(CONCEPTS, fuzzy=True)


def said(one: Tiers, text: str) -> list[tuple[str, Cui]]:
    return [(text[hit.start : hit.end], hit.candidates[0][0]) for hit in one.find([text])[0]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Daughter denies WANDERING.", ("WANDERING", WANDERING)),
        ("Has Alzheimer’s disease", ("Alzheimer’s disease", DISEASE)),
        ("Has Alzheimer 's disease", ("Alzheimer 's disease", DISEASE)),
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
def test_a_string_is_found_however_it_is_written(exact: Tiers, text: str, found: tuple[str, Cui]) -> None:
    assert said(exact, text) == [found]


@pytest.mark.parametrize(
    "text", ["memory. Loss of interest", "memory, loss", "wanderings2", "overfall", "fallow", "the CAN of", "7", ""]
)
def test_parts_of_words_and_words_across_punctuation_are_no_strings(exact: Tiers, text: str) -> None:
    assert said(exact, text) == []


def test_the_longest_string_wins(exact: Tiers) -> None:
    assert said(exact, "short-term memory loss and memory loss") == [
        ("short-term memory loss", LOSS),
        ("memory loss", MEMORY),
    ]


def test_the_longer_of_two_that_overlap_wins_though_it_comes_later() -> None:
    one = tiers([Concept(FALL, "bad fall"), Concept(LOSS, "fall with fracture"), Concept(DISEASE, "fracture")])
    assert said(one, "a bad fall with fracture") == [("fall with fracture", LOSS)]


def test_an_acronym_is_found_in_capitals_only(exact: Tiers) -> None:
    assert said(exact, "MCI, and ALS and MCIs") == [("MCI", MCI), ("ALS", ALS), ("MCIs", MCI)]
    assert said(exact, "mci als") == []


def test_a_string_of_several_concepts_gives_all_the_exact_ones_first() -> None:
    one = tiers([Concept(FALL, "falls"), Concept(LOSS, "fall"), Concept(DISEASE, "fall", ("drop",))])
    (hit,) = one.find(["fall"])[0]
    assert hit.candidates == ((LOSS, EXACT), (DISEASE, round(EXACT - 0.001, 4)), (FALL, INFLECTED))


def test_no_strings_find_nothing() -> None:
    assert tiers([], fuzzy=True).find(["memory loss", ""]) == [[], []]
    assert tiers([Concept(ALS, "7")], fuzzy=True).find(["memory loss"]) == [[]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Has memmory loss", ("memmory loss", MEMORY)),
        ("Has memory losss", ("memory losss", MEMORY)),
        ("Has loss of memory", ("loss of memory", MEMORY)),
        ("Has memoryloss", ("memoryloss", MEMORY)),
        ("He is wandreing", ("wandreing", WANDERING)),
        ("He is wander ing", ("wander ing", WANDERING)),
        ("thinking slow, chronic", ("thinking slow, chronic", THINKING)),
        ("cognitive impairment mild", ("cognitive impairment mild", MCI)),
        ("dementia fo the Alzheimer type", ("dementia fo the Alzheimer type", DISEASE)),
        ("memory loss short trem", ("memory loss short trem", LOSS)),
    ],
)
def test_a_letter_off_a_space_or_another_order_is_found(both: Tiers, text: str, found: tuple[str, Cui]) -> None:
    assert said(both, text) == [found]
    assert both.find([text])[0][0].candidates[0][1] <= CAP


@pytest.mark.parametrize(
    "text",
    [
        "Wondering about it",
        "memory, a loss",
        "memory without loss",
        "loss or memory",
        "memory gloss",
        "He wanders",
        "ball",
        "call him",
        "thinking slow and chronic",
    ],
)
def test_ordinary_words_are_no_slips(both: Tiers, text: str) -> None:
    assert [words for words, _ in said(both, text) if words != "memory loss"] == []


def test_many_strings_that_overlap_in_one_text_take_linear_time() -> None:
    one = tiers([Concept(FALL, "ding dong"), Concept(LOSS, "dong ding")], fuzzy=True)
    assert len(one.find(["ding dong " * 100_000])[0]) == 100_000


def test_ten_megabytes_are_searched_in_seconds(exact: Tiers) -> None:
    assert len(exact.find(["wandering  and fall; " * 500_000])[0]) == 1_000_000
