"""`ContextPass`: medspaCy's ConText over the simplified tokens of a sentence (the only medspacy)."""

from __future__ import annotations

import warnings
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ontology.context_rules import CLOSE, CONCEPT, GAP, OPEN, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ontology.context_rules import Cue

__all__ = ["ContextPass", "Reached"]

Reached = tuple[tuple[str, int, int], ...]
"""The cues that reach one concept: category and place (tokens, end exclusive)."""

_REMEMBERED = 32_768
_GAP = 4


class ContextPass:
    """One pass of ConText, with the cues of one part of the rules.

    What no cue of the part names is `_` to it, so the vocabulary stays closed whatever the text, and sentences of one
    shape are read once. A sentence that holds no acting cue's rarest token is not read at all: nothing could reach its
    concepts (`skip=False` reads every sentence; the answers are the same).
    """

    def __init__(
        self, cues: Sequence[Cue], folded: Mapping[str, str], gap_ends: frozenset[str], *, skip: bool = True
    ) -> None:
        with warnings.catch_warnings():  # medspaCy silences every warning of the process when it is imported
            warnings.simplefilter("ignore")  # what spaCy's imports deprecate is not for our users
            import spacy
            from medspacy.context import ConText, ConTextRule
        from spacy.tokens import Doc, Span

        self._doc, self._span, self._rule = Doc, Span, ConTextRule
        self._nlp = spacy.blank("en")
        self._nlp.tokenizer = self._tokenised
        vocabulary = {token for cue in cues for token in cue.tokens}
        self._tokens = {token: token for token in vocabulary} | {
            one: kind for one, kind in folded.items() if kind in vocabulary
        }
        self._tokens |= {CONCEPT: CONCEPT, OPEN: OPEN, CLOSE: CLOSE}
        self._gap = {"ORTH": {"NOT_IN": sorted(gap_ends | {folded.get(one, one) for one in gap_ends})}, "OP": "?"}
        self._component = ConText(self._nlp, rules=None, span_attrs=None, prune_on_target_overlap=True)
        first, *others = cues
        self._component.add([self._compiled(first, pattern=True), *map(self._compiled, others)])
        self._triggers = _triggers(cues) if skip else None
        self._read = lru_cache(maxsize=_REMEMBERED)(self._reaching)

    def __call__(self, tokens: Sequence[str]) -> tuple[Reached, ...] | None:
        """The cues that reach each `@` of `tokens`, in order; None where there are none at all."""
        known = self._tokens
        shape = tuple([known.get(token, UNKNOWN) for token in tokens])
        if self._triggers is not None and self._triggers.isdisjoint(shape):
            return None
        return self._read(shape)

    def _tokenised(self, text: str) -> Any:
        words = text.split(" ")
        return self._doc(self._nlp.vocab, words=words, spaces=[True] * len(words))

    def _compiled(self, cue: Cue, *, pattern: bool = False) -> Any:
        """The cue for medspaCy; one of a component has a pattern, since spaCy warns at each call of a matcher with none."""
        steps: list[dict[str, Any]] = []
        for token in cue.tokens:
            steps += [self._gap] * _GAP if token == GAP else [{"ORTH": token}]
        return self._rule(
            " ".join(cue.tokens),
            cue.category,
            pattern=steps if pattern or GAP in cue.tokens else None,
            direction=cue.direction.upper(),
            max_scope=cue.scope,
            terminated_by=set(cue.until) or None,
        )

    def _reaching(self, shape: tuple[str, ...]) -> tuple[Reached, ...]:
        doc = self._doc(self._nlp.vocab, words=shape, sent_starts=[True] + [False] * (len(shape) - 1))
        places = [index for index, token in enumerate(shape) if token == CONCEPT]
        doc.ents = [self._span(doc, place, place + 1, label="CONCEPT") for place in places]
        self._component(doc)
        found: dict[int, list[tuple[str, int, int]]] = {place: [] for place in places}
        for target, modifier in doc._.context_graph.edges:
            found[target.start].append((modifier.category, *modifier.modifier_span))
        return tuple(tuple(found[place]) for place in places)


def _triggers(cues: Sequence[Cue]) -> frozenset[str]:
    """Of each cue that acts its rarest token: where none of them stands, no cue can match."""
    common = Counter(token for cue in cues for token in set(cue.tokens))
    empty = {UNKNOWN, GAP, CONCEPT, OPEN, CLOSE}
    chosen = set()
    for cue in cues:
        if cue.direction != "pseudo":
            telling = [token for token in cue.tokens if token not in empty] or list(cue.tokens)
            chosen.add(min(telling, key=lambda token: (not token[0].isalpha(), common[token], token)))
    return frozenset(chosen)
