"""The template verbalizer: frames of a pack to sentences."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.plan import Plan
from engine.verbalization.port import Request
from engine.verbalization.template import TemplateVerbalizer, is_plural, time_in_words, with_article
from graph_loaders.trajectory import Persona
from ontology.errors import ConfigError, ModelError
from ontology.issue import Issue, Severity
from ontology.mention import Assertion, Informant
from ontology.pack import Frame, Pack, load_pack

WOMAN, MAN = Persona({"sex": "female"}), Persona({"sex": "male"})
APATHY = Plan(
    "neuropsychiatric", "d", "C0085632", "Apathy", "sign", "apathy", persona=WOMAN, age=82.4, gap_days=92, stage="mild"
)


@lru_cache(maxsize=1)
def shipped() -> Pack:
    return load_pack()


@lru_cache(maxsize=1)
def verbalizer() -> TemplateVerbalizer:
    return TemplateVerbalizer(shipped())


def texts(plan: Plan, count: int = 300) -> list[str]:
    written = verbalizer().write([Request(plan, seed=seed) for seed in range(count)])
    assert all(isinstance(text, str) for text in written), written[0]
    return [str(text) for text in written]


def little(*frames: Frame) -> Pack:
    return replace(shipped(), frames=frames)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**62),
    st.sampled_from([WOMAN, MAN, Persona()]),
    st.sampled_from(["clinician", "patient", "daughter"]),
)
def test_a_sentence_is_one_sentence_without_slots_left_open(seed, persona, informant):
    plan = replace(APATHY, persona=persona, informant=Informant(informant))
    plan = replace(plan, label="concern-by-others") if informant == "daughter" else plan
    text = verbalizer().write([Request(plan, seed=seed)])[0]
    assert isinstance(text, str)
    assert not re.search(r"[{}\[\]|]|  | [.,;]", text)
    assert text.endswith(".")
    assert text.count(".") == 1
    assert text[0].isupper()


def test_the_seed_settles_the_sentence():
    assert texts(APATHY) == TemplateVerbalizer(shipped()).write([Request(APATHY, seed=seed) for seed in range(300)])
    assert len(set(texts(APATHY))) > 60


def test_a_repair_gives_another_sentence():
    issue = Issue(Severity.ERROR, "concept-missing", "not said")
    for seed, before in enumerate(texts(APATHY, 200)):
        after = verbalizer().write([Request(APATHY, seed=seed, previous=before, issues=(issue,))])[0]
        assert after != before


def test_the_proposed_words_are_used_where_a_noun_stands():
    said = [text for text in texts(APATHY) if re.search("initiative|motivation|reduced", text)]
    assert said == []
    assert sum("apathy" in text.lower() for text in texts(APATHY)) > 200


@pytest.mark.parametrize(("persona", "wrong"), [(WOMAN, r"\b(he|his|him|man)\b"), (MAN, r"\b(she|her|hers|woman)\b")])
def test_pronouns_fit_the_persona(persona, wrong):
    told = replace(APATHY, persona=persona, informant=Informant.DAUGHTER, label="concern-by-others")
    for plan in (replace(APATHY, persona=persona), told):
        assert not [text for text in texts(plan) if re.search(wrong, text, re.IGNORECASE)]


def test_without_a_sex_no_pronoun_is_written_and_the_patient_is_said_once():
    for informant in (Informant.CLINICIAN, Informant.PATIENT):
        for text in texts(replace(APATHY, persona=Persona(), informant=informant)):
            assert not re.search(r"\b(he|she|his|her|him)\b", text, re.IGNORECASE)
            assert len(re.findall(r"patient|pt\b", text, re.IGNORECASE)) <= 1


@pytest.mark.parametrize("age", [89.99, 90.0, 97.3])
def test_an_age_above_89_is_never_written(age):
    written = texts(replace(APATHY, age=age), 600)
    assert any("older woman" in text for text in written) is (age >= 90)
    assert not any(re.search(r"9\d|nine", text) for text in written)


def test_the_age_is_the_plans():
    assert {found for text in texts(APATHY) for found in re.findall(r"\d+", text)} == {"82"}
    assert not any(re.search(r"\d", text) for text in texts(replace(APATHY, age=None)))


def test_a_time_is_said_from_the_gap_alone():
    assert any("over the past three months" in text for text in texts(APATHY))
    for plan in (replace(APATHY, gap_days=None), replace(APATHY, gap_days=20_000)):
        assert not any("over the past" in text or "last visit" in text for text in texts(plan))


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "since the last visit"),
        (30, "over the past month"),
        (335, "over the past eleven months"),
        (366, "over the past year"),
        (540, "over the past year"),
        (1461, "over the past four years"),
        (3000, ""),
    ],
)
def test_time_in_words(days, words):
    assert time_in_words(days) == words


def test_the_stage_is_named_unless_its_word_is_a_concept():
    assert any("mild stage" in text for text in texts(APATHY))
    assert not any("stage" in text for text in texts(replace(APATHY, stage="mci")))


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("sleep study", "a sleep study"),
        ("overnight sleep study", "an overnight sleep study"),
        ("MRI scan", "an MRI scan"),
        ("SPECT scan", "a SPECT scan"),
        ("Hamilton rating scale for depression", "a Hamilton rating scale for depression"),
        ("loss of interest in hobbies", "a loss of interest in hobbies"),
        ("memory loss", "memory loss"),
        ("falls", "falls"),
        ("EEG", "EEG"),
    ],
)
def test_a_countable_noun_gets_its_article(noun, said):
    assert with_article(noun) == said


@pytest.mark.parametrize(
    ("noun", "several"),
    [
        ("PT sessions", True),
        ("apneic episodes during sleep", True),
        ("visits from a home nurse", True),
        ("comfort from friends", False),
        ("difficulty climbing stairs", False),
        ("Alzheimer's", False),
        ("weight loss", False),
        ("hydrocephalus", False),
        ("diagnosis", False),
    ],
)
def test_a_plural_is_known_by_its_head(noun, several):
    assert is_plural(noun) is several


def test_the_verb_agrees_with_the_concept():
    said = texts(
        replace(APATHY, cui="C0949766", name="physical therapy", phrase="", label="cognitive-intervention"), 900
    )
    assert any("PT sessions were " in text for text in said)
    assert any("hysical therapy was " in text for text in said)
    assert not any("sessions was" in text or text.lower().startswith("physical therapy were") for text in said)


def test_each_informant_is_named_and_nobody_else():
    for informant in (Informant.WIFE, Informant.SON, Informant.CAREGIVER):
        plan = replace(APATHY, informant=informant, persona=MAN, label="concern-by-others")
        words = {"caregiver", "aide", "care partner"} if informant == "caregiver" else {informant.value}
        others = {"wife", "husband", "son", "daughter", "caregiver", "aide"} - words
        for text in texts(plan):
            assert any(word in text.lower() for word in words), text
            assert not [word for word in others if re.search(rf"\b{word}\b", text.lower())], text


def test_every_concept_can_be_said_in_every_way_that_plans_ask_for():
    for concept in shipped().concepts:
        for assertion in (Assertion.PRESENT, Assertion.ABSENT):
            plan = Plan(concept.label, "", concept.cui, concept.name, concept.entity, assertion=assertion)
            assert verbalizer().variants(plan) >= (12 if assertion is Assertion.PRESENT else 4), concept.name


def test_a_plan_without_a_concept_gets_a_sentence_of_its_label():
    for label in shipped().labels:
        answers = verbalizer().write([Request(Plan(label.id, label.definition), seed=seed) for seed in range(50)])
        assert len(set(answers)) > 20
        assert all(isinstance(answer, str) for answer in answers)


def test_a_plan_that_no_frame_fits_is_an_error_with_its_code_and_loses_no_other():
    odd = replace(APATHY, label="coping-strategy", assertion=Assertion.FAMILY)
    lost, kept = verbalizer().write([Request(odd), Request(APATHY)])
    assert isinstance(lost, ModelError)
    assert lost.code == "no-frame"
    assert "frames.csv" in str(lost)
    assert isinstance(kept, str)


def test_every_faulty_frame_is_named_at_once():
    bad = little(
        Frame("neuropsychiatric", "present", "any", "{noun} at {place}."),
        Frame("neuropsychiatric", "present", "any", "Nothing is said."),
        Frame("none", "present", "any", "{noun} is said."),
        Frame("neuropsychiatric", "present", "any", "{noun} [is|was noted."),
    )
    with pytest.raises(ConfigError) as caught:
        TemplateVerbalizer(bad)
    assert [(issue.code, issue.where) for issue in caught.value.issues] == [
        ("unknown-slot", "frames.csv:2"),
        ("concept-slot", "frames.csv:3"),
        ("concept-slot", "frames.csv:4"),
        ("open-slot", "frames.csv:5"),
    ]


def test_a_frame_is_used_only_for_its_entity_and_the_forms_a_concept_has():
    only = TemplateVerbalizer(
        little(
            Frame("neuropsychiatric", "present", "any", "Function of {noun}.", "function"),
            Frame("neuropsychiatric", "present", "any", "[Sign|Finding] of {noun}.", "sign"),
        )
    )
    assert set(only.write([Request(APATHY, seed=seed) for seed in range(30)])) == {
        "Sign of apathy.",
        "Finding of apathy.",
    }
    reflex = Plan("physiological-changes", "", "C1838319", "Primitive reflex", "physiology")
    needs_a_verb = little(Frame("physiological-changes", "present", "any", "{subject} {third} today."))
    assert isinstance(TemplateVerbalizer(needs_a_verb).write([Request(reflex)])[0], ModelError)


def test_closing_twice_is_fine():
    one = TemplateVerbalizer(shipped())
    one.close()
    one.close()
    assert one.name == "template"
