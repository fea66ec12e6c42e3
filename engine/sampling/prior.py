"""The prior of the progression model: every parameter's mean, standard deviation and source, from a pack's figures."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from engine.sampling.figures import assumed, fitting, gompertz, joint_scale, references
from engine.sampling.symptoms import courses
from graph_loaders.facts import log_hazard_ratio, needs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from engine.sampling.symptoms import Course
    from ontology.pack import Pack

    Floats = npt.NDArray[np.float64]

__all__ = ["Prior", "build"]

_INTERCEPT_SD = 1.0  # declared here: rates from shares "ever" are known to a factor of three
_SLOPE_SD = 0.5  # declared here: log ratio a decade of symptoms and death
_DEATH_SD = 0.2  # declared here: medians are printed without an interval


class Prior:
    """Means and standard deviations, a row an event and a column a feature, and where each comes from."""

    def __init__(self, pack: Pack, events: Sequence[str], features: Sequence[str]) -> None:
        self.pack = pack
        self.row = {event: i for i, event in enumerate(events)}
        self.column = {feature: i for i, feature in enumerate(features)}
        self.mean = np.zeros((len(events), len(features)))
        self.sd = np.empty_like(self.mean)
        self.sources: dict[tuple[str, str], str] = {}
        traits, history = assumed(pack, "symptom-modifier-sd", 0.48), assumed(pack, "history-ratio-sd", 0.6)
        for feature, i in self.column.items():
            kind = feature.partition(":")[0]
            known = {"intercept": _INTERCEPT_SD, "age10": _SLOPE_SD, "count4": history, "after": history}
            self.sd[:, i] = known.get(kind, traits)
        self.courses: dict[str, Course] = {}

    def set(self, event: str, feature: str, mean: float, source: str, sd: float | None = None) -> None:
        """One parameter; what the layout lacks (an event that no concept stands for) is left out."""
        if event in self.row and feature in self.column:
            at = self.row[event], self.column[feature]
            self.mean[at] = mean
            if sd is not None:
                self.sd[at] = sd
            self.sources[event, feature] = source

    def get(self, event: str, feature: str) -> float:
        """The mean of one parameter."""
        return float(self.mean[self.row[event], self.column[feature]])


def build(pack: Pack, events: Sequence[str], features: Sequence[str], estimated: frozenset[str]) -> Prior:
    """The prior; events in `estimated` (a cohort tells of them) do not share the propensity of symptoms."""
    prior = Prior(pack, events, features)
    prior.mean[:, prior.column["intercept"]] = -math.inf  # an event that nothing tells of does not happen
    _diagnosis(prior)
    prior.courses = courses(pack, estimated)
    for cui, course in prior.courses.items():
        prior.set(cui, "intercept", math.log(course.rate), course.source)
        for stage, ratio in course.stages.items():
            prior.set(cui, f"after:stage:{stage}", ratio, course.source)
    _stages(prior)
    _death(prior)
    shares = {f"{row.axis}:{row.value}": row.share for row in pack.demographics}
    for modifier in pack.modifiers:
        if modifier.outcome != pack.diagnosis:
            ratio, se = log_hazard_ratio(modifier)
            known = ":" in modifier.exposure and not modifier.exposure.startswith("stage:")
            feature = modifier.exposure if known else f"after:{modifier.exposure}"
            prior.set(modifier.outcome, feature, ratio, modifier.source, se if se is not None else _DEATH_SD)
            if modifier.exposure in shares and modifier.outcome in prior.courses:  # a published share is of everybody
                prior.mean[prior.row[modifier.outcome], prior.column["intercept"]] -= math.log1p(
                    shares[modifier.exposure] * math.expm1(ratio)
                )
    return prior


def _diagnosis(prior: Prior) -> None:
    """Gompertz incidence, ratios of risk factors scaled to their joint figure, the mean over the population kept."""
    pack, outcome = prior.pack, prior.pack.diagnosis
    line, covariance, source = gompertz(pack)
    tau = assumed(pack, "modifier-tau", 0.0)
    acting = [m for m in pack.modifiers if m.outcome == outcome and not m.given]
    ratios = {m.exposure.partition(":")[2]: log_hazard_ratio(m) for m in acting if m.exposure.startswith("risk:")}
    scale, _ = joint_scale(pack, {risk: ratio for risk, (ratio, _) in ratios.items()})
    for risk, (ratio, se) in ratios.items():
        names = [m.source for m in acting if m.exposure == f"risk:{risk}"]
        prior.set(outcome, f"risk:{risk}", scale * ratio, names[0], math.hypot(scale * (se or 0.0), tau))
    shares: dict[str, dict[str, float]] = {}
    for row in pack.demographics:
        shares.setdefault(row.axis, {})[row.value] = row.share
    log_mean = 0.0
    first = references(pack)
    within = _within(prior, tau)
    for axis, values in shares.items():
        burden = {
            value: _burden(pack, f"{axis}:{value}", ratios, scale)
            + _burden(pack, f"{axis}:{value}", within[axis, value], 1.0)
            for value in values
        }
        given = any(
            x.given.startswith(f"{axis}:") and 0 < x.share < 1 for x in pack.exposures
        )  # no tie of trait and factor
        ratio_of = dict.fromkeys(values, 0.0)
        for m in acting:
            if m.exposure.partition(":")[0] == axis:
                value = m.exposure.partition(":")[2]
                ratio, se = log_hazard_ratio(m)
                # a ratio between groups holds their exposures as well, which act on their own
                ratio_of[value] = ratio - (burden[value] - burden[first[axis]] if given else 0.0)
                prior.set(outcome, m.exposure, ratio_of[value], m.source, math.hypot(se or 0.0, tau))
        total = sum(values.values())
        log_mean += math.log(
            sum(s / total * math.exp(ratio_of[v] + (burden[v] if given else 0.0)) for v, s in values.items())
        )
    if not any(x.given for x in pack.exposures):
        log_mean += _burden(pack, "", ratios, scale)
    prior.set(outcome, "intercept", float(line[0]) - log_mean, source, math.hypot(math.sqrt(covariance[0, 0]), tau))
    prior.set(outcome, "age10", float(line[1]), source, math.sqrt(covariance[1, 1]))


def _within(prior: Prior, tau: float) -> dict[tuple[str, str], dict[str, tuple[float, float | None]]]:
    """Ratios for the diagnosis that were published by group, by (axis, value). They are not scaled to the joint figure.

    The reference group's ratio is the factor's own, the others' are their distance from it; without a row for the reference
    group it is 1 there.
    """
    pack = prior.pack
    first = references(pack)
    found: dict[tuple[str, str], dict[str, tuple[float, float | None]]] = {
        (row.axis, row.value): {} for row in pack.demographics
    }
    rows = [m for m in pack.modifiers if m.outcome == pack.diagnosis and m.given]
    main = {
        m.exposure: log_hazard_ratio(m)
        for m in rows
        if first.get(m.given.partition(":")[0]) == m.given.partition(":")[2]
    }
    for m in rows:
        axis, _, value = m.given.partition(":")
        ratio, se = log_hazard_ratio(m)
        found[axis, value][m.exposure.partition(":")[2]] = ratio, se
        base, base_se = main.get(m.exposure, (0.0, 0.0))
        if value == first[axis]:
            prior.set(pack.diagnosis, m.exposure, ratio, m.source, math.hypot(se or 0.0, tau))
        else:
            spread = math.hypot(se or 0.0, base_se or 0.0, tau)
            prior.set(pack.diagnosis, f"{m.exposure}*{m.given}", ratio - base, m.source, spread)
    return found


def _burden(pack: Pack, group: str, ratios: dict[str, tuple[float, float | None]], scale: float) -> float:
    """Log of the mean hazard ratio of all risk factors together in a group."""
    shares = {x.risk_factor: x.share for x in pack.exposures if not x.given}
    shares.update({x.risk_factor: x.share for x in pack.exposures if x.given == group})
    return sum(math.log1p(shares[r] * math.expm1(scale * b)) for r, (b, _) in ratios.items() if r in shares)


def _stages(prior: Prior) -> None:
    stages = sorted(prior.pack.stages, key=lambda s: s.ordinal)
    for earlier, later in pairwise(stages):
        if earlier.years:
            prior.set(f"stage:{later.id}", "intercept", -math.log(earlier.years), later.source, 0.3)


def _death(prior: Prior) -> None:
    pack = prior.pack
    medians = {f.group: f for f in fitting(pack, "median_survival", "death", "persons die after the diagnosis")}
    first = references(pack)
    reference = next((g for g in medians if first.get(g.partition(":")[0]) == g.partition(":")[2]), "")
    base = medians.get(reference) or next(iter(medians.values()))
    prior.set("death", "intercept", math.log(math.log(2) / (base.value or 1.0)), base.source, _DEATH_SD)
    for group, row in medians.items():
        if row is not base and row.value and base.value:
            prior.set("death", group, math.log(base.value / row.value), row.source, _DEATH_SD)


def requirements(pack: Pack, events: Sequence[str]) -> npt.NDArray[np.bool_]:
    """needs[i, j]: event i cannot begin before event j; death, as far as the model follows it, needs the diagnosis."""
    index = {event: i for i, event in enumerate(events)}
    needs = np.zeros((len(events), len(events)), np.bool_)
    for event, needed in needs_of(pack).items():
        for other in needed:
            if event in index and other in index:
                needs[index[event], index[other]] = True
    needs[index["death"], index[pack.diagnosis]] = True
    return needs
