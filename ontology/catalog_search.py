"""Text of catalogs: how strings are compared, and the index of a catalog in memory."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from difflib import get_close_matches
from functools import cached_property
from heapq import nsmallest
from itertools import islice, pairwise, takewhile
from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ontology.concept import Cui

__all__ = ["LONGEST", "TextIndex", "likeness", "normal", "plain"]

LONGEST = 200
"""Characters of a search that count."""

_WORD = re.compile(r"[^\W_]+")
_GRAM = 3
_NEAR_WORDS = 30
_FINALISTS = 100  # strings compared letter by letter
_POSTINGS = 6000  # strings looked at by word


def normal(text: str) -> str:
    """Text as catalogs compare it: NFKC, case folded, words separated by one space.

    >>> normal("Alzheimer's  Disease,")
    'alzheimer s disease'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(_WORD.findall(text.casefold()))


def plain(text: str) -> str:
    """Normal text without accents: what is searched. Takes normal text, too.

    >>> plain("Sjögren's")
    'sjogren s'
    """
    text = normal(text)
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn")


def likeness(wanted: str, words: list[str], string: str, stands_for: Mapping[str, list[str]] = {}) -> float:
    """How like two normal texts are: 1.0 for the same, else shared words, shared letters and the same beginning, below 1.

    A word that the catalog does not have may count as one that it `stands_for`, at four fifths.
    """
    if wanted == string:
        return 1.0
    others = set(string.split())
    said = {word: next((one for one in stands_for.get(word, ()) if one in others), word) for word in words}
    shared = sum(1.0 if word == one else 0.8 for word, one in said.items() if one in others)
    union = len(others | set(said.values()))
    prefix = 0.15 if string.startswith(wanted) else 0.0
    return min(0.99, 0.6 * shared / max(union, 1) + 0.25 * _letters(wanted, string) + prefix)


def _letters(a: str, b: str) -> float:
    """Dice's coefficient of the pairs of letters (Dice 1945)."""
    pairs, others = set(pairwise(a)), set(pairwise(b))
    return 2 * len(pairs & others) / max(len(pairs) + len(others), 1)


class TextIndex:
    """Plain strings with their concepts, searched by word, by three letters and by beginning."""

    def __init__(self, strings: Mapping[str, tuple[Cui, ...]]) -> None:
        self._by_text = strings
        self._sorted = sorted(strings)

    @cached_property
    def _by_word(self) -> dict[str, list[int]]:
        """Word to the places in `_sorted` of the strings that have it."""
        places: dict[str, list[int]] = {}
        for place, string in enumerate(self._sorted):
            for word in set(string.split()):
                places.setdefault(word, []).append(place)
        return places

    @cached_property
    def _by_gram(self) -> dict[str, list[str]]:
        """Three letters to the words that have them: finds misspelt and cut words without comparing with each."""
        words: dict[str, list[str]] = {}
        for word in self._by_word:
            for gram in _grams(word):
                words.setdefault(gram, []).append(word)
        return words

    def _alike(self, word: str) -> list[str]:
        if word in self._by_word or len(word) < _GRAM:
            return [word]
        shared = Counter(other for gram in _grams(word) for other in self._by_gram.get(gram, ()))
        near = [other for other, _ in shared.most_common(_NEAR_WORDS)]
        return get_close_matches(word, near, 3, 0.6) + [other for other in near if other.startswith(word)][:3]

    def search(self, text: str) -> list[tuple[Cui, float]]:
        """Concepts whose strings are like `text`, best first, ties by identifier."""
        wanted = plain(text[:LONGEST])
        words = wanted.split()
        if not words:
            return []
        first = bisect_left(self._sorted, wanted)
        begin = takewhile(lambda string: string.startswith(wanted), islice(self._sorted, first, first + _FINALISTS))
        finalists = dict.fromkeys(begin)
        weights: dict[int, float] = {}
        groups = {word: [other for other in self._alike(word) if other in self._by_word] for word in words}
        alike = {other: word for word, group in groups.items() for other in group}
        stands_for = {word: group for word, group in groups.items() if word not in group}
        room = _POSTINGS
        for word in sorted(alike, key=lambda w: (len(self._by_word[w]), w)):
            places = self._by_word[word]
            weight = (1.0 if word == alike[word] else 0.7) / (1 + log(len(places)))
            for place in places[:room]:
                weights[place] = weights.get(place, 0.0) + weight
            room -= len(places)
            if room <= 0:
                break
        best = nsmallest(_FINALISTS, weights, key=lambda at: (-weights[at], len(self._sorted[at]), at))
        finalists.update(dict.fromkeys(self._sorted[place] for place in best))
        scores: dict[Cui, float] = {}
        for string in finalists:
            score = likeness(wanted, words, string, stands_for)
            for cui in self._by_text[string]:
                scores[cui] = max(score, scores.get(cui, 0.0))
        return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def _grams(word: str) -> set[str]:
    return {word[at : at + _GRAM] for at in range(len(word) - _GRAM + 1)}
