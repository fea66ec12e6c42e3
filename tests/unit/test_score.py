import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from engine.sampling.sampler import draw, sample
from engine.sampling.score import score
from graph_loaders.trajectory import Onset, Persona, Trajectory
from ontology.concept import parse_cui
from ontology.errors import ConfigError
from planted import APRAXIA, CALCULATION, JUDGMENT, SIGNS, planted_model

HER = Persona({"sex": "female", "race": "white", "education": "high"})


def test_the_probabilities_of_all_sets_of_new_onsets_sum_to_one():
    model = planted_model()
    mean = model.mean.copy()
    mean[model.index("death"), 0] = -np.inf
    alive = replace(model, mean=mean)
    events = (*SIGNS, model.pack.diagnosis)
    total = 0.0
    for chosen in itertools.product((False, True), repeat=4):
        onsets = tuple(Onset(e, 76.0, 73.0) for e, on in zip(events, chosen, strict=True) if on)
        total += math.exp(
            score(alive, Trajectory("t", HER, 73.0, 76.0, visits=(73.0, 76.0), onsets=onsets)).log_density
        )
    assert total == pytest.approx(1.0, abs=1e-9)


def test_exact_times_give_rates_times_what_did_not_happen():
    model = planted_model()
    one = Trajectory(
        "t", HER, 70.0, 74.0, onsets=(Onset(CALCULATION, 71.0, 71.0), Onset(APRAXIA, 73.5, 73.5)), sampled=False
    )
    found = score(model, one)
    rate = {e: math.exp(model.value(e, "intercept")) for e in SIGNS}
    later = rate[APRAXIA] * math.exp(model.value(APRAXIA, f"after:{CALCULATION}"))
    slope = model.value(model.pack.diagnosis, "age10") / 10
    level = math.exp(model.value(model.pack.diagnosis, "intercept"))
    undiagnosed = level * (math.exp(slope * -6) - math.exp(slope * -10)) / slope
    expected = -sum(rate.values()) * 1.0 + math.log(rate[CALCULATION])
    expected += -(rate[JUDGMENT] + later) * 2.5 + math.log(later) - rate[JUDGMENT] * 0.5 - undiagnosed
    assert found.log_density == pytest.approx(expected, abs=1e-6)
    assert [p.events for p in found.parts] == [(CALCULATION,), (APRAXIA,), ()]
    assert len(found.ignored) == 1


def test_trajectories_are_likelier_under_the_model_that_made_them():
    model = planted_model()
    mean = model.mean.copy()
    for sign in SIGNS:
        mean[model.index(sign), 0] += 0.7
    mean[model.index(APRAXIA), model.features.index(f"after:{CALCULATION}")] = 0.0
    other = replace(model, mean=mean)
    gains = [score(model, t).log_density - score(other, t).log_density for t in sample(model, n=150, seed=3)]
    assert np.mean(gains) > 2 * np.std(gains) / math.sqrt(len(gains))


def test_the_density_of_sampled_trajectories_is_a_density():
    """E[p'(x) / p(x)] = 1 for draws x from p and a neighbouring model p': both must be normalised in the same way."""
    model = planted_model()
    mean = model.mean.copy()
    for event in (*SIGNS, "stage:moderate", "death"):
        mean[model.index(event), 0] += 0.15
    near = replace(model, mean=mean)
    ratio = [math.exp(score(near, t).log_density - score(model, t).log_density) for t in sample(model, n=600, seed=5)]
    assert np.mean(ratio) == pytest.approx(1.0, abs=4 * np.std(ratio) / math.sqrt(len(ratio)))


def test_what_was_there_at_entry_is_given_and_what_the_model_lacks_is_named():
    model = planted_model()
    onsets = (Onset(CALCULATION, 70.0), Onset(parse_cui("C0000001"), 72.0, 71.0))
    found = score(model, Trajectory("t", HER, 70.0, 72.0, visits=(70.0, 72.0), onsets=onsets))
    assert found.ignored[0] == "C0000001"
    alone = score(model, Trajectory("t", HER, 70.0, 72.0, visits=(70.0, 72.0), onsets=onsets[:1]))
    assert found.log_density == pytest.approx(alone.log_density)
    assert alone.parts[0].log_density == 0.0


def test_a_trait_that_the_pack_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="'other'"):
        score(planted_model(), Trajectory("t", Persona({"sex": "other"}), 70.0, 72.0))


def test_parts_add_up():
    model = planted_model()
    found = score(model, draw(model, None, 3))
    assert found.log_density == pytest.approx(sum(p.log_density for p in found.parts))
    assert all(math.isfinite(p.log_density) for p in found.parts)
