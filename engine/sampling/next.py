"""What comes after a concept: the next event and its time, over persons like those asked for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.sampling.criteria import Criteria
from engine.sampling.sampler import sample_arrays
from graph_loaders.schema import EdgeType

if TYPE_CHECKING:
    from engine.sampling.model import ProgressionModel
    from graph_loaders.elements import GraphElements
    from ontology.concept import Cui

__all__ = ["next_events"]

_DAYS = 365.25


def next_events(
    model: ProgressionModel,
    cui: Cui,
    elements: GraphElements,
    criteria: Criteria | None = None,
    *,
    n: int = 4000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Rows of cui, name, probability, median_gap_days and persons, most probable first; probabilities add up to one.

    By simulation: `n` persons who meet the criteria and have the concept, each read at the first concept or death that
    follows it (stages are passed over); the standard error of a probability p is sqrt(p (1 - p) / n). The last row,
    `end`, holds those whose follow-up ended first, if any. `persons`: behind the graph's counted edge, 0 without a
    cohort. Raises as `sample`.
    """
    asked = criteria or Criteria()
    if cui not in asked.include:
        asked = replace(asked, include=(*asked.include, cui))
    found = sample_arrays(model, n, seed, asked)
    counted: defaultdict[str, int] = defaultdict(int)
    for edge in elements.edges:
        if edge.type == EdgeType.PRECEDES and edge.start[1] == cui:
            persons = edge.properties.get("persons", 0)
            counted[edge.end[1]] += persons if isinstance(persons, int) else 0
    here = model.index(cui)
    plain = (found.event < model.concepts) | (found.event == model.index("death"))
    event, age, person = found.event[plain], found.age[plain], found.person[plain]
    at = np.flatnonzero(event == here)
    after = np.minimum(at + 1, len(event) - 1)
    follows = (after > at) & (person[after] == person[at])
    rows: list[dict[str, Any]] = []
    for j in np.unique(event[after[follows]]):
        chosen = follows & (event[after] == j)
        gaps = (age[after] - age[at])[chosen] * _DAYS
        key = model.events[int(j)]
        name = model.pack.concept(key).name if key in _names(model) else key.capitalize()
        rows.append(_row(key, name, chosen.sum() / n, float(np.median(gaps)), counted[key]))
    rows.sort(key=lambda row: (-row["probability"], row["cui"]))
    if not follows.all():
        gaps = (found.exit[person[at]] - age[at])[~follows] * _DAYS
        rows.append(_row("end", "End of follow-up", (~follows).sum() / n, float(np.median(gaps)), counted["end"]))
    return rows


def _names(model: ProgressionModel) -> set[str]:
    return {c.cui for c in model.pack.concepts}


def _row(cui: str, name: str, probability: float, gap: float, persons: int) -> dict[str, Any]:
    return {
        "cui": cui,
        "name": name,
        "probability": round(float(probability), 5),
        "median_gap_days": round(gap),
        "persons": persons,
    }
