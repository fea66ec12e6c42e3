import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from engine.sampling.backward import closure, lattice, probability_of_person
from engine.sampling.conditional import Strategy, conditions, strategy
from engine.sampling.criteria import Criteria
from engine.sampling.model import combine
from engine.sampling.rates import wanted_of
from engine.sampling.sampler import Sampler, SampleReport, draw, probability, sample, sample_arrays
from engine.sampling.tables import Paths
from graph_loaders.facts import facts_to_elements
from ontology.errors import ConfigError, Infeasible
from ontology.pack import load_pack
from planted import APATHY, APRAXIA, CALCULATION, JUDGMENT, SIGNS, planted_model

STAGES = ("moderate", "severe", "very_severe")


def random_criteria(count: int, *, windows: bool) -> list[Criteria]:
    """Random conditions that nothing forbids."""
    rng = np.random.default_rng(20)
    found: list[Criteria] = []
    while len(found) < count:
        role = rng.integers(0, 3, len(SIGNS))
        low, high = int(rng.integers(0, 4)), int(rng.integers(1, 5))
        asked = Criteria(
            traits={"sex": ["female", "male"][rng.integers(2)]},
            include=tuple(s for s, r in zip(SIGNS, role, strict=True) if r == 1),
            exclude=tuple(s for s, r in zip(SIGNS, role, strict=True) if r == 2),
            stage=str(rng.choice(["", *STAGES])),
            min_onsets=low if rng.random() < 0.5 else 0,
            max_onsets=high if rng.random() < 0.4 else None,
            window_years=float(rng.uniform(8, 25)) if windows else None,
        )
        try:
            sampler = Sampler(planted_model(), asked)
        except Infeasible:
            continue
        if conditions(sampler.rates, sampler.wanted):
            found.append(asked)
    return found


def brute_force(asked: Criteria, entry: float, diagnosis: float, end: float) -> float:
    """P(criteria) for one person by the exponential of the whole generator, built from the parameters alone."""
    model = planted_model()
    events = [*SIGNS, *(f"stage:{s}" for s in STAGES), "death"]
    sex = f"sex:{asked.traits['sex']}"
    states = [(s, k, d) for s in itertools.product((0, 1), repeat=3) for k in range(4) for d in (0, 1)]
    index = {state: i for i, state in enumerate(states)}

    def generator(begun: list[str]) -> np.ndarray:
        q = np.zeros((len(states), len(states)))
        for state in states:
            signs, stage, dead = state
            if dead:
                continue
            before = [
                *begun,
                *(e for e, on in zip(SIGNS, signs, strict=True) if on),
                *(f"stage:{s}" for s in STAGES[:stage]),
            ]
            for j, event in enumerate(events):
                if j < 3:
                    after = (tuple(v or i == j for i, v in enumerate(signs)), stage, 0)
                    possible = not signs[j]
                elif event == "death":
                    after, possible = (signs, stage, 1), model.pack.diagnosis in begun
                else:
                    after, possible = (signs, stage + 1, 0), stage == j - 3 and "stage:mild" in begun
                if possible:
                    after = (tuple(int(v) for v in after[0]), after[1], after[2])
                    log = model.value(event, "intercept")
                    log += model.value(event, sex) if sex in model.features else 0.0
                    log += sum(model.value(event, f"after:{b}") for b in before)
                    q[index[state], index[after]] += np.exp(log)
        return q - np.diag(q.sum(1))

    p = np.zeros(len(states))
    p[index[(0, 0, 0), 0, 0]] = 1.0
    stop = min(diagnosis, end)
    p = p @ expm(generator(["stage:mci"]) * (stop - entry))
    if end > diagnosis:
        p = p @ expm(generator(["stage:mci", model.pack.diagnosis, "stage:mild"]) * (end - diagnosis))
    total = 0.0
    for (signs, stage, _), share in zip(states, p, strict=True):
        begun = {e for e, on in zip(SIGNS, signs, strict=True) if on}
        onsets = len(begun) + (end > diagnosis)
        met = set(asked.include) <= begun and not set(asked.exclude) & begun
        met &= asked.min_onsets <= onsets <= (asked.max_onsets if asked.max_onsets is not None else 99)
        met &= not asked.stage or stage > STAGES.index(asked.stage)
        total += share * met
    return float(total)


def meets(asked: Criteria, paths: Paths, i: int) -> bool:
    model = planted_model()
    rows = slice(paths.start[i], paths.start[i + 1])
    begun = [model.events[e] for e in paths.event[rows]]
    onsets = [e for e in begun if ":" not in e and e != "death"]
    ends = asked.window_years is None or paths.exit[i] <= paths.entry[i] + asked.window_years + 1e-9
    return bool(
        ends
        and set(asked.include) <= set(begun)
        and not set(asked.exclude) & set(begun)
        and (not asked.stage or f"stage:{asked.stage}" in begun)
        and (asked.start is None or onsets[0] == asked.start)
        and asked.min_onsets <= len(onsets) <= (99 if asked.max_onsets is None else asked.max_onsets)
    )


def test_the_backward_pass_gives_the_probabilities_of_brute_force_for_twenty_random_conditions():
    model, rng = planted_model(), np.random.default_rng(3)
    for asked in random_criteria(20, windows=False):
        sampler = Sampler(model, asked)
        followed = closure(model, sampler.rates, sampler.wanted)
        assert followed is not None
        grid = lattice(model, sampler.rates, sampler.wanted, followed)
        entry, diagnosis = 70.0, 70.0 + float(rng.uniform(1, 12))
        end = diagnosis + float(rng.uniform(1, 12))
        male = asked.traits["sex"] == "male"
        personal = sampler.rates.base * sampler.rates.axis_factor[int(male)]
        planned = {
            model.index("stage:mci"): entry,
            model.index(model.pack.diagnosis): diagnosis,
            model.index("stage:mild"): diagnosis,
        }
        found = probability_of_person(grid, sampler.rates, personal, 40.0, entry, end, planned)
        assert found == pytest.approx(brute_force(asked, entry, diagnosis, end), abs=1e-9), asked


def test_particles_agree_with_plain_draws_and_every_trajectory_meets_the_criteria():
    """Twenty random conditions, both kinds of steering, against 100,000 plain draws: within three standard errors."""
    model = planted_model()
    for asked in random_criteria(20, windows=True):
        sampler = Sampler(model, asked)
        plain = sample_arrays(model, 100_000, 5, Criteria(traits=asked.traits, window_years=asked.window_years))
        begun = {e: ~np.isnan(plain.first(e)) for e in (*SIGNS, model.pack.diagnosis, *(f"stage:{s}" for s in STAGES))}
        onsets = sum(begun[e] for e in (*SIGNS, model.pack.diagnosis))
        met = (onsets >= asked.min_onsets) & (onsets <= (99 if asked.max_onsets is None else asked.max_onsets))
        for e in asked.include:
            met &= begun[e]
        for e in asked.exclude:
            met &= ~begun[e]
        if asked.stage:
            met &= begun[f"stage:{asked.stage}"]
        share = met.mean()
        steered = strategy(model, sampler.who, sampler.rates, sampler.wanted, likely=2.0)
        figures = steered.figures
        assert figures.method == "pass"
        assert abs(figures.probability - share) < 3 * np.hypot(figures.se, np.sqrt(share / 100_000) + 1e-6), asked
        assert figures.ess >= 0.2
        out = Paths.empty(20, len(model.events) + 6, 3, len(model.pack.risk_factors))
        made, complete = steered.paths(
            np.array([1, 2], np.uint64), 0, 20, 50, sampler.who, sampler.rates, sampler.wanted, out
        )
        assert complete
        assert made == 20
        assert all(meets(asked, out, i) for i in range(20)), asked


def test_the_exact_probability_over_persons_is_that_of_plain_draws():
    model = planted_model()
    asked = Criteria(include=(JUDGMENT, APRAXIA), exclude=(CALCULATION,))
    found, pilot = probability(model, asked, exact=True), probability(model, asked)
    assert (found.method, pilot.method) == ("exact", "rejection")
    assert abs(found.probability - pilot.probability) < 3 * np.hypot(found.se, pilot.se)
    spread = replace(model, propensity=np.where(np.arange(len(model.events)) < 3, 0.5, 0.0))
    with pytest.raises(ConfigError, match="shared propensity"):
        probability(spread, asked, exact=True)


def test_rare_criteria_are_met_by_trajectories_that_depend_on_seed_and_index_alone():
    model = planted_model()
    asked = Criteria(stage="very_severe", exclude=SIGNS, traits={"sex": "male"})
    figures = probability(model, asked)
    assert figures.method == "pass"
    assert figures.probability < 0.05
    many = list(sample(model, asked, n=12, seed=9))
    assert draw(model, asked, 9, 7) == many[7]
    assert all(not set(SIGNS) & {o.cui for o in t.onsets} and t.stages[-1].stage == "very_severe" for t in many)
    assert len({t.exit_age for t in many}) == 12
    found = sample_arrays(model, 12, 9, asked)
    assert found.exit.tolist() == [t.exit_age for t in many]


def test_a_first_onset_is_conditioned_exactly():
    model = planted_model()
    asked = Criteria(start=APRAXIA, max_onsets=2, stage="severe")
    figures = probability(model, asked)
    plain = sample_arrays(model, 100_000, 5)
    onset = plain.event < model.concepts
    first = np.full(100_000, -1)
    first[plain.person[onset][::-1]] = plain.event[onset][::-1]
    met = (first == model.index(APRAXIA)) & (np.bincount(plain.person[onset], minlength=100_000) <= 2)
    met &= ~np.isnan(plain.first("stage:severe"))
    assert abs(figures.probability - met.mean()) < 3 * np.hypot(figures.se, np.sqrt(met.mean() / 100_000))
    assert all(t.onsets[0].cui == APRAXIA and len(t.onsets) <= 2 for t in sample(model, asked, n=10, seed=1))


def test_likely_criteria_are_met_by_rejection_and_say_so():
    model = planted_model()
    figures = probability(model, Criteria(include=(JUDGMENT,)))
    plain = np.mean(~np.isnan(sample_arrays(model, 100_000, 5).first(JUDGMENT)))
    assert figures.method == "rejection"
    assert abs(figures.probability - plain) < 3.5 * np.hypot(figures.se, np.sqrt(plain / 100_000))
    assert figures.ess == 1.0
    assert probability(planted_model(), Criteria(age=(70, 80))).method == "none"


def test_what_never_begins_is_refused_before_any_trajectory_and_what_is_only_rare_is_not():
    model = planted_model()
    slow = model.mean.copy()
    slow[model.index(APRAXIA), 0] = -30.0
    rare = replace(model, mean=slow)
    assert 0 < probability(rare, Criteria(include=(APRAXIA,))).probability < 1e-8
    assert APRAXIA in {o.cui for o in draw(rare, Criteria(include=(APRAXIA,)), 1).onsets}
    never = model.mean.copy()
    never[model.index(APRAXIA), 0] = -np.inf
    with pytest.raises(Infeasible, match="never begins") as caught:
        sample(replace(model, mean=never), Criteria(include=(APRAXIA,)), n=1)
    assert caught.value.criterion == "include"


def test_concepts_with_no_step_between_them_cannot_both_be_included():
    model = planted_model()
    steps = model.steps.copy()
    i, j = model.index(JUDGMENT), model.index(APRAXIA)
    steps[i, j] = steps[j, i] = False
    with pytest.raises(Infeasible, match="no step between") as caught:
        sample(replace(model, steps=steps), Criteria(include=(JUDGMENT, APRAXIA)), n=1)
    assert caught.value.criterion == "include"


def test_a_strategy_is_the_same_every_time():
    model = planted_model()
    sampler = Sampler(model, Criteria(stage="very_severe", exclude=SIGNS, traits={"sex": "male"}))
    again = strategy(model, sampler.who, sampler.rates, wanted_of(model, sampler.criteria))
    assert isinstance(again, Strategy)
    assert again.figures == sampler.strategy.figures
    report = SampleReport()
    sampler.paths(np.array([4, 4], np.uint64), 0, 5, report, 100)
    assert report.accepted == 5
    assert APATHY not in model.events


@pytest.mark.parametrize("most", [15, 5])
def test_few_onsets_of_many_concepts_are_as_probable_as_plain_draws_say(most):
    """Such persons die early; particles that follow the rates of the moment all miss them."""
    pack = load_pack()
    model = combine(pack, facts_to_elements(pack))
    free = sample_arrays(model, 40_000, 77)
    onsets = np.bincount(free.person[free.event < model.concepts], minlength=40_000)
    share = float((onsets <= most).mean())
    asked = Criteria(max_onsets=most)
    figures = probability(model, asked)
    assert abs(figures.probability - share) < 4 * math.hypot(figures.se, math.sqrt(share / 40_000))
    found = sample_arrays(model, 20, 3, asked)
    assert np.bincount(found.person[found.event < model.concepts], minlength=20).max() <= most
