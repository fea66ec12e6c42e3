"""`Senses`: the concepts that the strings of an `Index` may mean, as candidates best first."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ontology.concept import Cui
from ontology.linking.kernels import kernels

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ontology.linking.index import Index

__all__ = ["CAP", "EXACT", "INFLECTED", "Candidates", "Said", "Senses"]

EXACT = 1.0
"""Score of a string of the catalog itself."""
INFLECTED = 0.99
"""Score of an inflected or respelled form: below the string itself, where a text could mean either."""
CAP = 0.98
"""Most that a near string scores: it never outranks an exact one."""

Candidates = tuple[tuple[Cui, float], ...]
Said = tuple[int, int, int]
"""A string of the index, its hash as written, whether in capitals."""

_UNIT = 10_000  # scores are counted in ten-thousandths
_REMEMBERED = 200_000  # meanings kept


class Senses:
    """Ranks concepts in batches. What the loop `ranked` does decides; here numbers become candidates.

    A string of the catalog scores 1.0, an inflected or respelled one 0.99, one made by rule 0.09 less. Of concepts that tie
    comes first the one that annotators meant more often, then the one that more vocabularies call so; steps of 0.001 say
    which.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        a = index.arrays
        self._strings = tuple(
            a[n] for n in ("entry_first", "string_concept", "string_raw", "string_kind", "string_rank")
        )
        self._ranks = tuple(a[name] for name in ("cui_order", "kin_first", "kin", "meant"))
        self._known: dict[Said, Candidates] = {}

    def exact(self, said: Collection[Said]) -> Mapping[Said, Candidates]:
        """The candidates of each string, and maybe of others; remembered."""
        known = self._known
        if len(known) > _REMEMBERED:
            known.clear()
        new = [one for one in dict.fromkeys(said) if one not in known]
        if new:
            entry, raw, capitals = np.array(new, np.int64).T
            columns = np.ascontiguousarray(entry), raw.astype(np.uint32), capitals.astype(np.uint8)
            known.update(zip(new, self._ranked(*kernels().senses(*columns, *self._strings)), strict=True))
        return known

    def near(self, groups: Collection[Mapping[int, tuple[float, int]]]) -> Iterable[Candidates]:
        """The candidates of each group of concepts with their scores and ranks."""
        first = np.zeros(len(groups) + 1, np.int64)
        np.cumsum([len(group) for group in groups], out=first[1:])
        concept = np.fromiter((one for group in groups for one in group), np.int64, first[-1])
        scores = np.fromiter((score for group in groups for score, _ in group.values()), np.float64, first[-1])
        rank = np.fromiter((rank for group in groups for _, rank in group.values()), np.int64, first[-1])
        score = np.rint(np.minimum(scores, CAP) * _UNIT).astype(np.int64)
        return self._ranked(first, concept, score, rank)

    def _ranked(self, *groups: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterable[Candidates]:
        first, concept, score = kernels().ranked(*groups, *self._ranks)
        cuis = [Cui(cui.decode()) for cui in self._index.cuis[concept].tolist()]
        pairs = list(zip(cuis, (score / _UNIT).tolist(), strict=True))
        return [tuple(pairs[a:b]) for a, b in pairwise(first.tolist())]
