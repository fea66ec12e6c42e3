"""Trajectories to estimates: the coefficients of competing hazards with their information, fitted where the persons are.

For each event a Poisson regression over person-intervals between visits: rows are (features, exposure, event), the log
hazard is linear in the features, and an onset is dated at the visit where it was first seen (delayed entry and
censoring are then exact; the exact time between two visits is not modelled here).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from graph_loaders.elements import Edge
from graph_loaders.schema import AGE_BANDS, EdgeType, NodeType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from graph_loaders.elements import Value
    from graph_loaders.trajectory import Trajectory
    from ontology.concept import Cui
    from ontology.pack import Pack

    Array = npt.NDArray[np.float64]

__all__ = ["estimate"]

_PIECE_YEARS = 2.5
"""Longest interval over which a rate is taken as constant."""

_RIDGE_SD = {"intercept": 10.0, "age10": 2.0, "after": 0.6}
_CONVERGED = 1e-9
_OTHER_SD = 0.5
"""Standard deviations that hold the fit of one cohort together; taken out again from what is stored."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Person-intervals: features (rows x p), exposure in years, events and at-risk flags (rows x K), age at the middle."""

    features: Array
    exposure: Array
    events: Array
    at_risk: Array
    age: Array


def estimate(
    trajectories: Iterable[Trajectory],
    pack: Pack,
    cohort: str,
    events: Sequence[Cui],
    requires: Mapping[Cui, Cui] | None = None,
) -> list[Edge]:
    """`(cohort)-[:ESTIMATES]->(concept)` edges: features, coefficients, information matrix, events and person-years by age.

    Features: `intercept`, `age10`, a 0/1 column for each trait value that is not its axis' first in the pack and for each
    risk factor (those that vary in this cohort), and `after:CUI` for every other event. The stored pair (coefficients c, information
    I) is the normal approximation of the likelihood alone: I c = I t + s with t the fitted value, s its score, so a prior is
    counted once by whoever adds it. `requires`: event -> event that must have begun. Cost: Newton steps over p^2 x rows.
    """
    people = list(trajectories)
    traits, risks = _varying(people, pack)
    names = ["intercept", "age10", *traits, *(f"risk:{risk}" for risk in risks)]
    rows = _rows(people, events, requires or {}, traits, risks)
    edges = []
    for j, cui in enumerate(events):
        others = [i for i in range(len(events)) if i != j]
        columns = [*range(len(names)), *(len(names) + i for i in others)]
        features = [*names, *(f"after:{events[i]}" for i in others)]
        mask = rows.at_risk[:, j] > 0
        x, exposure, y = rows.features[mask][:, columns], rows.exposure[mask], rows.events[mask, j]
        if not y.sum():
            continue
        coefficients, information = _fit(x, exposure, y, features)
        edges.append(_edge(cohort, cui, features, coefficients, information, y, exposure, rows.age[mask]))
    return edges


def _varying(people: Sequence[Trajectory], pack: Pack) -> tuple[list[str], list[str]]:
    first: dict[str, str] = {}
    for demographic in pack.demographics:
        first.setdefault(demographic.axis, demographic.value)
    present = {f"{axis}:{value}" for t in people for axis, value in t.persona.traits.items()}
    traits = [d.id for d in pack.demographics if d.id in present and first[d.axis] != d.value]
    counts = [(risk.id, sum(risk.id in t.persona.risk_factors for t in people)) for risk in pack.risk_factors]
    return traits, [risk for risk, count in counts if 0 < count < len(people)]


def _rows(
    people: Sequence[Trajectory],
    events: Sequence[Cui],
    requires: Mapping[Cui, Cui],
    traits: Sequence[str],
    risks: Sequence[str],
) -> _Rows:
    index = {cui: j for j, cui in enumerate(events)}
    needs = [index.get(requires[cui], -1) if cui in requires else -1 for cui in events]
    features: list[Array] = []
    exposure: list[float] = []
    happened: list[Array] = []
    at_risk: list[Array] = []
    ages: list[float] = []
    for person in people:
        fixed = [
            float(f"{axis}:{person.persona.traits.get(axis)}" == f"{axis}:{value}")
            for axis, _, value in (t.partition(":") for t in traits)
        ]
        fixed += [float(risk in person.persona.risk_factors) for risk in risks]
        onset = np.array([np.inf] * len(events))
        for o in person.onsets:
            if o.cui in index:
                onset[index[o.cui]] = o.age
        for start, end, pieces in _intervals(person):
            before, new = onset <= start, (onset > start) & (onset <= end)
            risk = ~before & np.array([n < 0 or before[n] or bool(new[j]) for j, n in enumerate(needs)])
            for number, (years, middle) in enumerate(pieces, 1):
                features.append(np.array([1.0, (middle - 80) / 10, *fixed, *before.astype(float)]))
                exposure.append(years)
                happened.append(new.astype(float) if number == len(pieces) else np.zeros(len(events)))
                at_risk.append(risk.astype(float))
                ages.append(middle)
    width = 2 + len(traits) + len(risks) + len(events)
    return _Rows(
        np.array(features).reshape(-1, width),
        np.array(exposure),
        np.array(happened).reshape(-1, len(events)),
        np.array(at_risk).reshape(-1, len(events)),
        np.array(ages),
    )


def _intervals(person: Trajectory) -> Iterator[tuple[float, float, list[tuple[float, float]]]]:
    """(start, end, pieces of constant rate as (years, age)): between visits, cut evenly. A person without visits (exactly
    timed onsets) is cut at onsets and at fixed ages, and a piece has the age of its cell: an age that moved with the
    onset that ends the piece would bias the slope.
    """
    if person.visits:
        ages = sorted({person.entry_age, person.exit_age, *person.visits})
        for start, end in pairwise(ages):
            count = max(1, math.ceil((end - start) / _PIECE_YEARS))
            years = (end - start) / count
            yield start, end, [(years, start + years * (piece + 0.5)) for piece in range(count)]
        return
    grid = (
        np.arange(math.floor(person.entry_age / _PIECE_YEARS) + 1, math.ceil(person.exit_age / _PIECE_YEARS))
        * _PIECE_YEARS
    )
    cuts = sorted({person.entry_age, person.exit_age, *(o.age for o in person.onsets), *(float(age) for age in grid)})
    for start, end in pairwise(cuts):
        middle = (math.floor((start + end) / 2 / _PIECE_YEARS) + 0.5) * _PIECE_YEARS
        yield start, end, [(end - start, middle)]


def _fit(x: Array, exposure: Array, y: Array, features: Sequence[str]) -> tuple[Array, Array]:
    precision = np.array([_RIDGE_SD.get(name.split(":")[0], _OTHER_SD) for name in features]) ** -2.0
    theta = np.zeros(x.shape[1])
    theta[0] = np.log((y.sum() + 0.5) / (exposure.sum() + 1.0))
    for _ in range(60):
        mean = np.exp(np.clip(x @ theta, -20, 5)) * exposure
        information = (x * mean[:, None]).T @ x
        step = np.linalg.solve(information + np.diag(precision), x.T @ (y - mean) - precision * theta)
        theta = theta + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < _CONVERGED:
            break
    mean = np.exp(np.clip(x @ theta, -20, 5)) * exposure
    information = (x * mean[:, None]).T @ x
    weighted = information @ theta + x.T @ (y - mean)
    inverse: Array = np.asarray(np.linalg.pinv(information, rcond=1e-10, hermitian=True), dtype=np.float64)
    return inverse @ weighted, information


def _edge(
    cohort: str,
    cui: Cui,
    features: list[str],
    coefficients: Array,
    information: Array,
    y: Array,
    exposure: Array,
    age: Array,
) -> Edge:
    band = np.searchsorted(AGE_BANDS, age, side="right") - 1
    properties: dict[str, Value] = {
        "cohort": cohort,
        "features": features,
        "coefficients": [float(f"{v:.10g}") for v in coefficients],
        "information": [float(f"{v:.10g}") for v in information.ravel()],
        "events": int(y.sum()),
        "person_years": round(float(exposure.sum()), 4),
        "events_by_age": [int(y[band == b].sum()) for b in range(len(AGE_BANDS))],
        "years_by_age": [round(float(exposure[band == b].sum()), 4) for b in range(len(AGE_BANDS))],
    }
    return Edge(EdgeType.ESTIMATES, (NodeType.COHORT.value, cohort), (NodeType.CONCEPT.value, cui), cohort, properties)
