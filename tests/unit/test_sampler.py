import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from engine.plan import plan
from engine.sampling.criteria import Criteria
from engine.sampling.explain import contributions, explain_onset
from engine.sampling.model import ProgressionModel, combine
from engine.sampling.next import next_events
from engine.sampling.remission import present_at, present_share
from engine.sampling.sampler import draw, sample, sample_arrays
from graph_loaders.facts import facts_to_elements
from ontology.concept import parse_cui
from ontology.errors import Infeasible
from ontology.pack import Modifier, Pack, load_pack

APATHY, JUDGMENT, CALCULATION, APRAXIA = map(parse_cui, ("C0085632", "C0233818", "C1411876", "C0003635"))


def small(*modifiers: Modifier) -> Pack:
    """Three signs that stay and the diagnosis, with the planted ratios alone."""
    pack = load_pack()
    kept = {pack.diagnosis, JUDGMENT, CALCULATION, APRAXIA}
    return replace(
        pack,
        concepts=tuple(c for c in pack.concepts if c.cui in kept),
        requirements=tuple(r for r in pack.requirements if r.event.startswith("stage:")),
        modifiers=(*(m for m in pack.modifiers if m.outcome == pack.diagnosis), *modifiers),
    )


@pytest.fixture(scope="module")
def model() -> ProgressionModel:
    pack = load_pack()
    return combine(pack, facts_to_elements(pack))


@pytest.fixture(scope="module")
def planted() -> ProgressionModel:
    pack = small(
        Modifier("m1", "sex:male", JUDGMENT, "HR", 2.0, "planted", se_log=0.1),
        Modifier("m2", CALCULATION, APRAXIA, "HR", 3.0, "planted", se_log=0.1),
    )
    return combine(pack, facts_to_elements(pack))


def rate(found, event, start, end, who) -> float:
    """Onsets a person-year between two ages."""
    onset = found.first(event)
    stop = np.where(np.isnan(onset), end, np.minimum(onset, end))
    at_risk = who & ~(onset < start) & (stop > start)
    return float(((onset >= start) & (onset < end))[at_risk].sum() / (stop - start)[at_risk].sum())


def test_a_hazard_ratio_of_two_acts_as_one(planted):
    found = sample_arrays(planted, 60_000, 2)
    men = found.values[:, 0] == 1
    end = np.where(np.isnan(found.first("stage:moderate")), found.exit, found.first("stage:moderate"))
    both = [rate(found, JUDGMENT, found.diagnosis, end, who) for who in (men, ~men)]
    assert both[0] / both[1] == pytest.approx(2.0, rel=0.06)


def test_an_earlier_onset_multiplies_a_later_rate(planted):
    found = sample_arrays(planted, 60_000, 3)
    sign = found.first(CALCULATION)
    begin = found.first("stage:moderate")
    reached = ~np.isnan(begin)
    end = np.where(np.isnan(found.first("stage:severe")), found.exit, found.first("stage:severe"))
    begin = np.nan_to_num(begin, nan=1e9)
    with_it = rate(found, APRAXIA, begin, end, reached & (sign <= begin))
    without = rate(found, APRAXIA, begin, end, reached & np.isnan(sign))
    assert with_it / without == pytest.approx(3.0, rel=0.1)


def test_the_next_event_has_the_exact_probabilities(planted):
    found = sample_arrays(planted, 60_000, 4, Criteria(traits={"sex": "female"}))
    signs = [JUDGMENT, CALCULATION, APRAXIA]
    events = [*signs, "stage:moderate", "death"]
    ages = np.array([np.nan_to_num(found.first(e), nan=np.inf) for e in events])
    clean = (ages[:3] > found.diagnosis).all(axis=0)
    observed = np.bincount(ages[:, clean].argmin(axis=0), minlength=len(events))
    begun = ["stage:mci", "stage:mild"]
    rates = np.exp([planted.value(e, "intercept") + sum(planted.value(e, f"after:{b}") for b in begun) for e in events])
    assert chisquare(observed, observed.sum() * rates / rates.sum()).pvalue > 0.001


def test_a_slope_with_age_is_followed_year_by_year(planted):
    mean = planted.mean.copy()
    mean[planted.index(JUDGMENT), planted.features.index("age10")] = np.log(4.0)
    found = sample_arrays(replace(planted, mean=mean), 60_000, 5, Criteria(traits={"sex": "female"}))
    end = np.where(np.isnan(found.first("stage:moderate")), found.exit, found.first("stage:moderate"))
    old, young = (found.diagnosis > 84) & (found.diagnosis < 86), (found.diagnosis > 74) & (found.diagnosis < 76)
    ratio = rate(found, JUDGMENT, found.diagnosis, end, old) / rate(found, JUDGMENT, found.diagnosis, end, young)
    assert ratio == pytest.approx(4.0, rel=0.15)


def test_one_slot_depends_on_model_criteria_seed_and_index_alone(model):
    asked = Criteria(include=(APATHY,))
    many = list(sample(model, asked, n=40, seed=9))
    assert draw(model, asked, 9, 37) == many[37]
    assert list(itertools.islice(sample(model, asked, n=None, seed=9), 5)) == many[:5]
    assert draw(model, asked, np.random.default_rng(1)) == draw(model, asked, np.random.default_rng(1))
    assert draw(model, asked, np.random.default_rng(1)) != draw(model, asked, np.random.default_rng(2))


def test_columns_and_objects_are_the_same_trajectories(model):
    found = sample_arrays(model, 300, 9)
    for i, one in enumerate(sample(model, n=300, seed=9)):
        assert one.exit_age == found.exit[i]
        assert [o.age for o in one.onsets] == found.age[(found.person == i) & (found.event < model.concepts)].tolist()


def test_the_acceptance_is_said_and_what_is_too_rare_gives_up(model):
    samples = sample(model, Criteria(include=(APATHY,)), n=50, seed=1)
    list(samples)
    assert samples.report.accepted == 50
    assert samples.report.tried > 50
    with pytest.raises(Infeasible, match="too rare to sample without near copies") as caught:
        next(sample(model, Criteria(max_onsets=1, stage="severe"), n=1))
    assert caught.value.criterion in {"acceptance", "ess"}


def test_nothing_is_sampled_for_none(model):
    assert list(sample(model, n=0)) == []
    assert len(sample_arrays(model, 0).event) == 0


def test_the_probabilities_of_what_comes_next_sum_to_one(planted):
    rows = next_events(planted, CALCULATION, facts_to_elements(planted.pack), n=2000)
    assert sum(row["probability"] for row in rows) == pytest.approx(1.0, abs=1e-3)
    assert CALCULATION not in {row["cui"] for row in rows}
    assert all(row["median_gap_days"] >= 0 and row["persons"] == 0 for row in rows)
    assert all(0 <= row["low"] <= row["probability"] <= row["high"] <= 1 for row in rows)
    assert all(row["gap_low_days"] <= row["median_gap_days"] <= row["gap_high_days"] for row in rows)


def test_the_interval_of_what_comes_next_holds_the_parameters_as_well(planted):
    facts = facts_to_elements(planted.pack)
    wide = next_events(planted, CALCULATION, facts, n=4000)
    narrow = next_events(planted, CALCULATION, facts, n=4000, replicates=0)
    assert [row["probability"] for row in wide] == [row["probability"] for row in narrow]
    widths = [sum(row["high"] - row["low"] for row in rows) for rows in (wide, narrow)]
    assert widths[0] > 1.5 * widths[1]


def test_remissions_lie_between_onset_and_exit_and_make_present_another_thing_than_ever(model):
    away = 0
    for one in sample(model, n=30, seed=8):
        onsets = {o.cui: o.age for o in one.onsets}
        for spell in one.remissions:
            assert onsets[spell.cui] <= spell.start < spell.end <= one.exit_age
            middle = (spell.start + spell.end) / 2
            assert one.ever(spell.cui, middle)
            assert not one.present(spell.cui, middle)
            away += 1
        assert all(model.courses[spell.cui].off for spell in one.remissions)
    assert away > 30


def test_a_historical_sign_that_remits_is_away_at_the_age_of_its_plan(model):
    seen = 0
    rng = np.random.default_rng(0)
    remitting = {c.cui for c in model.pack.concepts if c.remits}
    for one in sample(model, n=40, seed=5):
        for step, onset in enumerate(one.onsets if one.remissions else ()):
            made = plan(one, step, model.pack, rng, assertion_mix={"historical": 1.0})
            if made.assertion.value == "historical" and made.cui in remitting:
                assert not one.present(made.cui, onset.age)
                seen += 1
            assert all(p.present == one.present(p.cui, onset.age) for p in made.previous)
    assert seen > 20


def test_reasons_multiply_to_the_rate_of_the_onset(planted):
    one = draw(planted, Criteria(include=(CALCULATION, APRAXIA), traits={"sex": "male"}), 1)
    step = next(i for i, o in enumerate(one.onsets) if o.cui == APRAXIA)
    begun = CALCULATION in [o.cui for o in one.onsets[:step]]
    found = {c.feature: c for c in contributions(planted, one, step)}
    assert found["intercept"].log_ratio == planted.value(APRAXIA, "intercept")
    assert (f"after:{CALCULATION}" in found) == begun
    assert "a year" in explain_onset(planted, one, step)


def test_presence_comes_and_goes_as_the_exact_share_says(model):
    asked = Criteria(include=(APATHY,), age=(70, 80))
    rng = np.random.default_rng(0)
    drawn, exact = [], []
    for one in sample(model, asked, n=1500, seed=4):
        onset = next(o.age for o in one.onsets if o.cui == APATHY)
        diagnosis = next((o.age for o in one.onsets if o.cui == model.pack.diagnosis), onset)
        at = max(onset, diagnosis) + 2.0
        if at < one.exit_age:
            drawn.append(present_at(model, one, APATHY, [at], rng)[0])
            exact.append(present_share(model, APATHY, np.array([onset]), np.array([diagnosis]), np.array([at]))[0])
            assert not present_at(model, one, APATHY, [onset - 0.01], rng)[0]
    assert np.mean(drawn) == pytest.approx(np.mean(exact), abs=0.05)
