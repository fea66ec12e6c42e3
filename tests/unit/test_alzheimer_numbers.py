"""The figures of the shipped pack: each with its source, equal to what was published, declared where nothing was."""

from __future__ import annotations

import csv
import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from ontology.pack import Fact, Pack, load_pack

if TYPE_CHECKING:
    from pathlib import Path

RACES = ("hispanic", "asian", "black", "white")
NAMES = {"TBI": "traumatic-brain-injury"}


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack()


def fact(pack: Pack, name: str) -> Fact:
    return next(row for row in pack.facts if row.id == name)


def value(pack: Pack, name: str) -> float:
    figure = fact(pack, name).value
    assert figure is not None, name
    return figure


def declared(pack: Pack, name: str) -> float:
    figure = next(row.value for row in pack.assumptions if row.id == name)
    assert figure is not None, name
    return figure


def number(text: str) -> float | None:
    return float(text) if text else None


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_names_a_source_or_a_declared_assumption(pack: Pack) -> None:
    published = {row.id for row in pack.sources}
    assumed = {row.id for row in pack.assumptions}
    assert len(published) == len(pack.sources)
    assert not published & assumed
    for row in pack.facts:
        assert row.source in published, f"{row.id}: a fact is published, an assumption is not a fact"
    tables: tuple[tuple[Any, ...], ...] = (pack.modifiers, pack.exposures, pack.stages, pack.demographics)
    for table in (*tables, pack.risk_factors, pack.requirements):
        for cited in table:
            assert cited.source in published | assumed, cited


def test_every_source_says_where_it_was_read(pack: Pack) -> None:
    for row in pack.sources:
        assert row.citation
        assert row.locator or row.id == "dualalign", row.id
        words = f"{row.citation} {row.locator}"
        told = any(mark in words for mark in ("as quoted", "as reported", "as reproduced", "review table", "several"))
        assert row.second_hand or not told, f"{row.id} is second-hand"


def test_every_assumption_says_what_why_and_for_what(pack: Pack) -> None:
    for row in pack.assumptions:
        assert row.statement and row.why and row.used_by, row.id  # noqa: PT018 - one sentence about one row
        assert (row.value is None) == (not row.unit), f"{row.id}: a figure has its unit"


def test_figures_that_no_one_published_point_to_their_assumption(pack: Pack) -> None:
    used = {row.source for row in pack.modifiers} | {row.source for row in pack.demographics}
    used |= {row.source for row in pack.requirements}
    assert {"race-shares", "education-shares", "race-ratio-from-prevalence", "mild-at-diagnosis"} <= used


def test_facts_stand_on_concepts_stages_and_traits_of_the_pack(pack: Pack) -> None:
    events = {c.cui for c in pack.concepts} | {f"stage:{s.id}" for s in pack.stages} | {"death", ""}
    exposures = {d.id for d in pack.demographics} | {f"risk:{r.id}" for r in pack.risk_factors} | events
    for row in pack.facts:
        assert row.event in events, row
        assert row.use in {"fit", "check", "context"}, row
        assert row.value is not None or row.low is not None or row.high is not None or row.unit == "words", row
        if row.low is not None and row.high is not None:
            assert row.low <= row.high, row
            assert row.value is None or row.low <= row.value <= row.high, row
    for ratio in pack.modifiers:
        assert ratio.exposure in exposures, ratio
        assert ratio.outcome in events, ratio
        assert ratio.se_log is not None or (ratio.low is not None and ratio.high is not None), ratio


def test_every_published_row_at_hand_is_in_the_pack(pack: Pack, shared_data: Path) -> None:
    have = Counter((row.value, row.low, row.high) for row in pack.facts)
    have += Counter((row.ratio, row.low, row.high) for row in pack.modifiers)
    ask = Counter(
        (number(row["value"]), number(row["ci_low"]), number(row["ci_high"]))
        for row in rows(shared_data / "facts" / "ad_facts.csv")
        if any(row[key] for key in ("value", "ci_low", "ci_high"))
    )
    assert ask.total() == 131
    assert not ask - have
    words = {row.source for row in pack.facts if row.kind in {"order", "timing"}}
    assert {"craig2005-review", "jost1996-review", "geras2015", "paquid-3c-adl", "barnes2015"} <= words


def test_the_twelve_risk_factors_and_their_exposures_are_as_published(pack: Pack, shared_data: Path) -> None:
    ratios = {row.exposure: row for row in pack.modifiers if row.source == "lee2022"}
    exposures = {(row.risk_factor, row.given): row.share for row in pack.exposures}
    published = rows(shared_data / "facts" / "dementia_risk_factors_lee2022.csv")
    assert len(published) == len(ratios) == 12
    assert len(pack.risk_factors) == 13  # and APOE e4
    for row in published:
        name = NAMES.get(row["risk_factor"], row["risk_factor"].lower().replace(" ", "-"))
        ratio = ratios[f"risk:{name}"]
        assert [ratio.ratio, ratio.low, ratio.high] == [float(row[k]) for k in ("RR", "lower_CI", "upper_CI")]
        assert (ratio.measure, ratio.outcome) == ("RR", pack.diagnosis)
        assert exposures[name, ""] == pytest.approx(float(row["total"]) / 100)
        for race in RACES:
            assert exposures[name, f"race:{race}"] == pytest.approx(float(row[race]) / 100)


def test_stages_last_as_long_as_their_published_steps(pack: Pack) -> None:
    months: Counter[str] = Counter()
    for row in pack.facts:
        if row.kind == "stage_duration":
            assert row.value is not None
            months[row.event] += row.value  # type: ignore[assignment]
    assert [stage.id for stage in pack.stages] == ["mci", "mild", "moderate", "severe", "very_severe"]
    for stage in pack.stages:
        assert stage.years == pytest.approx(months[f"stage:{stage.id}"] / 12)
    assert sum(stage.years or 0 for stage in pack.stages[1:]) == pytest.approx(11.8)


def test_shares_of_a_trait_sum_to_one_and_follow_the_population(pack: Pack) -> None:
    for axis in {row.axis for row in pack.demographics}:
        assert sum(row.share for row in pack.demographics if row.axis == axis) == pytest.approx(1)
    women, men = value(pack, "population-women"), value(pack, "population-men")
    share = next(row.share for row in pack.demographics if row.id == "sex:female")
    assert share == pytest.approx(women / (women + men), abs=1e-4)
    assert all(0 <= row.share <= 1 for row in pack.exposures)


def test_incidence_rows_give_the_known_slope(pack: Pack) -> None:
    incidence = [row for row in pack.facts if row.kind == "incidence" and row.event == pack.diagnosis]
    ages = [(row.age_from or 0) + 2.5 if row.age_to else declared(pack, "mid-age-85-plus") for row in incidence]
    logs = np.log([row.value or 0 for row in incidence])
    weights = [3.92 / math.log((row.high or 0) / (row.low or 1)) for row in incidence]
    slope = np.polyfit(ages, logs, 1, w=weights)[0]
    assert slope == pytest.approx(0.1236, abs=5e-4)


def test_mortality_grows_with_age_and_is_higher_in_men(pack: Pack) -> None:
    tables = {
        sex: [
            row.value or 0
            for row in pack.facts
            if row.event == "death" and row.kind == "incidence" and row.group == sex
        ]
        for sex in ("sex:female", "sex:male")
    }
    for rates in tables.values():
        assert len(rates) == 15
        assert all(a < b for a, b in pairwise(rates))
        assert 0 < rates[0] < rates[-1] < 1
    assert all(f < m for f, m in zip(tables["sex:female"][:13], tables["sex:male"], strict=False))


def test_ratios_by_race_are_the_prevalence_odds_ratios_of_every_age_band(pack: Pack) -> None:
    for race in ("black", "hispanic"):
        ratio = next(row.ratio for row in pack.modifiers if row.exposure == f"race:{race}")
        for band in ("65-74", "75-84", "85-plus"):
            ours, white = (value(pack, f"prevalence-ad-{band}-{group}") / 100 for group in (race, "white"))
            odds = ours / (1 - ours) / (white / (1 - white))
            assert odds == pytest.approx(ratio, rel=0.02)


def test_declared_rates_of_symptoms_follow_from_published_rows(pack: Pack) -> None:
    start = {row.event: (row.value or 0) / 100 for row in pack.facts if row.kind == "symptom_baseline" and row.event}
    pooled = {row.event: (row.value or 0) / 100 for row in pack.facts if row.kind == "symptom_pooled"}
    period = {
        r.event: (r.value or 0) / 100 for r in pack.facts if r.kind == "symptom_period" and r.event and r.use == "fit"
    }
    on = {cui: -math.log((1 - period[cui]) / (1 - start[cui])) / 5 for cui in period}
    off = [on[cui] * (1 - pooled[cui]) / pooled[cui] for cui in period]
    assert declared(pack, "off-rate-borrowed") == pytest.approx(math.exp(np.mean(np.log(off))), abs=5e-4)
    factor = math.exp(np.mean([math.log(start[cui] / pooled[cui]) for cui in start]))
    assert declared(pack, "baseline-from-pooled") == pytest.approx(factor, abs=5e-4)
    before = [value(pack, f"by-stage-{k}-controls") / value(pack, f"baseline-{k}") for k in ("apathy", "depression")]
    assert declared(pack, "control-from-baseline") == pytest.approx(math.sqrt(math.prod(before)), abs=5e-4)


def test_the_shared_propensity_gives_the_published_share_with_any_symptom(pack: Pack) -> None:
    start = {row.event: (row.value or 0) / 100 for row in pack.facts if row.kind == "symptom_baseline" and row.event}
    factor = declared(pack, "baseline-from-pooled")
    not_in_inventory = {fact(pack, "pooled-sleep").event, fact(pack, "pooled-appetite").event}
    shares = [
        start.get(row.event, (row.value or 0) / 100 * factor)
        for row in pack.facts
        if row.kind == "symptom_pooled" and row.event not in not_in_inventory
    ]
    z = np.linspace(-8, 8, 2001)
    weights = norm.pdf(z) / norm.pdf(z).sum()
    cuts = np.asarray(norm.isf(np.asarray(shares)))

    def anyone(r: float) -> float:
        none = np.asarray(norm.cdf((cuts[:, None] - math.sqrt(r) * z) / math.sqrt(1 - r))).prod(axis=0)
        return float(1 - weights @ none)

    r = brentq(lambda x: anyone(x) - value(pack, "baseline-any-symptom") / 100, 1e-6, 0.95)
    assert declared(pack, "propensity-correlation") == pytest.approx(r, abs=0.006)


def test_the_scale_of_joint_exposures_gives_the_published_attributable_fraction(pack: Pack) -> None:
    scale = declared(pack, "joint-exposure-scale")
    share = {row.risk_factor: row.share for row in pack.exposures if not row.given}
    lee = {row.exposure.removeprefix("risk:"): row.ratio for row in pack.modifiers if row.source == "lee2022"}
    mean = math.prod(1 - share[k] + share[k] * lee[k] ** scale for k in lee)
    assert 1 - 1 / mean == pytest.approx(value(pack, "paf-all-14") / 100, abs=0.006)


def test_ratios_published_with_a_p_value_keep_it(pack: Pack) -> None:
    peters = {row.id: row for row in pack.modifiers if row.source == "peters2015"}
    for name, p in (("psychosis-severe", 0.028), ("agitation-severe", 0.004), ("affective-death", 0.003)):
        row = peters[f"peters-{name}"]
        assert row.se_log is not None
        assert 2 * norm.sf(math.log(row.ratio) / row.se_log) == pytest.approx(p, rel=0.01)


def test_every_concept_has_a_course_that_no_published_figure_is_invented_for(pack: Pack) -> None:
    stages = {stage.id for stage in pack.stages} | {""}
    classes = {row.id: row.value for row in pack.assumptions if row.id.startswith("ever-")}
    for concept in pack.concepts:
        assert concept.stage in stages, concept
        assert concept.ever is not None, concept
        assert 0 < concept.ever <= 1, concept
        if (given := classes.get(concept.source)) is not None:
            assert concept.ever == given, concept
        else:
            assert concept.source in {"ever-from-rates", "mild-at-diagnosis"}, concept
    assert {c.cui for c in pack.concepts if c.remits} >= {r.event for r in pack.facts if r.kind == "symptom_pooled"}


def test_apoe_e4_is_a_risk_factor_with_its_share_and_its_ratio_by_group_as_published(pack: Pack) -> None:
    shares = {row.given: row.share for row in pack.exposures if row.risk_factor == "apoe-e4"}
    frequency = {"race:white": 0.132, "race:hispanic": 0.102, "race:asian": 0.117, "race:black": 0.201}
    for group, q in frequency.items():  # Eichner 2002, Table 1: the allele; Hardy and Weinberg's carriers
        assert shares[group] == pytest.approx(1 - (1 - q) ** 2, abs=0.003)
    assert shares["race:black"] == pytest.approx((40 + 196 + 20 + 46 + 242 + 42) / 1612, abs=0.0005)  # Table 2, counted
    population = {row.id: row.share for row in pack.demographics if row.axis == "race"}
    everybody = sum(population[g] * shares[g] for g in population) / sum(population.values())
    assert shares[""] == pytest.approx(everybody, abs=0.001)
    ratios = {row.given: (row.ratio, row.low, row.high) for row in pack.modifiers if row.exposure == "risk:apoe-e4"}
    published = {row.id: (row.value, row.low, row.high) for row in pack.facts if row.id.startswith("apoe-")}
    assert len(published) == 10
    for group in ("white", "black", "hispanic"):
        assert ratios[f"race:{group}"] == published[f"apoe-any-e4-{group}"]
    assert ratios["race:asian"] == published["apoe-e3e4-japanese"]
