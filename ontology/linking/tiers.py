"""`Tiers`: exact and near strings of an `Index` in texts, as hits with their candidates."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ontology.linking.fold import folded
from ontology.linking.kernels import Tokens, kernels
from ontology.linking.senses import Senses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ontology.linking.index import Index
    from ontology.linking.senses import Candidates

__all__ = ["THRESHOLD", "Hit", "Tiers", "beside"]

THRESHOLD = 0.3
"""Least cosine of 3-grams for a window that already has the words of a string, but for a letter or their order."""


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
        self._senses = Senses(index)

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
        said = list(zip(entry.tolist(), raw.tolist(), capitals.tolist(), strict=True))
        meanings = self._senses.exact(said)
        for place, start, end, what in zip(text.tolist(), begin.tolist(), stop.tolist(), said, strict=True):
            out[place].append(Hit(start, end, meanings[what]))
        if self._fuzzy:
            self._near(numbers, starts, tokens, number, one, two, out)
        return out

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
                found[concept] = score, rank
        chosen = [(text, key) for text, wanted in windows.items() for key in _apart(wanted)]
        candidates = self._senses.near([windows[text][key] for text, key in chosen])
        near: dict[int, list[Hit]] = {}
        for (text, (_, _, start, end)), meant in zip(chosen, candidates, strict=True):
            near.setdefault(text, []).append(Hit(start, end, meant))
        for text, hits in near.items():
            out[text] = beside(hits, out[text])


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
