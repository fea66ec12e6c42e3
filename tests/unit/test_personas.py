import numpy as np
import pytest

from engine.sampling.criteria import Criteria
from engine.sampling.model import ProgressionModel, combine
from engine.sampling.personas import persons
from engine.sampling.sampler import draw, sample_arrays
from graph_loaders.facts import facts_to_elements
from ontology.errors import ConfigError, Infeasible
from ontology.pack import load_pack


@pytest.fixture(scope="module")
def model() -> ProgressionModel:
    pack = load_pack()
    return combine(pack, facts_to_elements(pack))


def test_apoe_and_unknown_traits_are_refused_all_together_with_what_there_is(model):
    with pytest.raises(ConfigError) as caught:
        persons(model, Criteria(traits={"sex": "femal", "county": "x"}, risk_factors=("apoe-e2", "diabets")))
    text = str(caught.value)
    assert len(caught.value.issues) == 4
    assert "one of female" in text
    assert "diabetes" in text
    assert "'apoe-e2'" in text


def test_apoe_e4_acts_on_the_diagnosis_by_group_and_each_group_keeps_its_published_incidence(model):
    found = sample_arrays(model, 60_000, 4)
    carrier = found.exposed[:, [r.id for r in model.pack.risk_factors].index("apoe-e4")]
    races = ["white", "black", "hispanic", "asian"]
    earlier, share = {}, {}
    for race in races:
        who = found.values[:, 1] == races.index(race)
        earlier[race] = found.diagnosis[who & ~carrier].mean() - found.diagnosis[who & carrier].mean()
        share[race] = carrier[who].mean()
    # ratio 2.5 among White persons, 4.6 among Asian, 1.0 and 1.1 among African American and Hispanic persons
    assert earlier["asian"] > earlier["white"] + 1 > 3
    assert abs(earlier["black"]) < 0.6
    assert abs(earlier["hispanic"]) < 1.2
    assert 0.247 < share["white"] < 0.45  # more carriers among the diagnosed than in the population
    assert share["black"] == pytest.approx(0.364, abs=0.015)
    log_ratio = {r: model.value(model.pack.diagnosis, f"race:{r}") if r != "white" else 0.0 for r in races}
    burden = {}
    for race in races:
        level = 0.0
        for risk in model.pack.risk_factors:
            given = {x.given: x.share for x in model.pack.exposures if x.risk_factor == risk.id}
            beta = model.value(model.pack.diagnosis, f"risk:{risk.id}")
            extra = f"risk:{risk.id}*race:{race}"
            beta += model.value(model.pack.diagnosis, extra) if extra in model.features else 0.0
            level += np.log1p(given.get(f"race:{race}", given[""]) * np.expm1(beta))
        burden[race] = level
    for race, ratio in {"black": 2.49, "hispanic": 1.68, "asian": 1.0}.items():
        mean_ratio = np.exp(log_ratio[race] + burden[race] - burden["white"])
        assert mean_ratio == pytest.approx(ratio, rel=0.12), race


def test_traits_risk_factors_and_age_are_conditioned_without_rejection(model):
    asked = Criteria(traits={"sex": "male", "race": "hispanic"}, risk_factors=("diabetes", "smoking"), age=(70, 72))
    found = sample_arrays(model, 500, 3, asked)
    ids = [r.id for r in model.pack.risk_factors]
    assert found.report.tried == found.report.accepted == 500
    assert found.exposed[:, [ids.index("diabetes"), ids.index("smoking")]].all()
    assert found.diagnosis.min() >= 70
    assert found.diagnosis.max() <= 72
    assert draw(model, asked, 3).persona.traits == {
        **draw(model, asked, 3).persona.traits,
        "sex": "male",
        "race": "hispanic",
    }


def test_exposure_among_the_diagnosed_is_above_that_of_the_population(model):
    """Against brute force: draw persons, onset by the inverse cumulative hazard and death on their own; keep the diagnosed."""
    found = sample_arrays(model, 40_000, 5, Criteria(traits={"race": "white", "sex": "female"}))
    pack, rng, n = model.pack, np.random.default_rng(1), 1_500_000
    table = {(x.risk_factor, x.given): x.share for x in pack.exposures}
    log, exposed = np.zeros(n), []
    for risk in pack.risk_factors:
        has = rng.random(n) < table[risk.id, "race:white"]
        log += has * model.value(pack.diagnosis, f"risk:{risk.id}")
        exposed.append(has)
    slope = model.value(pack.diagnosis, "age10") / 10
    level = np.exp(model.value(pack.diagnosis, "intercept") + log)
    bottom = np.exp(slope * (40 - 80))
    onset = 80 + np.log(bottom + slope * rng.exponential(size=n) / level) / slope
    from engine.sampling.figures import survival

    ages = np.arange(40, 110.01, 0.25)
    alive = survival(pack, ages)[1]["female"]
    death = np.interp(-rng.random(n), -alive, ages)
    ill = onset < death
    for k in range(len(pack.risk_factors)):
        assert found.exposed[:, k].mean() == pytest.approx(exposed[k][ill].mean(), abs=0.012)
    assert found.diagnosis.mean() == pytest.approx(onset[ill].mean(), abs=0.25)


def test_a_tie_makes_trait_and_risk_factor_one(model):
    pack, found = model.pack, model
    columns = sample_arrays(found, 2000, 1)
    axes = list(dict.fromkeys(d.axis for d in pack.demographics))
    low = columns.values[:, axes.index("education")] == 1
    assert 0 < low.mean() < 1
    np.testing.assert_array_equal(low, columns.exposed[:, [r.id for r in pack.risk_factors].index("less-education")])
    assert "less-education" in draw(found, Criteria(traits={"education": "low"}), 1).persona.risk_factors
    with pytest.raises(Infeasible, match="exclude each other"):
        persons(found, Criteria(traits={"education": "high"}, risk_factors=("less-education",)))
