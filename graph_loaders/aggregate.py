"""Trajectories to counts: who had what before what, how many person-years at risk, and how long between."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from graph_loaders.elements import Edge, GraphElements, Node, Value
from graph_loaders.schema import END, GAP_BINS_DAYS, START, EdgeType, NodeType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graph_loaders.contribution import Bounds
    from graph_loaders.trajectory import Trajectory
    from ontology.concept import Cui

__all__ = ["aggregate"]

_DAYS = 365.25
_BATCH = 1024


def aggregate(
    trajectories: Iterable[Trajectory],
    cohort: str,
    events: Sequence[Cui],
    *,
    source: str = "",
    pack: str = "",
    names: Mapping[Cui, str] | None = None,
    bounds: Bounds | None = None,
) -> GraphElements:
    """Counts of one cohort: `(a)-[:PRECEDES]->(b)` for every ordered pair of `events`, from Start and to End.

    `persons`: b was first seen at a later visit than a. `person_years`: time at risk, with a and without b, whether or not b
    came. `same_visit`: both first seen at one visit, on the edge in each direction; from Start: there at entry, so
    without a date. To End: persons whose last onset was a (or who had none). Counts of two cohorts add up.
    `bounds`: what each person is held to, for noise to be measured against later; the Cohort keeps them.
    `names`: of concepts that the pack does not have; their nodes are made. One pass; memory in pairs of events.
    """
    counts = _Counts(events)
    for trajectory in bounds.each(trajectories) if bounds else trajectories:
        counts.add(trajectory)
    counts.flush()
    concepts = [Node(NodeType.CONCEPT, cui, {"name": name, "source": cohort}) for cui, name in (names or {}).items()]
    edges = counts.edges(cohort)
    persons, years = counts.persons, counts.years
    properties: dict[str, Value] = {
        "name": cohort,
        "source": source,
        "persons": persons,
        "person_years": round(years, 4),
        "looked_for": [str(event) for event in events],
    }
    if bounds:
        properties |= {"most_onsets": bounds.most_onsets, "most_years": float(bounds.most_years)}
    node = Node(NodeType.COHORT, cohort, {**properties, "min_cell": 0, "pack": pack})
    return GraphElements.of([*concepts, *edges, node])


class _Counts:
    """The counts as arrays: rows are where a pair starts (the events, then Start), columns where it ends (the events, then
    End). Persons are gathered in batches for a compiled loop.
    """

    def __init__(self, events: Sequence[Cui]) -> None:
        size = len(events) + 1
        self.events, self.persons, self.years = list(events), 0, 0.0
        self._index = {cui: i for i, cui in enumerate(events)}
        self._sums = (
            np.zeros((size, size), np.int64),
            np.zeros((size, size)),
            np.zeros((size, size), np.int64),
            np.zeros((size, size, len(GAP_BINS_DAYS)), np.int64),
        )
        self._onset = np.full((_BATCH, len(events)), np.inf)
        self._begun = np.zeros((_BATCH, len(events)), np.int64)  # events in order of onset
        self._many = np.zeros(_BATCH, np.int64)
        self._at_entry = np.zeros((_BATCH, len(events)), np.bool_)
        self._window = np.zeros((_BATCH, 2))
        self._used = 0

    def add(self, person: Trajectory) -> None:
        row = self._used
        self.persons += 1
        self.years += person.exit_age - person.entry_age
        self._window[row] = person.entry_age, person.exit_age
        many = 0
        for onset in person.onsets:
            at = self._index.get(onset.cui)
            if at is None:
                continue
            self._onset[row, at] = onset.age
            self._at_entry[row, at] = onset.after is None
            self._begun[row, many] = at
            many += 1
        self._many[row] = many
        self._used += 1
        if self._used == _BATCH:
            self.flush()

    def flush(self) -> None:
        if self._used:
            used = slice(self._used)
            count = _compiled()
            batch = (self._onset, self._begun, self._many, self._at_entry, self._window)
            count(*(array[used] for array in batch), np.array(GAP_BINS_DAYS[1:], np.float64), *self._sums)
            self._onset[used], self._at_entry[used], self._used = np.inf, False, 0

    def edges(self, cohort: str) -> list[Edge]:
        persons, years, same, gaps = self._sums
        starts, ends = [*map(_node, self.events), START], [*map(_node, self.events), END]
        return [
            _edge(
                starts[a], ends[b], int(persons[a, b]), float(years[a, b]), int(same[a, b]), gaps[a, b].tolist(), cohort
            )
            for a, b in np.argwhere((persons > 0) | (same > 0)).tolist()
        ]


@cache
def _compiled() -> Any:
    """The loop as machine code; compiled at the first use."""
    from ontology.compiled import compiled

    return compiled(_count)


def _count(onset, begun, many, at_entry, window, edges, persons, years, same, gaps):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Adds a batch of persons to the sums."""
    size = onset.shape[1]

    for i in range(onset.shape[0]):
        entry, leaves = window[i, 0], window[i, 1]
        for b in range(size):
            if at_entry[i, b]:
                same[size, b] += 1
                continue
            years[size, b] += (leaves if onset[i, b] == np.inf else onset[i, b]) - entry
            if onset[i, b] < np.inf:
                persons[size, b] += 1
                gaps[size, b, np.searchsorted(edges, (onset[i, b] - entry) * _DAYS, side="right")] += 1
        for k in range(many[i]):
            a = begun[i, k]
            age = onset[i, a]
            for b in range(size):
                if a == b or onset[i, b] < age:
                    continue
                if onset[i, b] == age:
                    same[a, b] += 1
                elif onset[i, b] < np.inf:
                    years[a, b] += onset[i, b] - age
                    persons[a, b] += 1
                    gaps[a, b, np.searchsorted(edges, (onset[i, b] - age) * _DAYS, side="right")] += 1
                else:
                    years[a, b] += leaves - age
        last = begun[i, many[i] - 1] if many[i] else size
        since = onset[i, last] if many[i] else entry
        years[last, size] += leaves - since
        persons[last, size] += 1
        gaps[last, size, np.searchsorted(edges, (leaves - since) * _DAYS, side="right")] += 1


def _node(cui: Cui) -> tuple[str, str]:
    return NodeType.CONCEPT.value, cui


def _edge(
    start: tuple[str, str], end: tuple[str, str], persons: int, years: float, same: int, gaps: list[int], cohort: str
) -> Edge:
    properties: dict[str, Value] = {
        "cohort": cohort,
        "persons": persons,
        "person_years": round(years, 4),
        "same_visit": same,
        "gap_days": gaps,
        "basis": "counted",
    }
    return Edge(EdgeType.PRECEDES, start, end, cohort, properties)
