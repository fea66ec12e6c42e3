"""Near-duplicates: the same answer in any order of arrival, because the run asks in slot order."""

from __future__ import annotations

import math
import re
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DuplicateIndex"]

_WORD = re.compile(r"[a-z]+|[0-9]+")
_NUMBER = re.compile(r"[0-9]+")


class DuplicateIndex:
    """Texts seen so far. Two texts are near-duplicates when the Jaccard similarity of their word trigrams, with case,
    punctuation and the value of numbers ignored, is at least `threshold`. Exact, by prefix filtering (Bayardo et al. 2007).

    >>> index = DuplicateIndex()
    >>> index.add("Wife reports apathy for 3 months."), index.add("wife reports apathy, for 12 months")
    (True, False)
    """

    def __init__(self, threshold: float = 0.8) -> None:
        self.threshold = threshold
        self._postings: dict[int, list[int]] = {}
        self._sets: list[frozenset[int]] = []

    def add(self, text: str) -> bool:
        """Whether `text` is new; remembers it if so. Cost grows with the texts that share a rare trigram."""
        return not self.add_all([text])

    def add_all(self, texts: Iterable[str]) -> list[int]:
        """The positions of texts that are not new (to the index or to each other); remembers all of them if there are none."""
        first, copies = len(self._sets), list[int]()
        for position, text in enumerate(texts):
            shingles = _shingles(text)
            prefix = self._prefix(shingles)
            if self._seen(shingles, prefix):
                copies.append(position)
                continue
            number = len(self._sets)
            self._sets.append(shingles)
            for shingle in prefix:
                self._postings.setdefault(shingle, []).append(number)
        if copies:
            self._forget(first)
        return copies

    def _forget(self, first: int) -> None:
        for shingles in self._sets[first:]:
            for shingle in self._prefix(shingles):
                self._postings[shingle] = [number for number in self._postings[shingle] if number < first]
        del self._sets[first:]

    def _prefix(self, shingles: frozenset[int]) -> list[int]:
        keep = len(shingles) - math.ceil(self.threshold * len(shingles)) + 1
        return sorted(shingles)[:keep]

    def _seen(self, shingles: frozenset[int], prefix: list[int]) -> bool:
        size, tried = len(shingles), set()
        for shingle in prefix:
            for number in self._postings.get(shingle, ()):
                if number in tried:
                    continue
                tried.add(number)
                other = self._sets[number]
                if min(size, len(other)) < self.threshold * max(size, len(other)):
                    continue
                common = len(shingles & other)
                if common >= self.threshold * (size + len(other) - common):
                    return True
        return False


def _shingles(text: str) -> frozenset[int]:
    words = ["^", *("0" if _NUMBER.fullmatch(word) else word for word in _WORD.findall(text.casefold())), "$"]
    return frozenset(
        int.from_bytes(blake2b(" ".join(words[i : i + 3]).encode(), digest_size=8).digest(), "little")
        for i in range(max(1, len(words) - 2))
    )
