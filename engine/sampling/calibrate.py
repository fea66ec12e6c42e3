"""Published durations and medians held in the full model: ratios of symptoms raise stages and death, so levels are moved.

A median of survival is that of the population, and a stage's mean duration too. Their intercepts are moved until a
simulated population (fixed seed, nobody dies) gives the published figure; both are then true of the prior mean.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from engine.sampling.model import ProgressionModel
    from engine.sampling.prior import Prior
    from engine.sampling.sampler import Columns

__all__ = ["hold_figures"]

_PERSONS = 10_000
_ROUNDS = 2


def hold_figures(prior: Prior, model: Callable[[], ProgressionModel]) -> None:
    """Move the intercepts of stages and death in `prior`, in place. Cost: some 30,000 simulated persons."""
    from engine.sampling.sampler import sample_arrays

    def simulate() -> Columns:
        found = model()
        alive = found.mean.copy()
        alive[found.index("death"), 0] = -math.inf
        return sample_arrays(replace(found, mean=alive), _PERSONS, 20080513)

    stages = sorted(prior.pack.stages, key=lambda s: s.ordinal)
    moved = [
        (earlier, later)
        for earlier, later in pairwise(stages)
        if earlier.years and _acted_on(prior, f"stage:{later.id}")
    ]
    paths = simulate()
    for _ in range(_ROUNDS if moved else 0):
        for earlier, later in moved:
            begin, end = paths.first(f"stage:{earlier.id}"), paths.first(f"stage:{later.id}")
            stay = np.nanmean(np.where(np.isnan(end), paths.exit, end) - begin)
            row = prior.row[f"stage:{later.id}"], prior.column["intercept"]
            prior.mean[row] += math.log(float(stay) / (earlier.years or 1.0))
        paths = simulate()
    _hold_medians(prior, paths)


def _acted_on(prior: Prior, event: str) -> bool:
    return any(f.startswith("after:") and prior.get(event, f) for f in prior.column)


def _hold_medians(prior: Prior, paths: Columns) -> None:
    """Solve mean exp(-c G) = 1/2, G the integral of the ratio of death from the diagnosis to the published median."""
    from scipy.optimize import brentq

    ratios = {f[6:]: prior.get("death", f) for f in prior.column if f.startswith("after:") and prior.get("death", f)}
    base = prior.get("death", "intercept")
    axes = {d.id: d for d in prior.pack.demographics}
    groups = {f: prior.get("death", f) for f in prior.column if f in axes and prior.get("death", f)}
    reference = next((f"{axes[g].axis}:" for g in groups), "")
    times = {event: paths.first(event) - paths.diagnosis for event in ratios}

    def level(log_rate: float) -> float:
        median = math.log(2) / math.exp(log_rate)
        integral = _integral(times, ratios, median, len(paths.diagnosis))
        return math.log(float(brentq(lambda c: float(np.mean(np.exp(-c * integral))) - 0.5, 1e-6, 1e3)))

    moved = level(base)
    prior.mean[prior.row["death"], prior.column["intercept"]] = moved
    for group, ratio in groups.items():
        if reference:
            prior.mean[prior.row["death"], prior.column[group]] = level(base + ratio) - moved


def _integral(
    times: dict[str, npt.NDArray[np.float64]], ratios: dict[str, float], end: float, persons: int
) -> npt.NDArray[np.float64]:
    grid = np.linspace(0.0, end, 60)
    total = np.zeros(persons)
    for at in (grid[1:] + grid[:-1]) / 2:
        log = np.zeros(persons)
        for event, ratio in ratios.items():
            with np.errstate(invalid="ignore"):
                log += ratio * (times[event] <= at)
        total += np.exp(log) * (grid[1] - grid[0])
    return total
