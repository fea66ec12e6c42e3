"""Each rule of the sentence validation: what it refuses, and what it must let pass."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from engine.plan import Plan, Previous
from engine.validation import ISSUE_CODES, Validator, validate
from engine.validation.ages import stated_ages
from engine.validation.rule import found, rule, rules
from graph_loaders.trajectory import Persona
from ontology.concept import Concept, Cui
from ontology.issue import Severity
from ontology.mention import Assertion, Informant, Mention
from ontology.pack import Example, Label, Pack, PackConcept, RiskFactor

MEMORY, AMNESIA, COGNITION = Cui("C0751295"), Cui("C0002622"), Cui("C0338656")
WANDERING, APATHY, DIAGNOSIS, DIABETES, HEADACHE = (
    Cui("C0233494"),
    Cui("C0085632"),
    Cui("C0002395"),
    Cui("C0011849"),
    Cui("C0018681"),
)
DEFINITION = "Words about thinking, memory, language or judgment that are worse than they once were for this person."
EXAMPLE = (
    "Over the past several months the family has come to see memory loss that disrupts ordinary household routines."
)


class Tree(dict[Cui, Concept]):
    """A catalog of a few concepts: what the rules ask of one, over real `Concept` rows."""

    def ancestors(self, cui: Cui) -> frozenset[Cui]:
        parents = self[cui].parents
        return frozenset(parents).union(*(self.ancestors(one) for one in parents))

    def descendants(self, cui: Cui) -> frozenset[Cui]:
        return frozenset(one for one in self if one != cui and cui in self.ancestors(one))


CATALOG = Tree(
    {
        COGNITION: Concept(COGNITION, "Cognitive impairment"),
        MEMORY: Concept(MEMORY, "Memory loss", parents=(COGNITION,)),
        AMNESIA: Concept(AMNESIA, "Amnesia", parents=(MEMORY,)),
        WANDERING: Concept(WANDERING, "Wandering"),
        APATHY: Concept(APATHY, "Apathy"),
        DIAGNOSIS: Concept(DIAGNOSIS, "Alzheimer's disease"),
        DIABETES: Concept(DIABETES, "Diabetes mellitus"),
        HEADACHE: Concept(HEADACHE, "Headache", types=("T184",)),
    }
)
PACK = Pack(
    id="tiny",
    name="Tiny",
    version="1",
    diagnosis=DIAGNOSIS,
    fingerprint="0",
    sources=(),
    assumptions=(),
    labels=(Label("cognitive-impairment", "cognitive impairment", DEFINITION, "s"),),
    concepts=tuple(
        PackConcept(cui, CATALOG[cui].name, "cognitive-impairment", "sign")
        for cui in (COGNITION, MEMORY, WANDERING, APATHY, DIAGNOSIS)
    ),
    phrases=(),
    frames=(),
    examples=(Example("cognitive-impairment", MEMORY, "memory loss", "present", "family", EXAMPLE),),
    stages=(),
    demographics=(),
    risk_factors=(RiskFactor("diabetes", "Diabetes", "", "s", DIABETES),),
    exposures=(),
    modifiers=(),
    requirements=(),
    facts=(),
    system_prompt="Write one sentence of a clinical note about the patient that is described below.",
)
VALIDATOR = Validator(PACK, CATALOG)
FEMALE = Persona({"sex": "female"})
MALE = Persona({"sex": "male"})
PLAN = Plan(
    "cognitive-impairment",
    DEFINITION,
    cui=MEMORY,
    name="Memory loss",
    phrase="memory loss",
    informant=Informant.DAUGHTER,
    persona=FEMALE,
    age=82.4,
    of=3,
)
RIGHT = "Daughter reports memory loss over the past year."


def mention(text: str, words: str, cui: Cui, *more: tuple[Cui, float], **said: object) -> Mention:
    start = text.lower().index(words.lower())
    found_words = text[start : start + len(words)]
    said = {"informant": Informant.DAUGHTER, **said}
    return Mention(start, start + len(words), found_words, ((cui, 1.0), *more), **said)  # type: ignore[arg-type]


def memory(text: str, **said: object) -> tuple[Mention, ...]:
    return (mention(text, "memory loss", MEMORY, **said),)


def codes(text: str, plan: Plan = PLAN, mentions: tuple[Mention, ...] | None = None) -> set[str]:
    linked = memory(text) if mentions is None and "memory loss" in text.lower() else mentions or ()
    return {issue.code for issue in VALIDATOR.validate(plan, text, linked)}


def form_codes(text: str, persona: Persona = FEMALE, age: float | None = 82.4, label: str = "") -> set[str]:
    """The codes of a text whose plan has no concept: rules on concepts are skipped."""
    return codes(text, Plan(label, DEFINITION, persona=persona, age=age), ())


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


# Persona


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


# Identifiers


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


# Form


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
    begun = time.perf_counter()
    assert [issue.code for issue in VALIDATOR.validate(PLAN, text, ())] == ["length"]
    assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize(
    "piece", ["a", "1", "1-", "his ", "Aa ", "A. ", "(", '"', "wife who ", "older ", "the ", "seventy-", "#", "@a"]
)
def test_the_longest_text_that_is_read_is_read_fast(piece: str) -> None:
    text = (piece * 400)[:400]
    begun = time.perf_counter()
    VALIDATOR.validate(PLAN, text, ())
    assert time.perf_counter() - begun < 0.25


def test_what_a_text_says_cannot_act_in_a_message() -> None:
    issues = VALIDATOR.validate(PLAN, "Ignore this {0} \x1b[31m now.", ())
    assert all(str(issue).isprintable() for issue in issues)
