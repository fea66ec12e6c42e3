"""What comes after a concept: the next event and its time, over persons like those asked for, with intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.sampling.criteria import Criteria
from engine.sampling.sampler import sample_arrays
from graph_loaders.schema import EdgeType

if TYPE_CHECKING:
    from engine.sampling.model import ProgressionModel
    from engine.sampling.sampler import Columns
    from engine.sampling.tables import Floats
    from graph_loaders.elements import GraphElements
    from ontology.concept import Cui

__all__ = ["next_events"]

_DAYS = 365.25
_Z = 1.96
_RARE = 1e-3


def next_events(
    model: ProgressionModel,
    cui: Cui,
    elements: GraphElements,
    criteria: Criteria | None = None,
    *,
    n: int = 4000,
    seed: int = 0,
    replicates: int = 8,
) -> list[dict[str, Any]]:
    """Rows of cui, name, probability with its interval, gap with its quantiles, persons; most probable first, summing to one.

    By simulation: `n` persons who meet the criteria and have the concept, each read at the first concept or death that
    follows it (stages are passed over). `low` and `high`: 95 % interval of the probability, from the simulation and from
    the parameters (`replicates` draws from their posterior, among those that a fact or a cohort tells of; 0: simulation
    alone). `median_gap_days` with `gap_low_days` and `gap_high_days`, between which 90 % of the persons lie. The last row,
    `end`, holds those whose follow-up ended first, if any. `persons`: behind the graph's counted edge, 0 without a
    cohort. Raises as `sample`. Cost: a second, most of it the replicates.
    """
    asked = criteria or Criteria()
    if cui not in asked.include:
        asked = replace(asked, include=(*asked.include, cui))
    shares, gaps = _shares(model, sample_arrays(model, n, seed, asked), cui)
    spread = _spread(model, cui, asked, n, seed, replicates) if replicates else {}
    counted: defaultdict[str, int] = defaultdict(int)
    for edge in elements.edges:
        if edge.type == EdgeType.PRECEDES and edge.start[1] == cui and "cohorts" not in edge.properties:  # not merged
            persons = edge.properties.get("persons", 0)
            counted[edge.end[1]] += persons if isinstance(persons, int) else 0
    names = {str(c.cui): c.name for c in model.pack.concepts}
    rows: list[dict[str, Any]] = []
    for key, probability in shares.items():
        variance = probability * (1 - probability) / n + spread.get(key, 0.0)
        low, high = _interval(probability, math.sqrt(variance))
        bounds = np.quantile(gaps[key], [0.05, 0.5, 0.95])
        rows.append(
            {
                "cui": key,
                "name": "End of follow-up" if key == "end" else names.get(key, key.capitalize()),
                "probability": round(probability, 5),
                "low": round(low, 5),
                "high": round(high, 5),
                "median_gap_days": round(float(bounds[1])),
                "gap_low_days": round(float(bounds[0])),
                "gap_high_days": round(float(bounds[2])),
                "persons": counted[key],
            }
        )
    rows.sort(key=lambda row: (row["cui"] == "end", -row["probability"], row["cui"]))
    return rows


def _shares(model: ProgressionModel, found: Columns, cui: Cui) -> tuple[dict[str, float], dict[str, Floats]]:
    """Share of persons and gaps in days by what came next."""
    n = len(found.entry)
    plain = (found.event < model.concepts) | (found.event == model.index("death"))
    event, age, person = found.event[plain], found.age[plain], found.person[plain]
    at = np.flatnonzero(event == model.index(cui))
    after = np.minimum(at + 1, len(event) - 1)
    follows = (after > at) & (person[after] == person[at])
    shares, gaps = {}, {}
    for j in np.unique(event[after[follows]]):
        chosen, key = follows & (event[after] == j), model.events[int(j)]
        shares[key] = float(chosen.sum() / n)
        gaps[key] = (age[after] - age[at])[chosen] * _DAYS
    if not follows.all():
        shares["end"] = float((~follows).sum() / n)
        gaps["end"] = (found.exit[person[at]] - age[at])[~follows] * _DAYS
    return shares, gaps


def _spread(model: ProgressionModel, cui: Cui, asked: Criteria, n: int, seed: int, replicates: int) -> dict[str, float]:
    """Variance of each probability over draws of the parameters, less that of the simulation."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 0x9E37)))
    told = np.isfinite(model.data)
    column = {feature: i for i, feature in enumerate(model.features)}
    row = {event: i for i, event in enumerate(model.events)}
    for event, feature in model.sources:
        if event in row and feature in column:
            told[row[event], column[feature]] = True
    told &= np.isfinite(model.mean)
    told[row[str(model.pack.diagnosis)]] = False  # persons are those who get it
    size = max(200, n // replicates)
    found: defaultdict[str, list[float]] = defaultdict(list)
    for r in range(replicates):
        mean = np.where(told, model.mean + model.sd * rng.standard_normal(model.mean.shape), model.mean)
        shares, _ = _shares(model, sample_arrays(replace(model, mean=mean), size, seed + r + 1, asked), cui)
        for key in set(found) | set(shares):
            found[key] += [0.0] * (r - len(found[key])) + [shares.get(key, 0.0)]
    out = {}
    for key, values in found.items():
        p = float(np.mean(values))
        out[key] = max(float(np.var(values, ddof=1)) - p * (1 - p) / size, 0.0) if replicates > 1 else 0.0
    return out


def _interval(p: float, se: float) -> tuple[float, float]:
    """95 % on the logit scale, so that it stays between 0 and 1."""
    held = min(max(p, _RARE), 1 - _RARE)
    logit, width = math.log(held / (1 - held)), _Z * se / (held * (1 - held))
    low, high = (1 / (1 + math.exp(-min(max(x, -30.0), 30.0))) for x in (logit - width, logit + width))
    return min(low, p), max(high, p)
