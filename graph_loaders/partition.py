"""Coarser cells: neighbouring bins of a histogram, and boxes of a table, pooled until each may be shown.

Pooled categories do not overlap and add up to the same total, so nothing finer follows from them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from graph_loaders.schema import AGE_BANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Box = tuple[slice, slice, slice]

__all__ = ["CELLS", "boxes", "grouped", "pool_bins", "widest_years"]

CELLS = (len(AGE_BANDS), 2, 7)
"""Shape of OBSERVED cells: age band, sex (not male, male), onsets so far (the last: 6 or more)."""

_AGE, _SEX, _ONSETS = 0, 1, 2
_OPEN_YEARS = (60.0, 30.0)
"""The longest a person can be in the first and in the last band, which are open."""


def pool_bins(
    counts: Sequence[int], lefts: Sequence[int], least: int, *, empty: bool = True
) -> tuple[list[int], list[int]]:
    """Neighbouring bins pooled until each holds 0 or at least `least`: (counts, left edges). Both empty where the whole is less.

    `empty` false: a bin of 0 is pooled like a small one (noisy counts, which may be negative).

    >>> pool_bins([12, 3, 9, 0, 4], [0, 91, 182, 365, 730], 11)
    ([12, 16], [0, 91])
    >>> pool_bins([0, 3, 1], [0, 91, 182], 11)
    ([], [])
    """
    bins, edges = [int(c) for c in counts], [int(e) for e in lefts]

    def small(count: int) -> bool:
        return count < least and not (empty and count == 0)

    while any(small(count) for count in bins):
        if len(bins) == 1:
            return [], []
        at = min((i for i, count in enumerate(bins) if small(count)), key=lambda i: (bins[i], -i))
        beside = min((i for i in (at - 1, at + 1) if 0 <= i < len(bins)), key=lambda i: (bins[i] == 0, bins[i], i))
        first = min(at, beside)
        bins[first : first + 2] = [bins[first] + bins[first + 1]]
        del edges[first + 1]
    return bins, edges


def widest_years(box: Box) -> float:
    """The longest that one person can be in a box: the width of its ages."""
    ages = range(*box[_AGE].indices(CELLS[_AGE]))
    widths = [
        _OPEN_YEARS[0],
        *(float(b - a) for a, b in pairwise(AGE_BANDS[1:])),
        _OPEN_YEARS[1],
    ]
    return sum(widths[i] for i in ages)


def boxes(fine: Callable[[Box], bool]) -> list[Box]:
    """The cells cut in two as long as both halves are `fine`; [] where the whole is not.

    Sex is cut first and everywhere, or not at all: a cut of it in one place only would show the rest by subtraction
    from a total by sex. Then the cut whose smaller half is largest, first by onsets so far, then by age.
    """
    whole: Box = (slice(0, CELLS[0]), slice(0, CELLS[1]), slice(0, CELLS[2]))
    if not fine(whole):
        return []
    sexes: list[Box] = [(whole[0], slice(s, s + 1), whole[2]) for s in range(CELLS[_SEX])]
    waiting = sexes if all(fine(box) for box in sexes) else [whole]
    found = []
    while waiting:
        box = waiting.pop()
        cut = next((pair for pair in _cuts(box) if fine(pair[0]) and fine(pair[1])), None)
        if cut is None:
            found.append(box)
        else:
            waiting += cut
    return sorted(found, key=lambda b: [(part.start, part.stop) for part in b])


def _cuts(box: Box) -> Iterator[tuple[Box, Box]]:
    pairs = []
    for axis in (_ONSETS, _AGE):
        start, stop = box[axis].start, box[axis].stop
        for at in range(start + 1, stop):
            halves = [
                tuple(s if i == axis else old for i, old in enumerate(box)) for s in (slice(start, at), slice(at, stop))
            ]
            pairs.append((abs((stop - at) - (at - start)), axis != _ONSETS, at, halves))
    for _, _, _, (low, high) in sorted(pairs, key=lambda p: p[:3]):
        yield low, high  # type: ignore[misc]  # three slices each, as the box has


def grouped(values: Array, found: Sequence[Box]) -> tuple[Array, list[int]]:
    """A box's sum in its middle cell and 0 beside it; the group of each cell (row-major)."""
    sums, groups = np.zeros(CELLS), np.zeros(CELLS, np.int64)
    for number, box in enumerate(found):
        groups[box] = number
        middle = tuple((part.start + part.stop - 1) // 2 for part in box)
        sums[middle] = values[box].sum()
    return sums, [int(g) for g in groups.ravel()]
