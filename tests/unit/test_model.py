import math
from dataclasses import replace

import numpy as np
import pytest

from engine.sampling.criteria import Criteria
from engine.sampling.figures import joint_scale
from engine.sampling.model import ProgressionModel, combine
from engine.sampling.sampler import sample_arrays
from graph_loaders.elements import Edge, GraphElements
from graph_loaders.facts import facts_to_elements
from ontology.concept import parse_cui
from ontology.errors import ConfigError
from ontology.pack import Pack, load_pack

APATHY = "C0085632"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack()


@pytest.fixture(scope="module")
def facts(pack) -> GraphElements:
    return facts_to_elements(pack)


@pytest.fixture(scope="module")
def model(pack, facts) -> ProgressionModel:
    return combine(pack, facts)


def estimate(features, coefficients, information, cohort="planted", event=APATHY) -> Edge:
    properties = {"cohort": cohort, "features": features, "coefficients": coefficients, "information": information}
    return Edge("ESTIMATES", ("Cohort", cohort), ("Concept", event), cohort, properties)


def with_edges(facts, *edges) -> GraphElements:
    return GraphElements(facts.nodes, (*facts.edges, *edges))


def test_facts_alone_give_the_prior_mean(model):
    np.testing.assert_array_equal(model.mean, model.prior_mean)
    np.testing.assert_array_equal(model.sd, model.prior_sd)


def test_an_estimate_moves_the_posterior_as_precision_weighting_says(pack, facts):
    found = combine(pack, with_edges(facts, estimate(["intercept", "sex:male"], [-2.0, 0.5], [9.0, 3.0, 3.0, 5.0])))
    row = {p.feature: p for p in found.explain(APATHY)}
    prior = np.diag([row["intercept"].prior_sd ** -2, row["sex:male"].prior_sd ** -2])
    information = np.array([[9.0, 3.0], [3.0, 5.0]])
    mean = np.array([row["intercept"].prior, row["sex:male"].prior])
    expected = np.linalg.solve(prior + information, prior @ mean + information @ [-2.0, 0.5])
    assert [row["intercept"].posterior, row["sex:male"].posterior] == pytest.approx(list(expected))
    assert row["sex:male"].posterior_sd == pytest.approx(math.sqrt(np.linalg.inv(prior + information)[1, 1]))
    assert row["sex:male"].data == 0.5


def test_two_cohorts_count_the_prior_once(pack, facts):
    half = [estimate(["intercept"], [-2.0], [4.0], name) for name in ("a", "b")]
    whole = estimate(["intercept"], [-2.0], [8.0])
    both, one = combine(pack, with_edges(facts, *half)), combine(pack, with_edges(facts, whole))
    assert both.value(APATHY, "intercept") == pytest.approx(one.value(APATHY, "intercept"))


@pytest.mark.parametrize(
    "edge",
    [estimate(["colour"], [1.0], [1.0]), estimate(["intercept"], [1.0, 2.0], [1.0]), estimate(["age10"], [1.0], [])],
)
def test_an_estimate_that_does_not_fit_is_refused(pack, facts, edge):
    with pytest.raises(ConfigError, match="does not fit"):
        combine(pack, with_edges(facts, edge))


@pytest.mark.parametrize(
    ("kind", "event"), [("incidence", "C0002395"), ("incidence", "death"), ("median_survival", "death")]
)
def test_a_missing_fact_is_named_with_its_table(pack, facts, kind, event):
    poorer = replace(pack, facts=tuple(f for f in pack.facts if (f.kind, f.event) != (kind, event)))
    with pytest.raises(ConfigError) as caught:
        combine(poorer, facts)
    assert kind in str(caught.value)
    assert caught.value.issues[0].where == "facts.csv"


def test_the_joint_scale_gives_the_published_attributable_fraction(pack):
    ratios = {
        m.exposure[5:]: math.log(m.ratio) for m in pack.modifiers if m.exposure.startswith("risk:") and not m.given
    }
    scale, _ = joint_scale(pack, ratios)
    shares = {x.risk_factor: x.share for x in pack.exposures if not x.given}
    product = math.prod(1 - shares[r] + shares[r] * math.exp(scale * b) for r, b in ratios.items())
    assert 1 - 1 / product == pytest.approx(0.45)
    assert scale == pytest.approx(0.49, abs=0.01)


def test_every_parameter_that_is_not_zero_has_a_source(model):
    rows, columns = np.nonzero(np.isfinite(model.mean) & (model.mean != 0))
    unsourced = {
        (model.events[i], model.features[j])
        for i, j in zip(rows, columns, strict=True)
        if not model.sources.get((model.events[i], model.features[j]))
    }
    assert unsourced == set()


def test_ratios_for_the_disease_are_not_copied_to_its_symptoms(model):
    assert model.value("C0002395", "risk:diabetes") > 0
    assert model.value(APATHY, "risk:diabetes") == 0


def test_median_survival_is_the_published_one_in_the_full_model(model):
    found = sample_arrays(model, 20_000, 11)
    for sex, median in ((0, 5.7), (1, 4.2)):
        who = found.values[:, 0] == sex
        assert np.median((found.exit - found.diagnosis)[who]) == pytest.approx(median, rel=0.1)


def test_a_concept_that_only_a_cohort_knows_is_sampled_at_the_cohorts_rate(pack, facts):
    alien = "C0338656"
    edges = estimate(["intercept"], [-2.0], [50.0], event=alien), estimate([f"after:{alien}"], [1.0], [9.0])
    found = combine(
        pack, with_edges(facts, *edges, Edge("PRECEDES", ("Start", "start"), ("Concept", alien), "planted"))
    )
    found = replace(found, steps=np.ones_like(found.steps))
    assert found.value(APATHY, f"after:{alien}") > 0.5
    paths = sample_arrays(found, 4000, 1)
    onset = paths.first(alien)
    years = np.where(np.isnan(onset), paths.exit, onset) - paths.entry
    rate = (~np.isnan(onset)).sum() / years.sum()
    assert rate == pytest.approx(np.exp(found.value(alien, "intercept")), rel=0.1)
    assert sample_arrays(found, 20, 1, Criteria(include=(parse_cui(alien),))).report.accepted == 20


def test_counts_alone_give_the_count_model_and_persons_go_before_counts(pack, facts):
    cells = {"cohort": "c", "events_by_cell": [0] * 112, "years_by_cell": [0.0] * 112}
    for so_far, events in enumerate((20, 30, 45)):
        cells["events_by_cell"][5 * 14 + so_far], cells["years_by_cell"][5 * 14 + so_far] = events, 100.0
    other = "C0011581"
    observed = [Edge("OBSERVED", ("Cohort", "c"), ("Concept", event), "c", cells) for event in (APATHY, other)]
    found = combine(pack, with_edges(facts, *observed))
    assert found.value(APATHY, f"after:{other}") > 0.2
    assert "cohort c" in found.sources[APATHY, "intercept"]
    both = combine(pack, with_edges(facts, *observed, estimate(["intercept"], [-2.0], [4.0], "c")))
    assert both.value(APATHY, f"after:{other}") == 0


def test_measured_remission_moves_the_declared_rates(pack, facts, model):
    edge = estimate(["intercept"], [-2.0], [4.0])
    told = {**edge.properties, "remission": [0.0, -1.0], "remission_information": [400.0, 0.0, 0.0, 400.0]}
    found = combine(pack, with_edges(facts, replace(edge, properties=told)))
    assert model.courses[APATHY].off < 0.5
    assert found.courses[APATHY].off == pytest.approx(1.0, rel=0.05)
    assert found.courses[APATHY].again == pytest.approx(math.exp(-1), rel=0.05)
    assert "cohort planted" in found.courses[APATHY].source
