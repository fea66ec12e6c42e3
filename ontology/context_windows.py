"""`Windows`: the cues that reach the concepts of a long sentence, each read with so many tokens on either side of it.

The windows of neighbours are all but the same: cues are looked for once, and compiled loops decide in each window what
they reach, as medspaCy does.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ontology.context_rules import CONCEPT
from ontology.linking.kernels import kernels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ontology.context_rules import Cue

__all__ = ["Windows"]

_Integers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

_DIRECTIONS = {"pseudo": 0, "forward": 1, "backward": 2, "bidirectional": 3}
_EVERYWHERE = 1 << 40  # tokens that a scope without an end reaches
_BLOCK = 8_192  # tokens looked through at once: what is found in them stands in memory as Python's numbers


class Windows:
    """Reads with the cues of one part of the rules; `find` gives those (number, start, end) that begin in a range of tokens."""

    def __init__(self, cues: Sequence[Cue], find: Callable[[Sequence[str], range], list[tuple[int, int, int]]]) -> None:
        self._find = find
        self._categories = [cue.category.upper() for cue in cues]
        names = {name: number for number, name in enumerate(dict.fromkeys(cue.category for cue in cues))}
        self._of_cues = (
            np.array([_DIRECTIONS[cue.direction] for cue in cues]),
            np.array([_EVERYWHERE if cue.scope is None else cue.scope for cue in cues]),
            np.array([names[cue.category] for cue in cues]),
            np.array([sum(1 << names[one] for one in {cue.category, *cue.until} & names.keys()) for cue in cues]),
        )

    def __call__(
        self, shape: Sequence[str], places: Sequence[int], reach: int
    ) -> Iterator[tuple[tuple[str, int, int], ...]]:
        """Category and place of the cues that reach each `@` of `places` (in order) where the sentence is only what stands less
        than `reach` tokens before and after it; places are counted from there.
        """
        found = np.concatenate([self._found(shape, first) for first in range(0, len(shape), _BLOCK)])
        cue, one, two = np.ascontiguousarray(found.T)
        concept = np.array([token == CONCEPT for token in shape])
        place = np.array(places, np.int64)
        begin, stop = np.maximum(place - reach, 0), np.minimum(place + reach, len(shape))
        spoilt = concept[one] | concept[two - 1]
        starts, matches = kernels().reached(place, begin, stop, one, two, cue, spoilt, *self._of_cues)
        rows = found[matches]
        rows[:, 1:] -= np.repeat(begin, np.diff(starts))[:, None]
        return self._said(starts, rows)

    def _said(self, starts: _Integers, rows: _Integers) -> Iterator[tuple[tuple[str, int, int], ...]]:
        """The rows (cue, start, end) of each concept, which begin at `starts`, as tuples, a block at a time."""
        for at in range(0, len(starts) - 1, _BLOCK):
            block = starts[at : at + _BLOCK + 1]
            numbers = rows[block[0] : block[-1]].tolist()
            said = iter([(self._categories[number], first, last) for number, first, last in numbers])
            for count in np.diff(block).tolist():
                yield tuple(itertools.islice(said, count))

    def _found(self, shape: Sequence[str], first: int) -> _Integers:
        """The cues that begin in a block, in order of their range, then of their number."""
        block = range(first, min(first + _BLOCK, len(shape)))
        found = np.array(self._find(shape, block), np.int64).reshape(-1, 3)
        ordered: _Integers = found[np.lexsort((found[:, 0], found[:, 2], found[:, 1]))]
        return ordered
