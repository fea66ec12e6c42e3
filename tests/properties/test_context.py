"""Reading less changes nothing: passes of ConText that are skipped could not have said anything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontology.context import Context, sentences
from ontology.context_rules import CONCEPT, GAP, PARTS, read_rules
from ontology.qualifiers import read_qualifiers

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
