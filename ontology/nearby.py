"""`Nearby`: which windows of a text may be a misspelt or reordered string of the catalog.

A window is worth a look when its content words, one of which may be a letter off, are together the words of one string.
This is only a filter, some microseconds a sentence; how near a window really is, the index of 3-grams says.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ontology.lexicon import FUNCTION_WORDS, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ontology.concept import Concept
    from ontology.lexicon import Normal

__all__ = ["Nearby", "Window", "common_words", "near"]

_WORD = re.compile(r"[^\W_]+")
_BRIDGES = frozenset(
    ("of", "in", "with", "the", "a", "an", "his", "her", "their", "my", "your", "for", "to", "on", "at", "from", "s")
)  # may come and go within a string
_BARRIERS = FUNCTION_WORDS - _BRIDGES - {"and", "or", "self"}  # "nausea without vomiting" is not nausea and vomiting
_NEW, _BARRIER = -1, -2  # in the place of a word's code
_SHORTEST = 3  # letters of a word that may be misspelt
_ALONE = 5  # letters of one that is the whole window: shorter ones are mostly other words
_COMMON = 2  # definitions that have a word which is not a slip of the pen
_LONGEST = 8  # words of a window, function words among them
_BREAK = re.compile(r"[^\w\s'’‘‐‑–-]")  # punctuation ends a window


@dataclass(frozen=True, slots=True)
class Window:
    """A range of a normalised text that may be one of `strings`; `words` of content, of which one may be misspelt."""

    start: int
    end: int
    words: int
    misspelt: bool
    strings: tuple[str, ...]


def common_words(concepts: Iterable[Concept]) -> frozenset[str]:
    """Words that are no misspelling of others: those in two definitions of the catalog, those that the rules of
    `ontology.context` know, and spaCy's English stop words. Half a second for the definitions of the HPO; loads spaCy.
    """
    from spacy.lang.en.stop_words import STOP_WORDS

    from ontology.context import read_rules

    seen: Counter[str] = Counter()
    for concept in concepts:
        if concept.definition:
            seen.update(set(_WORD.findall(normalise(concept.definition).text)))
    told = (word for word in (*STOP_WORDS, *read_rules().words) for word in _WORD.findall(word))
    return frozenset((*told, *(word for word, count in seen.items() if count >= _COMMON)))


def near(one: str, other: str) -> bool:
    """Whether one letter more, less, other or exchanged with its neighbour makes `one` into `other`.

    >>> near("demetia", "dementia"), near("dementia", "demnetia"), near("tremor", "tumor")
    (True, True, False)
    """
    if abs(len(one) - len(other)) > 1:
        return False
    first = 0
    shorter = min(len(one), len(other))
    while first < shorter and one[first] == other[first]:
        first += 1
    rest, rest_other = one[first:], other[first:]
    if len(one) != len(other):
        return rest[1:] == rest_other if len(one) > len(other) else rest == rest_other[1:]
    return rest[1:] == rest_other[1:] or (rest[:2] == rest_other[1::-1] and rest[2:] == rest_other[2:])


class Nearby:
    """Made of the normalised strings of a catalog; needs some 5 kB for each of their different words.

    >>> nearby = Nearby(["memory loss"])
    >>> from ontology.lexicon import normalise
    >>> text = "Has loss of memory and memmory loss."
    >>> [text[slice(*normalise(text).span(w.start, w.end))] for w in nearby.windows(normalise(text), text)]
    ['loss of memory', 'memmory loss']
    """

    def __init__(self, strings: Iterable[str], common: frozenset[str] = frozenset()) -> None:
        self._common = common
        self._codes: dict[str, int] = {}
        self._bags: dict[int, list[str]] = {}
        for string in strings:
            words = [word for word in _WORD.findall(string) if word not in _BRIDGES]
            if words:
                self._bags.setdefault(sum(self._code(word) for word in words), []).append(string)
        self._deleted: dict[str, list[str]] = {}
        for word in self._codes:
            if len(word) >= _SHORTEST - 1 and word.isalpha():
                for less in {word, *_without_one(word)}:
                    self._deleted.setdefault(less, []).append(word)
        self._like = lru_cache(maxsize=65_536)(self._look_alikes)

    def _code(self, word: str) -> int:
        """A number for a word, so that a sum stands for a bag of words whatever their order."""
        code = self._codes.get(word)
        if code is None:
            code = self._codes[word] = _mixed(len(self._codes) + 1)
        return code

    def _look_alikes(self, word: str) -> tuple[tuple[int, bool], ...]:
        """The words of the catalog that `word` may be a misspelling of: code, and whether the first letter is the same."""
        if len(word) < _SHORTEST or not word.isalpha() or word in self._common:
            return ()
        shorter = {word, *_without_one(word)}
        found = {other for less in shorter for other in self._deleted.get(less, ()) if near(word, other)}
        return tuple((self._codes[other], other[0] == word[0]) for other in sorted(found))

    def windows(self, normal: Normal, text: str) -> Iterator[Window]:
        """The windows worth a look, by `start` and then the longest first."""
        matches = [(match[0], match.start(), match.end()) for match in _WORD.finditer(normal.text)]
        codes = [
            0 if word in _BRIDGES else _BARRIER if word in _BARRIERS else self._codes.get(word, _NEW)
            for word, _, _ in matches
        ]
        for first, code in enumerate(codes):
            if code > 0 or code == _NEW:
                yield from self._from(first, matches, codes, normal, text)

    def _from(
        self, first: int, matches: list[tuple[str, int, int]], codes: list[int], normal: Normal, text: str
    ) -> Iterator[Window]:
        sums: tuple[int, ...] = (0,)
        count = 0
        misspelt = False
        found = []
        for place in range(first, min(first + _LONGEST, len(codes))):
            code = codes[place]
            if code == 0:
                continue
            if code > 0:
                sums = tuple(total + code for total in sums)
            elif code == _BARRIER or misspelt:
                break
            else:
                word = matches[place][0]
                like = self._like(word)
                misspelt = True
                if count == 0 and len(word) >= _ALONE:
                    strings = tuple(string for code, same in like if same for string in self._bags.get(code, ()))
                    found.append(Window(matches[first][1], matches[place][2], 1, misspelt, strings))
                sums = tuple(total + other for total in sums for other, _ in like)
            count += 1
            if count > 1:
                strings = tuple(string for total in sums for string in self._bags.get(total, ()))
                found.append(Window(matches[first][1], matches[place][2], count, misspelt, strings))
            if not sums:
                break
        for window in reversed(found):
            if window.strings and not _BREAK.search(text, *normal.span(window.start, window.end)):
                yield window


def _without_one(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _mixed(number: int) -> int:
    """A 62-bit number that looks random, from a small one (the finaliser of SplitMix64)."""
    mask = (1 << 64) - 1
    value = (number * 0x9E3779B97F4A7C15) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return (value ^ (value >> 31)) >> 2
