"""A cohort sampled from the pack's facts alone, beside the facts that were NOT used to fit it, row by row.

    python benchmarks/facts_check.py [N] [SEED]

Shares and years of the model beside the published figures; the last line is JSON. Persons are those who get the
diagnosis; the population that prevalence needs is made from the same rates (incidence, life table, death after it).
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from engine.audit.published import Published, orders_of, publish, published_rows
from engine.sampling.figures import assumed, survival
from engine.sampling.model import combine
from engine.sampling.personas import OLDEST, YOUNGEST, axes_of
from engine.sampling.sampler import sample_arrays
from graph_loaders.facts import facts_to_elements
from ontology.pack import load_pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.sampling.model import ProgressionModel
    from engine.sampling.sampler import Columns


def prevalence(model: ProgressionModel, found: Columns) -> Iterator[Published]:
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
        yield publish(fact, 100 * ill / (ill + healthy), "percent")


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
    figures = published_rows(model, found)
    rows = [*prevalence(model, found), *figures]
    print(f"{n:,} persons from facts alone; * drives the model, so no test")
    print(f"{'':2}{'fact':36}{'published':>20}{'model':>10}{'error':>9}")
    for r in rows:
        given = f"{r.published:g}" if r.low == r.high else f"{r.low:g} to {r.high:g}"
        print(f"{'* ' if r.used else '  '}{r.fact:36}{given:>20}{r.model:>10}{r.error:>9.2f}  {r.unit}")
    later = [r for r in rows if r.fact.startswith("later-") and "any" not in r.fact]
    reach = {s.id: round(100 * float((~np.isnan(found.first(f"stage:{s.id}"))).mean()), 1) for s in pack.stages}
    order = [asdict(row) for row in orders_of(model, found, figures)]
    months = {r.fact: r.model for r in rows if r.unit == "months"}
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
                "published": r.published,
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
