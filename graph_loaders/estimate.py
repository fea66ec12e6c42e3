"""Trajectories to estimates: the coefficients of competing hazards with their information, fitted where the persons are.

One pass over the persons fills a `Panel` (intervals, a few bytes each) and the tables of what came and went; the fit
walks the panel. What is kept of the cohort are coefficients, information and counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from graph_loaders.elements import Edge
from graph_loaders.estimation.counts import Cells
from graph_loaders.estimation.fit import Fit, Ridge, fit
from graph_loaders.estimation.panel import Panel, fixed_features, needs_matrix
from graph_loaders.estimation.remission import Remissions
from graph_loaders.schema import DEATH, EdgeType, NodeType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from graph_loaders.elements import Value
    from graph_loaders.trajectory import Trajectory
    from ontology.concept import Cui
    from ontology.pack import Pack

    Array = npt.NDArray[np.float64]

__all__ = ["Estimator", "estimate", "log_likelihood_pair"]


def estimate(
    trajectories: Iterable[Trajectory],
    pack: Pack,
    cohort: str,
    events: Sequence[Cui],
    requires: Mapping[Cui, Cui] | None = None,
) -> list[Edge]:
    """`(cohort)-[:ESTIMATES]->(event)` and `(cohort)-[:OBSERVED]->(event)` edges of one cohort. See `Estimator`."""
    with Estimator(pack, events, requires) as estimator:
        for trajectory in trajectories:
            estimator.add(trajectory)
        return estimator.edges(cohort)


class Estimator:
    """Takes persons one by one, then fits. Memory does not grow with their number.

    ESTIMATES: features, coefficients c and information I of each event, events and person-years by age, and the rates at
    which it went and came back where visits after its onset were recorded. Features: `intercept`, `age10`, a 0/1 column for
    each trait value that is not its axis' first in the pack and for each risk factor (those that vary in this cohort), and
    `after:CUI` for every other event but those it requires (always begun by then). The stored pair is the normal
    approximation of the likelihood alone: I c = I t + s with t the fitted value, s its score; a prior is counted once, by
    whoever adds it. Death is estimated where the pack's diagnosis is among the events: deaths without it say nothing of
    death after it. OBSERVED: events and person-years by age band, sex and number of onsets so far; sums, nothing fitted.
    """

    def __init__(
        self,
        pack: Pack,
        events: Sequence[Cui],
        requires: Mapping[Cui, Cui] | None = None,
        *,
        ridge: Ridge | None = None,
    ) -> None:
        self.pack, self.events, self.requires = pack, events, requires
        self.panel = Panel(events, fixed_features(pack), death=True)
        self.remissions = Remissions(events)
        self.ridge = ridge or Ridge()

    def add(self, person: Trajectory) -> None:
        """One person more."""
        self.panel.add(person)
        self.remissions.add(person)

    def watch(self, people: Iterable[Trajectory]) -> Iterator[Trajectory]:
        """The same persons, each added on its way."""
        for person in people:
            self.add(person)
            yield person

    @property
    def needs(self) -> npt.NDArray[np.bool_]:
        """needs[j, v]: event j of the panel cannot begin before v."""
        return needs_matrix(self.panel.events, self.requires or {})

    def fit(self, progress: Callable[[str], None] | None = None) -> Fit:
        """The rates that fit the persons added so far."""
        return fit(self.panel, self.needs, self.ridge, progress=progress)

    def edges(self, cohort: str, progress: Callable[[str], None] | None = None) -> list[Edge]:
        """What is kept of the cohort. An event that nobody was seen to begin has no ESTIMATES edge."""
        found, cells = self.fit(progress), Cells.of(self.panel)
        edges = []
        for j, event in enumerate(found.events):
            if event == DEATH[1] and self.pack.diagnosis not in self.events:
                continue
            if cells.years[j].any() or cells.events[j].any():
                edges.append(_edge(EdgeType.OBSERVED, cohort, event, cells.properties(j, cohort)))
            if found.free[j].any():
                properties = {**_fitted(found, j, cohort), **cells.by_age(j), **self.remissions.properties(event)}
                edges.append(_edge(EdgeType.ESTIMATES, cohort, event, properties))
        return edges

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.panel.close()


def log_likelihood_pair(found: Fit, event: int) -> tuple[list[str], Array, Array]:
    """Features, coefficients c and information I such that the log likelihood is about -(t - c)' I (t - c) / 2."""
    at = np.flatnonzero(found.free[event])
    information = found.information[event][np.ix_(at, at)]
    weighted = information @ found.theta[event, at] + found.score[event, at]
    inverse = np.asarray(np.linalg.pinv(information, rcond=1e-10, hermitian=True), dtype=np.float64)
    return found.features(event), inverse @ weighted, information


def _fitted(found: Fit, event: int, cohort: str) -> dict[str, Value]:
    features, coefficients, information = log_likelihood_pair(found, event)
    return {
        "cohort": cohort,
        "features": features,
        "coefficients": [float(f"{v:.10g}") for v in coefficients],
        "information": [float(f"{v:.10g}") for v in information.ravel()],
        "basis": "persons",
    }


def _edge(kind: EdgeType, cohort: str, event: str, properties: Mapping[str, Value]) -> Edge:
    end = DEATH if event == DEATH[1] else (NodeType.CONCEPT.value, event)
    return Edge(kind, (NodeType.COHORT.value, cohort), end, cohort, properties)
