"""What must hold of the validation for any text and any mentions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from engine.plan import Plan
from engine.validation import ISSUE_CODES, Validator, validate
from engine.validation.form import MAX_CHARACTERS
from engine.validation.reading import excerpt, outside_quotes, shingles, words
from graph_loaders.trajectory import Persona
from ontology.catalog import pack_catalog
from ontology.issue import Severity
from ontology.mention import Assertion, Informant, Mention
from ontology.pack import load_pack

if TYPE_CHECKING:
    from ontology.concept import Cui

PACK = load_pack()
VALIDATOR = Validator(PACK, pack_catalog(PACK))
CUIS = st.sampled_from([concept.cui for concept in PACK.concepts])
PIECES = [
    *("Daughter", "reports", "that", "the", "patient", "he", "she", "his", "her", "wife", "says", "82-year-old", "man"),
    *(
        "memory",
        "loss",
        ",",
        ".",
        ";",
        '"',
        "(",
        ")",
        "91",
        "Dr.",
        "Doe",
        "March",
        "2019",
        "denies",
        "no",
        "room",
        "12",
    ),
    *("you", "and", "and", "{phrase}", "gentleman", "father", "in her 70s", "at age 95"),
]
TEXTS = st.one_of(
    st.text(max_size=2 * MAX_CHARACTERS),
    st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    label = draw(st.sampled_from(PACK.labels))
    persona = Persona(
        draw(st.sampled_from([{}, {"sex": "female"}, {"sex": "male"}])),
        tuple(sorted(draw(st.sets(st.sampled_from([factor.id for factor in PACK.risk_factors]))))),
    )
    age = draw(st.none() | st.floats(50, 105))
    if draw(st.booleans()):
        return Plan(label.id, label.definition, persona=persona, age=age)
    concept = PACK.concept(draw(CUIS))
    return Plan(
        label.id,
        label.definition,
        cui=concept.cui,
        name=concept.name,
        phrase=concept.name.lower(),
        assertion=draw(st.sampled_from(Assertion)),
        informant=draw(st.sampled_from(Informant)),
        persona=persona,
        age=age,
        of=1,
    )


@st.composite
def linked(draw: st.DrawFn) -> tuple[str, tuple[Mention, ...]]:
    text = draw(TEXTS)
    mentions = []
    for _ in range(draw(st.integers(0, 3)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        scores = sorted(draw(st.lists(st.floats(0, 1), min_size=1, max_size=6)), reverse=True)
        candidates = tuple((draw(CUIS), score) for score in scores)
        said = draw(st.sampled_from(Assertion)), draw(st.sampled_from(Informant))
        mentions.append(Mention(start, end, text[start:end], candidates, *said))
    return text, tuple(sorted(mentions, key=lambda mention: mention.start))


@given(plans(), linked())
def test_any_text_gets_issues_of_the_table_and_the_same_ones_again(
    plan: Plan, said: tuple[str, tuple[Mention, ...]]
) -> None:
    text, mentions = said
    issues = VALIDATOR.validate(plan, text, mentions)
    assert issues == validate(plan, text, mentions, VALIDATOR.context)
    for issue in issues:
        assert issue.code in ISSUE_CODES
        assert issue.severity is Severity.ERROR
        assert issue.message.isprintable()
        place = issue.where.removeprefix("text").removeprefix(":")
        if place:
            start, end = map(int, place.split("-"))
            assert 0 <= start <= end <= len(text)


@given(plans(), TEXTS)
def test_nothing_is_accepted_without_the_planned_concept(plan: Plan, text: str) -> None:
    codes = {issue.code for issue in VALIDATOR.validate(plan, text, ())}
    if plan.cui is not None and not codes & {"length", "characters"}:
        assert "concept-missing" in codes


@given(plans(), linked())
def test_accepted_sentences_say_the_plan(plan: Plan, said: tuple[str, tuple[Mention, ...]]) -> None:
    text, mentions = said
    if plan.cui is None or VALIDATOR.validate(plan, text, mentions):
        return
    assert any(
        mention.assertion == plan.assertion
        and plan.informant.covers(mention.informant)
        and any(cui in VALIDATOR.context.family(plan.cui) for cui, _ in mention.candidates)
        for mention in mentions
    )


@given(CUIS, st.sampled_from(Assertion), st.sampled_from([one for one in Informant if one.kind != "other"]))
def test_a_plain_sentence_is_accepted_exactly_as_it_was_planned(
    cui: Cui, assertion: Assertion, informant: Informant
) -> None:
    concept = PACK.concept(cui)
    text = f"This was discussed: {concept.name.lower()}."
    start = text.index(concept.name.lower())
    mention = Mention(start, len(text) - 1, text[start:-1], ((cui, 1.0),), assertion, informant)
    plan = Plan(concept.label, "", cui=cui, name=concept.name, assertion=assertion, informant=informant, of=1)
    assert VALIDATOR.validate(plan, text, (mention,)) == ()
    for other in Assertion:
        if other != assertion:
            changed = Mention(start, mention.end, mention.text, mention.candidates, other, informant)
            assert [issue.code for issue in VALIDATOR.validate(plan, text, (changed,))] == ["assertion-wrong"]


@given(st.text())
def test_reading_keeps_places_and_counts(text: str) -> None:
    assert len(outside_quotes(text)) == len(text)
    assert excerpt(text).isascii()
    assert len(shingles(text, 3)) <= max(0, len(words(text)) - 2)
