"""Near-duplicates among a run's sentences: linear time, some 60 bytes a sentence, and the same answer in any order of arrival,
because the run asks in slot order.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

__all__ = ["DuplicateIndex", "similarity"]

_WORD = re.compile(r"[a-z]+|[0-9]+")
_NUMBER = re.compile(r"[0-9]+")
_BANDS, _ROWS = 4, 3
_RANDOM = np.random.Generator(np.random.PCG64(2509_10538))  # the same hash functions in every run
_TIMES = _RANDOM.integers(2**63, size=_BANDS * _ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_PLUS = _RANDOM.integers(2**63, size=_BANDS * _ROWS, dtype=np.uint64)
_PLACES = np.array([1, 256, 65536], np.uint64)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _LOAD = 1 << 12, 0.7
_LOOKS = 16  # places that are looked at in a band: what very many sentences share tells nothing
_REMEMBERED = 4096  # texts whose shingles are kept, those used last
_LIKELY = 6  # of the twelve rows of two sketches, what must agree before texts are compared


class DuplicateIndex:
    """Texts seen so far. Two texts are near-duplicates when the Jaccard similarity of their word trigrams, with case,
    punctuation and the value of numbers ignored, is at least `threshold` (0: nothing is).

    Candidates come from MinHash sketches (Broder 1997) in four bands of three rows and from a digest of the whole set; whether they
    are near-duplicates is then computed from the texts. So nothing is refused that is not one; one of the same trigrams is
    always found, one at a similarity of 0.9 with probability 0.99, one at 0.8 with 0.94. A text costs at most some eighty looks at
    sketches however many there are. `text_of` gives the text of the number it was added as, once `settle` was called; without
    it the index keeps the texts itself.

    >>> index = DuplicateIndex()
    >>> index.add("Wife reports apathy for 3 months."), index.add("wife reports apathy, for 12 months")
    (True, False)
    """

    def __init__(self, threshold: float = 0.8, text_of: Callable[[int], str] | None = None) -> None:
        self.threshold = threshold
        self._text_of = text_of
        self._texts: dict[int, str] = {}
        self._of = lru_cache(_REMEMBERED)(self._shingles_of)  # some texts are asked for again and again
        self._count = 0
        self._bands = _BANDS if threshold < 1 else 0  # at 1 the digest finds all there is to be found
        self._sketches = np.empty((_FIRST, self._bands * _ROWS), np.uint8)
        self._digests = np.empty(_FIRST, np.uint32)
        self._tables = [np.zeros(2 * _FIRST, np.uint32) for _ in range(self._bands + 1)]  # number + 1; 0 is empty

    def __len__(self) -> int:
        return self._count

    def add(self, text: str) -> bool:
        """Whether `text` is new; remembers it if so."""
        return not self.add_all([text])

    def add_all(self, texts: Iterable[str]) -> list[int]:
        """The positions of texts that are not new (to the index or to each other); remembers all of them if there are none."""
        if not self.threshold:
            return []
        copies, new = list[int](), list[tuple[str, frozenset[int], _Sketch]]()
        for position, text in enumerate(texts):
            shingles = _shingles(text)
            sketch = _sketch(shingles, self._bands)
            if any(_jaccard(shingles, other) >= self.threshold for _, other, _ in new) or self._seen(shingles, sketch):
                copies.append(position)
            else:
                new.append((text, shingles, sketch))
        if not copies:
            for text, _, sketch in new:
                self._remember(text, sketch)
        return copies

    def settle(self) -> None:
        """From now on `text_of` knows every text that was added."""
        if self._text_of is not None:
            self._texts.clear()

    def _seen(self, shingles: frozenset[int], sketch: _Sketch) -> bool:
        found: set[int] = set()
        for table, key in zip(self._tables, sketch.keys, strict=True):
            found |= self._at(table, key, _LOOKS if table is not self._tables[0] else None)
        if not found:
            return False
        numbers = np.fromiter(found, np.int64, len(found))
        alike = (self._sketches[numbers] == sketch.least).sum(axis=1) >= _LIKELY
        alike |= self._digests[numbers] == sketch.digest
        return any(_jaccard(shingles, self._of(number)) >= self.threshold for number in sorted(numbers[alike].tolist()))

    def _shingles_of(self, number: int) -> frozenset[int]:
        known = self._texts.get(number)
        if known is None:
            known = self._text_of(number) if self._text_of is not None else ""
        return _shingles(known)

    @staticmethod
    def _at(table: npt.NDArray[np.uint32], key: int, looks: int | None) -> set[int]:
        """The numbers kept where this key may stand."""
        mask, found = len(table) - 1, set[int]()
        place = key & mask
        while looks != 0 and (kept := int(table[place])):
            found.add(kept - 1)
            place = (place + 1) & mask
            looks = None if looks is None else looks - 1
        return found

    def _remember(self, text: str, sketch: _Sketch) -> None:
        number = self._count
        if number == len(self._digests):
            more = len(self._digests) // 2
            self._sketches = np.concatenate([self._sketches, np.empty((more, self._bands * _ROWS), np.uint8)])
            self._digests = np.concatenate([self._digests, np.empty(more, np.uint32)])
        if number >= _LOAD * len(self._tables[0]):
            self._grow()
        self._digests[number], self._sketches[number] = sketch.digest, sketch.least
        for which, key in enumerate(sketch.keys):
            self._put(which, key, number)
        self._texts[number] = text
        self._count += 1

    def _grow(self) -> None:
        """Twice the room in each table, one table after another: they are most of what an index takes."""
        for which in range(len(self._tables)):
            self._tables[which] = np.zeros(2 * len(self._tables[which]), np.uint32)
            for first in range(0, self._count, _FIRST):
                part = slice(first, min(first + _FIRST, self._count))
                keys = self._digests[part] if which == 0 else _band(self._sketches[part], which - 1)
                for number, key in enumerate(keys.tolist(), first):
                    self._put(which, key, number)

    def _put(self, which: int, key: int, number: int) -> None:
        table = self._tables[which]
        mask, looks = len(table) - 1, _LOOKS if which else len(table)
        place = key & mask
        while table[place]:
            place = (place + 1) & mask
            looks -= 1
            if not looks:
                return  # found by another band, or by its digest
        table[place] = number + 1


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the word trigrams of two texts.

    >>> similarity("Wife reports apathy for 3 months.", "wife reports apathy, for 12 months")
    1.0
    """
    return _jaccard(_shingles(one), _shingles(other))


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


class _Sketch(NamedTuple):
    """A digest of a set of shingles, a byte of the smallest under each hash function, and where these stand in the tables."""

    digest: int
    least: npt.NDArray[np.uint8]
    keys: list[int]


def _sketch(shingles: frozenset[int], bands: int) -> _Sketch:
    values = np.fromiter(shingles, np.uint64, len(shingles))
    digest = int(np.bitwise_xor.reduce(values * _SPREAD)) >> 32
    if not bands:
        return _Sketch(digest, np.empty(0, np.uint8), [digest])
    least = ((values[:, None] * _TIMES + _PLUS).min(axis=0) >> np.uint64(24)).astype(np.uint8)
    places = (least.reshape(bands, _ROWS).astype(np.uint64) @ _PLACES * _SPREAD) >> np.uint64(32)
    return _Sketch(digest, least, [digest, *places.tolist()])


def _band(sketches: npt.NDArray[np.uint8], band: int) -> npt.NDArray[np.uint64]:
    """Where a band of each sketch stands in its table."""
    rows = sketches[:, band * _ROWS : (band + 1) * _ROWS].astype(np.uint64)
    return (rows @ _PLACES * _SPREAD) >> np.uint64(32)


def _shingles(text: str) -> frozenset[int]:
    words = ["^", *("0" if _NUMBER.fullmatch(word) else word for word in _WORD.findall(text.casefold())), "$"]
    return frozenset(
        int.from_bytes(blake2b(" ".join(words[i : i + 3]).encode(), digest_size=8).digest(), "little")
        for i in range(max(1, len(words) - 2))
    )
