"""Order and time rows as moment constraints: what is declared gives way until symptoms come when published rows say.

A rate that a fact gives stays. Where it is a declared assumption (a share at the diagnosis borrowed from other symptoms, a
share ever by the end of a stage), its logarithm may shift, before and after the diagnosis each, with the standard deviation
of that assumption as the price. Mean times are in closed form: stages last exponentially, death competes from the
diagnosis on, symptoms share a log-normal propensity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.sampling.figures import assumed
from graph_loaders.facts import needs_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.sampling.symptoms import Course
    from ontology.pack import Fact, Pack

    Floats = npt.NDArray[np.float64]

__all__ = ["Shift", "mean_months", "time_shifts"]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)  # type: ignore[no-untyped-call]
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_LIMIT = 3.0
_STRICT_MONTHS = 1.0


@dataclass(frozen=True, slots=True)
class Shift:
    """What is added to the log rate of a concept before and after the diagnosis, and the rows that ask for it."""

    before: float
    after: float
    source: str


@dataclass(frozen=True, slots=True)
class _Life:
    """Stages in order: years, whether before the diagnosis, and the hazard of death within each."""

    names: tuple[str, ...]
    exits: Floats
    before: npt.NDArray[np.bool_]
    death: Floats


def time_shifts(
    pack: Pack,
    courses: Mapping[str, Course],
    free: Mapping[str, tuple[float, float]],
    start: Mapping[str, Shift] | None = None,
) -> dict[str, Shift]:
    """Shifts of the concepts in `free` (log sd before, after; 0: fixed) that rows of timing and order ask for.

    Least squares (maximum a posteriori): the mean time of the first of a group against its `timing` row with use fit (a
    value, or a range within which nothing is asked), se of the row or `timing-sd`; rows of one source in their order,
    ranks (`order`, use fit) too, mean times at least `order-margin` months apart; every shift against its own sd. `start`:
    shifts to begin from.
    Cost: some 50 evaluations for ten concepts, well below a second.
    """
    from scipy.optimize import least_squares

    groups, series = _groups(pack, courses), _series(pack, courses)
    asking = [*groups, *series]
    members = {cui for facts in asking for fact in facts for cui in (fact.event,)}
    variables = [(cui, side) for cui in sorted(members) if cui in free for side in (0, 1) if free[cui][side] > 0]
    if not variables:
        return {}
    life, margin, timing_sd = _life(pack), assumed(pack, "order-margin", 6.0), assumed(pack, "timing-sd", 6.0)
    rates = {cui: _stage_rates(pack, courses[cui], cui, life) for cui in members}
    spreads = {cui: courses[cui].spread for cui in members}

    asked = {tuple(fact.event for fact in facts) for facts in groups}
    asked |= {(fact.event,) for facts in series for fact in facts}
    own = {cuis: [at for at, (cui, _) in enumerate(variables) if cui in cuis] for cuis in asked}

    @cache  # least squares moves one variable at a time: the others' times stand
    def months(cuis: tuple[str, ...], *values: float) -> float:
        moved = {cui: rates[cui].copy() for cui in cuis}
        for at, value in zip(own[cuis], values, strict=True):
            cui, side = variables[at]
            moved[cui][life.before == (side == 0)] *= math.exp(value)
        return mean_months([moved[c] for c in cuis], [spreads[c] for c in cuis], life)

    def at_shifts(cuis: tuple[str, ...], x: Floats) -> float:
        return months(cuis, *x[own[cuis]].tolist())

    def residuals(x: Floats) -> Floats:
        found = [value / free[cui][side] for (cui, side), value in zip(variables, x, strict=True)]
        timed = []
        for facts in groups:
            low, high = _range(facts[0])
            at = at_shifts(tuple(f.event for f in facts), x)
            timed.append((facts[0].source, low, high, at))
            found.append((at - min(max(at, low), high)) / (facts[0].sd or timing_sd))
        for facts in series:
            times = [(facts[0].source, f.value or 0.0, f.value or 0.0, at_shifts((f.event,), x)) for f in facts]
            found += [_apart(a, b, margin) for a in times for b in times if a[2] < b[1]]
        found += [_apart(a, b, margin) for a in timed for b in timed if a[0] == b[0] and a[2] < b[1]]
        return np.array(found)

    known = {cui: (shift.before, shift.after) for cui, shift in (start or {}).items()}
    first = np.array([known[cui][side] if cui in known else 0.0 for cui, side in variables])
    solved = least_squares(residuals, first, bounds=(-_LIMIT, _LIMIT), ftol=1e-4, xtol=1e-3).x
    shifts: dict[str, list[float]] = {}
    for (cui, side), value in zip(variables, solved, strict=True):
        shifts.setdefault(cui, [0.0, 0.0])[side] = float(value)
    sources = {f.event: f.source for facts in asking for f in facts}
    return {cui: Shift(before, after, sources[cui]) for cui, (before, after) in shifts.items()}


def mean_months(rates: Sequence[Floats], spreads: Sequence[float], life: _Life) -> float:
    """Mean time from the diagnosis to the first of several events, among those who have one. rates: by stage, a year."""
    moved = np.exp(np.outer(_NODES, spreads))
    total = moved @ np.asarray(rates)  # nodes of the propensity x stages
    hazard = total + life.exits + life.death
    leaves = np.divide(life.exits, hazard, out=np.zeros_like(hazard), where=hazard > 0)
    begins = np.divide(total, hazard, out=np.zeros_like(hazard), where=hazard > 0)
    stays = np.divide(1.0, hazard, out=np.zeros_like(hazard), where=hazard > 0)
    reached = np.cumprod(np.column_stack([np.ones(len(_NODES)), leaves[:, :-1]]), axis=1)
    chance = reached * begins
    after = np.where(life.before, 0.0, stays).cumsum(axis=1)
    ahead = np.where(life.before, 1 / np.where(life.before, life.exits, 1.0), 0.0)[::-1].cumsum()[::-1]
    at = np.where(life.before, -ahead, after)
    weight = float(_WEIGHTS @ chance.sum(axis=1))
    return 12 * float(_WEIGHTS @ (chance * at).sum(axis=1)) / weight if weight else 0.0


def _life(pack: Pack) -> _Life:
    needs = needs_of(pack)
    stages = sorted(pack.stages, key=lambda s: s.ordinal)
    before = np.array([pack.diagnosis not in needs.get(f"stage:{s.id}", frozenset()) for s in stages])
    medians = [f.value for f in pack.facts if f.kind == "median_survival" and f.use == "fit" and f.value]
    dying = math.log(2) / float(np.mean(medians)) if medians else 0.0
    exits = np.array([1 / s.years if s.years and i < len(stages) - 1 else 0.0 for i, s in enumerate(stages)])
    return _Life(tuple(s.id for s in stages), exits, before, np.where(before, 0.0, dying))


def _stage_rates(pack: Pack, course: Course, cui: str, life: _Life) -> Floats:
    """The rate in each stage: the ratios of the stages entered so far; zero before a stage that the concept needs."""
    needs = needs_of(pack).get(cui, frozenset())
    log, rates, closed = math.log(course.rate), [], True
    last_needed = max((k for k, name in enumerate(life.names) if f"stage:{name}" in needs), default=-1)
    first_after = int(np.argmin(life.before)) if not life.before.all() else 0
    if pack.diagnosis in needs:
        last_needed = max(last_needed, first_after)
    for k, name in enumerate(life.names):
        log += course.stages.get(name, 0.0)
        closed = k < last_needed
        rates.append(0.0 if closed else math.exp(log))
    return np.array(rates)


def _groups(pack: Pack, courses: Mapping[str, Course]) -> list[list[Fact]]:
    """Timing rows that drive the model, by group: the first of its members has the row's mean time."""
    found: dict[str, list[Fact]] = {}
    for fact in pack.facts:
        timed = fact.kind == "timing" and fact.use == "fit" and _range(fact) != (-math.inf, math.inf)
        if timed and fact.unit == "months_from_diagnosis" and fact.event in courses:
            found.setdefault(fact.group or fact.id, []).append(fact)
    return list(found.values())


def _apart(earlier: tuple[str, float, float, float], later: tuple[str, float, float, float], margin: float) -> float:
    """How much two mean times lack of being in order and `margin` months apart."""
    return max(0.0, margin - (later[3] - earlier[3])) / _STRICT_MONTHS


def _range(fact: Fact) -> tuple[float, float]:
    """The published mean time, or the months between which it lies."""
    low, high = (fact.low, fact.high) if fact.value is None else (fact.value, fact.value)
    return -math.inf if low is None else low, math.inf if high is None else high


def _series(pack: Pack, courses: Mapping[str, Course]) -> list[list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in pack.facts:
        if fact.kind == "order" and fact.use == "fit" and fact.value is not None and fact.event in courses:
            found.setdefault(fact.group, []).append(fact)
    return [facts for facts in found.values() if len(facts) > 1]
