"""`Tiers`: exact and near strings of an `Index` in texts, as hits with their candidates."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ontology.concept import Cui
from ontology.linking.fold import folded
from ontology.linking.index import ACRONYM, DERIVED
from ontology.linking.kernels import Tokens, kernels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ontology.linking.index import Index

__all__ = ["CAP", "EXACT", "INFLECTED", "STEP", "THRESHOLD", "Candidates", "Hit", "Tiers", "beside"]

EXACT = 1.0
"""Score of a string of the catalog itself."""
INFLECTED = 0.99
"""Score of an inflected or respelled form: below the string itself, where a text could mean either."""
CAP = 0.98
"""Most that a near string scores: it never outranks an exact one."""
THRESHOLD = 0.3
"""Least cosine of 3-grams for a window that already has the words of a string, but for a letter or their order."""

STEP = 0.001
"""Between candidates that tie and of which one comes first where nothing else is known."""

_STEPS = 5  # at most
_DERIVED = 0.09  # taken from a string made by rule
_KEPT = 10  # candidates of a hit
_REMEMBERED = 200_000  # meanings kept

Candidates = tuple[tuple[Cui, float], ...]


class Hit(NamedTuple):
    """A string of the catalog in a text: characters, end exclusive; candidates best first, ties by CUI."""

    start: int
    end: int
    candidates: Candidates


class Tiers:
    """Finds the strings of `index`. `fuzzy=False` leaves misspelt and reordered ones out."""

    def __init__(self, index: Index, *, fuzzy: bool = True, threshold: float = THRESHOLD) -> None:
        self._index = index
        self._fuzzy = fuzzy and len(index) > 0
        self._threshold = threshold
        self._meanings: dict[tuple[int, int, int], Candidates] = {}

    def find(self, texts: Sequence[str]) -> list[list[Hit]]:
        """The hits of each text in order of `start`, apart from each other; the same whether texts come together or alone."""
        out: list[list[Hit]] = [[] for _ in texts]
        if not len(self._index):
            return out
        loops, a = kernels(), self._index.arrays
        numbers, starts = folded(texts)
        tokens = Tokens(*loops.tokenise(numbers, starts))
        number = loops.known(tokens.code, a["word_keys"], a["word_values"])
        text, one, two, entry, raw, capitals = loops.exact(
            *tokens, number, a["bits"], a["string_keys"], a["string_values"], a["entry_acronym"]
        )
        begin, stop = tokens.start[one] - starts[text], tokens.end[two] - starts[text]
        if len(self._meanings) > _REMEMBERED:
            self._meanings.clear()
        meanings, meaning = self._meanings, self._meaning
        columns = (text, begin, stop, entry, raw, capitals)
        for place, start, end, *key in zip(*(column.tolist() for column in columns), strict=True):
            what = tuple(key)
            found = meanings.get(what)
            if found is None:
                found = meanings[what] = meaning(*what)
            out[place].append(Hit(start, end, found))
        if self._fuzzy:
            self._near(numbers, starts, tokens, number, one, two, out)
        return out

    def _meaning(self, entry: int, raw: int, capitals: int) -> Candidates:
        """The concepts that an exact string may mean."""
        a = self._index.arrays
        scores: dict[int, tuple[float, int]] = {}
        first, last = a["entry_first"][entry], a["entry_first"][entry + 1]
        columns = (
            a[name][first:last].tolist() for name in ("string_concept", "string_raw", "string_kind", "string_rank")
        )
        for concept, written, kind, rank in zip(*columns, strict=True):
            if kind & ACRONYM and not capitals:
                continue
            score = (EXACT if written == raw else INFLECTED) - (_DERIVED if kind & DERIVED else 0.0)
            if concept not in scores or score > scores[concept][0]:
                scores[concept] = score, rank
        return self._ranked(scores)

    def _ranked(self, scores: Mapping[int, tuple[float, int]]) -> Candidates:
        """Concepts best first, from their scores and their ranks where nothing else is known. Those that tie are set apart
        by a step each.
        """
        cuis = self._index.cuis
        order = sorted((-score, rank, cuis[concept].decode()) for concept, (score, rank) in scores.items())
        found: list[tuple[Cui, float]] = []
        ties, before = 0, (0.0, 0)
        for score, rank, cui in order[:_KEPT]:
            if score != before[0]:
                ties = 0
            elif rank != before[1]:
                ties += 1
            before = (score, rank)
            found.append((Cui(cui), round(-score - STEP * min(ties, _STEPS), 4)))
        if len(found) > 1:
            found.sort(key=lambda pair: (-pair[1], pair[0]))
        return tuple(found)

    def _near(
        self,
        numbers: Any,
        starts: Any,
        tokens: Tokens,
        number: Any,
        one: Any,
        two: Any,
        out: list[list[Hit]],
    ) -> None:
        """Put near strings among the hits: a window with more words before one with fewer, and before exact ones in it."""
        loops, index = kernels(), self._index
        slips = loops.slips(numbers, tokens, number, index.words, index.common)
        placed = loops.placed(one, two, len(number))
        room = 256
        while True:
            rows, scores = np.empty((room, 6), np.int64), np.empty(room, np.float64)
            count = loops.near(
                numbers, tokens, number, *placed, index.arrays["role"], slips, index.bags, index.texts,
                index.arrays["idf"], self._threshold, rows, scores,
            )  # fmt: skip
            if count <= room:
                break
            room = count
        if not count:
            return
        where = rows[:count, 3]
        columns = (
            rows[:count],
            scores[:count],
            index.arrays["string_concept"][where],
            index.arrays["string_rank"][where],
        )
        windows: dict[int, dict[tuple[int, int, int, int], dict[int, tuple[float, int]]]] = {}
        for (text, begin, last, _, content, slip), score, concept, rank in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            start, end = int(tokens.start[begin] - starts[text]), int(tokens.end[last] - starts[text])
            found = windows.setdefault(text, {}).setdefault((-content, slip, start, end), {})
            if concept not in found or score > found[concept][0]:
                found[concept] = round(min(score, CAP), 4), rank
        for text, wanted in windows.items():
            chosen = [Hit(start, end, self._ranked(wanted[key])) for key in _apart(wanted) for start, end in [key[2:]]]
            out[text] = beside(chosen, out[text])


def _apart(windows: Iterable[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Windows (how much they yield, slip, start, end) that overlap none before them in their order, in order of `start`."""
    starts: list[int] = []
    taken: list[tuple[int, int, int, int]] = []
    for window in sorted(windows):
        start, end = window[2:]
        place = bisect_left(starts, end)
        if place == 0 or taken[place - 1][3] <= start:
            starts.insert(place, start)
            taken.insert(place, window)
    return taken


def beside(hits: list[Hit], more: list[Hit]) -> list[Hit]:
    """The hits, and of `more` those that overlap none of them; each in order of `start` and apart."""
    kept = list(hits)
    place = 0
    for one in more:
        while place < len(hits) and hits[place].end <= one.start:
            place += 1
        if place == len(hits) or one.end <= hits[place].start:
            kept.append(one)
    return sorted(kept)
