"""Rules on form: length, characters, one sentence, register, quotes, and what they must let pass."""

from __future__ import annotations

import pytest

from sentence_rules import form_codes


@pytest.mark.parametrize("text", ["", " ", "Memory poor.", "word " * 46 + ".", "x" * 401])
def test_length(text: str) -> None:
    assert "length" in form_codes(text)


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x07", "\u202e", "\u200b", "\ufffd", "\ufeff", "😀", "记", "\u0430", "\u00a0", "\u0301", "\u00ad", "\t"],
)
def test_characters(character: str) -> None:
    assert form_codes(f"Patient sleeps {character} poorly at night.") == {"characters"}


@pytest.mark.parametrize("text", ["The βeta test was poor today.", "Slεep was poor over the past week."])
def test_letters_of_two_scripts_in_one_word(text: str) -> None:
    assert "characters" in form_codes(text)


@pytest.mark.parametrize("text", ["β-amyloid was seen on imaging.", "Aβ was low – about ½ of normal (±5°)."])
def test_characters_that_belong(text: str) -> None:
    assert form_codes(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "Sleep is poor. Appetite is fine.",
        "Sleep is poor.\nAppetite is fine.",
        "Sleep is poor. appetite is fine.",
        "Is sleep poor? Appetite is fine.",
        "Sleep is poor.Appetite is fine.",
        "Naps at 2 p.m. Daughter is worried.",
    ],
)
def test_one_sentence(text: str) -> None:
    assert "one-sentence" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Pt. sleeps poorly at night.",
        "Pt. Reports poor sleep at night.",
        "Level was 2.5 vs. 3.5 last year, e.g. on waking.",
        'Patient asks "What day is it? Where are we?" many times.',
        "Sleeps poorly; naps by 2 p.m. on most days.",
        "Follow-up today: no new concerns.",
    ],
)
def test_full_stops_within_one_sentence(text: str) -> None:
    assert form_codes(text) == set()


@pytest.mark.parametrize(
    "text", ["Patient sleeps poorly at", "Patient sleeps and.", "Patient sleeps poorly...", ", patient sleeps."]
)
def test_ending(text: str) -> None:
    assert "ending" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Here is a sentence about sleep.",
        "As an AI, sleep is not known.",
        "Sentence: Patient sleeps poorly.",
        "Sure, patient sleeps poorly.",
        "Patient sleeps poorly as a language model would.",
        "Example 2: Patient sleeps poorly.",
        "Patient sleeps poorly (informant: patient).",
    ],
)
def test_meta(text: str) -> None:
    assert "meta" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "**Patient** sleeps poorly.",
        "- Patient sleeps poorly.",
        "1. Patient sleeps poorly.",
        "<b>Patient sleeps poorly.",
        '"Patient sleeps poorly."',
    ],
)
def test_markup(text: str) -> None:
    assert "markup" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Patient has {phrase} today.",
        "Patient [name] sleeps poorly.",
        '{"text": "Patient sleeps"}.',
        "Patient has ___ today.",
    ],
)
def test_residue(text: str) -> None:
    assert "residue" in form_codes(text)


@pytest.mark.parametrize(
    "text", ["You should sleep more at night.", "I am sleeping poorly at night.", "My sleep is poor at night."]
)
def test_register(text: str) -> None:
    assert "register" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Pulse is a rare disease that affects the brain.",
        "Wandering is the kind of symptom that follows confusion.",
        "Donepezil is one of the group of medicines used to treat dementia.",
        "Seizures are a condition characterized by shaking.",
    ],
)
def test_a_definition_is_not_a_note(text: str) -> None:
    assert "register" in form_codes(text)


def test_a_note_may_name_a_disease() -> None:
    assert form_codes("Chronic kidney disease is stable since the last visit.") == set()
    assert form_codes("She has a condition that is followed elsewhere.") == set()


def test_a_quotation_may_speak_in_the_first_person() -> None:
    assert form_codes('Patient says, "I am sleeping poorly, you know," and smiles.') == set()
    assert form_codes("Patient says “my sleep is poor” and smiles.") == set()


@pytest.mark.parametrize(
    "text",
    ["Patient sleeps and and wakes.", "Patient sleeps poorly at night because he sleeps poorly at night."],
)
def test_repetition(text: str) -> None:
    assert "repetition" in form_codes(text)


@pytest.mark.parametrize(
    "text", ['Patient says "fine and leaves.', "Patient sleeps (poorly at night.", "Patient says ”fine“ today."]
)
def test_quotes(text: str) -> None:
    assert "quotes" in form_codes(text)
