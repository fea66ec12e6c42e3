"""Figures from counts, with bootstrap intervals over documents; and what each figure means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["DEFINITIONS", "Figure", "Table"]

_TOGETHER = 64  # replicates worked on at once: bounds memory

DEFINITIONS: dict[str, str] = {
    "pairing": "Gold and predicted mentions are paired one to one: same boundaries and right concept first, then same boundaries, then "
    "overlapping (at least one character in common) with the right concept, then overlapping; the longest overlap first.",
    "spans.strict": "A pair with the same start and end. Precision = pairs / predicted, recall = pairs / gold, F1 = their harmonic mean "
    "(van Rijsbergen 1979); the exact match of CoNLL-2003 (Tjong Kim Sang and De Meulder), without the type.",
    "spans.overlap": "Any pair: the inexact match of i2b2 2010 (Uzuner et al. 2011, JAMIA 18:552).",
    "spans.muc": "MUC-5 (Chinchor and Sundheim 1993): a pair with the same boundaries counts 1, one that only overlaps counts 1/2.",
    "linking.strict": "A pair with the same boundaries whose first predicted CUI is a gold CUI; over predicted and gold mentions (those "
    "of the gold without a CUI, and what answers them, are left out): mention-level linking as in MedMentions (Mohan and Li 2019).",
    "linking.overlap": "The same with any pair.",
    "accuracy.at_1": "Of all pairs with a gold CUI: those whose first predicted CUI is a gold CUI.",
    "accuracy.at_5": "Of all pairs with a gold CUI: those with a gold CUI among the first five predicted.",
    "in_vocabulary": "The same over gold mentions one of whose CUIs is in the catalog: recall's denominator is their number. "
    "Precision = right pairs of those mentions / all predicted mentions (but those that answer a gold mention without a CUI).",
    "types": "By semantic type, each side by its own: recall over gold mentions of the type, precision over predicted mentions of it; "
    "`linked` = gold mentions of the type that are paired and whose first predicted CUI is right.",
    "confusion": "Over all pairs where both say an assertion (or informant): rows gold, columns predicted. Accuracy = the share of the "
    "diagonal; precision, recall and F1 for each class; kappa = Cohen's (1960).",
    "errors": "MUC-5's kinds, by boundaries and concept: correct (both), incorrect (boundaries only), partial (overlap, right concept), "
    "partial-incorrect (overlap, wrong concept), missing (gold unpaired), spurious (predicted unpaired).",
    "interval": "Percentile bootstrap over documents (Efron and Tibshirani 1993, ch. 13): mentions of one document are not independent.",
}
"""What each figure of a score means, with its source."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A share with its interval and the counts behind it (0 of 0 for F1); `value` is None where there is nothing to count."""

    value: float | None
    low: float | None = None
    high: float | None = None
    count: float = 0
    of: float = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded to five places."""
        shares = {
            name: None if (v := getattr(self, name)) is None else round(v, 5) for name in ("value", "low", "high")
        }
        return {**shares, "count": self.count, "of": self.of}


class Table:
    """Counts of documents, a row each, and what resampling the rows makes of their sums.

    `rows`: counts by key. `replicates`: how many resamples (0: no intervals). Costs replicates x non-zero counts; memory is that
    of the counts.

    >>> from collections import Counter
    >>> table = Table([Counter(right=1, all=2), Counter(right=2, all=2)], replicates=100, rng=np.random.default_rng(0))
    >>> table.share({"right": 1}, {"all": 1}).value
    0.75
    """

    def __init__(
        self, rows: Sequence[Counter[Any]], *, replicates: int, rng: np.random.Generator, level: float = 0.95
    ) -> None:
        from scipy import sparse

        self._columns = {key: at for at, key in enumerate(dict.fromkeys(key for row in rows for key in row))}
        starts = np.cumsum([0, *map(len, rows)])
        places = np.fromiter((self._columns[key] for row in rows for key in row), dtype=np.int64, count=int(starts[-1]))
        values = np.fromiter((n for row in rows for n in row.values()), dtype=float, count=len(places))
        counts = sparse.csr_array((values, places, starts), shape=(len(rows), len(self._columns)))
        self.level = level
        self._totals: NDArray[np.float64] = np.asarray(counts.sum(axis=0), dtype=float)
        drawn = [np.zeros((0, len(self._columns)))]
        if rows:
            chances = np.full(len(rows), 1 / len(rows))
            for first in range(0, replicates, _TOGETHER):
                times = rng.multinomial(len(rows), chances, size=min(_TOGETHER, replicates - first))
                drawn.append(np.asarray(times @ counts, dtype=float))
        self._drawn = np.concatenate(drawn)

    def total(self, key: Any) -> int:
        """The sum of a count."""
        return round(self._totals[self._columns[key]]) if key in self._columns else 0

    def keys(self) -> Iterable[Any]:
        """Every key that was counted."""
        return self._columns

    def share(self, parts: dict[Any, float], whole: dict[Any, float]) -> Figure:
        """One weighted sum of counts over another."""
        count, of = self._sum(parts), self._sum(whole)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._figure(count / of, float(count[0]), float(of[0]))

    def harmonic(self, parts: dict[Any, float], first: dict[Any, float], second: dict[Any, float]) -> Figure:
        """F1: the harmonic mean of two shares with the same `parts`."""
        return self.harmonic_of((parts, first), (parts, second))

    def harmonic_of(
        self, one: tuple[dict[Any, float], dict[Any, float]], other: tuple[dict[Any, float], dict[Any, float]]
    ) -> Figure:
        """F1: the harmonic mean of two shares; 0 where both are 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            a, b = (self._sum(parts) / self._sum(whole) for parts, whole in (one, other))
            mean = np.where((a == 0) & (b == 0), 0.0, 2 * a * b / (a + b))
        return self._figure(mean, 0, 0)

    def _sum(self, weights: dict[Any, float]) -> NDArray[np.float64]:
        """The total, then that of each replicate."""
        found = np.zeros(1 + len(self._drawn))
        for key, weight in weights.items():
            if key in self._columns:
                at = self._columns[key]
                found[0] += weight * self._totals[at]
                found[1:] += weight * self._drawn[:, at]
        return found

    def _figure(self, values: NDArray[np.float64], count: float, of: float) -> Figure:
        if not np.isfinite(values[0]):
            return Figure(None, count=count, of=of)
        drawn = values[1:][np.isfinite(values[1:])]
        if not len(drawn):
            return Figure(float(values[0]), count=count, of=of)
        low, high = np.quantile(drawn, [(1 - self.level) / 2, (1 + self.level) / 2])
        return Figure(float(values[0]), float(low), float(high), count, of)
