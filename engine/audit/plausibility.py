"""Order and time of a data set's persons beside the graph's, and the graph's model beside published tables."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.audit.fidelity import FIGURES, Fidelity, Figure, compare, summarise
from engine.audit.published import Order, Published
from graph_loaders.trajectory import Onset, Persona, Trajectory
from ontology.concept import Cui

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.audit.source import Item
    from engine.graph import TrajectoryGraph
    from engine.sampling.criteria import Criteria
    from engine.sampling.model import ProgressionModel

__all__ = ["Plausibility", "Recorded", "beside_published", "plausibility"]

_MOST_PERSONS = 300
_FEWEST_PERSONS = 20
_PAIRS = 20
_PUBLISHED_PERSONS = 4000


@dataclass(frozen=True, slots=True)
class Plausibility:
    """`nine`: the nine figures of `FIGURES`, None where fewer than 20 persons have two sentences or more. `persons`: who have."""

    nine: Fidelity | None
    persons: int
    published: tuple[Published, ...] = ()
    orders: tuple[Order, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "persons": self.persons,
            "nine": None if self.nine is None else self.nine.as_data(),
            "published": [
                {**asdict(p), "low": _finite(p.low), "high": _finite(p.high), "error": round(p.error, 2)}
                for p in self.published
            ],
            "orders": [asdict(o) for o in self.orders],
        }


@dataclass(slots=True)
class Recorded:
    """Collects, while sentences pass, when each person's concepts are written as present for the first time."""

    onsets: defaultdict[str, dict[Cui, float]] = field(default_factory=lambda: defaultdict(dict))

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items."""
        for item in items:
            record = item.record
            if record is not None and record.cui and record.trajectory_id and record.assertion == "present":
                ages, cui = self.onsets[record.trajectory_id], Cui(record.cui)
                ages[cui] = min(record.age, ages.get(cui, math.inf))
            yield item

    def cohort(self) -> list[Trajectory]:
        """Persons with at least two onsets."""
        return [_person(name, sorted(ages.items())) for name, ages in self.onsets.items() if len(ages) > 1]


def plausibility(graph: TrajectoryGraph, recorded: Recorded, criteria: Criteria | None = None) -> Plausibility:
    """The persons of a data set beside persons sampled by the same criteria, both seen at yearly visits from first to last onset.

    Up to 300 persons of the data set stand beside 20 samples of as many (seeds 0 to 19). The floor is the distance between two
    samples, so that a figure passes where the data set is as near to the graph as the graph to itself. What was lost on the
    way (refused sentences, denied signs) counts as difference. Published tables: 4,000 persons of the whole population. Cost:
    some seconds.
    """
    from engine.sampling.criteria import Criteria

    cohort = recorded.cohort()
    nine = None
    if len(cohort) >= _FEWEST_PERSONS:
        asked = criteria or Criteria()
        events = tuple(Cui(event) for event in graph.model.events[: graph.model.concepts])
        mine = summarise(cohort[:_MOST_PERSONS], events)
        others = [summarise(_sampled(graph.model, asked, mine.persons, seed), events) for seed in range(_PAIRS)]
        floor = [compare(a, b) for a, b in zip(others, [*others[1:], others[0]], strict=True)]
        model = [compare(other, mine) for other in others]
        figures = (
            Figure(
                name,
                float(np.nanmean([row[name] for row in floor])),
                float(np.nanquantile([row[name] for row in floor], 0.95)),
                float(np.nanmean([row[name] for row in model])),
            )
            for name in FIGURES
            if np.isfinite([row[name] for row in floor]).any() and np.isfinite([row[name] for row in model]).any()
        )
        nine = Fidelity(tuple(figures), _PAIRS, mine.persons)
    return Plausibility(nine, len(cohort), *beside_published(graph.model, _PUBLISHED_PERSONS))


def beside_published(model: ProgressionModel, persons: int) -> tuple[tuple[Published, ...], tuple[Order, ...]]:
    """Published figures and orders beside those of so many sampled persons (seed 0)."""
    if not persons:
        return (), ()
    from engine.audit.published import orders_of, published_rows
    from engine.sampling.sampler import sample_arrays

    found = sample_arrays(model, persons, 0)
    rows = published_rows(model, found)
    return tuple(rows), tuple(orders_of(model, found, rows))


def _sampled(model: ProgressionModel, criteria: Criteria, n: int, seed: int) -> Iterator[Trajectory]:
    """Persons with at least two onsets, as the data set has them; a few more are drawn where some have fewer."""
    from engine.sampling.sampler import sample_arrays

    found = sample_arrays(model, n + n // 10 + 10, seed, criteria)
    plain = found.event < model.concepts
    person, event, age = found.person[plain], found.event[plain], found.age[plain]
    starts = np.searchsorted(person, np.arange(len(found.entry) + 1))
    made = 0
    for i in range(len(found.entry)):
        rows = slice(int(starts[i]), int(starts[i + 1]))
        if rows.stop - rows.start > 1 and made < n:
            made += 1
            pairs = zip(event[rows].tolist(), age[rows].tolist(), strict=True)
            yield _person(f"m{i}", [(Cui(model.events[j]), a) for j, a in pairs])


def _person(name: str, onsets: Sequence[tuple[Cui, float]]) -> Trajectory:
    """A person seen every year from the first onset on; the last visit is at or after the last onset."""
    ages = [age for _, age in onsets]
    first, years = min(ages), max(1, math.ceil(max(ages) - min(ages)))
    visits = tuple(first + year for year in range(years + 1))
    told = tuple(Onset(cui, age, age) for cui, age in sorted(onsets, key=lambda pair: pair[1]))
    return Trajectory(name, Persona(), first, visits[-1], onsets=told, visits=visits)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
