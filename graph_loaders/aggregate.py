"""Trajectories to counts: who had what before what, how many person-years at risk, and how long between."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graph_loaders.elements import Edge, GraphElements, Node, Value
from graph_loaders.schema import END, GAP_BINS_DAYS, START, EdgeType, NodeType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graph_loaders.contribution import Bounds
    from graph_loaders.trajectory import Trajectory
    from ontology.concept import Cui

__all__ = ["aggregate"]

_DAYS = 365.25


@dataclass(slots=True)
class _Pair:
    persons: int = 0
    years: float = 0.0
    same_visit: int = 0
    gaps: list[int] = field(default_factory=lambda: [0] * len(GAP_BINS_DAYS))

    def add(self, years: float) -> None:
        self.persons += 1
        self.gaps[bisect_right(GAP_BINS_DAYS, years * _DAYS) - 1] += 1


_Pairs = dict[tuple[tuple[str, str], tuple[str, str]], _Pair]


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
    pairs: _Pairs = {}
    persons, years = 0, 0.0
    for trajectory in bounds.each(trajectories) if bounds else trajectories:
        persons += 1
        years += trajectory.exit_age - trajectory.entry_age
        _count(trajectory, events, pairs)
    concepts = [Node(NodeType.CONCEPT, cui, {"name": name, "source": cohort}) for cui, name in (names or {}).items()]
    edges = [_edge(start, end, pair, cohort) for (start, end), pair in pairs.items() if pair.persons or pair.same_visit]
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


def _count(trajectory: Trajectory, events: Sequence[Cui], pairs: _Pairs) -> None:
    begun = {onset.cui: onset.age for onset in trajectory.onsets}
    at_entry = {onset.cui for onset in trajectory.onsets if onset.after is None}
    for b in events:
        from_start = pairs.setdefault((START, _node(b)), _Pair())
        if b in at_entry:
            from_start.same_visit += 1
            continue
        from_start.years += begun.get(b, trajectory.exit_age) - trajectory.entry_age
        if b in begun:
            from_start.add(begun[b] - trajectory.entry_age)
    for a, age in begun.items():
        for b in events:
            if a == b or begun.get(b, age) < age:
                continue
            pair = pairs.setdefault((_node(a), _node(b)), _Pair())
            if begun.get(b) == age:
                pair.same_visit += 1
                continue
            pair.years += begun.get(b, trajectory.exit_age) - age
            if b in begun:
                pair.add(begun[b] - age)
    last = trajectory.onsets[-1] if trajectory.onsets else None
    start, since = (START, trajectory.entry_age) if last is None else (_node(last.cui), last.age)
    to_end = pairs.setdefault((start, END), _Pair())
    to_end.years += trajectory.exit_age - since
    to_end.add(trajectory.exit_age - since)


def _node(cui: Cui) -> tuple[str, str]:
    return NodeType.CONCEPT.value, cui


def _edge(start: tuple[str, str], end: tuple[str, str], pair: _Pair, cohort: str) -> Edge:
    properties: dict[str, Value] = {
        "cohort": cohort,
        "persons": pair.persons,
        "person_years": round(pair.years, 4),
        "same_visit": pair.same_visit,
        "gap_days": pair.gaps,
        "basis": "counted",
    }
    return Edge(EdgeType.PRECEDES, start, end, cohort, properties)
