"""`Windows`: the cues that reach the concepts of a sentence, each read with so many tokens on either side of it.

The windows of neighbours are all but the same: cues are looked for once, and compiled loops decide in each window what
they reach. A short sentence is one window for all its concepts.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

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
    """Reads with the cues of one part of the rules; `find` gives those (start, end, number) that begin in a range of tokens, in order."""

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
        """Category and place of the cues that reach each `@` of the sentence (all `places`, in order) where the sentence is only what
        stands less than `reach` tokens before and after it; places are counted from there.
        """
        blocks = [
            np.array(here, np.int64)
            for first in range(0, len(shape), _BLOCK)
            if (here := self._find(shape, range(first, min(first + _BLOCK, len(shape)))))
        ]
        if not blocks:
            return itertools.repeat((), len(places))
        found = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        starts, rows = kernels().reached(np.array(places, np.int64), len(shape), reach, found, *self._of_cues)
        return self._said(starts, rows)

    def _said(self, starts: _Integers, rows: _Integers) -> Iterator[tuple[tuple[str, int, int], ...]]:
        """The rows (start, end, cue) of each concept, which begin at `starts`, as tuples, a block at a time."""
        for at in range(0, len(starts) - 1, _BLOCK):
            block = starts[at : at + _BLOCK + 1].tolist()
            first = block[0]
            said = [(self._categories[cue], start, end) for start, end, cue in rows[first : block[-1]].tolist()]
            for begin, stop in itertools.pairwise(block):
                yield tuple(said[begin - first : stop - first])
