"""Rules on the person: ages, sex, relations and risk factors that a sentence contradicts, and words that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.validation.ages import stated_ages
from graph_loaders.trajectory import Persona
from ontology.mention import Assertion, Informant
from sentence_rules import DIABETES, PLAN, codes, form_codes, memory, mention


@pytest.mark.parametrize(
    "text",
    [
        "65-year-old patient seen for follow-up.",
        "Patient is 70 years old and seen for follow-up.",
        "A 71 y/o patient is seen today.",
        "A 68yo patient is seen today.",
        "Seen today, age 95 or older.",
        "Patient in her early 70s is seen today.",
        "This septuagenarian is seen today.",
        "A sixty-five-year-old is seen today.",
        "Stopped driving at age 88 by own choice.",
    ],
)
def test_age_contradicted(text: str) -> None:
    assert "age-contradicted" in form_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "82-year-old patient seen for follow-up.",
        "An 83 y/o patient is seen today.",
        "Patient in her 80s is seen today.",
        "Patient in her early eighties is seen today.",
        "An eighty-two-year-old is seen today.",
        "Patient lives with her 60-year-old daughter.",
        "Retired at age 65 from teaching.",
        "Patient enjoys the music of the 60s.",
        "Completed 12 years of school.",
        "This octogenarian is seen today.",
        "Her mother lived to 95 years of age.",
        "Patient lost her son, who was 50 years old.",
        "Past treatment in her thirties ended well.",
    ],
)
def test_ages_that_fit(text: str) -> None:
    assert form_codes(text) == set()


def test_ages_are_read_from_figures_words_and_decades() -> None:
    assert [(age.low, age.high, age.exact) for age in stated_ages("A ninety-one-year-old in her late 80s.")] == [
        (91, 91, True),
        (86, 89, False),
    ]
    assert stated_ages("Scored 22 on the test.") == ()


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        ("This pleasant gentleman is seen today.", "female"),
        ("82-year-old man is seen today.", "female"),
        ("82yoM is seen today.", "female"),
        ("Patient is a retired woman from the area.", "male"),
        ("Male patient seen for follow-up.", "female"),
        ("He lives alone in an apartment.", "female"),
        ("Patient misplaces her keys.", "male"),
        ("Her daughter manages all appointments.", "male"),
        ("Husband notes that he sleeps poorly.", "female"),
        ("Daughter reports she forgets appointments.", "male"),
        ("Daughter reports her mother sleeps poorly.", "male"),
        ("Patient is a widow who lives alone.", "male"),
        ("Grandfather of six who enjoys fishing.", "female"),
        ("Wife states her husband sleeps poorly.", "female"),
    ],
)
def test_sex_contradicted(text: str, sex: str) -> None:
    assert form_codes(text, Persona({"sex": sex})) == {"sex-contradicted"}


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        ("Daughter says she is worried that he leaves home.", "male"),
        ("His wife says she has to remind him of meals.", "male"),
        ("Her wife's notes describe a poor night.", "female"),
        ("Patient forgets the name of his wife.", "male"),
        ("Husband says he now pays the bills for her.", "female"),
        ("Sees a strange man in the mirror.", "female"),
        ("Daughter says her mother sleeps poorly.", "female"),
        ("Patient asks for her mother at night.", "female"),
        ("Daughter handles her father's pills.", "male"),
        ("Son reports that she misplaces her purse.", "female"),
    ],
)
def test_pronouns_of_others_do_not_contradict(text: str, sex: str) -> None:
    assert form_codes(text, Persona({"sex": sex})) == set()


def test_relation_contradicted() -> None:
    text = "Wife reports memory loss over the past year."
    assert codes(text) == {"relation-contradicted"}
    assert codes("Per son, memory loss is worse this year.") == {"relation-contradicted"}
    assert codes(text, replace(PLAN, informant=Informant.FAMILY)) == set()
    assert codes("Daughter reports memory loss, with visits with friends added to the plan.") == set()


def test_risk_factor_contradicted() -> None:
    text = "Daughter reports memory loss in a patient with diabetes."
    linked = (*memory(text), mention(text, "diabetes", DIABETES))
    assert codes(text, mentions=linked) == {"risk-factor-contradicted"}
    diabetic = replace(PLAN, persona=Persona({"sex": "female"}, ("diabetes",)))
    assert codes(text, diabetic, linked) == set()
    denied = (*memory(text), mention(text, "diabetes", DIABETES, assertion=Assertion.ABSENT))
    assert codes(text, mentions=denied) == set()
    assert codes(text, diabetic, denied) == {"risk-factor-contradicted"}
    assert codes(text) == {"risk-factor-contradicted"}
    assert codes("Daughter reports memory loss but no history of diabetes.") == set()
    family = (*memory(text), mention(text, "diabetes", DIABETES, assertion=Assertion.FAMILY))
    assert codes(text, mentions=family) == set()
