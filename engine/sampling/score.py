"""How likely a trajectory is: the log density of what happened after entry, given the persona and the age at entry.

A history's likelihood is the product of the rates at the onsets times exp(-integral of the sum of all rates) (Andersen, Borgan,
Gill and Keiding 1993). Onsets known only between two visits enter by the probability of exactly that set of new onsets in that
interval, by the sum over all orders (subset lattice, uniformisation). A shared propensity is integrated out (Gauss-Hermite).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from engine.sampling.backward import Lattice, carried_back
from engine.sampling.criteria import Criteria
from engine.sampling.personas import axes_of, persons
from engine.sampling.rates import rates_of
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.sampling.model import ProgressionModel
    from engine.sampling.tables import Floats, Persons, Rates
    from graph_loaders.trajectory import Trajectory

__all__ = ["Score", "ScorePart", "score"]

_MOST_NEW = 12
"""New onsets at one visit whose orders are summed exactly (2**12 states)."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)  # type: ignore[no-untyped-call]
_LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())


@dataclass(frozen=True, slots=True)
class ScorePart:
    """One piece: what happened by `age` and what it adds to the log density, given all before. The last is the end of follow-up."""

    events: tuple[str, ...]
    age: float
    log_density: float


@dataclass(frozen=True, slots=True)
class Score:
    """`log_density`: the sum of the parts; a year is the unit of time, so it is a density wherever times are exact.

    `ignored`: onsets that the model does not have, and whatever else could not be judged.
    """

    log_density: float
    parts: tuple[ScorePart, ...]
    ignored: tuple[str, ...] = ()


class _State:
    """The rates of a person as onsets accumulate, for each node of the propensity."""

    def __init__(self, model: ProgressionModel, rates: Rates, personal: Floats, quiet: list[int]) -> None:
        self.rates = rates
        nodes = _NODES if rates.spread else np.zeros(1)
        self.log_weight = _LOG_WEIGHTS.copy() if rates.spread else np.zeros(1)
        self.rate = personal * np.exp(np.outer(nodes, rates.propensity))
        self.rate[:, quiet] = 0.0
        self.needs = rates.needs.copy()
        self.begun = np.zeros(len(personal), np.bool_)
        self.needed = model.needs

    def now(self, age: float, youngest: float) -> Floats:
        """Rates at an age (nodes, events)."""
        live = np.where(self.begun | (self.needs > 0), 0.0, self.rate)
        if self.rates.ages:
            piece = min(max(int(age - youngest), 0), len(self.rates.age_factor) - 1)
            live = live * self.rates.age_factor[piece]
        return live

    def begin(self, event: int) -> None:
        self.begun[event] = True
        for c in range(self.rates.unlock_start[event], self.rates.unlock_start[event + 1]):
            self.needs[self.rates.unlock_event[c]] -= 1
        self.rate = self.rate * self.rates.many[event]

    def add(self, log_parts: Floats) -> float:
        """Weigh the nodes by what they said; the log of the mixture."""
        joined = self.log_weight + log_parts
        top = float(joined.max())
        if top == -math.inf:
            return -math.inf
        log = top + math.log(float(np.exp(joined - top).sum()))
        self.log_weight = joined - log
        return log


def score(model: ProgressionModel, trajectory: Trajectory) -> Score:
    """The log density of a trajectory after its entry, given persona and age at entry, with the part of each step.

    Exact times (`after` equal to `age`) are densities a year; onsets first seen at a visit (`after` earlier) are probabilities;
    what was there at entry is given. For a sampled trajectory the age at diagnosis counts by the rate of those who get it; for a
    real one by the population's. Stages count where the trajectory has any. Cost: some milliseconds.

    >>> from graph_loaders.facts import facts_to_elements
    >>> from ontology.pack import load_pack
    >>> from engine.sampling.model import combine
    >>> from engine.sampling.sampler import draw
    >>> pack = load_pack()
    >>> model = combine(pack, facts_to_elements(pack))
    >>> found = score(model, draw(model, rng_or_seed=1))
    >>> found.log_density == sum(part.log_density for part in found.parts)
    True
    """
    rates = rates_of(model)
    who = persons(model, Criteria())
    ignored: list[str] = [o.cui for o in trajectory.onsets if o.cui not in model.events]
    personal, log_ratio, row = _personal(model, rates, who, trajectory)
    staged = bool(trajectory.stages)
    quiet = [] if staged else [j for j, e in enumerate(model.events) if e.startswith("stage:")]
    if not staged and any(e.startswith("stage:") for e in model.events):
        ignored.append("stages: the trajectory has none, so they neither count nor act")
    state = _State(model, rates, personal, quiet)
    diagnosis = _Diagnosis(model, rates, who, log_ratio, row, trajectory)
    steps = _steps(model, trajectory, staged)
    parts: list[ScorePart] = []
    age = trajectory.entry_age
    for until, exact, events in steps:
        names = tuple(model.events[j] for j in events)
        if exact:
            log = _wait(state, who, diagnosis, age, until)
            given = until <= trajectory.entry_age and not trajectory.sampled
            for j in events:
                log = log + (0.0 if given else _log_begin(state, diagnosis, j, until, who.youngest))
                state.begin(j)
                diagnosis.begin(j)
        else:
            log = _panel(state, who, age, until, [j for j in events if j != diagnosis.event])
            log = log + diagnosis.between(age, until, seen=diagnosis.event in events)
            for j in events:
                state.begin(j)
                diagnosis.begin(j)
        parts.append(ScorePart(names, until, state.add(log)))
        age = until
    return Score(sum(p.log_density for p in parts), tuple(parts), tuple(ignored))


def _steps(model: ProgressionModel, trajectory: Trajectory, staged: bool) -> list[tuple[float, bool, list[int]]]:
    """(age, exact times, events) in order; what was there at entry comes first, at the age of entry, and adds nothing."""
    rates = rates_of(model)
    exact: list[tuple[float, int]] = []
    visits: dict[float, list[int]] = {a: [] for a in trajectory.visits if a > trajectory.entry_age}
    for onset in trajectory.onsets:
        if onset.cui in model.events:
            j = model.index(onset.cui)
            if onset.after is None and not trajectory.sampled:
                exact.append((trajectory.entry_age, j))
            elif onset.after is None or onset.after == onset.age:
                exact.append((onset.age, j))
            else:
                visits.setdefault(onset.age, []).append(j)
    if staged:
        exact += [
            (s.age, model.index(f"stage:{s.stage}")) for s in trajectory.stages if f"stage:{s.stage}" in model.events
        ]
    place = {int(j): k for k, j in enumerate(rates.scheduled)}
    if trajectory.died:
        exact.append((trajectory.exit_age, rates.death))
    exact.sort(key=lambda pair: (pair[0], place.get(pair[1], -1)))
    steps = [(a, True, [j]) for a, j in exact] + [(a, False, js) for a, js in visits.items()]
    steps.sort(key=lambda step: (step[0], not step[1]))
    if not steps or steps[-1][0] < trajectory.exit_age:
        steps.append((trajectory.exit_age, True, []))
    return steps


def _personal(model: ProgressionModel, rates: Rates, who: Persons, trajectory: Trajectory) -> tuple[Floats, float, int]:
    """The person's rates before anything began, log ratio for the diagnosis, row of background mortality."""
    pack, personal, log_ratio, row, group = model.pack, rates.base.copy(), 0.0, 0, 0
    for axis, (name, values) in enumerate(axes_of(pack).items()):
        wanted = trajectory.persona.traits.get(name)
        if wanted is None:
            continue
        if wanted not in values:
            raise ConfigError(f"{trajectory.id} has the {name} {wanted!r}; the pack has {', '.join(values)}")
        place = list(values).index(wanted)
        personal = personal * rates.axis_factor[who.axis_start[axis] + place]
        log_ratio += float(who.axis_log[who.axis_start[axis] + place])
        row = place if axis == who.death_axis else row
        group = place if axis == who.given_axis else group
    names = [r.id for r in pack.risk_factors]
    for risk in trajectory.persona.risk_factors:
        if risk in names:
            personal = personal * rates.risk_factor[names.index(risk)]
            log_ratio += float(who.risk_log[group, names.index(risk)])
    return personal, log_ratio, row


class _Diagnosis:
    """The rate of the diagnosis: of those who get it (sampled), or of the population."""

    def __init__(
        self, model: ProgressionModel, rates: Rates, who: Persons, log_ratio: float, row: int, trajectory: Trajectory
    ) -> None:
        self.event = model.index(model.pack.diagnosis)
        self.rates, self.who, self.log_ratio, self.row = rates, who, log_ratio, row
        self.ratio, self.done, self.sampled = 1.0, False, trajectory.sampled
        self.open = not trajectory.sampled or len(who.before) == 0
        before = {int(j) for j in rates.scheduled[: len(who.before)]}
        self.last = (
            max(before, default=-1) if len(before) == 1 else int(rates.scheduled[len(who.before) - 1]) if before else -1
        )

    def begin(self, event: int) -> None:
        if event == self.event:
            self.done = True
        elif event == self.last:
            self.open = True
        if not self.done and event < len(self.rates.diagnosis_factor):
            self.ratio *= float(self.rates.diagnosis_factor[event])

    def cumulative(self, age: float) -> float:
        """Integral of the rate up to an age, for a ratio of one."""
        who = self.who
        if not self.sampled:
            scale = math.exp(who.level + self.log_ratio) / who.slope
            return scale * (math.exp(who.slope * (age - 80)) - math.exp(who.slope * (who.youngest - 80)))
        return -math.log(max(_left_share(who, self.row, self.log_ratio, age), 1e-300))

    def wait(self, start: float, end: float) -> float:
        if self.done or not self.open:
            return 0.0
        return -self.ratio * (self.cumulative(end) - self.cumulative(start))

    def log_rate(self, age: float) -> float:
        if not self.open:
            return -math.inf
        width = 1e-3
        rate = (self.cumulative(age + width) - self.cumulative(age - width)) / (2 * width)
        return math.log(max(rate * self.ratio, 1e-300))

    def between(self, start: float, end: float, *, seen: bool) -> float:
        """Log probability that the diagnosis came, or did not, between two visits."""
        none = self.wait(start, end)
        if not seen:
            return none
        return math.log(max(-math.expm1(none), 1e-300))


def _left_share(who: Persons, row: int, log_ratio: float, age: float) -> float:
    """From the density of the age at diagnosis itself: the same as the sampler's table, for this log ratio."""
    mean = float(who.before[-1]) if len(who.before) and who.before[-1] > 0 else 1e9
    bottom = math.exp(who.slope * (who.youngest - 80))
    hazard = math.exp(who.level + log_ratio) * (np.exp(who.slope * (who.ages - 80)) - bottom) / who.slope
    density = np.exp(who.slope * (who.ages - 80) - (who.ages - who.youngest) / mean - hazard) * who.alive[row]
    pieces = (density[1:] + density[:-1]) / 2 * np.diff(who.ages)
    rest = np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]])
    return float(np.interp(age, who.ages, rest) / rest[0])


def _wait(state: _State, who: Persons, diagnosis: _Diagnosis, start: float, end: float) -> Floats:
    """Log probability that nothing begins between two ages, by node."""
    out = np.zeros(len(state.log_weight))
    stops = [start, end]
    if state.rates.ages:
        stops += [a for a in range(math.ceil(start), math.ceil(end)) if start < a < end]
    for low, high in pairwise(sorted(stops)):
        out -= state.now((low + high) / 2, who.youngest).sum(axis=1) * (high - low)
    return out + diagnosis.wait(start, end)


def _log_begin(state: _State, diagnosis: _Diagnosis, event: int, age: float, youngest: float) -> Floats:
    """Log rate of an event at an age; 0 for what is there at entry or begins with another."""
    nodes = len(state.log_weight)
    if event == diagnosis.event:
        return np.full(nodes, diagnosis.log_rate(age))
    if event in state.rates.scheduled:
        return np.zeros(nodes)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(state.now(age, youngest)[:, event])
    return found


def _panel(state: _State, who: Persons, start: float, end: float, new: Sequence[int]) -> Floats:
    """Log probability that exactly these began between two visits, in whatever order, by node."""
    if len(new) > _MOST_NEW:
        raise ConfigError(
            f"{len(new)} onsets are new at the visit at age {end:g}; up to {_MOST_NEW} can be scored exactly"
        )
    count = len(new)
    after = np.array([[s | 1 << c if not s >> c & 1 else -1 for c in range(count)] + [-1] for s in range(1 << count)])
    met = np.zeros(1 << count)
    grid = Lattice(np.array([*new, state.rates.death], np.int64), after.astype(np.int64), met, (), 0)
    out = np.empty(len(state.log_weight))
    stops = [start, end]
    if state.rates.ages:
        stops += [a for a in range(math.ceil(start), math.ceil(end)) if start < a < end]
    spans = list(pairwise(sorted(stops)))
    for node in range(len(out)):
        h = np.zeros(1 << count)
        h[-1] = 1.0
        for low, high in reversed(spans):
            h = carried_back(grid, h, _subset_rates(state, who, node, (low + high) / 2, new), high - low)
        out[node] = math.log(max(float(h[0]), 1e-300))
    return out


def _subset_rates(state: _State, who: Persons, node: int, age: float, new: Sequence[int]) -> Floats:
    """(subsets, new + 1) rates at an age; the last column is everything that must not begin, which ends in probability 0."""
    rates, count = state.rates, len(new)
    piece = min(max(int(age - who.youngest), 0), len(rates.age_factor) - 1)
    out = np.zeros((1 << count, count + 1))
    for s in range(1 << count):
        begun = state.begun.copy()
        rate, needs = state.rate[node].copy(), state.needs.copy()
        for c, j in enumerate(new):
            if s >> c & 1:
                begun[j] = True
                rate = rate * rates.many[j]
                for k in range(rates.unlock_start[j], rates.unlock_start[j + 1]):
                    needs[rates.unlock_event[k]] -= 1
        live = np.where(begun | (needs > 0), 0.0, rate)
        if rates.ages:
            live = live * rates.age_factor[piece]
        out[s, :count] = live[list(new)]
        out[s, count] = live.sum() - out[s, :count].sum()
    return out
