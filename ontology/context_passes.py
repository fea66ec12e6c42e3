"""`ContextPass`: medspaCy's ConText over the simplified tokens of a sentence (the only medspacy)."""

from __future__ import annotations

import warnings
from collections import Counter
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from ontology.context_rules import CLOSE, CONCEPT, GAP, OPEN, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ontology.context_rules import Cue
    from ontology.context_windows import Windows

__all__ = ["ContextPass", "Reached"]

Reached = tuple[tuple[str, int, int], ...]
"""The cues that reach one concept: category and place (tokens, end exclusive)."""

_REMEMBERED = 32_768
_GAP = 4
_ENDS = ""  # no token is empty


class ContextPass:
    """One pass of ConText, with the cues of one part of the rules.

    medspaCy's rules, modifiers and graph decide what a cue reaches; where the cues stand, a trie over tokens finds, since
    spaCy's matchers take ten times as long for cues with gaps and half a minute to be made (the answers are the same: a test compares
    them with medspaCy's own component). What no cue of the part names is `_` to it, so the vocabulary stays closed whatever
    the text, and sentences of one shape are read once. A sentence in which no acting cue stands is not given to medspaCy:
    nothing could reach its concepts (`skip=False` gives it every sentence; the answers are the same).
    """

    def __init__(
        self, cues: Sequence[Cue], folded: Mapping[str, str], gap_ends: frozenset[str], *, skip: bool = True
    ) -> None:
        with warnings.catch_warnings():  # medspaCy silences every warning of the process when it is imported
            warnings.simplefilter("ignore")  # what spaCy's imports deprecate is not for our users
            from medspacy.common.util import prune_overlapping_matches
            from medspacy.context import ConTextGraph, ConTextModifier, ConTextRule
            from spacy.tokens import Doc, Span
            from spacy.vocab import Vocab

        self._doc, self._span, self._vocab = Doc, Span, Vocab()
        self._graph, self._modifier, self._longest = ConTextGraph, ConTextModifier, prune_overlapping_matches
        self._cues = tuple(cues)
        self._rule = lru_cache(maxsize=None)(partial(_rule, ConTextRule))
        vocabulary = {token for cue in cues for token in cue.tokens}
        self._tokens = _Tokens({token: token for token in vocabulary})
        self._tokens |= {one: kind for one, kind in folded.items() if kind in vocabulary}
        self._tokens |= {CONCEPT: CONCEPT, OPEN: OPEN, CLOSE: CLOSE}
        self._trie = _Trie(self._cues, gap_ends | {folded.get(one, one) for one in gap_ends})
        acting = _triggers(cues) if skip else frozenset()
        self._acting = frozenset(one for one, kind in self._tokens.items() if kind in acting)
        self._always = not skip or UNKNOWN in acting
        self._skip = skip
        self._read = lru_cache(maxsize=_REMEMBERED)(self._reaching)
        self._windows: Windows | None = None

    def __call__(self, tokens: Sequence[str]) -> tuple[Reached, ...] | None:
        """The cues that reach each `@` of `tokens`, in order; None where there are none at all."""
        if not self._always and self._acting.isdisjoint(tokens):
            return None
        return self._read(self.simplified(tokens))

    def windows(self, tokens: Sequence[str], places: Sequence[int], reach: int) -> Iterator[Reached]:
        """The cues that reach each `@` at `places` of a long sentence, read with less than `reach` tokens before and after it alone;
        where the cues stand is counted from there.
        """
        if self._windows is None:
            from ontology.context_windows import Windows

            self._windows = Windows(self._cues, self._trie.find)
        return self._windows(self.simplified(tokens), places, reach)

    def simplified(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """The tokens as this pass sees them: what no cue of it names is `_`."""
        return tuple(map(self._tokens.__getitem__, tokens))

    def _reaching(self, shape: tuple[str, ...]) -> tuple[Reached, ...] | None:
        matches = self._longest(self._trie.find(shape))
        if self._skip and all(self._cues[number].direction == "pseudo" for number, _, _ in matches):
            return None
        doc = self._doc(self._vocab, words=shape, sent_starts=[True] + [False] * (len(shape) - 1))
        places = [index for index, token in enumerate(shape) if token == CONCEPT]
        graph = self._graph(
            targets=[self._span(doc, place, place + 1, label="CONCEPT") for place in places],
            modifiers=[
                self._modifier(self._rule(self._cues[number]), first, end, doc) for number, first, end in matches
            ],
            prune_on_modifier_overlap=True,
        )
        graph.update_scopes()
        graph.apply_modifiers()
        found: dict[int, list[tuple[str, int, int]]] = {place: [] for place in places}
        for target, modifier in graph.edges:
            found[target.start].append((modifier.category, *modifier.modifier_span))
        return tuple(tuple(found[place]) for place in places)


class _Tokens(dict[str, str]):
    """Tokens as a pass sees them. There are few (`ontology.context` makes them of the rules), so what is met is kept."""

    def __missing__(self, token: str) -> str:
        if len(self) < _REMEMBERED:
            self[token] = UNKNOWN
        return UNKNOWN


def _rule(make: Any, cue: Cue) -> Any:
    """The cue as medspaCy's."""
    return make(
        " ".join(cue.tokens),
        cue.category,
        direction=cue.direction.upper(),
        max_scope=cue.scope,
        terminated_by=set(cue.until) or None,
    )


class _Trie:
    """Where cues stand in a sentence; cost: tokens times the few ways that their gaps leave open."""

    def __init__(self, cues: Sequence[Cue], gap_ends: frozenset[str]) -> None:
        self._root: dict[str, Any] = {}
        self._gap_ends = gap_ends
        for number, cue in enumerate(cues):
            node = self._root
            for token in cue.tokens:
                node = node.setdefault(token, {})
            node.setdefault(_ENDS, number)

    def find(self, shape: Sequence[str], starts: range | None = None) -> list[tuple[int, int, int]]:
        """Number of the cue, start and end, of every match (that begins at one of `starts`), in the order of the cues."""
        found: set[tuple[int, int, int]] = set()
        for start in range(len(shape)) if starts is None else starts:
            node = self._root.get(shape[start])
            if node is not None:
                self._walk(node, shape, start, start + 1, found)
        return sorted(found)

    def _walk(
        self, node: dict[str, Any], shape: Sequence[str], start: int, at: int, found: set[tuple[int, int, int]]
    ) -> None:
        following: dict[str, Any] | None = node
        while following is not None:
            if _ENDS in following:
                found.add((following[_ENDS], start, at))
            gap = following.get(GAP)
            if gap is not None:
                for after in range(at, min(at + _GAP, len(shape)) + 1):
                    self._walk(gap, shape, start, after, found)
                    if after == len(shape) or shape[after] in self._gap_ends:
                        break
            if at == len(shape):
                break
            following = following.get(shape[at])
            at += 1


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
