"""The attack on a released cohort: what its margins say about the counts that are not shown, by linear programming.

An attacker knows all that was released, which cells exist, and everything that holds between them (`margins.rules`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from graph_loaders.margins import Cell, Counts

    Array = npt.NDArray[np.float64]

__all__ = ["bin_bounds", "bounds"]

_ROUNDS = 24
_SHARE = 0.3
"""Of the cells still narrow, raised together in one round."""

_SLACK = 1e-6
_DAYS = 365.25


@dataclass(frozen=True, slots=True)
class _Program:
    matrix: Any  # sparse
    low: Array
    high: Array
    most: Array

    def solve(self, objective: Array) -> Array | None:
        """A point where the objective is least; None where there is no point at all."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        found = milp(
            objective, constraints=LinearConstraint(self.matrix, self.low, self.high), bounds=Bounds(0, self.most)
        )
        return None if found.x is None else np.asarray(found.x, np.float64)


def bounds(
    counts: Counts, *, wide: int = 0, progress: Callable[[str], None] | None = None
) -> dict[Cell, tuple[int, int]]:
    """(least, most) that each cell not shown can be, given those that are.

    `wide`: a cell found to range over as much is not looked at any further (its bounds are then inner ones); 0: exact
    bounds of all. Two linear programs a cell at most; points found for one serve the others, so it is far fewer with `wide`.

    Raises:
        ConfigError: no counts fit what is shown: the graph was changed after its release.
    """
    cells = [cell for cell in counts.cells() if cell not in counts.values]
    if not cells:
        return {}
    program = _program(counts, cells)
    least, most = np.full(len(cells), np.inf), np.full(len(cells), -np.inf)
    rng = np.random.default_rng(0)

    def look(objective: Array) -> None:
        point = program.solve(objective)
        if point is None:
            raise ConfigError(
                "no counts fit what the graph shows; it was changed after its release, take a copy that is whole"
            )
        np.minimum(least, point, out=least)
        np.maximum(most, point, out=most)

    look(np.ones(len(cells)))
    look(-np.ones(len(cells)))
    for _ in range(_ROUNDS if wide else 0):
        narrow = np.floor(most + _SLACK) - np.ceil(least - _SLACK) < wide
        if not narrow.any():
            break
        up = narrow & (rng.random(len(cells)) < _SHARE)
        look(np.where(up, -rng.random(len(cells)) - 0.5, rng.random(len(cells)) * 0.1))
    for i, cell in enumerate(cells):
        if wide and math.floor(most[i] + _SLACK) - math.ceil(least[i] - _SLACK) >= wide:
            continue
        one = np.zeros(len(cells))
        one[i] = 1.0
        look(one)
        look(-one)
        if progress:
            progress(cell[1])
    return {
        cell: (math.ceil(low - _SLACK), math.floor(high + _SLACK))
        for cell, low, high in zip(cells, least, most, strict=True)
    }


def _program(counts: Counts, cells: Sequence[Cell]) -> _Program:
    from scipy.sparse import csr_array

    index = {cell: i for i, cell in enumerate(cells)}
    rows, columns = list[int](), list[int]()
    weights, low, high = list[float](), list[float](), list[float]()
    for rule in counts.rules():
        known = sum(w * counts.values.get(cell, 0) for cell, w in rule.weights.items())
        unknown = [(index[cell], w) for cell, w in rule.weights.items() if cell in index]
        if not unknown:
            continue
        for column, weight in unknown:
            rows.append(len(low))
            columns.append(column)
            weights.append(weight)
        low.append(rule.low - known)
        high.append(rule.high - known)
    matrix = csr_array((weights, (rows, columns)), shape=(len(low), len(cells)))
    return _Program(matrix, np.array(low), np.array(high), np.full(len(cells), float(counts.persons)))


def bin_bounds(
    shown: Sequence[int], edges: Sequence[int], lefts: Sequence[int], person_years: float
) -> list[tuple[int, int]]:
    """(least, most) in each bin of `lefts` when neighbouring bins were pooled into `shown` at `edges`.

    The gaps of all persons cannot add up to more than the time at risk, which limits how many can lie in late bins.
    """
    first = [max(edge for edge in edges if edge <= left) for left in lefts]
    totals = dict(zip(edges, shown, strict=True))
    spare = person_years * _DAYS + _DAYS - sum(count * edge for count, edge in zip(shown, edges, strict=True))
    found = []
    for left, edge in zip(lefts, first, strict=True):
        total, inside = totals[edge], [other for other in lefts if other > edge and first[lefts.index(other)] == edge]
        if not inside:
            found.append((total, total))
        elif left == edge:
            found.append((max(0, math.ceil(total - spare / (inside[0] - edge))), total))
        else:
            found.append((0, max(0, min(total, math.floor(spare / (left - edge))))))
    return found
