"""Reading less changes nothing: passes of ConText that are skipped could not have said anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontology.context import Context, sentences
from ontology.context_passes import ContextPass
from ontology.context_rules import CLOSE, CONCEPT, GAP, OPEN, PARTS, UNKNOWN, Cue, read_rules
from ontology.qualifiers import read_qualifiers

if TYPE_CHECKING:
    from collections.abc import Callable

RULES = read_rules()
WORDS = sorted(word for word in RULES.words if word.isprintable() and " " not in word)
OTHERS = ["apathy", "garden", "Monday", ",", ".", ";", ":", "?", "(", ")", '"', "\n", "2019", "3", "mild", "daily"]


@pytest.fixture(scope="module")
def contexts() -> tuple[Context, Context]:
    return Context(), Context(skip=False)


texts = st.lists(st.sampled_from(WORDS) | st.sampled_from(OTHERS), min_size=1, max_size=14).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(before=texts, after=texts)
def test_a_pass_that_is_skipped_would_have_found_nothing(
    contexts: tuple[Context, Context], before: str, after: str
) -> None:
    text = f"{before} wandering {after}"
    span = [(len(before) + 1, len(before) + 1 + len("wandering"))]
    quick, whole = contexts
    assert quick.judge(text, span) == whole.judge(text, span)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200), places=st.lists(st.integers(0, 199), max_size=6, unique=True))
def test_any_text_gets_one_answer_a_span(contexts: tuple[Context, Context], text: str, places: list[int]) -> None:
    spans = [(at, at + 1) for at in sorted(places) if at < len(text)]
    assert len(contexts[0].read(text, spans)) == len(spans)
    assert len(read_qualifiers(text, spans)) == len(spans)
    assert "".join(text[first:last] for first, last in sentences(text)) == text


def test_every_acting_cue_holds_a_token_that_stops_the_skipping(contexts: tuple[Context, Context]) -> None:
    for part, one in zip(PARTS, contexts[0].passes, strict=True):
        for cue in (cue for cue in RULES.cues if cue.part == part and cue.direction != "pseudo"):
            tokens = [one_token for one_token in cue.tokens if one_token != GAP]
            assert one([*tokens, CONCEPT]) is not None, cue


@pytest.fixture(scope="module")
def component() -> tuple[ContextPass, Callable[[list[str]], list[set[tuple[str, int, int]]]]]:
    """One of our passes, and medspaCy's own component with the same cues (some of them: spaCy takes long to compile all)."""
    import spacy
    from medspacy.context import ConText, ConTextRule
    from spacy.tokens import Doc, Span

    some = [cue for cue in RULES.cues if cue.part == "assertion"]
    cues = [cue for number, cue in enumerate(some) if number % 12 == 0 or len(cue.tokens) == 1]
    ends = RULES.gap_ends | {RULES.folded["assertion"].get(one, one) for one in RULES.gap_ends}
    gap = {"ORTH": {"NOT_IN": sorted(ends)}, "OP": "?"}
    nlp = spacy.blank("en")
    context = ConText(nlp, rules=None, span_attrs=None, prune_on_target_overlap=True)
    for cue in cues:
        pattern = [step for token in cue.tokens for step in ([gap] * 4 if token == GAP else [{"ORTH": token}])]
        context.add(
            ConTextRule(
                " ".join(cue.tokens),
                cue.category,
                pattern=pattern,
                direction=cue.direction.upper(),
                max_scope=cue.scope,
                terminated_by=set(cue.until) or None,
            )
        )

    def read(tokens: list[str]) -> list[set[tuple[str, int, int]]]:
        doc = Doc(nlp.vocab, words=tokens, sent_starts=[True] + [False] * (len(tokens) - 1))
        places = [at for at, token in enumerate(tokens) if token == CONCEPT]
        doc.ents = [Span(doc, at, at + 1, label="CONCEPT") for at in places]
        found: dict[int, set[tuple[str, int, int]]] = {at: set() for at in places}
        for target, modifier in context(doc)._.context_graph.edges:
            found[target.start].add((modifier.category, *modifier.modifier_span))
        return [found[at] for at in places]

    return ContextPass(cues, RULES.folded["assertion"], RULES.gap_ends), read


SHAPES = sorted({token for cue in RULES.cues if cue.part == "assertion" for token in cue.tokens} - {GAP, OPEN, CLOSE})


@settings(max_examples=200, deadline=None)
@given(tokens=st.lists(st.sampled_from(SHAPES) | st.just(CONCEPT) | st.just(UNKNOWN), min_size=1, max_size=25))
def test_a_pass_reaches_what_medspacys_component_reaches(
    component: tuple[ContextPass, Callable[[list[str]], list[set[tuple[str, int, int]]]]], tokens: list[str]
) -> None:
    ours, theirs = component
    shape = [OPEN, *(ours.simplified(tokens)), CONCEPT, CLOSE]
    expected = theirs(shape)
    found = ours(shape) or ((),) * len(expected)
    assert [{(category, *place) for category, *place in one} for one in found] == expected


def assert_read_as_if_alone(one: ContextPass, tokens: list[str], reach: int) -> None:
    places = [at for at, token in enumerate(tokens) if token == CONCEPT]
    expected = []
    for place in places:
        window = tokens[max(0, place - reach) : place + reach]
        alone = one(window)
        expected.append(alone[window[: min(place, reach)].count(CONCEPT)] if alone else ())
    assert list(one.windows(tokens, places, reach)) == expected


def pieces(part: str) -> st.SearchStrategy[list[str]]:
    """A concept, a token of the rules, or a whole cue of theirs with its gaps filled."""
    own = [cue.tokens for cue in RULES.cues if cue.part == part]
    tokens = sorted({token for cue in own for token in cue} - {GAP, OPEN, CLOSE})
    cues = [[UNKNOWN if token == GAP else token for token in cue] for cue in own]
    return st.just([CONCEPT]) | st.sampled_from(tokens).map(lambda one: [one]) | st.sampled_from(cues)


@pytest.mark.parametrize("number", range(len(PARTS)), ids=PARTS)
@settings(max_examples=150, deadline=None)
@given(data=st.data(), reach=st.integers(1, 24))
def test_a_concept_of_a_long_sentence_is_reached_as_if_its_window_stood_alone(
    contexts: tuple[Context, Context], number: int, data: st.DataObject, reach: int
) -> None:
    drawn = data.draw(st.lists(pieces(PARTS[number]), min_size=1, max_size=40))
    tokens = [OPEN, *(token for piece in drawn for token in piece), CONCEPT, CLOSE]
    assert_read_as_if_alone(contexts[1].passes[number], tokens, reach)


LETTERS = ["a", "b", "c", ";", CONCEPT, UNKNOWN]
CUES = st.builds(
    Cue,
    part=st.just("made up"),
    category=st.sampled_from(["one", "two", "three"]),
    direction=st.sampled_from(["forward", "backward", "bidirectional", "pseudo"]),
    tokens=st.lists(st.sampled_from([*LETTERS, GAP]), min_size=1, max_size=3)
    .filter(lambda tokens: tokens[0] not in {GAP, UNKNOWN})
    .map(tuple),
    scope=st.none() | st.integers(1, 8),
    until=st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=2, unique=True).map(tuple),
)


@settings(max_examples=250, deadline=None)
@given(
    cues=st.lists(CUES, min_size=1, max_size=8),
    tokens=st.lists(st.sampled_from(LETTERS), min_size=1, max_size=40),
    reach=st.integers(1, 24),
)
def test_whatever_the_cues_a_window_of_a_long_sentence_is_read_as_if_it_stood_alone(
    cues: list[Cue], tokens: list[str], reach: int
) -> None:
    one = ContextPass(cues, {}, frozenset({";"}))
    assert_read_as_if_alone(one, [*tokens, CONCEPT], reach)
