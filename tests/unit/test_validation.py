"""Sentence validation: the table of its rules, what the linker found, copies, hostile text."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from engine.plan import Plan, Previous
from engine.validation import ISSUE_CODES, Validator, validate
from engine.validation.rule import found, rule, rules
from ontology.issue import Severity
from ontology.mention import Assertion, Informant
from ontology.pack import Example
from sentence_rules import (
    AMNESIA,
    APATHY,
    CATALOG,
    COGNITION,
    DEFINITION,
    DIAGNOSIS,
    EXAMPLE,
    FEMALE,
    HEADACHE,
    MEMORY,
    PACK,
    PLAN,
    RIGHT,
    VALIDATOR,
    WANDERING,
    codes,
    form_codes,
    memory,
    mention,
)


def test_a_right_sentence_has_no_issue() -> None:
    assert VALIDATOR.validate(PLAN, RIGHT, memory(RIGHT)) == ()


def test_the_table_of_codes_is_generated_from_the_rules() -> None:
    assert list(ISSUE_CODES) == [one.code for one in rules()]
    assert all(row.code == code and row.meaning and row.hint for code, row in ISSUE_CODES.items())


def test_a_code_is_given_once_and_needs_are_known() -> None:
    with pytest.raises(ValueError, match="is taken"):
        rule(code="length", meaning="", hint="")
    with pytest.raises(ValueError, match="cannot be needed"):
        rule(code="new", meaning="", hint="", needs=("moon",))


def test_an_issue_says_where_and_gives_a_hint() -> None:
    (issue,) = VALIDATOR.validate(PLAN, "Daughter says all is fine.", ())
    assert issue.code == "concept-missing"
    assert issue.severity is Severity.ERROR
    assert issue.hint == 'Say "memory loss" in the sentence.'
    assert found("meta", "x", (1, 3)).where == "text:1-3"


def test_validate_is_the_same_without_the_class() -> None:
    text = "Wife reports memory loss."
    assert validate(PLAN, text, memory(text), VALIDATOR.context) == VALIDATOR.validate(PLAN, text, memory(text))


# What the linker found


def test_concept_missing() -> None:
    text = "Daughter reports wandering at night."
    assert codes(text, mentions=(mention(text, "wandering", WANDERING),)) == {"concept-missing", "extra-concept"}


def test_a_descendant_says_the_concept_and_an_ancestor_does_not() -> None:
    text = "Daughter reports amnesia for recent events."
    assert codes(text, mentions=(mention(text, "amnesia", AMNESIA),)) == set()
    text = "Daughter reports cognitive impairment this year."
    assert codes(text, mentions=(mention(text, "cognitive impairment", COGNITION),)) == {"concept-missing"}


def test_the_concept_may_stand_among_the_near_candidates_only() -> None:
    text = "Daughter reports forgetting over the past year."
    assert codes(text, mentions=(mention(text, "forgetting", WANDERING, (MEMORY, 0.95)),)) == set()
    far = codes(text, mentions=(mention(text, "forgetting", WANDERING, (MEMORY, 0.5)),))
    assert far == {"concept-missing", "extra-concept"}


@pytest.mark.parametrize("assertion", [one for one in Assertion if one is not Assertion.PRESENT])
def test_assertion_wrong(assertion: Assertion) -> None:
    assert codes(RIGHT, mentions=memory(RIGHT, assertion=assertion)) == {"assertion-wrong"}
    assert codes(RIGHT, replace(PLAN, assertion=assertion), memory(RIGHT, assertion=assertion)) == set()


def test_a_concept_said_to_be_there_and_not_there_is_wrong() -> None:
    text = "Daughter reports memory loss but no amnesia."
    both = (*memory(text), mention(text, "amnesia", AMNESIA, assertion=Assertion.ABSENT))
    assert codes(text, mentions=both) == {"assertion-wrong"}


def test_informant_wrong() -> None:
    assert codes(RIGHT, mentions=memory(RIGHT, informant=Informant.PATIENT)) == {"informant-wrong"}
    assert codes(RIGHT, replace(PLAN, informant=Informant.FAMILY)) == set()
    text = "Memory loss is evident on examination."
    clinician = replace(PLAN, informant=Informant.CLINICIAN)
    assert codes(text, clinician, memory(text, informant=Informant.CLINICIAN)) == set()
    assert codes(text, clinician, memory(text, informant=Informant.PATIENT)) == {"informant-wrong"}


def test_extra_concept() -> None:
    text = "Daughter reports memory loss with wandering and headache."
    extra = (*memory(text), mention(text, "wandering", WANDERING))
    assert codes(text, mentions=extra) == {"extra-concept"}
    assert codes(text, mentions=(*memory(text), mention(text, "headache", HEADACHE))) == {"extra-concept"}


def test_context_that_is_no_extra_concept() -> None:
    text = "Daughter reports memory loss in known Alzheimer's disease, after apathy, with cognitive impairment."
    context = (
        mention(text, "Alzheimer's disease", DIAGNOSIS),
        mention(text, "cognitive impairment", COGNITION),
        mention(text, "apathy", APATHY),
    )
    plan = replace(PLAN, previous=(Previous(APATHY, "Apathy", 80.0),))
    assert codes(text, plan, (*memory(text), *context)) == set()
    assert codes(text, PLAN, (*memory(text), *context)) == {"extra-concept"}


def test_a_mention_within_the_planned_phrase_is_no_extra_concept() -> None:
    text = "Daughter reports memory loss with wandering."
    plan = replace(PLAN, phrase="memory loss with wandering")
    assert codes(text, plan, (*memory(text), mention(text, "wandering", WANDERING))) == set()


def test_the_label_none_holds_no_concept() -> None:
    text = "Daughter brought wandering cats."
    none = Plan("none", "No sign of the disease.", persona=FEMALE, age=82.4)
    assert codes(text, none, (mention(text, "wandering", WANDERING),)) == {"none-concept"}
    assert codes(text, none, ()) == set()


def test_an_unguided_plan_is_not_held_to_a_concept() -> None:
    text = "Daughter reports wandering and headache at home."
    assert codes(text, Plan("cognitive-impairment", DEFINITION), (mention(text, "wandering", WANDERING),)) == set()


def test_a_concept_of_the_pack_may_tie_with_another_of_the_same_words() -> None:
    text = "Daughter reports memory loss with wandering."
    tie = mention(text, "wandering", HEADACHE, (WANDERING, 1.0))
    assert codes(text, mentions=(*memory(text), tie)) == {"extra-concept"}
    none = Plan("none", "No sign of the disease.", persona=FEMALE, age=82.4)
    assert codes("Patient likes wandering in the hills.", none, (replace(tie, start=14, end=23),)) == {"none-concept"}


# Copies


def test_copied_example() -> None:
    assert codes(EXAMPLE, replace(PLAN, informant=Informant.FAMILY)) == {"copied-example"}
    other = EXAMPLE.replace("memory loss", "wandering about").upper().capitalize()
    assert "copied-example" in form_codes(other)


def test_a_sentence_that_shares_some_words_with_an_example_is_no_copy() -> None:
    assert form_codes("Over the past several months the family has noticed little change in routines.") == set()


def test_other_examples_than_the_packs_can_be_given() -> None:
    own = "Daughter reports memory loss over the past year."
    given = Validator(PACK, CATALOG, examples=[Example("", MEMORY, "memory loss", "present", "daughter", own)])
    assert [issue.code for issue in given.validate(PLAN, own, memory(own))] == ["copied-example"]


def test_echo() -> None:
    assert "echo" in form_codes("There are words about thinking, memory, language or judgment that are worse.")
    assert "echo" in form_codes("Write one sentence of a clinical note about the patient.")


# Hostile text


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "a a " * 250_000,
        "\u202e" * 1_000_000,
        "1-" * 500_000,
        '"' * 1_000_001,
        "his wife " * 100_000,
        "(" * 1_000_000,
        "Aa " * 300_000,
    ],
)
def test_a_megabyte_of_hostile_text_returns_at_once(text: str) -> None:
    begun = time.process_time()
    assert [issue.code for issue in VALIDATOR.validate(PLAN, text, ())] == ["length"]
    assert time.process_time() - begun < 2  # a few milliseconds; a collection of garbage may fall into it


@pytest.mark.parametrize(
    "piece", ["a", "1", "1-", "his ", "Aa ", "A. ", "(", '"', "wife who ", "older ", "the ", "seventy-", "#", "@a"]
)
def test_the_longest_text_that_is_read_is_read_fast(piece: str) -> None:
    text = (piece * 400)[:400]
    begun = time.process_time()
    VALIDATOR.validate(PLAN, text, ())
    assert time.process_time() - begun < 2  # a few milliseconds; a collection of garbage may fall into it


def test_what_a_text_says_cannot_act_in_a_message() -> None:
    issues = VALIDATOR.validate(PLAN, "Ignore this {0} \x1b[31m now.", ())
    assert all(str(issue).isprintable() for issue in issues)
