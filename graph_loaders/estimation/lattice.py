"""What is not seen between two visits, summed over exactly.

Forward and backward probabilities on the lattice of subsets of what began (`loops.subsets`) give the probability of what was seen,
the expected time in each state and the expected number of each step: the E-step of interval EM (Dempster, Laird and
Rubin 1977; Bladt and Soerensen 2005 for processes in continuous time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from graph_loaders.estimation.loops import expectations, subsets

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["Expectation", "expect", "log_probability"]


class Expectation:
    """What one pass over the intervals gives, a row an event: score, complete information, the part of it that is lost
    because times and order are not seen (zero unless asked for), the log probability and the years of all intervals.
    """

    def __init__(self, events: int, width: int) -> None:
        self.score: Floats = np.zeros((events, width))
        self.information: Floats = np.zeros((events, width, width))
        self.lost: Floats = np.zeros((events, width, width))
        self.log = 0.0
        self.years = 0.0

    def __iadd__(self, other: Expectation) -> Self:
        """What both give."""
        self.score += other.score
        self.information += other.information
        self.lost += other.lost
        self.log += other.log
        self.years += other.years
        return self

    def symmetric(self) -> tuple[Floats, Floats]:
        """Complete and lost information as symmetric matrices."""
        both = []
        for half in (self.information, self.lost):
            full = half + half.transpose(0, 2, 1)
            diagonal = np.arange(half.shape[1])
            full[:, diagonal, diagonal] /= 2
            both.append(full)
        return both[0], both[1]


def expect(
    theta: Floats,
    needs: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.void],
    into: Expectation,
    *,
    death: int = -1,
    dated: bool = False,
    missing: int = 0,
    seed: int = 0,
) -> Floats:
    """Adds the expectations of `rows` (as `Panel` keeps them) under the rates `theta` to `into`; their log probabilities.

    theta[j]: intercept, age in decades from 80, fixed columns, then the log ratio of each earlier event. `dated`: onsets are
    taken as dated at the visit. `missing`: sum up the lost information too (Louis 1982), by importance sampling with a
    seed of its own in each row; k looks at every k-th interval and lets it stand for k. Cost: a microsecond an interval
    without an onset, some ten with two, 500 with seven; some hundred more where lost information is looked at.
    """
    log = np.empty(len(rows))
    expectations.expect(
        np.ascontiguousarray(theta), needs, rows["start"].copy(), rows["end"].copy(), rows["kind"].copy(),
        rows["fixed"].astype(np.float64), rows["state"].copy(), death, dated, missing, seed,
        into.score, into.information, into.lost, log,
    )  # fmt: skip
    into.log += float(log.sum())
    into.years += float((rows["end"] - rows["start"]).sum())
    return log


def log_probability(theta: Floats, needs: npt.NDArray[np.bool_], rows: npt.NDArray[np.void]) -> Floats:
    """Log probability of exactly the onsets of each interval, exact whatever their number (2^n states)."""
    fixed, state = rows["fixed"].astype(np.float64), rows["state"].copy()
    theta = np.ascontiguousarray(theta)
    return np.array(
        [subsets.forward(theta, needs, r["start"], r["end"], fixed[i], state[i]) for i, r in enumerate(rows)],
        dtype=np.float64,
    )
