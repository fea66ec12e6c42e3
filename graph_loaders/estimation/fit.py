"""`fit`: competing hazards from a panel: maximum a posteriori, with the information that the intervals really hold."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from graph_loaders.estimation.kinds import BEGINS, BEGUN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from graph_loaders.estimation.lattice import Expectation
    from graph_loaders.estimation.panel import Panel, Rows

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

__all__ = ["Fit", "Ridge", "fit"]

_NEVER = -30.0
"""Log rate of what nobody was seen to begin."""

_START_INTERVALS = 20_000
_LOST_INTERVALS = 150_000
"""Intervals in which the lost information is looked at; in a larger panel they stand for the others."""

_LANES = 4
_LANE_BYTES = 32 << 20
"""Of sums a lane may have for several to be used."""

_CONVERGED = 1e-5
_ROUNDS = 60
_MIXED = 6
"""Steps that are mixed (Anderson 1965; for EM: Henderson and Varadhan 2019)."""


@dataclass(frozen=True, slots=True)
class Ridge:
    """Standard deviations of the normal prior that holds a fit together, means zero, log hazard scale.

    `history`: of the effect of one earlier event; `age10`: per ten years. 0.6 for history was chosen inside the training folds
    of PAQUID in five of five.
    """

    intercept: float = 10.0
    age10: float = 2.0
    fixed: float = 0.5
    history: float = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Coefficients (events x columns: intercept, age10, fixed columns, history), which of them are free, and the information
    of the data about them (the prior not in it), the score of the data at the coefficients, log likelihood and rounds.
    """

    events: tuple[str, ...]
    fixed: tuple[str, ...]
    theta: Floats
    free: Flags
    information: Floats
    score: Floats
    needs: Flags
    log_likelihood: float
    rounds: int
    lost: float

    def features(self, event: int) -> list[str]:
        """Names of the free columns of an event."""
        names = ["intercept", "age10", *self.fixed, *(f"after:{e}" for e in self.events)]
        return [name for name, free in zip(names, self.free[event], strict=True) if free]


def free_columns(panel: Panel, needs: Flags, active: Flags, *, age: bool = True, history: bool = True) -> Flags:
    """Which coefficients of each event are estimated: not the event itself, not what it needs (always begun by then)."""
    events, fixed = len(panel.events), len(panel.fixed)
    free = np.ones((events, 2 + fixed + events), np.bool_)
    free[:, 1] = age
    free[:, 2 : 2 + fixed] = active & age
    block = free[:, 2 + fixed :]
    block[:] = history
    block[np.arange(events), np.arange(events)] = False
    block[needs] = False
    if panel.death >= 0:
        block[:, panel.death] = False
    return free


def fit(
    panel: Panel,
    needs: Flags,
    ridge: Ridge | None = None,
    *,
    dated: bool = False,
    age: bool = True,
    history: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Fit:
    """The rates that fit a cohort best, given the ridge.

    Interval EM: expectations over what is not seen between visits are exact (`lattice`); each round takes one Newton step
    with the complete information (Lange 1995). Large cohorts begin at the fit of their first 20,000 intervals. The
    information is that of what was seen: complete information less what is lost (Louis 1982), never negative. `dated`:
    onsets as if they had begun at the visit. `age`, `history`: without them the rates are constant, or know no earlier event.
    Cost: some ten passes over the intervals, a few microseconds each, on up to four cores; memory in events only.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(
        1, "blas"
    ):  # matrices are small, and sums in several threads differ from one machine to the next
        return _fit(panel, needs, ridge or Ridge(), progress, dated=dated, age=age, history=history)


def _fit(
    panel: Panel,
    needs: Flags,
    ridge: Ridge,
    progress: Callable[[str], None] | None,
    *,
    dated: bool,
    age: bool,
    history: bool,
) -> Fit:
    seen, years, active = _totals(panel)
    free = free_columns(panel, needs, active, age=age, history=history)
    free[seen == 0] = False
    climb = _Climb(panel, needs, free, ridge, progress, dated=dated)
    theta = np.zeros(free.shape)
    theta[:, 0] = np.where(seen > 0, np.log((seen + 0.5) / (years + 1.0)), _NEVER)
    total = 0
    if panel.intervals > _START_INTERVALS:
        first = panel.rows(_START_INTERVALS)
        theta, total = climb.to_top(theta, lambda: [first])
    theta, rounds = climb.to_top(theta, panel.chunks)
    every = 0 if dated else 1 + panel.intervals // _LOST_INTERVALS
    last = climb.walk(theta, panel.chunks(), missing=every)
    complete, lost = last.symmetric()
    observed = np.array([_observed(complete[j], lost[j], free[j]) for j in range(len(free))])
    hidden = float(np.trace(lost, axis1=1, axis2=2).sum() / max(np.trace(complete, axis1=1, axis2=2).sum(), 1e-12))
    return Fit(
        tuple(panel.events),
        tuple(panel.fixed),
        theta,
        free,
        observed,
        last.score,
        needs,
        last.log,
        total + rounds,
        hidden,
    )


class _Climb:
    """Rounds of interval EM on one panel."""

    def __init__(
        self,
        panel: Panel,
        needs: Flags,
        free: Flags,
        ridge: Ridge,
        progress: Callable[[str], None] | None,
        *,
        dated: bool,
    ) -> None:
        self.needs, self.free, self.death, self.dated = needs, free, panel.death, dated
        sd = np.full(free.shape[1], ridge.history)
        sd[0], sd[1], sd[2 : 2 + len(panel.fixed)] = ridge.intercept, ridge.age10, ridge.fixed
        self.precision = sd**-2.0
        self.progress = progress

    def walk(self, theta: Floats, rows: Iterable[Rows], *, missing: int = 0) -> Expectation:
        """The expectations of all intervals: chunks go to lanes in turn, each summed in its own order on some thread, and the
        lanes are added up in theirs, so that the sums do not depend on the number of cores.
        """
        from graph_loaders.estimation.lattice import Expectation, expect

        several = 8 * 2 * theta.shape[0] * theta.shape[1] ** 2 <= _LANE_BYTES
        lanes = [Expectation(*theta.shape)]
        chunks = enumerate(rows)

        def add(lane: Expectation, number: int, chunk: Rows) -> None:
            expect(theta, self.needs, chunk, lane, death=self.death, dated=self.dated, missing=missing, seed=1 + number)

        with ThreadPoolExecutor(min(_LANES, os.cpu_count() or 1)) as threads:
            while group := list(islice(chunks, _LANES if several else 1)):
                while len(lanes) < len(group):
                    lanes.append(Expectation(*theta.shape))
                if len(group) == 1:
                    add(lanes[0], *group[0])
                    continue
                work = [threads.submit(add, lane, *one) for lane, one in zip(lanes, group, strict=False)]
                for done in work:
                    done.result()
        for lane in lanes[1:]:
            lanes[0] += lane
        return lanes[0]

    def step(self, theta: Floats, found: Expectation) -> Floats:
        """Newton's, with the complete information: what one round of the gradient form of EM adds."""
        complete, _ = found.symmetric()
        change = np.zeros_like(theta)
        for j, free in enumerate(self.free):
            at = np.flatnonzero(free)
            if len(at):
                gradient = found.score[j, at] - self.precision[at] * theta[j, at]
                curvature = complete[j][np.ix_(at, at)] + np.diag(self.precision[at])
                change[j, at] = np.linalg.solve(curvature, gradient)
        return change * min(1.0, 2.0 / max(float(np.abs(change).max()), 1e-12))

    def to_top(self, theta: Floats, rows: Callable[[], Iterable[Rows]]) -> tuple[Floats, int]:
        """Rounds until a step is small; Anderson's mixing of the last steps, taken back where the likelihood falls."""
        best, at, plain = -np.inf, theta, theta
        memory: list[tuple[Floats, Floats]] = []
        for number in range(1, _ROUNDS + 1):
            found = self.walk(theta, rows())
            value = found.log - float((self.precision * theta**2 * self.free).sum()) / 2
            if value < best - 1e-10 * abs(best):
                theta, plain, memory = plain, (plain + at) / 2, []  # the plain step next, then halves of it
                continue
            change = self.step(theta, found)
            best, at, plain = value, theta, theta + change
            largest = float(np.abs(change).max())
            if self.progress is not None:
                self.progress(f"round {number}: log likelihood {found.log:.3f}, largest step {largest:.2g}")
            if largest < _CONVERGED:
                return at, number
            memory = [*memory[-_MIXED:], (at[self.free], change[self.free])]
            theta = theta.copy()
            theta[self.free] = _mixed(memory)
        return at, _ROUNDS


def _mixed(memory: list[tuple[Floats, Floats]]) -> Floats:
    """The next point from the last points and the steps of EM at them."""
    point, change = memory[-1]
    if len(memory) == 1:
        return point + change
    changes = np.array([later[1] - earlier[1] for earlier, later in pairwise(memory)]).T
    points = np.array([later[0] - earlier[0] for earlier, later in pairwise(memory)]).T
    weight, *_ = np.linalg.lstsq(changes, change, rcond=1e-8)
    mixed: Floats = point + change - (points + changes) @ weight
    return mixed


def _observed(complete: Floats, lost: Floats, free: Flags) -> Floats:
    """Complete less lost information, its negative directions (sampling noise in `lost`) set to a twentieth of the complete."""
    at = np.ix_(free, free)
    whole = complete[at]
    observed = np.zeros_like(complete)
    if not whole.size:
        return observed
    scale, vectors = np.linalg.eigh(whole)
    keep = scale > 1e-10 * max(float(scale[-1]), 1e-300)
    root = vectors[:, keep] * np.sqrt(scale[keep])
    inverse = vectors[:, keep] / np.sqrt(scale[keep])
    fraction, turned = np.linalg.eigh(np.eye(int(keep.sum())) - inverse.T @ lost[at] @ inverse)
    basis = root @ turned
    observed[at] = (basis * np.clip(fraction, 0.05, 1.0)) @ basis.T
    return observed


def _totals(panel: Panel) -> tuple[Floats, Floats, Flags]:
    """Onsets and years at risk of each event, and which fixed columns vary in the cohort."""
    events = len(panel.events)
    seen, years = np.zeros(events), np.zeros(events)
    some, count = np.zeros(len(panel.fixed)), 0
    for chunk in panel.chunks():
        seen += (chunk["state"] == BEGINS).sum(axis=0)
        years += ((chunk["end"] - chunk["start"])[:, None] * (chunk["state"] != BEGUN)).sum(axis=0)
        some += chunk["fixed"].sum(axis=0)
        count += len(chunk)
    return seen, years, (some > 0) & (some < count)
