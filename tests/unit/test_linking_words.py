"""Other ways to write a word, and strings that follow by rule."""

from __future__ import annotations

import pytest

from ontology.linking.derived import derived
from ontology.linking.fold import folded, plain, spelt
from ontology.linking.words import classes, forms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tremor", "tremors"),
        ("biopsies", "biopsy"),
        ("reflex", "reflexes"),
        ("ache", "aches"),
        ("diagnosis", "diagnoses"),
        ("carcinoma", "carcinomata"),
        ("vertebra", "vertebrae"),
        ("thrombus", "thrombi"),
        ("tooth", "teeth"),
        ("tumour", "tumor"),
        ("anemia", "anaemia"),
        ("organize", "organise"),
        ("tumor", "tumours"),
        ("ii", "2"),
    ],
)
def test_forms_are_other_ways_to_write_a_word(one: str, other: str) -> None:
    assert other in forms(one)
    numbers = {word: number for word, number, _ in classes([one, other])}
    assert numbers[one] == numbers[other]


@pytest.mark.parametrize("word", ["paralysis", "loss", "virus", "gas"])
def test_a_word_that_only_looks_plural_keeps_its_ending(word: str) -> None:
    assert word[:-1] not in forms(word)


def test_words_apart_stay_apart() -> None:
    numbers = [number for word, number, own in classes(["axis", "pain", "paint", "tremor"]) if own]
    assert len(set(numbers)) == 4


def test_text_is_folded_one_for_one() -> None:
    numbers, starts = folded(["Ä“ß”", "", "ﬁ\u200b\u0301x"])
    assert starts.tolist() == [0, 4, 4, 8]
    assert spelt(numbers[4:]) == "fx"
    assert plain("Alzheimer’s—LIKE (é)\ud800") == "alzheimer s like e"


@pytest.mark.parametrize(
    ("string", "others"),
    [
        ("Prostate carcinoma", ["prostatic carcinoma", "prostate cancer"]),
        ("viral infectious disease", ["viral infection"]),
        ("Renal neoplasm", ["kidney neoplasm", "renal tumor"]),
        ("carcinoma", []),
        ("kidney", []),
    ],
)
def test_strings_that_follow_by_rule(string: str, others: list[str]) -> None:
    assert list(derived(string)) == others
