"""`Counts`: the counts of persons of one cohort as a system of cells, with everything that is known to hold between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from graph_loaders.partition import CELLS
from graph_loaders.schema import EdgeType, NodeType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graph_loaders.elements import Edge, GraphElements

__all__ = ["Cell", "Counts", "Rule"]

Cell = tuple[str, str, str]
"""("before", a, b): b came at a later visit than a; a may be `start`, b may be `end`. ("with", a, b), a < b or a `start`: at one visit."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`low <= sum of weight x cell <= high`."""

    weights: Mapping[Cell, float]
    low: float
    high: float


@dataclass(slots=True)
class Counts:
    """Persons by cell; a cell that is not in `values` is 0 in a private graph, and 0 or withheld in a released one.

    `onsets`: (event, most and fewest earlier onsets summed over its onsets), from OBSERVED cells.
    """

    persons: int
    events: tuple[str, ...]
    values: dict[Cell, int] = field(default_factory=dict)
    earlier: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, elements: GraphElements, cohort: str, events: Iterable[str] = ()) -> Counts:
        """What the edges of a cohort say. `events`: those known to be counted, beside those that are seen."""
        node = next(n for n in elements.nodes if n.label == NodeType.COHORT and n.key == cohort)
        edges = [e for e in elements.edges if e.properties.get("cohort") == cohort]
        ends = {end[1] for e in edges for end in (e.start, e.end) if end[0] in {NodeType.CONCEPT, NodeType.STAGE}}
        found = cls(_whole(node.properties.get("persons")), tuple(sorted({*ends, *events})))
        for edge in edges:
            found.take(edge)
        return found

    def take(self, edge: Edge) -> None:
        """What one edge says."""
        a, b = edge.start[1], edge.end[1]
        if edge.type == EdgeType.PRECEDES:
            if persons := _whole(edge.properties.get("persons")):
                self.values["before", a, b] = persons
            if same := _whole(edge.properties.get("same_visit")):
                self.values[self.together(a, b)] = same
        elif edge.type == EdgeType.OBSERVED and b in self.events:
            happened: Any = edge.properties.get("events_by_cell", [0] * int(np.prod(CELLS)))
            groups: Any = edge.properties.get("cell_groups", list(range(int(np.prod(CELLS)))))
            count = np.broadcast_to(np.arange(CELLS[2]), CELLS).ravel()
            low, high = 0, 0
            for group in set(groups):
                inside = np.asarray(groups) == group
                events = int(np.asarray(happened)[inside].sum())
                top = int(count[inside].max())
                low += events * int(count[inside].min())
                high += events * (max(len(self.events) - 1, 0) if top == CELLS[2] - 1 else top)
            self.earlier[b], self.seen[b] = (low, high), int(np.sum(happened))

    @staticmethod
    def together(a: str, b: str) -> Cell:
        """The cell of two events at one visit, or of one there at entry."""
        return ("with", "start", b) if a == "start" else ("with", *sorted((a, b)))  # type: ignore[return-value]

    def cells(self) -> Iterator[Cell]:
        """Every cell there is."""
        for a in ("start", *self.events):
            for b in (*self.events, "end"):
                if a != b:
                    yield "before", a, b
        for event in self.events:
            yield "with", "start", event
        for a, b in combinations(self.events, 2):
            yield self.together(a, b)

    def rules(self) -> Iterator[Rule]:
        """What holds for every cohort, whoever its persons are. Sums by column come from OBSERVED cells, where they are shown."""
        inf = float("inf")
        persons = float(self.persons)
        last = {("before", a, "end"): 1.0 for a in ("start", *self.events)}
        yield Rule(last, persons, persons)
        for b in self.events:
            ever: dict[Cell, float] = {("before", "start", b): 1.0, ("with", "start", b): 1.0}
            yield Rule(ever, 0, persons)
            yield Rule({**ever, ("before", "start", "end"): 1.0}, 0, persons)
            yield Rule(_minus({("before", b, "end"): 1.0}, ever), -inf, 0)
            others = [a for a in self.events if a != b]
            after = {("before", b, a): 1.0 for a in others} | {self.together(a, b): 1.0 for a in others}
            yield Rule(
                _minus(_minus(ever, {("before", b, "end"): 1.0}), after), -inf, 0
            )  # who had b and not last, had another later
            if b in self.seen:
                yield Rule({("before", "start", b): 1.0}, self.seen[b], self.seen[b])
            if b in self.earlier:
                low, high = self.earlier[b]
                yield Rule({("before", a, b): 1.0 for a in others}, low, high)
            for a in others:
                yield Rule({("before", a, b): 1.0, ("before", "start", b): -1.0}, -inf, 0)
        for a, b in combinations(self.events, 2):
            both = {("before", a, b): 1.0, ("before", b, a): 1.0, self.together(a, b): 1.0}
            evers = [{("before", "start", e): 1.0, ("with", "start", e): 1.0} for e in (a, b)]
            for one in evers:
                yield Rule(_minus(both, one), -inf, 0)
            yield Rule(_minus(both, {**evers[0], **evers[1]}), -persons, inf)


def _minus(left: Mapping[Cell, float], right: Mapping[Cell, float]) -> dict[Cell, float]:
    found = dict(left)
    for cell, weight in right.items():
        found[cell] = found.get(cell, 0.0) - weight
    return found


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
