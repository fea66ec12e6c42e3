"""Cohorts of invented persons at random, as trajectories and as private graphs."""

from __future__ import annotations

import numpy as np

from graph_loaders.aggregate import aggregate
from graph_loaders.contribution import Bounds
from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.estimation.counts import Cells
from graph_loaders.estimation.panel import Panel, fixed_features
from graph_loaders.trajectory import Onset, Persona, Trajectory
from ontology.concept import Cui
from ontology.pack import load_pack

BOUNDS = Bounds(6, 20.0)
FIXED = fixed_features(load_pack())


def events_of(count: int) -> list[Cui]:
    return [Cui(f"C{i:07d}") for i in range(count)]


def people(rng: np.random.Generator, count: int, events: list[Cui]) -> list[Trajectory]:
    """Onsets at a rate each event has, seen at the next of one to seven visits, or there at entry."""
    rates = rng.uniform(0.005, 0.3, len(events))
    found = []
    for number in range(count):
        entry = rng.uniform(58, 88)
        visits = np.round(entry + np.concatenate([[0.0], np.cumsum(rng.uniform(0.5, 3.0, rng.integers(1, 7)))]), 3)
        onsets = []
        for cui, rate in zip(events, rates, strict=True):
            begun = entry + rng.exponential(1 / rate)
            at = int(np.searchsorted(visits[1:], begun)) + 1
            if rng.random() < rate:
                onsets.append(Onset(cui, float(visits[0])))
            elif at < len(visits):
                onsets.append(Onset(cui, float(visits[at]), float(visits[at - 1])))
        onsets.sort(key=lambda o: (o.age, o.cui))
        persona = Persona({"sex": "male" if rng.random() < 0.45 else "female"})
        ages = tuple(float(v) for v in visits)
        found.append(Trajectory(f"p{number}", persona, ages[0], ages[-1], visits=ages, onsets=tuple(onsets)))
    return found


def private(persons: list[Trajectory], events: list[Cui], cohort: str = "c", *, bounds: Bounds | None = None):
    """The graph that a loader would make of them, without coefficients (their fit is slow)."""
    held = list(bounds.each(persons)) if bounds else persons
    counts = aggregate(held, cohort, events, source="/home/somebody/secret.csv", pack="pack", bounds=bounds)
    with Panel.of(held, events, FIXED, death=True) as panel:
        cells = Cells.of(panel)
    observed = [
        Edge("OBSERVED", ("Cohort", cohort), ("Concept", event), cohort, cells.properties(j, cohort))
        for j, event in enumerate(events)
    ]
    concepts = [Node("Concept", event, {"name": f"Sign {event}", "source": cohort}) for event in events]
    return GraphElements.of([*concepts, Node("Start", "start"), Node("End", "end"), *counts, *observed])


def random_private(rng: np.random.Generator, cohort: str = "c") -> GraphElements:
    """A small graph: 12 to 600 persons, 2 to 6 events."""
    events = events_of(int(rng.integers(2, 7)))
    return private(people(rng, int(np.exp(rng.uniform(np.log(12), np.log(600)))), events), events, cohort)
