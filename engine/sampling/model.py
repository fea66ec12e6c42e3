"""`ProgressionModel`: multiplicative competing hazards from a pack's facts and the estimates of cohorts; `combine` builds it.

For age a, onsets so far V and persona x the rate of event j, a year, is

    exp( b_j + g_j (a - 80)/10 + sum_k beta_kj x_k + kappa_j |V|/4 + sum_{v in V} gamma_vj )

while j has not begun, what it requires has, and V holds no event after which the graph has no step to j. Ages act by
whole years (at the middle of the year). The diagnosis, stages and death are events like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.sampling.prior import build, requirements
from engine.sampling.symptoms import Course, with_remission
from graph_loaders.schema import EdgeType
from ontology.errors import ConfigError
from ontology.issue import Issue, Severity
from ontology.pack import Pack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graph_loaders.elements import Edge, GraphElements, Value

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

__all__ = ["Parameter", "ProgressionModel", "combine"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of one event: log hazard scale; `data` is None where no cohort tells of it."""

    feature: str
    prior: float
    prior_sd: float
    data: float | None
    posterior: float
    posterior_sd: float
    source: str


class _Kept:
    """One slot for what is compiled from a model; no field of it."""

    __slots__ = ("_kept",)
    _kept: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ProgressionModel(_Kept):
    """Arrays over events (rows) and features (columns). Concepts come first, then stages, then death.

    `needs[i, j]`: i cannot begin before j. `steps[i, j]`: j may begin once i has. `courses`: rates of single concepts with
    their remission. Build with `combine`.
    """

    pack: Pack
    events: tuple[str, ...]
    features: tuple[str, ...]
    mean: Floats
    sd: Floats
    prior_mean: Floats
    prior_sd: Floats
    data: Floats
    needs: Flags
    steps: Flags
    first: Flags
    courses: Mapping[str, Course]
    propensity: Floats
    sources: Mapping[tuple[str, str], str]

    @property
    def kept(self) -> dict[str, Any]:
        """What was compiled from this model, by name; filled at first use."""
        try:
            return self._kept
        except AttributeError:
            object.__setattr__(self, "_kept", {})
            return self._kept

    @property
    def concepts(self) -> int:
        """How many events are concepts; they come first."""
        return sum(":" not in event for event in self.events) - 1

    def index(self, event: str) -> int:
        """The row of an event; ConfigError names the nearest where the model has none."""
        from difflib import get_close_matches

        try:
            return self.events.index(event)
        except ValueError:
            near = ", ".join(get_close_matches(event, self.events, n=3, cutoff=0.5)) or "none is near"
            raise ConfigError(f"the model has no event {event!r}; the nearest: {near}") from None

    def value(self, event: str, feature: str) -> float:
        """One parameter of the model (posterior mean, log hazard scale)."""
        return float(self.mean[self.index(event), self.features.index(feature)])

    def explain(self, event: str) -> tuple[Parameter, ...]:
        """Every parameter of an event that a fact, an assumption or a cohort sets, with prior, data and posterior.

        >>> from graph_loaders.facts import facts_to_elements
        >>> from ontology.pack import load_pack
        >>> pack = load_pack()
        >>> model = combine(pack, facts_to_elements(pack))
        >>> [(p.feature, p.source) for p in model.explain("stage:severe")][:2]
        [('intercept', 'fast'), ('after:C0085631', 'peters2015')]
        """
        i = self.index(event)
        rows = []
        for j, feature in enumerate(self.features):
            source = self.sources.get((event, feature), "")
            seen = bool(np.isfinite(self.data[i, j]))
            if source or seen:
                data = float(self.data[i, j]) if seen else None
                numbers = [float(a[i, j]) for a in (self.prior_mean, self.prior_sd, self.mean, self.sd)]
                rows.append(Parameter(feature, numbers[0], numbers[1], data, numbers[2], numbers[3], source))
        return tuple(rows)


def combine(pack: Pack, elements: GraphElements) -> ProgressionModel:
    """The model of a pack's facts and the graph's cohort estimates; facts alone give the prior mean, by the same path.

    Posterior of each event: precision P + sum of the cohorts' information, mean weighted by precision, with P diagonal
    from the facts. ConfigError names the kind of fact or assumption that is missing, or an estimate that does not fit.
    Cost: about two seconds for 160 concepts, most of it the rates of symptoms and the medians of survival.
    """
    estimates = _estimates(elements)
    events = _events(pack, estimates)
    features = _features(pack, events)
    estimated = frozenset(edge.end[1] for edge in estimates)
    prior = build(pack, events, features, estimated)
    needs = requirements(pack, events)
    steps, first = _steps(events, elements)
    courses = with_remission(prior.courses, pack, estimates)
    propensity = np.array([prior.courses[e].spread if e in prior.courses else 0.0 for e in events])

    def model(mean: Floats, sd: Floats, data: Floats) -> ProgressionModel:
        given: tuple[Any, ...] = (mean, sd, prior.mean, prior.sd, data, needs, steps, first)
        arrays = [array.copy() for array in given]
        for array in arrays:
            array.setflags(write=False)
        m, s, pm, ps, d, needed, stepped, begun = arrays
        sources = dict(prior.sources)
        for key, cohorts in _cohorts(estimates).items():
            sources[key] = ", ".join(filter(None, [prior.sources.get(key, ""), cohorts]))
        return ProgressionModel(
            pack, events, features, m, s, pm, ps, d, needed, stepped, begun, courses, propensity, sources
        )

    from engine.sampling.calibrate import hold_figures

    nothing = np.full_like(prior.mean, np.nan)
    hold_figures(prior, lambda: model(prior.mean, prior.sd, nothing))
    return model(*_posterior(events, features, prior.mean, prior.sd, estimates))


def _estimates(elements: GraphElements) -> list[Edge]:
    """What the cohorts tell: what was fitted where the persons are or, where only counts were kept, the count model."""
    fitted = [edge for edge in elements.edges if edge.type == EdgeType.ESTIMATES]
    told = {(edge.start[1], edge.end[1]) for edge in fitted}
    counted: dict[str, list[Edge]] = {}
    for edge in elements.edges:
        if edge.type == EdgeType.OBSERVED:
            counted.setdefault(edge.start[1], []).append(edge)
    if not counted:
        return fitted
    from graph_loaders.estimation.counts import fit_counts

    for edges in counted.values():
        events = [edge.end[1] for edge in edges if edge.end[1] != "death"]
        for edge in edges:
            if (edge.start[1], edge.end[1]) in told or not any(_numbers(edge, "events_by_cell")):
                continue
            names, theta, information = fit_counts(edge, events)
            properties: dict[str, Value] = {
                "cohort": edge.start[1],
                "features": names,
                "coefficients": theta.tolist(),
                "information": information.ravel().tolist(),
                "basis": "counts",
            }
            fitted.append(replace(edge, type=EdgeType.ESTIMATES, properties=properties))
    return fitted


def _events(pack: Pack, estimates: Iterable[Edge]) -> tuple[str, ...]:
    concepts = dict.fromkeys(str(c.cui) for c in pack.concepts)
    for edge in estimates:
        for name in (edge.end[1], *(f[6:] for f in _strings(edge, "features") if f.startswith("after:"))):
            if ":" not in name and name != "death":
                concepts.setdefault(name)
    stages = sorted(pack.stages, key=lambda s: s.ordinal)
    return (*concepts, *(f"stage:{s.id}" for s in stages), "death")


def _features(pack: Pack, events: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    traits = []
    for row in pack.demographics:
        if row.axis in seen:
            traits.append(row.id)
        seen.add(row.axis)
    risks = [f"risk:{r.id}" for r in pack.risk_factors]
    within = dict.fromkeys(f"{m.exposure}*{m.given}" for m in pack.modifiers if m.given)
    return ("intercept", "age10", "count4", *traits, *risks, *within, *(f"after:{e}" for e in events))


def _steps(events: tuple[str, ...], elements: GraphElements) -> tuple[Flags, Flags]:
    index = {event: i for i, event in enumerate(events)}
    steps = np.zeros((len(events), len(events)), np.bool_)
    first = np.zeros(len(events), np.bool_)
    for edge in elements.edges:
        if edge.type == EdgeType.PRECEDES and edge.end[1] in index:
            if edge.start[1] in index:
                steps[index[edge.start[1]], index[edge.end[1]]] = True
            elif edge.start[1] == "start":
                first[index[edge.end[1]]] = True
    return steps, first


def _strings(edge: Edge, name: str) -> list[str]:
    values = edge.properties.get(name, [])
    return [str(v) for v in values] if isinstance(values, list) else []


def _numbers(edge: Edge, name: str) -> Floats:
    values = edge.properties.get(name, [])
    return np.asarray(values if isinstance(values, list) else [], dtype=np.float64)


def _cohorts(estimates: Iterable[Edge]) -> dict[tuple[str, str], str]:
    named: dict[tuple[str, str], str] = {}
    for edge in estimates:
        name = f"cohort {edge.properties.get('cohort', edge.key)}"
        for feature in _strings(edge, "features"):
            before = named.get((edge.end[1], feature))
            named[edge.end[1], feature] = f"{before}, {name}" if before else name
    return named


def _posterior(
    events: tuple[str, ...], features: tuple[str, ...], mean: Floats, sd: Floats, estimates: list[Edge]
) -> tuple[Floats, Floats, Floats]:
    column = {feature: i for i, feature in enumerate(features)}
    new, new_sd, data = mean.copy(), sd.copy(), np.full_like(mean, np.nan)
    by_event: dict[str, list[tuple[list[int], Floats, Floats]]] = {}
    for edge in estimates:
        names, theta = _strings(edge, "features"), _numbers(edge, "coefficients")
        size = len(names)
        unknown = [n for n in names if n not in column]
        information = _numbers(edge, "information")
        if unknown or edge.end[1] not in events or len(theta) != size or information.size != size * size:
            place = f"ESTIMATES {edge.key} of {edge.end[1]}"
            message = f"features {unknown} are not known" if unknown else "event or sizes do not fit"
            issue = Issue(Severity.ERROR, "bad-estimate", message, place, "load the cohort again with this pack")
            raise ConfigError("the graph holds an estimate that does not fit the model", [issue])
        by_event.setdefault(edge.end[1], []).append(
            ([column[n] for n in names], theta, information.reshape(size, size))
        )
    for event, rows in by_event.items():
        i = events.index(event)
        used = sorted({c for columns, _, _ in rows for c in columns})
        place_of = {c: k for k, c in enumerate(used)}
        start = np.where(np.isfinite(mean[i, used]), mean[i, used], 0.0)
        loose = np.where(np.isfinite(mean[i, used]), sd[i, used], 10.0)  # no fact tells of this event
        precision, weighted = np.diag(loose**-2.0), loose**-2.0 * start
        total = np.zeros_like(precision)
        for columns, theta, information in rows:
            at = np.ix_([place_of[c] for c in columns], [place_of[c] for c in columns])
            total[at] += information
            weighted[at[0][:, 0]] += information @ theta
            data[i, columns] = theta
        covariance = np.linalg.inv(precision + total)
        new[i, used], new_sd[i, used] = covariance @ weighted, np.sqrt(np.diag(covariance))
    return new, new_sd, data
