"""What counts alone can tell: events and person-years by age, sex and number of onsets so far, and the model fitted from them.

Sums of this kind add up over cohorts, and small cells can be seen in them, so they are what a release may keep when
coefficients may not leave. Pair counts must not be multiplied with each other (they count shared causes many times: worse
than every baseline on PAQUID); the number of onsets so far is the history that counts can carry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from graph_loaders.estimation.kinds import BEGINS, BEGUN, TO_DEATH
from graph_loaders.schema import AGE_BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from graph_loaders.elements import Edge, Value
    from graph_loaders.estimation.panel import Panel

    Floats = npt.NDArray[np.float64]

__all__ = ["MOST_ONSETS", "Cells", "fit_counts"]

MOST_ONSETS = 6
"""Onsets so far are counted one by one up to this; the last cell holds those with as many or more."""

_SEXES = 2
_SPREAD = {"intercept": 10.0, "age10": 2.0, "sex:male": 0.5, "count": 0.5}
_ROUNDS, _CONVERGED = 50, 1e-9


class Cells:
    """events[j], years[j]: age band x sex (not male, male) x onsets so far. Onsets are counted at the visit where seen."""

    def __init__(self, events: npt.NDArray[np.int64], years: Floats) -> None:
        self.events, self.years = events, years

    @classmethod
    def of(cls, panel: Panel) -> Self:
        """One pass over the panel."""
        shape = (len(panel.events), len(AGE_BANDS), _SEXES, MOST_ONSETS + 1)
        events, years = np.zeros(shape, np.int64), np.zeros(shape)
        male = panel.fixed.index("sex:male") if "sex:male" in panel.fixed else -1
        onsets = len(panel.events) if panel.death < 0 else panel.death
        for chunk in panel.chunks():
            band = np.searchsorted(AGE_BANDS, (chunk["start"] + chunk["end"]) / 2, side="right") - 1
            sex = chunk["fixed"][:, male].astype(np.int64) if male >= 0 else np.zeros(len(chunk), np.int64)
            so_far = np.minimum((chunk["state"][:, :onsets] == BEGUN).sum(axis=1), MOST_ONSETS)
            looked_for = chunk["kind"] != TO_DEATH
            length = chunk["end"] - chunk["start"]
            for j in range(shape[0]):
                at_risk = (chunk["state"][:, j] != BEGUN) & (looked_for | (j == panel.death))
                cell = band[at_risk], sex[at_risk], so_far[at_risk]
                np.add.at(years[j], cell, length[at_risk])
                np.add.at(events[j], cell, chunk["state"][at_risk, j] == BEGINS)
        return cls(events, years)

    def properties(self, event: int, cohort: str) -> dict[str, Value]:
        """The cells of one event, flat, as properties of an edge."""
        return {
            "cohort": cohort,
            "events_by_cell": [int(v) for v in self.events[event].ravel()],
            "years_by_cell": [round(float(v), 4) for v in self.years[event].ravel()],
        }

    def by_age(self, event: int) -> dict[str, Value]:
        """Totals, and by age band."""
        events, years = self.events[event].sum(axis=(1, 2)), self.years[event].sum(axis=(1, 2))
        return {
            "events": int(events.sum()),
            "person_years": round(float(years.sum()), 4),
            "events_by_age": [int(v) for v in events],
            "years_by_age": [round(float(v), 4) for v in years],
        }


def fit_counts(edge: Edge, events: Sequence[str]) -> tuple[list[str], Floats, Floats]:
    """Features, coefficients and information (prior not counted) of one OBSERVED edge: the count model.

    log rate = b + g age10 + beta male + c n, n the onsets so far among the cohort's `events`. The same in features that every
    model has: each `after:EVENT` is expected to be c, so what is known is their mean.
    """
    shape = (len(AGE_BANDS), _SEXES, MOST_ONSETS + 1)
    happened = np.asarray(edge.properties["events_by_cell"], np.float64).reshape(shape)
    years = np.asarray(edge.properties["years_by_cell"], np.float64).reshape(shape)
    lefts = np.asarray(AGE_BANDS, np.float64)
    middle = np.append((lefts[1:] + lefts[:-1]) / 2, lefts[-1] + 2.5)
    middle[0] = lefts[1] - 2.5  # an open band is placed half a band beyond its edge
    age, sex, so_far = np.meshgrid((middle - 80) / 10, np.arange(_SEXES), np.arange(MOST_ONSETS + 1), indexing="ij")
    used = years > 0
    design = np.column_stack([np.ones(used.sum()), age[used], sex[used], so_far[used]])
    y, exposure = happened[used], years[used]
    precision = np.array(list(_SPREAD.values())) ** -2.0
    theta = np.array([np.log((y.sum() + 0.5) / (exposure.sum() + 1.0)), 0.0, 0.0, 0.0])
    for _ in range(_ROUNDS):
        mean = np.exp(np.clip(design @ theta, -20, 5)) * exposure
        information = (design * mean[:, None]).T @ design
        step = np.linalg.solve(information + np.diag(precision), design.T @ (y - mean) - precision * theta)
        theta = theta + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < _CONVERGED:
            break
    mean = np.exp(np.clip(design @ theta, -20, 5)) * exposure
    information = (design * mean[:, None]).T @ design
    inverse = np.asarray(np.linalg.pinv(information, rcond=1e-10, hermitian=True), dtype=np.float64)
    alone = inverse @ (information @ theta + design.T @ (y - mean))
    others = [event for event in events if event != edge.end[1]]
    spread = np.zeros((4, 3 + len(others)))
    spread[:3, :3] = np.eye(3)
    spread[3, 3:] = 1.0 / max(len(others), 1)
    names = ["intercept", "age10", "sex:male", *(f"after:{event}" for event in others)]
    return names, np.concatenate([alone[:3], np.full(len(others), alone[3])]), spread.T @ information @ spread
