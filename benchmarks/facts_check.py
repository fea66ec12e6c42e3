"""A cohort sampled from the pack's facts alone, beside the facts that were NOT used to fit it, row by row.

    python benchmarks/facts_check.py [N] [SEED]

Shares and years of the model beside the published figures; the last line is JSON. Persons are those who get the
diagnosis; the population that prevalence needs is made from the same rates (incidence, life table, death after it).
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.audit.fidelity import kendall_tau
from engine.sampling.figures import assumed, survival
from engine.sampling.model import combine
from engine.sampling.personas import OLDEST, YOUNGEST, axes_of
from engine.sampling.remission import present_share
from engine.sampling.sampler import sample_arrays
from graph_loaders.facts import facts_to_elements
from ontology.pack import load_pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.sampling.model import ProgressionModel
    from engine.sampling.sampler import Columns
    from ontology.pack import Fact


@dataclass(frozen=True, slots=True)
class Row:
    """A published figure beside the model's; `used` where the figure drives the model, so that it is no test."""

    fact: str
    published: float
    low: float
    high: float
    model: float
    unit: str
    used: bool = False

    @property
    def error(self) -> float:
        """Distance to the published value, or to the published range: 0 within it."""
        return self.model - min(max(self.model, self.low), self.high)


def row(fact: Fact, value: float, unit: str, *, used: bool | None = None) -> Row:
    given = fact.value if fact.value is not None else fact.low
    low, high = (fact.low, fact.high) if fact.value is None else (fact.value, fact.value)
    given = given if given is not None else fact.high
    low = -np.inf if low is None else low
    high = np.inf if high is None else high
    return Row(
        fact.id,
        float(given or 0.0),
        low,
        high,
        round(float(value), 2),
        unit,
        fact.use == "fit" if used is None else used,
    )


def prevalence(model: ProgressionModel, found: Columns) -> Iterator[Row]:
    """A birth cohort a sex: healthy persons fall ill and die by the model's own rates, ages weighted as the population's."""
    pack = model.pack
    ages = np.arange(YOUNGEST, OLDEST + 0.05, 0.1)
    axis, alive, _ = survival(pack, ages)
    values, races = list(axes_of(pack)[axis]), axes_of(pack)
    rows = [f for f in pack.facts if f.kind == "prevalence" and f.event == pack.diagnosis and f.use == "check"]
    lengths = dict.fromkeys(values, found.exit - found.diagnosis)
    rng = np.random.default_rng(5)
    people = population(model, 20_000, rng)
    step = ages[1] - ages[0]
    slope = model.value(pack.diagnosis, "age10") / 10
    base = np.exp(model.value(pack.diagnosis, "intercept") + slope * (ages - 80))
    column = list(races).index(axis)
    dead = {v: np.sort(lengths[v][found.values[:, column] == i]) for i, v in enumerate(values)}
    sick, well = np.zeros((len(people["log"]), len(ages))), np.zeros((len(people["log"]), len(ages)))
    for i, v in enumerate(values):
        mine = people[axis] == i
        hazard = np.exp(people["log"][mine])[:, None] * base[None, :]
        healthy = np.exp(-np.cumsum(hazard, axis=1) * step) * alive[v][None, :]
        onset = hazard * healthy * step
        stay = 1 - np.searchsorted(dead[v], np.arange(len(ages)) * step, side="right") / max(len(dead[v]), 1)
        sick[mine] = np.apply_along_axis(lambda o, s=stay: np.convolve(o, s)[: len(ages)], 1, onset)
        well[mine] = healthy
    for fact in rows:
        low, high = fact.age_from or 65.0, fact.age_to or OLDEST
        who = np.ones(len(people["log"]), np.bool_)
        if fact.group:
            group_axis, _, value = fact.group.partition(":")
            who = people[group_axis] == list(races[group_axis]).index(value)
        at = (ages >= low) & (ages < high)
        ill, healthy = sick[who][:, at].sum(), well[who][:, at].sum()
        yield row(fact, 100 * ill / (ill + healthy), "percent")


def population(model: ProgressionModel, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Persons of the population (not of the diagnosed): values by axis and the log ratio of their incidence."""
    pack = model.pack
    people: dict[str, np.ndarray] = {"log": np.zeros(n)}
    for axis, shares in axes_of(pack).items():
        p = np.array(list(shares.values()))
        people[axis] = rng.choice(len(p), n, p=p / p.sum())
        ratio = np.array(
            [model.value(pack.diagnosis, f"{axis}:{v}") if f"{axis}:{v}" in model.features else 0.0 for v in shares]
        )
        people["log"] += ratio[people[axis]]
    table = {(x.risk_factor, x.given): x.share for x in pack.exposures}
    for risk in pack.risk_factors:
        share = np.full(n, table[risk.id, ""])
        for axis, shares in axes_of(pack).items():
            for i, value in enumerate(shares):
                if (risk.id, f"{axis}:{value}") in table:
                    share[people[axis] == i] = table[risk.id, f"{axis}:{value}"]
        people["log"] += (rng.random(n) < share) * model.value(pack.diagnosis, f"risk:{risk.id}")
    return people


def symptoms(model: ProgressionModel, found: Columns) -> Iterator[Row]:
    """Point prevalence among those alive, by the on/off layer; ever within a period of those alive at its start."""
    pack, visits = model.pack, (1.5, 3.0, 4.1, 5.3)
    facts = [
        f for f in pack.facts if f.kind in {"symptom_baseline", "symptom_later", "symptom_period", "symptom_by_stage"}
    ]
    counted = sorted({f.event for f in facts if f.source == "steinberg2008" and f.event})
    onset = {c.cui: found.first(c.cui) for c in pack.concepts}
    lived = found.exit - found.diagnosis

    def at_visits(cui: str, times: tuple[float, ...]) -> float:
        shares = [
            present_share(model, cui, onset[cui], found.diagnosis, found.diagnosis + t)[lived > t].mean() for t in times
        ]
        return 100 * float(np.mean(shares))

    for fact in facts:
        if fact.kind == "symptom_by_stage":
            yield from by_stage(model, found, fact, onset)
        elif not fact.event:
            time = fact.at_years if fact.at_years is not None else 3.0
            if fact.kind == "symptom_period":
                followed = lived > time
                ever = np.any([onset[c] <= found.diagnosis + time for c in counted], axis=0)
                yield row(fact, 100 * ever[followed].mean(), "percent")
            else:
                absent = np.prod(
                    [1 - present_share(model, c, onset[c], found.diagnosis, found.diagnosis + time) for c in counted],
                    axis=0,
                )
                yield row(fact, 100 * (1 - absent)[lived > time].mean(), "percent")
        elif fact.event in onset and fact.kind == "symptom_period":
            followed = lived > (fact.at_years or 5.0)
            ever = onset[fact.event] <= found.diagnosis + (fact.at_years or 5.0)
            yield row(fact, 100 * ever[followed].mean(), "percent")
        elif fact.event in onset:
            times = (0.0,) if fact.kind == "symptom_baseline" else (fact.at_years,) if fact.at_years else visits
            yield row(fact, at_visits(fact.event, times), "percent")


def by_stage(model: ProgressionModel, found: Columns, fact: Fact, onset: dict) -> Iterator[Row]:
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
    yield row(fact, 100 * np.average(present[there], weights=weight[there]), "percent")


def timing(model: ProgressionModel, found: Columns) -> Iterator[Row]:
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
        yield row(facts[0], months.mean(), "months")
        for share in model.pack.facts:
            if share.kind == "share" and share.group == name:
                yield row(share, 100 * begun.mean(), "percent")


def assistance(model: ProgressionModel, found: Columns) -> Iterator[Row]:
    """Help with bathing, dressing (personal hygiene, self-care stand for it) or eating at the diagnosis."""
    none = next((f for f in model.pack.facts if f.group == "adl:none"), None)
    if none is None:
        return
    ranks = [f.event for f in model.pack.facts if f.kind == "order" and f.group == "order:adl" and f.event]
    helped = np.any([found.first(c) <= found.diagnosis for c in ranks], axis=0)
    yield row(none, 100 * (1 - helped.mean()), "percent", used=True)  # early-rate was chosen with this row in sight


def lives(model: ProgressionModel, found: Columns) -> Iterator[Row]:
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
            yield row(fact, float(np.median(lived[who])), "years")
        elif (
            fact.kind == "share"
            and fact.event == model.pack.diagnosis
            and fact.age_to is not None
            and fact.use == "check"
        ):
            yield row(fact, 100 * (found.diagnosis < fact.age_to).mean(), "percent")


def orders(model: ProgressionModel, found: Columns) -> list[dict]:
    """Concordance with published ranks: share of ranked pairs whose mean onsets are in that order, by series."""
    series: dict[str, list[Fact]] = {}
    for f in model.pack.facts:
        if f.kind == "order" and f.event and f.value is not None:
            series.setdefault(f.group, []).append(f)
    out = []
    for group, facts in series.items():
        mean = {f.event: np.nanmean(found.first(f.event) - found.diagnosis) for f in facts}
        pairs = [(a, b) for a in facts for b in facts if (a.value or 0) < (b.value or 0)]
        right = sum(bool(mean[a.event] < mean[b.event]) for a, b in pairs)
        tau = kendall_tau([f.value or 0.0 for f in facts], [mean[f.event] for f in facts])
        out.append(
            {"series": group, "use": facts[0].use, "pairs": len(pairs), "in_order": right, "kendall_tau": round(tau, 3)}
        )
    return out


def impossible(model: ProgressionModel, found: Columns) -> int:
    """Onsets before something they require, steps the graph lacks, ages that fall, two onsets at one instant."""
    wrong = 0
    ages = {event: found.first(event) for event in model.events if event != "death"}
    for i, event in enumerate(model.events[:-1]):
        for j in np.flatnonzero(model.needs[i]):
            need = ages[model.events[j]]
            begun = ~np.isnan(ages[event])
            wrong += int((begun & ~(need <= ages[event])).sum())
    same = found.person[1:] == found.person[:-1]
    onsets = (found.event[1:] < model.concepts) & (found.event[:-1] < model.concepts)
    wrong += int((same & (found.age[1:] < found.age[:-1])).sum()) + int(
        (same & onsets & (found.age[1:] == found.age[:-1])).sum()
    )
    return wrong + int((~model.steps[found.event[:-1][same], found.event[1:][same]]).sum())


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    pack = load_pack()
    model = combine(pack, facts_to_elements(pack))
    found = sample_arrays(model, n, seed)
    rows = [
        *prevalence(model, found),
        *symptoms(model, found),
        *timing(model, found),
        *assistance(model, found),
        *lives(model, found),
    ]
    print(f"{n:,} persons from facts alone; * drives the model, so no test")
    print(f"{'':2}{'fact':36}{'published':>20}{'model':>10}{'error':>9}")
    for r in rows:
        given = f"{r.published:g}" if r.low == r.high else f"{r.low:g} to {r.high:g}"
        print(f"{'* ' if r.used else '  '}{r.fact:36}{given:>20}{r.model:>10}{r.error:>9.2f}  {r.unit}")
    later = [r for r in rows if r.fact.startswith("later-") and "any" not in r.fact]
    reach = {s.id: round(100 * float((~np.isnan(found.first(f"stage:{s.id}"))).mean()), 1) for s in pack.stages}
    order = orders(model, found)
    months = {r.fact: r.model for r in rows if r.unit == "months"}
    jost = [r for r in rows if r.unit == "months" and "review" not in r.fact]
    order.append(
        {
            "series": "mood, psychosis, agitation",
            "use": "fit",
            "pairs": len(jost) * (len(jost) - 1) // 2,
            "kendall_tau": round(kendall_tau([r.published for r in jost], [r.model for r in jost]), 3),
        }
    )
    summary = {
        "persons": n,
        "impossible_orders": impossible(model, found),
        "mean_abs_error_later_visits": round(float(np.mean([abs(r.error) for r in later])), 2),
        "reach_percent": reach,
        "mean_age_at_diagnosis": round(float(found.diagnosis.mean()), 2),
        "onsets_per_person": round(float((found.event < model.concepts).sum() / n), 2),
        "order": order,
        "months_from_diagnosis": months,
        "hole": "the Mini-Mental State score is not modelled: no decline is checked",
        "joint_scale_declared": assumed(pack, "joint-exposure-scale", 1.0),
        "rows": [
            {
                **asdict(r),
                "low": None if np.isinf(r.low) else r.low,
                "high": None if np.isinf(r.high) else r.high,
                "error": round(r.error, 2),
            }
            for r in rows
        ],
    }
    for key in (
        "impossible_orders",
        "mean_abs_error_later_visits",
        "reach_percent",
        "mean_age_at_diagnosis",
        "onsets_per_person",
        "order",
        "hole",
    ):
        print(f"{key}: {summary[key]}")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
