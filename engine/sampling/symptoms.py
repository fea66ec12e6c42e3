"""Rates of single concepts before and after the diagnosis, solved from shares at the start, over a period and at a visit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from engine.sampling.figures import assumed
from engine.sampling.timing import Shift, time_shifts
from graph_loaders.facts import needs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from graph_loaders.elements import Edge
    from ontology.pack import Pack, Stage

__all__ = ["Course", "courses", "spread", "with_remission"]

_ROUNDS = 4
_SETTLED = 0.02
"""Shifts change the shared propensity and it changes them: rounds until they move by less than this, or the most."""

_MOST = 0.95
"""A share "ever" of one would need an infinite rate; shares are held below this."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)  # type: ignore[no-untyped-call]
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class Course:
    """Rates a year of one concept: before the first stage, and the log ratio that each stage adds when it begins.

    `off`: rate of remission after the diagnosis (0: it stays), `again`: rate of coming back.
    """

    rate: float
    stages: dict[str, float]
    source: str
    spread: float = 0.0
    off: float = 0.0
    again: float = 0.0


def _mean(function: Callable[[np.ndarray[tuple[int], np.dtype[np.float64]]], object], sd: float) -> float:
    """Expectation over a log-normal propensity with log standard deviation `sd`."""
    return float(np.dot(_WEIGHTS, np.asarray(function(np.exp(sd * _NODES)))))


def _solve(function: Callable[[float], float]) -> float:
    """The rate at which a falling share is zero, between one in a million and a thousand a year."""
    from scipy.optimize import brentq

    def by_log(x: float) -> float:
        return function(math.exp(x))

    low, high = math.log(1e-6), math.log(1e3)
    if by_log(low) <= 0:
        return 1e-6
    if by_log(high) >= 0:
        return 1e3
    return math.exp(float(brentq(by_log, low, high)))


def _years_before(pack: Pack) -> float:
    """Mean time from the first stage to the diagnosis."""
    return sum(s.years or 0.0 for s in _before(pack))


def _before(pack: Pack) -> list[Stage]:
    needs = needs_of(pack)
    return [s for s in pack.stages if pack.diagnosis not in needs.get(f"stage:{s.id}", frozenset())]


def _figure(pack: Pack, kind: str, event: str, group: str = "") -> tuple[float, float, str] | None:
    for f in pack.facts:
        if f.kind == kind and f.event == event and f.use == "fit" and f.group == group and f.value is not None:
            return f.value / 100, f.at_years or 0.0, f.source
    return None


def spread(pack: Pack, shifts: Mapping[str, Shift] | None = None) -> float:
    """Standard deviation of the log propensity that symptoms share: it makes the share with any symptom at the start the
    published one. The time since the first stage, which all symptoms of a person share, makes part of it already.
    `shifts`: of the rates before the diagnosis, as order and time rows ask for.
    """
    from scipy.optimize import brentq

    target = _figure(pack, "symptom_baseline", "", "any-symptom")
    years = _years_before(pack)
    if target is None or not years:
        return 0.0
    counted = {f.event for f in pack.facts if f.kind.startswith("symptom_") and f.source == target[2] and not f.group}
    moved = {cui: math.exp(shift.before) for cui, shift in (shifts or {}).items()}
    shares = [
        (_start(pack, c.cui)[0], moved.get(c.cui, 1.0))
        for c in pack.concepts
        if c.cui in counted and _pooled(pack, c.cui)
    ]

    def excess(sd: float) -> float:
        total = sum(_rate_before(share, years, sd) * factor for share, factor in shares)
        return 1 - _mean(lambda w: 1 / (1 + years * total * w), sd) - target[0]

    if not shares or excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, 3.0)) if excess(3.0) < 0 else 3.0


def _pooled(pack: Pack, cui: str) -> tuple[float, float, str] | None:
    return _figure(pack, "symptom_pooled", cui)


def _start(pack: Pack, cui: str) -> tuple[float, str]:
    found = _figure(pack, "symptom_baseline", cui)
    if found:
        return found[0], found[2]
    pooled = _pooled(pack, cui)
    return (pooled[0] if pooled else 0.0) * assumed(pack, "baseline-from-pooled"), "baseline-from-pooled"


def _rate_before(share: float, years: float, sd: float) -> float:
    return _solve(lambda a: share - _mean(lambda w: a * w * years / (1 + a * w * years), sd))


def courses(pack: Pack, independent: frozenset[str] = frozenset()) -> dict[str, Course]:
    """The course of every concept but the diagnosis. Events in `independent` do not share the propensity.

    A concept with a pooled share (symptom_pooled): its share at the start gives the rate before the diagnosis, its share
    over a period (or, without such a row, pooled share and borrowed off rate) the rate after it. Any other concept: the
    share `ever` by the end of its typical stage, at the assumption `early-rate` of its rate before that stage. Rates that
    are declared, not cited, then give way to published order and times (`timing`); levels in `independent` stay, since
    a cohort tells them.
    """
    cuis = [str(c.cui) for c in pack.concepts if c.cui != pack.diagnosis]
    measured = [cui for cui in cuis if _pooled(pack, cui) and _years_before(pack)]
    plain = {cui: _declared(pack, cui) for cui in cuis if cui not in measured}
    free = {cui: _freedom(pack, cui) for cui in cuis if cui not in independent}
    shifts: dict[str, Shift] = {}
    for _ in range(_ROUNDS):
        sd, before = spread(pack, shifts), shifts
        plain.update((cui, _measured(pack, cui, 0.0 if cui in independent else sd)) for cui in measured)
        shifts = time_shifts(pack, plain, free, shifts)
        moved = [abs(shift.before - before[cui].before) if cui in before else math.inf for cui, shift in shifts.items()]
        if max(moved, default=0.0) < _SETTLED:
            break
    return {cui: _shifted(pack, plain[cui], shifts[cui]) if cui in shifts else plain[cui] for cui in cuis}


def _freedom(pack: Pack, cui: str) -> tuple[float, float]:
    """Standard deviations of the log rates before and after the diagnosis: 0 where a fact gives them."""
    if not (_pooled(pack, cui) and _years_before(pack)):
        declared = assumed(pack, "declared-rate-sd", 1.0)
        return declared, declared
    before = 0.0 if _figure(pack, "symptom_baseline", cui) else assumed(pack, "baseline-from-pooled-sd", 0.44)
    after = 0.0 if _figure(pack, "symptom_period", cui) else assumed(pack, "off-rate-borrowed-sd", 0.2)
    return before, after


def _shifted(pack: Pack, course: Course, shift: Shift) -> Course:
    """The course with its rates before and after the diagnosis moved."""
    ratios = dict(course.stages)
    first_after = next((s.id for s in _ordered(pack) if s not in _before(pack)), "")
    if first_after:
        ratios[first_after] = ratios.get(first_after, 0.0) + shift.after - shift.before
    again = course.again * math.exp(shift.after)
    source = ", ".join(dict.fromkeys([*course.source.split(", "), shift.source]))
    return replace(course, rate=course.rate * math.exp(shift.before), stages=ratios, again=again, source=source)


def _measured(pack: Pack, cui: str, sd: float) -> Course:
    pooled, years = _pooled(pack, cui), _years_before(pack)
    assert pooled is not None  # the caller looked
    start, source = _start(pack, cui)
    period = _figure(pack, "symptom_period", cui)
    off = assumed(pack, "off-rate-borrowed")
    if period:
        on = -math.log((1 - period[0]) / (1 - start)) / period[1]
        off = on * (1 - pooled[0]) / pooled[0]
    else:
        on = off * pooled[0] / (1 - pooled[0])
    ever, span = (period[0], period[1]) if period else (1 - (1 - start) * math.exp(-5 * on), 5.0)
    before = _rate_before(start, years, sd)
    after = _solve(lambda b: ever - 1 + _mean(lambda w: np.exp(-span * b * w) / (1 + before * w * years), sd))
    healthy = assumed(pack, "control-from-baseline", 1.0)
    stages = _ordered(pack)
    ratios = {stages[0].id: -math.log(healthy)}
    first_after = next((s.id for s in stages if s not in _before(pack)), "")
    if first_after:
        ratios[first_after] = math.log(after / before)
    named = f"{source}, {pooled[2]}"
    return Course(before * healthy, ratios, named, sd, off, on)


def _ordered(pack: Pack) -> list[Stage]:
    return sorted(pack.stages, key=lambda s: s.ordinal)


def _declared(pack: Pack, cui: str) -> Course:
    concept = pack.concept(cui)
    needs = needs_of(pack).get(cui, frozenset())
    ever = min(concept.ever if concept.ever is not None else assumed(pack, "ever-some"), _MOST)
    stages = _ordered(pack)
    typical = next((i for i, s in enumerate(stages) if s.id == concept.stage), 0)
    closed = [i for i, s in enumerate(stages) if f"stage:{s.id}" in needs]
    if pack.diagnosis in needs:
        closed.append(next((i for i, s in enumerate(stages) if s not in _before(pack)), 0))
    opened = max(closed, default=0)
    early = assumed(pack, "early-rate", 1.0)

    def short(rate: float) -> float:
        stay = 1.0
        for i, stage in enumerate(stages[: typical + 1]):
            if i >= opened:
                stay /= 1 + rate * (early if i < typical else 1.0) * (stage.years or 1.0)
        return ever - 1 + stay

    rate = _solve(short) if opened <= typical else -math.log1p(-ever)
    off = assumed(pack, "off-rate-borrowed", 0.0) if concept.remits else 0.0
    ratios = {stages[typical].id: -math.log(early)} if stages else {}
    return Course(rate * early if stages else rate, ratios, concept.source, 0.0, off, rate if off else 0.0)


def with_remission(courses: Mapping[str, Course], pack: Pack, estimates: Iterable[Edge]) -> dict[str, Course]:
    """The same courses with the rates of going and coming back that cohorts measured, for concepts that remit in the pack.

    The declared rates are the prior (log sd `remission-sd`, 0.7 where it is not declared); precisions add up.
    """
    found = dict(courses)
    sd = assumed(pack, "remission-sd", 0.7)
    remits = {str(concept.cui) for concept in pack.concepts if concept.remits}
    told: dict[str, list[Edge]] = {}
    for edge in estimates:
        if edge.end[1] in remits & found.keys() and "remission" in edge.properties:
            told.setdefault(edge.end[1], []).append(edge)
    for cui, edges in told.items():
        course = found[cui]
        if not (course.off and course.again):
            continue
        precision = np.eye(2) / sd**2
        weighted = precision @ np.log([course.off, course.again])
        for edge in edges:
            rates = np.asarray(edge.properties["remission"], dtype=np.float64)
            information = np.asarray(edge.properties["remission_information"], dtype=np.float64).reshape(2, 2)
            precision, weighted = precision + information, weighted + information @ rates
        off, again = np.exp(np.linalg.solve(precision, weighted))
        source = ", ".join([course.source, *(f"cohort {edge.start[1]}" for edge in edges)])
        found[cui] = replace(course, off=float(off), again=float(again), source=source)
    return found
