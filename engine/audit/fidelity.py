"""Fidelity: nine distances between two cohorts as seen at visits, with their noise floor.

Both cohorts must have been observed in the same way (same visit calendar, same missing items): never compare exact onsets
with visit-dated ones. The floor is the distance between two random halves of the real cohort; a figure passes when its
mean is not above the floor's 95th percentile.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from graph_loaders.trajectory import Trajectory
    from ontology.concept import Cui

    Floats = npt.NDArray[np.float64]

__all__ = [
    "FIGURES",
    "Fidelity",
    "Figure",
    "compare",
    "fidelity",
    "summarise",
]

FIGURES = {
    "onset_age": "Wasserstein-1 distance of ages at onset, years, weighted by onsets",
    "order": "mean absolute difference of P(i seen before j) where both are seen, weighted by persons",
    "transitions": "total variation of the rows of the transition matrix (ties split), weighted",
    "gaps": "Wasserstein-1 distance of years between visits with a new onset",
    "co_occurrence": "mean absolute difference of the phi coefficient of each pair at the last visit",
    "burden": "mean absolute difference of prevalence by number of onsets, bands of two",
    "onsets": "total variation of the number of onsets a person",
    "incidence": "root mean square log ratio of onsets a person-year",
    "ties": "absolute difference of the share of visits with several new onsets among those with one",
}
"""The nine figures: name and what it measures; zero is alike."""

_ENOUGH_ONSETS = 5
_ENOUGH_PAIRS = 10
_MOST_ONSETS = 9
_BANDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What the figures need of a cohort; rows and columns are events. `burden`: prevalence by band of onsets so far."""

    persons: int
    ages: tuple[Floats, ...]
    gaps: Floats
    onsets: Floats
    transitions: Floats
    before: Floats
    phi: Floats
    rate: Floats
    burden: Floats
    visits: Floats
    ties: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: mean distance of the model, mean and 95th percentile of the floor. It passes when not above the latter."""

    name: str
    floor: float
    floor_95: float
    model: float

    @property
    def passed(self) -> bool:
        """Whether the model is as near as two halves of the real cohort are, 95 times in 100."""
        return self.model <= self.floor_95


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Nine figures over random halvings."""

    figures: tuple[Figure, ...]
    halvings: int
    persons: int

    @property
    def passed(self) -> int:
        """How many of the nine pass."""
        return sum(figure.passed for figure in self.figures)

    def as_data(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [{**asdict(f), "passed": f.passed, "measures": FIGURES[f.name]} for f in self.figures]
        return {"passed": self.passed, "halvings": self.halvings, "persons": self.persons, "figures": rows}


def summarise(cohort: Iterable[Trajectory], events: Sequence[Cui]) -> Summary:
    """One pass over trajectories that were observed at visits (`visits`; onsets dated at the visit where first seen).

    Persons with fewer than two visits are left out. Memory grows with the number of onsets.
    """
    size, index = len(events), {cui: j for j, cui in enumerate(events)}
    ages: list[list[float]] = [[] for _ in events]
    gaps: list[float] = []
    counts, last_states = list[int](), list[npt.NDArray[np.bool_]]()
    transitions, before = np.zeros((size + 1, size)), np.zeros((size, size))
    happened, at_risk = np.zeros(size), np.zeros(size)
    burden, visits = np.zeros((_BANDS, size)), np.zeros(_BANDS)
    changes = tied = 0
    for person in cohort:
        calendar = sorted({person.entry_age, *person.visits})
        if len(calendar) < 2:  # noqa: PLR2004 - an interval needs two visits
            continue
        place = {age: k for k, age in enumerate(calendar)}
        first = np.full(size, math.inf)
        for onset in person.onsets:
            if onset.cui in index:
                first[index[onset.cui]] = place.get(onset.age, int(np.searchsorted(calendar, onset.age)))
        last, since = np.flatnonzero(first == 0), calendar[0]
        last = last if len(last) else np.array([size])
        for k in range(1, len(calendar)):
            years = calendar[k] - calendar[k - 1]
            new = np.flatnonzero(first == k)
            at_risk += years * (first >= k)
            happened[new] += 1
            for j in new:
                ages[j].append(calendar[k])
            if len(new):
                changes, tied = changes + 1, tied + (len(new) > 1)
                gaps.append(calendar[k] - since)
                transitions[np.ix_(last, new)] += 1 / (len(last) * len(new))
                last, since = new, calendar[k]
            there = first <= k
            band = min(int(there.sum()) // 2, _BANDS - 1)
            burden[band] += there
            visits[band] += 1
        counts.append(int(((first > 0) & (first < len(calendar))).sum()))
        last_states.append(first < len(calendar))
        seen = np.where(first < len(calendar), first, math.inf)
        before += seen[:, None] < seen[None, :]
    if not counts:
        raise ConfigError("the cohort has nobody with two visits; observe it at visits first")
    with np.errstate(invalid="ignore", divide="ignore"):
        phi = np.nan_to_num(np.corrcoef(np.array(last_states, np.float64).T))
        rate = np.where(at_risk > 0, happened / np.maximum(at_risk, 1e-12), 0.0)
    shares = np.bincount(np.minimum(counts, _MOST_ONSETS), minlength=_MOST_ONSETS + 1) / len(counts)
    return Summary(
        len(counts),
        tuple(np.array(a) for a in ages),
        np.array(gaps),
        shares,
        transitions,
        before,
        np.atleast_2d(phi),
        rate,
        burden / np.maximum(visits[:, None], 1),
        visits,
        tied / max(changes, 1),
    )


def compare(real: Summary, other: Summary) -> dict[str, float]:
    """The nine distances of `FIGURES`; nan where the cohorts are too small to tell.

    Onset ages need five onsets of an event in both cohorts, order ten persons with both events.
    """
    from scipy.stats import wasserstein_distance

    usable = [
        j for j, (a, b) in enumerate(zip(real.ages, other.ages, strict=True)) if min(len(a), len(b)) >= _ENOUGH_ONSETS
    ]
    weights = np.array([len(real.ages[j]) for j in usable], np.float64)
    distances = [float(wasserstein_distance(real.ages[j], other.ages[j])) for j in usable]
    both_real, both_other = real.before + real.before.T, other.before + other.before.T
    known = np.triu((both_real >= _ENOUGH_PAIRS) & (both_other >= _ENOUGH_PAIRS), 1)
    order = np.abs(real.before / np.maximum(both_real, 1) - other.before / np.maximum(both_other, 1))
    rows_real, rows_other = (s.transitions.sum(axis=1, keepdims=True) for s in (real, other))
    steps = np.abs(real.transitions / np.maximum(rows_real, 1) - other.transitions / np.maximum(rows_other, 1))
    upper = np.triu_indices(len(real.phi), 1)
    rated = (real.rate > 0) & (other.rate > 0)
    return {
        "onset_age": _average(np.array(distances), weights),
        "order": _average(order[known], both_real[known]),
        "transitions": _average(steps.sum(axis=1) / 2, rows_real[:, 0]),
        "gaps": float(wasserstein_distance(real.gaps, other.gaps)) if len(real.gaps) and len(other.gaps) else math.nan,
        "co_occurrence": float(np.abs(real.phi - other.phi)[upper].mean()) if len(upper[0]) else math.nan,
        "burden": _average(np.abs(real.burden - other.burden).mean(axis=1), np.minimum(real.visits, other.visits)),
        "onsets": float(np.abs(real.onsets - other.onsets).sum() / 2),
        "incidence": float(np.sqrt(np.mean(np.log(real.rate[rated] / other.rate[rated]) ** 2)))
        if rated.any()
        else math.nan,
        "ties": abs(real.ties - other.ties),
    }


def _average(values: Floats, weights: Floats) -> float:
    return float(np.average(values, weights=weights)) if len(values) and weights.sum() > 0 else math.nan


def fidelity(
    cohort: Sequence[Trajectory],
    events: Sequence[Cui],
    imitate: Callable[[Sequence[Trajectory], Sequence[Trajectory], int], Iterable[Trajectory]],
    *,
    halvings: int = 20,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Fidelity:
    """Nine figures over random halvings of a real cohort, by persons: half A trains, half B is imitated, B is compared.

    `imitate(a, b, seed)` gives a synthetic cohort like half B (entry states and visits of its persons) from a model that saw
    half A alone. The floor compares B with A. Halving r is a permutation of the generator with seed `seed + r`.
    """
    people = [person for person in cohort if len({person.entry_age, *person.visits}) > 1]
    if len(people) < 4:  # noqa: PLR2004 - two halves of two
        raise ConfigError(f"{len(people)} persons have two visits; two halves need at least four")
    floor: dict[str, list[float]] = {name: [] for name in FIGURES}
    model: dict[str, list[float]] = {name: [] for name in FIGURES}
    for r in range(halvings):
        order = np.random.default_rng(seed + r).permutation(len(people))
        a, b = ([people[i] for i in part] for part in np.split(order, [len(people) // 2]))
        real = summarise(b, events)
        for found, cohort_ in ((floor, a), (model, imitate(a, b, seed + r))):
            for name, value in compare(real, summarise(cohort_, events)).items():
                found[name].append(value)
        if progress is not None:
            progress(f"halving {r + 1} of {halvings}")
    figures = tuple(
        Figure(name, float(np.mean(floor[name])), float(np.quantile(floor[name], 0.95)), float(np.mean(model[name])))
        for name in FIGURES
    )
    return Fidelity(figures, halvings, len(people))
