"""Held-out scores by person-wise cross-validation, beside baselines: does the fit know more than what is simple?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from graph_loaders.estimation.chain import Visits, choose_chain
from graph_loaders.estimation.fit import Fit, Ridge, fit
from graph_loaders.estimation.kinds import BEGINS, BEGUN, PANEL
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from graph_loaders.estimation.panel import Panel, Rows

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

__all__ = ["CHAIN", "FITTED", "GOMPERTZ", "HeldOut", "Interval", "assign_folds", "cross_validate", "interval_subsets"]

FITTED = "fitted hazards"
GOMPERTZ = "Gompertz competing hazards, no history"
CONSTANT = "constant hazards"
CHAIN = "first-order chain"
_FOLDS_LEAST = 2
_END_SD = 2.0
_MOST_SUBSETS = 14
_REPEATS = 200


@dataclass(frozen=True, slots=True)
class Interval:
    """One held-out interval: fold, person (number in the panel), its number within the person, ages, log P of each model."""

    fold: int
    person: int
    interval: int
    start: float
    end: float
    log_p: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """What cross-validation found. `panel`: log P a person by model; `next_event`: log P(which event | its time) a person.

    `expected` and `seen`: for the calibration of the fitted model, the probability that an event is newly seen at a visit
    and whether it was, one row for each held-out interval and event at risk.
    """

    persons: Ints
    intervals: tuple[Interval, ...]
    panel: dict[str, Floats]
    next_event: dict[str, Floats]
    expected: Floats
    seen: Flags
    event: Ints
    age: Floats
    folds: int
    seed: int

    def mean(self, model: str) -> tuple[float, float]:
        """Mean log P a person and its standard error over persons."""
        return _mean(self.panel[model])

    def above(self, model: str, base: str) -> tuple[float, float]:
        """Mean paired difference a person and its standard error."""
        return _mean(self.panel[model] - self.panel[base])


def _mean(values: Floats) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def assign_folds(persons: int, folds: int, seed: int) -> Ints:
    """The fold of each person: a random permutation of the numbers, modulo `folds`."""
    return np.random.default_rng(seed).permutation(persons) % folds


def cross_validate(
    panel: Panel,
    needs: Flags,
    *,
    folds: int = 5,
    seed: int = 0,
    ridge: Ridge | None = None,
    chain: bool = True,
    progress: Callable[[str], None] | None = None,
) -> HeldOut:
    """Person-wise folds over those who have at least two visits; each fold is scored by fits to the others.

    P of an interval: probability of exactly the new onsets seen at its end, given all seen before and both ages; exact for
    hazards, simulated for the chain (its cost is most of the total: leave it out with `chain=False`). The score of the
    next event is the log probability of which event (or the end of follow-up) came, given when. ConfigError for fewer
    persons than folds.
    """
    counted = np.zeros(panel.persons, np.bool_)
    for chunk in panel.chunks():
        counted[chunk["person"][chunk["kind"] == PANEL]] = True
    persons = np.flatnonzero(counted)
    if len(persons) < folds or folds < _FOLDS_LEAST:
        message = (
            f"{folds} folds of {len(persons)} persons with two visits; give at least 2 folds and a person for each"
        )
        raise ConfigError(message)
    fold_of = np.full(panel.persons, -1)
    fold_of[persons] = assign_folds(len(persons), folds, seed)
    rng = np.random.default_rng([seed, 1])
    onsets = panel.death if panel.death >= 0 else len(panel.events)
    place = {int(person): i for i, person in enumerate(persons)}
    names = [FITTED, GOMPERTZ, CONSTANT, *([CHAIN] if chain else [])]
    p_scores = {name: np.zeros(len(persons)) for name in names}
    t_scores = {name: np.zeros(len(persons)) for name in (FITTED, *([CHAIN] if chain else []))}
    intervals: list[Interval] = []
    calibration: list[tuple[Floats, Flags, Ints, Floats]] = []
    for q in range(folds):
        training, test = panel.subset((fold_of != q) & counted), panel.subset(fold_of == q)
        fits = {
            FITTED: fit(training, needs, ridge),
            GOMPERTZ: fit(training, needs, ridge, history=False),
            CONSTANT: fit(training, needs, ridge, age=False, history=False),
        }
        rows = test.rows()
        rows = rows[rows["kind"] == PANEL]
        logs = {name: _log_probability(found, rows, panel.death) for name, found in fits.items()}
        people = {person: _visits(part, onsets) for person, part in _by_person(rows)}
        if chain:
            between, tied = choose_chain(
                [_visits(part, onsets) for _, part in _by_person(training.rows())], needs[:onsets, :onsets], rng
            )
            logs[CHAIN] = np.concatenate([tied.interval_scores(person, rng) for person in people.values()])
        leaving = _leaving(training)
        for person, visits in people.items():
            t_scores[FITTED][place[person]] = _next_score(fits[FITTED], leaving, rows[rows["person"] == person])
            if chain:
                t_scores[CHAIN][place[person]] = between.next_score(visits)[1]
        number, before = 0, -1
        for i, row in enumerate(rows):
            person = int(row["person"])
            number = number + 1 if person == before else 1
            before = person
            found = {name: float(logs[name][i]) for name in names}
            intervals.append(Interval(q, person, number, float(row["start"]), float(row["end"]), found))
            for name in names:
                p_scores[name][place[person]] += found[name]
        calibration.append(_calibration(fits[FITTED], rows, panel.death, q))
        if progress is not None:
            progress(f"fold {q + 1} of {folds}: {len(people)} persons held out")
    expected, seen, event, age = (np.concatenate(parts) for parts in zip(*calibration, strict=True))
    return HeldOut(persons, tuple(intervals), p_scores, t_scores, expected, seen, event, age, folds, seed)


def interval_subsets(found: Fit, row: np.void, death: int = -1) -> dict[tuple[str, ...], float]:
    """Probability of every set of new onsets in one interval; they sum to one. At most 14 events may be at risk.

    With death among the events the sets are of those who live to its end: the sum is the probability of that.
    """
    from graph_loaders.estimation.lattice import log_probability

    open_ = [j for j in range(len(found.events)) if row["state"][j] != BEGUN and j != death]
    if len(open_) > _MOST_SUBSETS:
        raise ConfigError(f"{len(open_)} events are at risk; all their subsets are listed for at most {_MOST_SUBSETS}")
    chosen = [subset for size in range(len(open_) + 1) for subset in combinations(open_, size)]
    rows = np.repeat(np.array([row], dtype=row.dtype), len(chosen))
    rows["state"][:, open_] = 0
    for i, subset in enumerate(chosen):
        rows["state"][i, list(subset)] = BEGINS
    possible = [
        not any(found.needs[j, v] and rows["state"][i, v] == 0 for j in s for v in open_) for i, s in enumerate(chosen)
    ]
    logs = log_probability(found.theta, found.needs, rows[possible])
    kept = [s for s, may in zip(chosen, possible, strict=True) if may]
    return {tuple(found.events[j] for j in s): float(np.exp(v)) for s, v in zip(kept, logs, strict=True)}


def _log_probability(found: Fit, rows: Rows, death: int) -> Floats:
    from graph_loaders.estimation.lattice import log_probability

    theta = found.theta.copy()
    if death >= 0:
        theta[death, 0] = -np.inf  # who has another visit has lived
    return log_probability(theta, found.needs, rows)


def _by_person(rows: Rows) -> list[tuple[int, Rows]]:
    rows = rows[rows["kind"] == PANEL]
    cuts = np.flatnonzero(np.diff(rows["person"].astype(np.int64))) + 1
    return [(int(part["person"][0]), part) for part in np.split(rows, cuts) if len(part)]


def _visits(rows: Rows, onsets: int) -> Visits:
    ages = np.append(rows["start"], rows["end"][-1])
    seen = np.vstack([rows["state"] == BEGUN, (rows["state"][-1:] > 0)])
    return Visits(ages, seen[:, :onsets])


def _rates(found: Fit, rows: Rows, state: npt.NDArray[np.uint8], age: Floats) -> Floats:
    fixed = 2 + len(found.fixed)
    eta = found.theta[:, 0] + np.outer((age - 80) / 10, found.theta[:, 1])
    eta += rows["fixed"] @ found.theta[:, 2:fixed].T + (state == BEGUN) @ found.theta[:, fixed:].T
    return np.exp(np.clip(eta, -20, 5))


def _calibration(found: Fit, rows: Rows, death: int, seed: int) -> tuple[Floats, Flags, Ints, Floats]:
    """Probability that an event is newly seen at the end of an interval, by simulation, for each event not begun before."""
    from graph_loaders.estimation.simulate import onset_ages

    theta, begun = found.theta.copy(), rows["state"] == BEGUN
    if death >= 0:
        theta[death, 0] = -np.inf
    chance = np.zeros(begun.shape)
    for r in range(_REPEATS):
        drawn = onset_ages(theta, found.needs, rows["start"], rows["end"], rows["fixed"], begun, seed * _REPEATS + r)
        chance += (drawn < np.inf) / _REPEATS
    open_ = ~begun
    if death >= 0:
        open_[:, death] = False
    at = np.nonzero(open_)
    return chance[at], (rows["state"] == BEGINS)[at], at[1], ((rows["start"] + rows["end"]) / 2)[at[0]]


def _leaving(panel: Panel) -> Floats:
    """Log hazard of the end of follow-up at a visit without a new onset: intercept, age, fixed columns, onsets so far / 4."""
    x, years, left = [], [], []
    for _, part in _by_person(panel.rows()):
        onsets = (part["state"] == BEGUN).sum(axis=1) / 4
        x.append(np.column_stack([np.ones(len(part)), (part["end"] - 80) / 10, part["fixed"], onsets]))
        years.append(part["end"] - part["start"])
        last = np.zeros(len(part))
        last[-1] = not (part["state"][-1] == BEGINS).any()
        left.append(last)
    design, exposure, y = np.concatenate(x), np.concatenate(years), np.concatenate(left)
    theta = np.zeros(design.shape[1])
    theta[0] = np.log((y.sum() + 0.5) / exposure.sum())
    precision = np.full(len(theta), _END_SD**-2.0)
    precision[0] = 0.0
    for _ in range(50):
        mean = np.exp(np.clip(design @ theta, -20, 5)) * exposure
        curvature = (design * mean[:, None]).T @ design + np.diag(precision + 1e-9)
        step = np.linalg.solve(curvature, design.T @ (y - mean) - precision * theta)
        theta += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:  # noqa: PLR2004 - converged
            break
    return theta


def _next_score(found: Fit, leaving: Floats, rows: Rows) -> float:
    """Sum over segments of the mean log share of what came (events, or the end of follow-up) in the total rate then."""
    rate = _rates(found, rows, rows["state"], (rows["start"] + rows["end"]) / 2)
    begun = rows["state"] == BEGUN
    open_ = ~begun & ~(found.needs[None] & ~begun[:, None, :]).any(axis=2)
    total = 0.0
    for k, row in enumerate(rows):
        new = np.flatnonzero(row["state"] == BEGINS)
        if not len(new) and k < len(rows) - 1:
            continue
        x = np.concatenate([[1.0, (row["end"] - 80) / 10], row["fixed"], [begun[k].sum() / 4]])
        shares = np.append(np.where(open_[k], rate[k], 0.0), np.exp(np.clip(x @ leaving, -20, 5)))
        shares[new] = rate[k][new]
        came = new if len(new) else np.array([len(shares) - 1])
        total += float(np.mean(np.log(shares[came] / shares.sum())))
    return total
