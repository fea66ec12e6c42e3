"""`ContextPass`: ConText over the simplified tokens of a sentence, with the cues of one part of the rules."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ontology.context_rules import CLOSE, CONCEPT, GAP, OPEN, UNKNOWN
from ontology.context_windows import Windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ontology.context_rules import Cue

__all__ = ["ContextPass", "Reached"]

Reached = tuple[tuple[str, int, int], ...]
"""The cues that reach one concept: category and place (tokens, end exclusive)."""

_REMEMBERED = 32_768
_GAP = 4
_ENDS = ""  # no token is empty


class ContextPass:
    """One pass of ConText (Harkema et al., J Biomed Inform 2009), with the cues of one part of the rules.

    A trie over tokens finds where cues stand, `Windows` what they reach; the answers are medspaCy's (tests compare them). What
    no cue of the part names is `_` to it, so the vocabulary stays closed whatever the text, and sentences of one shape are
    read once. A sentence in which no acting cue stands is not read: nothing could reach its concepts (`skip=False` reads every
    sentence; the answers are the same).
    """

    def __init__(
        self, cues: Sequence[Cue], folded: Mapping[str, str], gap_ends: frozenset[str], *, skip: bool = True
    ) -> None:
        vocabulary = {token for cue in cues for token in cue.tokens}
        self._tokens = _Tokens({token: token for token in vocabulary})
        self._tokens |= {one: kind for one, kind in folded.items() if kind in vocabulary}
        self._tokens |= {CONCEPT: CONCEPT, OPEN: OPEN, CLOSE: CLOSE}
        acting = _triggers(cues) if skip else frozenset()
        self._acting = frozenset(one for one, kind in self._tokens.items() if kind in acting)
        self._always = not skip or UNKNOWN in acting
        self._windows = Windows(cues, _Trie(cues, gap_ends | {folded.get(one, one) for one in gap_ends}).find)
        self._read = lru_cache(maxsize=_REMEMBERED)(self._reaching)

    def __call__(self, tokens: Sequence[str]) -> tuple[Reached, ...] | None:
        """The cues that reach each `@` of `tokens`, in order; None where none can."""
        if not self._always and self._acting.isdisjoint(tokens):
            return None
        return self._read(self.simplified(tokens))

    def windows(self, tokens: Sequence[str], places: Sequence[int], reach: int) -> Iterator[Reached]:
        """The cues that reach each `@` at `places` of a long sentence, read with less than `reach` tokens before and after it alone;
        where the cues stand is counted from there.
        """
        return self._windows(self.simplified(tokens), places, reach)

    def simplified(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """The tokens as this pass sees them: what no cue of it names is `_`."""
        return tuple(map(self._tokens.__getitem__, tokens))

    def _reaching(self, shape: tuple[str, ...]) -> tuple[Reached, ...]:
        places = [index for index, token in enumerate(shape) if token == CONCEPT]
        return tuple(self._windows(shape, places, len(shape)))


class _Tokens(dict[str, str]):
    """Tokens as a pass sees them. There are few (`ontology.context` makes them of the rules), so what is met is kept."""

    def __missing__(self, token: str) -> str:
        if len(self) < _REMEMBERED:
            self[token] = UNKNOWN
        return UNKNOWN


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

    def find(self, shape: Sequence[str], starts: range) -> list[tuple[int, int, int]]:
        """Start, end and number of the cue, of every match that begins at one of `starts`, in order."""
        found: set[tuple[int, int, int]] = set()
        for start in starts:
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
                found.add((start, at, following[_ENDS]))
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
            telling = [token for token in cue.tokens if token not in empty]
            telling = telling or [token for token in cue.tokens if token != GAP]
            chosen.add(min(telling, key=lambda token: (not token[0].isalpha(), common[token], token)))
    return frozenset(chosen)
