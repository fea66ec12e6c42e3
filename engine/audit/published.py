"""A cohort sampled from the model beside published figures: symptoms at visits, order and time, survival."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from engine.sampling.personas import axes_of
from engine.sampling.remission import present_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from engine.sampling.model import ProgressionModel
    from engine.sampling.sampler import Columns
    from ontology.pack import Fact

    Floats = npt.NDArray[np.float64]

__all__ = ["Order", "Published", "kendall_tau", "orders_of", "prevalence_error", "publish", "published_rows"]


@dataclass(frozen=True, slots=True)
class Order:
    """A published order (ranks, or the mean times of one source) beside the model's: ranked pairs, how many hold, tau."""

    series: str
    use: str
    pairs: int
    in_order: int
    kendall_tau: float


def published_rows(model: ProgressionModel, found: Columns) -> list[Published]:
    """Every published figure on symptoms, times, help at the diagnosis and survival beside that of a sampled cohort.

    `found`: from `sample_arrays` of the same model; 20,000 persons give a share within half a point.
    """
    parts = (_symptoms, _timing, _assistance, _lives)
    return [row for part in parts for row in part(model, found)]


def orders_of(model: ProgressionModel, found: Columns, rows: Iterable[Published]) -> list[Order]:
    """Every published order beside that of mean onsets in the sampled cohort; `rows` from `published_rows`."""
    return [*_orders(model, found), *_timed_orders(model, rows)]


@dataclass(frozen=True, slots=True)
class Published:
    """A published figure beside the model's. `used`: it drives the model, so that it is no test."""

    fact: str
    source: str
    unit: str
    low: float
    high: float
    model: float
    used: bool = False

    @property
    def published(self) -> float:
        """The value, or the end of the range that is finite."""
        return self.low if math.isfinite(self.low) else self.high

    @property
    def error(self) -> float:
        """Distance to the published value, or to the published range: 0 within it."""
        return self.model - min(max(self.model, self.low), self.high)


def publish(fact: Fact, model: float, unit: str = "", *, interval: bool = False, used: bool | None = None) -> Published:
    """A fact beside the model's value; `interval`: a value within its confidence interval counts as right."""
    low, high = (fact.low, fact.high) if fact.value is None or interval else (fact.value, fact.value)
    low = fact.value if low is None and fact.value is not None else low
    high = fact.value if high is None and fact.value is not None else high
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    drives = fact.use == "fit" if used is None else used
    return Published(fact.id, fact.source, unit or fact.unit, *bounds, round(float(model), 2), drives)


def prevalence_error(rows: Iterable[Published]) -> tuple[float, float]:
    """Mean absolute error over rows that do not drive the model, and the share of them that are within the published range."""
    errors = [abs(row.error) for row in rows if not row.used]
    if not errors:
        return math.nan, math.nan
    return float(np.mean(errors)), float(np.mean([error == 0 for error in errors]))


def kendall_tau(published: Sequence[float], model: Sequence[float]) -> float:
    """Kendall's tau-a over the pairs that the published order tells apart: 1 when the model orders each of them alike.

    >>> kendall_tau([1, 2, 3], [-26.0, 0.5, 11.0])
    1.0
    """
    pairs = [(i, j) for i, j in combinations(range(len(published)), 2) if published[i] != published[j]]
    if not pairs:
        return math.nan
    signs = [np.sign(published[i] - published[j]) * np.sign(model[i] - model[j]) for i, j in pairs]
    return float(np.mean(signs))


def _symptoms(model: ProgressionModel, found: Columns) -> Iterator[Published]:
    """Point prevalence among those alive, by the on/off layer; ever within a period of those alive at its start."""
    pack, visits = model.pack, (1.5, 3.0, 4.1, 5.3)
    facts = [
        f for f in pack.facts if f.kind in {"symptom_baseline", "symptom_later", "symptom_period", "symptom_by_stage"}
    ]
    whole = next((f.source for f in facts if not f.event), "")
    counted = sorted({f.event for f in facts if f.source == whole and f.event})
    onset = {str(c.cui): found.first(c.cui) for c in pack.concepts}
    lived = found.exit - found.diagnosis

    def at_visits(cui: str, times: tuple[float, ...]) -> float:
        shares = [
            present_share(model, cui, onset[cui], found.diagnosis, found.diagnosis + t)[lived > t].mean() for t in times
        ]
        return 100 * float(np.mean(shares))

    for fact in facts:
        if fact.kind == "symptom_by_stage":
            yield from _by_stage(model, found, fact, onset)
        elif not fact.event:
            time = fact.at_years if fact.at_years is not None else 3.0
            if fact.kind == "symptom_period":
                followed = lived > time
                ever = np.any([onset[c] <= found.diagnosis + time for c in counted], axis=0)
                yield publish(fact, 100 * ever[followed].mean(), "percent")
            else:
                absent = np.prod(
                    [1 - present_share(model, c, onset[c], found.diagnosis, found.diagnosis + time) for c in counted],
                    axis=0,
                )
                yield publish(fact, 100 * (1 - absent)[lived > time].mean(), "percent")
        elif fact.event in onset and fact.kind == "symptom_period":
            followed = lived > (fact.at_years or 5.0)
            ever = onset[fact.event] <= found.diagnosis + (fact.at_years or 5.0)
            yield publish(fact, 100 * ever[followed].mean(), "percent")
        elif fact.event in onset:
            times = (0.0,) if fact.kind == "symptom_baseline" else (fact.at_years,) if fact.at_years else visits
            yield publish(fact, at_visits(fact.event, times), "percent")


def _by_stage(model: ProgressionModel, found: Columns, fact: Fact, onset: Mapping[str, Floats]) -> Iterator[Published]:
    """At the middle of the stage (moderate-severe: at the beginning of severe)."""
    wanted = fact.group.removeprefix("stage:")
    pair = {"mci": ("mci", "mild"), "mild": ("mild", "moderate"), "moderate-severe": ("moderate", "very_severe")}
    if wanted not in pair:
        return
    begin, end = found.first(f"stage:{pair[wanted][0]}"), found.first(f"stage:{pair[wanted][1]}")
    end = np.where(np.isnan(end), found.exit, end)
    inside = begin + np.random.default_rng(3).random(len(begin)) * (end - begin)
    there, weight = ~np.isnan(begin), np.nan_to_num(end - begin)
    present = present_share(model, fact.event, onset[fact.event], found.diagnosis, np.nan_to_num(inside))
    yield publish(fact, 100 * np.average(present[there], weights=weight[there]), "percent")


def _timing(model: ProgressionModel, found: Columns) -> Iterator[Published]:
    """Mean months from the diagnosis to the first of a group, among those who have it; and who ever has it."""
    groups: dict[str, list[Fact]] = {}
    for fact in model.pack.facts:
        if fact.kind == "timing" and fact.use in {"fit", "check"} and fact.event:
            groups.setdefault(fact.group or fact.id, []).append(fact)
    for name, facts in groups.items():
        ages = np.vstack([found.first(f.event) for f in facts])
        begun = ~np.isnan(ages).all(axis=0)
        first = np.nanmin(np.where(np.isnan(ages), np.inf, ages), axis=0)
        months = 12 * (first - found.diagnosis)[begun]
        yield publish(facts[0], float(months.mean()), "months")
        for share in model.pack.facts:
            if share.kind == "share" and share.group == name:
                yield publish(share, 100 * begun.mean(), "percent")


def _assistance(model: ProgressionModel, found: Columns) -> Iterator[Published]:
    """Help with bathing, dressing (personal hygiene, self-care stand for it) or eating at the diagnosis."""
    none = next((f for f in model.pack.facts if f.group == "adl:none"), None)
    if none is None:
        return
    ranks = [f.event for f in model.pack.facts if f.kind == "order" and f.group == "order:adl" and f.event]
    helped = np.any([found.first(c) <= found.diagnosis for c in ranks], axis=0)
    yield publish(none, 100 * (1 - helped.mean()), "percent", used=True)  # early-rate was chosen with this row in sight


def _lives(model: ProgressionModel, found: Columns) -> Iterator[Published]:
    """Median years from the diagnosis to death, by sex and age; share diagnosed before an age."""
    lived = found.exit - found.diagnosis
    for fact in model.pack.facts:
        if fact.kind == "median_survival" and fact.use in {"fit", "check"}:
            who = np.ones(len(lived), np.bool_)
            if fact.group:
                axis, _, value = fact.group.partition(":")
                axes = axes_of(model.pack)
                who = found.values[:, list(axes).index(axis)] == list(axes[axis]).index(value)
            if fact.age_from is not None:
                who &= (found.diagnosis >= fact.age_from - 1) & (found.diagnosis < fact.age_from + 2)
            yield publish(fact, float(np.median(lived[who])), "years")
        elif (
            fact.kind == "share"
            and fact.event == model.pack.diagnosis
            and fact.age_to is not None
            and fact.use == "check"
        ):
            yield publish(fact, 100 * (found.diagnosis < fact.age_to).mean(), "percent")


def _orders(model: ProgressionModel, found: Columns) -> Iterator[Order]:
    series: dict[str, list[Fact]] = {}
    for f in model.pack.facts:
        if f.kind == "order" and f.event and f.value is not None:
            series.setdefault(f.group, []).append(f)
    for group, facts in series.items():
        mean = {f.event: float(np.nanmean(found.first(f.event) - found.diagnosis)) for f in facts}
        pairs = [(a, b) for a in facts for b in facts if (a.value or 0) < (b.value or 0)]
        right = sum(mean[a.event] < mean[b.event] for a, b in pairs)
        tau = kendall_tau([f.value or 0.0 for f in facts], [mean[f.event] for f in facts])
        yield Order(group, facts[0].use, len(pairs), right, round(tau, 3))


def _timed_orders(model: ProgressionModel, rows: Iterable[Published]) -> Iterator[Order]:
    """The mean times of one source, in their order."""
    by_id = {f.id: f for f in model.pack.facts if f.kind == "timing" and f.value is not None and f.use == "fit"}
    series: dict[str, list[Published]] = {}
    for row in rows:
        if row.fact in by_id:
            series.setdefault(row.source, []).append(row)
    for source, timed in series.items():
        pairs = [(a, b) for a in timed for b in timed if a.published < b.published]
        right = sum(a.model < b.model for a, b in pairs)
        tau = kendall_tau([r.published for r in timed], [r.model for r in timed])
        yield Order(f"times:{source}", "fit", len(pairs), right, round(tau, 3))
