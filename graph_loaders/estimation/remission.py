"""What comes and goes: rates of remission and return of a concept that had begun, from what later visits recorded."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from graph_loaders.elements import Value
    from graph_loaders.trajectory import Trajectory

    Floats = npt.NDArray[np.float64]

__all__ = ["Remissions", "fit_remission"]

_BIN_YEARS = 0.25
_BINS = 60
_ENOUGH = 5
"""Pairs of visits that began with the concept present, below which nothing is said."""

_SPREAD = 1.5
_CENTRE = np.log(0.25)


class Remissions:
    """Counts of pairs of recorded visits after an onset: present or absent, then present or absent, by the time between.

    Visits where the concept was not recorded are passed over: the pair spans them. Memory: two by two by sixty for each event.
    """

    def __init__(self, events: Sequence[str]) -> None:
        self._index = {event: j for j, event in enumerate(events)}
        self.pairs = np.zeros((len(events), 2, 2, _BINS), np.int64)

    def add(self, person: Trajectory) -> None:
        """One person more."""
        if not (person.absences or person.presences):
            return
        onset = {o.cui: o.age for o in person.onsets if o.cui in self._index}
        seen: dict[str, list[tuple[float, int]]] = {cui: [(age, 1)] for cui, age in onset.items()}
        said = [(str(r.cui), r.age, 0) for r in person.absences] + [(str(r.cui), r.age, 1) for r in person.presences]
        for name, age, value in said:
            if name in seen and age > seen[name][0][0]:
                seen[name].append((age, value))
        for cui, records in seen.items():
            records.sort()
            for (start, before), (end, after) in pairwise(records):
                if end > start:
                    at = min(int((end - start) / _BIN_YEARS), _BINS - 1)
                    self.pairs[self._index[cui], before, after, at] += 1

    def properties(self, event: str) -> dict[str, Value]:
        """Log rates a year of going and of coming back with their information, as properties of an edge; empty if unknown."""
        if event not in self._index:
            return {}
        found = fit_remission(self.pairs[self._index[event]])
        if found is None:
            return {}
        rates, information = found
        return {
            "remission": [float(f"{v:.10g}") for v in rates],
            "remission_information": [float(f"{v:.10g}") for v in information.ravel()],
        }


def fit_remission(pairs: npt.NDArray[np.int64]) -> tuple[Floats, Floats] | None:
    """(log rate off, log rate again) and their information, from counts [before, after, bin of time]; None for too few.

    Two-state Markov process seen at visits: P(on to off in t) = off / (off + again) (1 - exp(-(off + again) t)). A weak
    normal prior (0.25 a year, log sd 1.5) holds the fit and is not in what is returned.
    """
    from scipy.optimize import minimize

    if pairs[1].sum() < _ENOUGH:
        return None
    time = (np.arange(_BINS) + 0.5) * _BIN_YEARS

    def likelihood(x: Floats) -> float:
        off, again = np.exp(np.clip(x, -12, 4))
        gone = 1 - np.exp(-(off + again) * time)
        to_off, to_on = off / (off + again) * gone, again / (off + again) * gone
        chance = np.array([[1 - to_on, to_on], [to_off, 1 - to_off]])
        return float((pairs * np.log(np.maximum(chance, 1e-300))).sum())

    def objective(x: Floats) -> float:
        return -likelihood(x) + float(((x - _CENTRE) ** 2).sum()) / (2 * _SPREAD**2)

    best = minimize(objective, np.array([_CENTRE, _CENTRE]), method="BFGS").x
    h = 1e-3
    steps = np.eye(2) * h
    second = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            corners = [
                sign_i * sign_j * likelihood(best + sign_i * steps[i] + sign_j * steps[j])
                for sign_i in (1, -1)
                for sign_j in (1, -1)
            ]
            second[i, j] = -sum(corners) / (4 * h * h)
    value, vectors = np.linalg.eigh((second + second.T) / 2)
    information = (vectors * np.maximum(value, 1e-9)) @ vectors.T
    score = (best - _CENTRE) / _SPREAD**2  # what the likelihood pulls at the fitted point
    return best + np.linalg.solve(information, score), information
