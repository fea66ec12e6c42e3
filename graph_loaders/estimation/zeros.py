"""Structural zeros that the data suggest: events never seen to begin without another. Shown, never applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graph_loaders.estimation.fit import fit
from graph_loaders.estimation.kinds import BEGINS, BEGUN, WAITS

if TYPE_CHECKING:
    import numpy.typing as npt

    from graph_loaders.estimation.panel import Panel

__all__ = ["Candidate", "candidates"]

_LEAST_EXPECTED = 7.0
"""Onsets expected without the other at which none seen has a chance below one in a thousand."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """`event` was never seen without `needs`, where `expected` onsets without it were expected from age and persona alone."""

    event: str
    needs: str
    onsets: int
    expected: float


def candidates(panel: Panel, needs: npt.NDArray[np.bool_]) -> tuple[Candidate, ...]:
    """Pairs that a REQUIRES edge might hold for, strongest first; pairs that `needs` holds already are left out.

    Expected onsets come from competing hazards without history. Two passes over the panel beyond that fit.
    """
    found = fit(panel, needs, history=False)
    size = len(panel.events)
    onsets, without, expected = np.zeros(size), np.zeros((size, size)), np.zeros((size, size))
    for chunk in panel.chunks():
        state = chunk["state"]
        waits = (state == WAITS).astype(np.float64)
        eta = found.theta[:, 0] + np.outer(((chunk["start"] + chunk["end"]) / 2 - 80) / 10, found.theta[:, 1])
        eta += chunk["fixed"] @ found.theta[:, 2 : 2 + len(found.fixed)].T
        rate = np.exp(np.clip(eta, -20, 5)) * (chunk["end"] - chunk["start"])[:, None] * (state != BEGUN)
        onsets += (state == BEGINS).sum(axis=0)
        without += (state != WAITS).astype(np.float64).T @ waits
        expected += rate.T @ waits
    last = panel.death if panel.death >= 0 else size
    pairs = [
        Candidate(panel.events[j], panel.events[v], int(onsets[j]), round(float(expected[j, v]), 1))
        for j in range(last)
        for v in range(last)
        if j != v and not needs[j, v] and not without[j, v] and expected[j, v] >= _LEAST_EXPECTED
    ]
    return tuple(sorted(pairs, key=lambda c: -c.expected))
