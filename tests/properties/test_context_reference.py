"""What our loops say of cues is what medspaCy says of them: its rules, modifiers and graph, and its whole component."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ontology.context_passes import ContextPass
from ontology.context_rules import CLOSE, CONCEPT, GAP, OPEN, PARTS, UNKNOWN, Cue, read_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Match = tuple[int, int, int]
    Said = list[list[tuple[str, int, int]]]

RULES = read_rules()
OWN = {part: [cue for cue in RULES.cues if cue.part == part] for part in PARTS}
ENDS = {part: RULES.gap_ends | {RULES.folded[part].get(one, one) for one in RULES.gap_ends} for part in PARTS}
LETTERS = ["a", "b", "c", ";", CONCEPT, UNKNOWN]
MADE_UP_ENDS = frozenset({";"})


def ends_of(cue: Sequence[str], shape: Sequence[str], at: int, gap_ends: frozenset[str]) -> Iterator[int]:
    """Where a cue that stands at a token may end; a gap is up to four tokens that none of `gap_ends` is."""
    if not cue:
        yield at
    elif cue[0] != GAP:
        if shape[at : at + 1] == [cue[0]]:
            yield from ends_of(cue[1:], shape, at + 1, gap_ends)
    else:
        for count in range(5):
            if at + count <= len(shape) and gap_ends.isdisjoint(shape[at : at + count]):
                yield from ends_of(cue[1:], shape, at + count, gap_ends)


def standing(cues: Sequence[Cue], shape: Sequence[str], gap_ends: frozenset[str]) -> list[Match]:
    """Number, start and end of every match, in the order of the cues."""
    starts: dict[str, list[int]] = {}
    for at, token in enumerate(shape):
        starts.setdefault(token, []).append(at)
    return [
        (number, at, end)
        for number, cue in enumerate(cues)
        for at in starts.get(cue.tokens[0], ())
        for end in sorted(set(ends_of(cue.tokens, shape, at, gap_ends)))
    ]


def rule_of(cue: Cue, **pattern: Any) -> Any:
    from medspacy.context import ConTextRule

    return ConTextRule(
        " ".join(cue.tokens),
        cue.category,
        direction=cue.direction.upper(),
        max_scope=cue.scope,
        terminated_by=set(cue.until) or None,
        **pattern,
    )


def graph_says(cues: Sequence[Cue], shape: list[str], gap_ends: frozenset[str]) -> Said:
    """What reaches each concept, in order, by medspaCy's pruning, modifiers and graph."""
    from medspacy.common.util import prune_overlapping_matches
    from medspacy.context import ConTextGraph, ConTextModifier
    from spacy.tokens import Doc, Span

    doc = Doc(blank().vocab, words=shape, sent_starts=[True] + [False] * (len(shape) - 1))
    places = [at for at, token in enumerate(shape) if token == CONCEPT]
    graph = ConTextGraph(
        targets=[Span(doc, at, at + 1, label="CONCEPT") for at in places],
        modifiers=[
            ConTextModifier(rule_of(cues[number]), start, end, doc)
            for number, start, end in prune_overlapping_matches(standing(cues, shape, gap_ends))
        ],
        prune_on_modifier_overlap=True,
    )
    graph.update_scopes()
    graph.apply_modifiers()
    found: dict[int, list[tuple[str, int, int]]] = {at: [] for at in places}
    for target, modifier in graph.edges:
        found[target.start].append((modifier.category, *modifier.modifier_span))
    return list(found.values())


@cache
def blank() -> Any:
    import spacy

    return spacy.blank("en")


def component(cues: Sequence[Cue], gap_ends: frozenset[str]) -> Callable[[list[str]], Said]:
    """What reaches each concept by medspaCy's whole component, sorted: it finds the cues with spaCy's matcher."""
    from medspacy.context import ConText
    from spacy.tokens import Doc, Span

    nlp = blank()
    gap = {"ORTH": {"NOT_IN": sorted(gap_ends)}, "OP": "?"}
    context = ConText(nlp, rules=None, span_attrs=None, prune_on_target_overlap=True)
    for cue in cues:
        steps = ([gap] * 4 if token == GAP else [{"ORTH": token}] for token in cue.tokens)
        context.add(rule_of(cue, pattern=[one for step in steps for one in step]))

    def says(shape: list[str]) -> Said:
        doc = Doc(nlp.vocab, words=shape, sent_starts=[True] + [False] * (len(shape) - 1))
        places = [at for at, token in enumerate(shape) if token == CONCEPT]
        doc.ents = [Span(doc, at, at + 1, label="CONCEPT") for at in places]
        found: dict[int, list[tuple[str, int, int]]] = {at: [] for at in places}
        for target, modifier in context(doc)._.context_graph.edges:
            found[target.start].append((modifier.category, *modifier.modifier_span))
        return [sorted(one) for one in found.values()]

    return says


def ours(one: ContextPass, shape: Sequence[str]) -> Said:
    return [list(reached) for reached in one(shape) or ((),) * list(shape).count(CONCEPT)]


def assert_windows_are_read_as_by_medspacy(
    one: ContextPass, cues: Sequence[Cue], shape: list[str], gap_ends: frozenset[str], reach: int
) -> None:
    """Each concept of a long sentence gets what medspaCy says of it where its window is the whole sentence."""
    places = [at for at, token in enumerate(shape) if token == CONCEPT]
    expected = []
    for place in places:
        window = shape[max(0, place - reach) : place + reach]
        expected.append(graph_says(cues, window, gap_ends)[window[: min(place, reach)].count(CONCEPT)])
    assert [list(reached) for reached in one.windows(shape, places, reach)] == expected


def passes(cues: Sequence[Cue], part: str = "") -> tuple[ContextPass, ContextPass]:
    """With and without the skipping of sentences that nothing can reach."""
    folded, gap_ends = (RULES.folded[part], RULES.gap_ends) if part else ({}, MADE_UP_ENDS)
    return ContextPass(cues, folded, gap_ends), ContextPass(cues, folded, gap_ends, skip=False)


OURS = {part: passes(OWN[part], part) for part in PARTS}


def pieces(part: str) -> st.SearchStrategy[list[str]]:
    """A concept, tokens of the rules, or a whole cue of theirs: its gaps filled, whole or cut, so that cues overlap."""
    cues = [cue.tokens for cue in OWN[part]]
    tokens = sorted({token for cue in cues for token in cue} - {GAP, OPEN, CLOSE})

    def filled(cue: tuple[str, ...], others: list[str], kept: int) -> list[str]:
        said = [one for token in cue for one in (others if token == GAP else [token])]
        return said[:kept] or said

    fillings = st.lists(st.sampled_from([UNKNOWN, CONCEPT]) | st.sampled_from(tokens), max_size=5)
    return (
        st.just([CONCEPT])
        | st.sampled_from(tokens).map(lambda one: [one])
        | st.builds(filled, st.sampled_from(cues), fillings, st.integers(1, 12))
    )


def shapes(part: str) -> st.SearchStrategy[list[str]]:
    """A sentence of such pieces, with at least one concept."""
    drawn = st.lists(pieces(part), min_size=3, max_size=14)
    return drawn.map(lambda some: [OPEN, *(token for piece in some for token in piece), CONCEPT, CLOSE])


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_all_cues_of_a_part_reach_what_medspacys_graph_says(part: str, data: st.DataObject) -> None:
    shape = data.draw(shapes(part))
    quick, whole = OURS[part]
    expected = graph_says(OWN[part], list(whole.simplified(shape)), ENDS[part])
    assert ours(quick, shape) == expected
    assert ours(whole, shape) == expected


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), reach=st.integers(1, 24))
def test_a_concept_of_a_long_sentence_is_read_as_if_its_window_stood_alone(
    part: str, data: st.DataObject, reach: int
) -> None:
    one = OURS[part][0]
    shape = list(one.simplified(data.draw(shapes(part))))
    assert_windows_are_read_as_by_medspacy(one, OWN[part], shape, ENDS[part], reach)


SOME = {part: [cue for at, cue in enumerate(OWN[part]) if at % 12 == 0 or len(cue.tokens) == 1] for part in PARTS}


@pytest.fixture(scope="module", params=PARTS)
def whole_component(request: pytest.FixtureRequest) -> tuple[str, ContextPass, Callable[[list[str]], Said]]:
    """With some of the cues of a part: spaCy takes half a minute to compile them all."""
    part = request.param
    return part, passes(SOME[part], part)[0], component(SOME[part], ENDS[part])


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_pass_reaches_what_medspacys_component_reaches(
    whole_component: tuple[str, ContextPass, Callable[[list[str]], Said]], data: st.DataObject
) -> None:
    part, one, says = whole_component
    shape = list(one.simplified(data.draw(shapes(part))))
    assert [sorted(reached) for reached in ours(one, shape)] == says(shape)


MADE_UP = st.lists(
    st.builds(
        Cue,
        part=st.just("made up"),
        category=st.sampled_from(["one", "two", "three"]),
        direction=st.sampled_from(["forward", "backward", "bidirectional", "pseudo"]),
        tokens=st.lists(st.sampled_from([*LETTERS, GAP, GAP]), min_size=1, max_size=4)
        .filter(lambda tokens: tokens[0] not in {GAP, UNKNOWN})
        .map(tuple),
        scope=st.none() | st.integers(1, 8),
        until=st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=2, unique=True).map(tuple),
    ),
    min_size=3,
    max_size=9,
    unique_by=lambda cue: cue.tokens,
)
SENTENCES = st.lists(st.sampled_from(LETTERS), min_size=12, max_size=40).map(lambda tokens: [*tokens, CONCEPT])


@settings(max_examples=400, deadline=None)
@given(cues=MADE_UP, shape=SENTENCES, reach=st.integers(1, 24))
def test_whatever_the_cues_they_reach_what_medspacys_graph_says(cues: list[Cue], shape: list[str], reach: int) -> None:
    quick, whole = passes(cues)
    shape = list(whole.simplified(shape))
    expected = graph_says(cues, shape, MADE_UP_ENDS)
    assert ours(quick, shape) == expected
    assert ours(whole, shape) == expected
    assert_windows_are_read_as_by_medspacy(quick, cues, shape, MADE_UP_ENDS, reach)


@settings(max_examples=150, deadline=None)
@given(cues=MADE_UP, shape=SENTENCES)
def test_whatever_the_cues_they_reach_what_medspacys_component_reaches(cues: list[Cue], shape: list[str]) -> None:
    one, _ = passes(cues)
    shape = list(one.simplified(shape))
    ranges = [place for _, *place in standing(cues, shape, MADE_UP_ENDS)]
    assume(all(ranges.count(place) == 1 for place in ranges))  # of two cues in one place spaCy's matcher decides
    assert [sorted(reached) for reached in ours(one, shape)] == component(cues, MADE_UP_ENDS)(shape)
