import pytest

from engine.sampling.criteria import Criteria, check_criteria
from engine.sampling.model import ProgressionModel, combine
from engine.sampling.sampler import sample
from graph_loaders.facts import facts_to_elements
from ontology.concept import parse_cui
from ontology.errors import ConfigError, Infeasible
from ontology.pack import load_pack

APATHY, BOWEL, BLADDER = parse_cui("C0085632"), parse_cui("C0015732"), parse_cui("C0042024")


@pytest.fixture(scope="module")
def model() -> ProgressionModel:
    pack = load_pack()
    return combine(pack, facts_to_elements(pack))


@pytest.mark.parametrize(
    ("criteria", "named"),
    [
        (Criteria(include=(APATHY,), exclude=(APATHY,)), "include"),
        (Criteria(include=(BOWEL,), exclude=(BLADDER,)), "exclude"),
        (Criteria(stage="severe", exclude=(parse_cui("C0002395"),)), "exclude"),
        (Criteria(include=(BOWEL,), max_onsets=1), "max_onsets"),
        (Criteria(start=BOWEL), "start"),
        (Criteria(start=APATHY, exclude=(APATHY,)), "exclude|start"),
        (Criteria(start=APATHY, max_onsets=0), "max_onsets"),
        (Criteria(min_onsets=5, max_onsets=4), "min_onsets"),
        (Criteria(min_onsets=1000), "min_onsets"),
        (Criteria(exclude=(parse_cui("C0002395"),)), "exclude"),
        (Criteria(max_onsets=0), "max_onsets"),
        (Criteria(stage="very_severe", exclude=(parse_cui("C0002395"),), window_years=20), "exclude"),
        (Criteria(start=parse_cui("C0026884")), "start"),
        (Criteria(window_years=0), "window_years"),
        (Criteria(window_years=float("nan")), "window_years"),
        (Criteria(age=(90, 80)), "age"),
        (Criteria(age=(10, 20)), "age"),
        (Criteria(age=(None, float("nan"))), "age"),
    ],
)
def test_what_nothing_can_meet_is_refused_before_sampling_and_named(model, criteria, named):
    with pytest.raises(Infeasible) as caught:
        sample(model, criteria, n=1)
    assert caught.value.criterion in named.split("|")


def test_unknown_concepts_and_stages_are_refused_together_with_the_nearest_names(model):
    asked = Criteria(include=(parse_cui("C0085639"), parse_cui("C9999999")), stage="mildd")
    with pytest.raises(ConfigError) as caught:
        check_criteria(model, asked)
    assert [issue.where for issue in caught.value.issues] == ["criteria.include", "criteria.stage"]
    assert "stage:mild" in str(caught.value)


def test_what_can_be_met_passes(model):
    check_criteria(model, Criteria(include=(BOWEL,), exclude=(APATHY,), stage="severe", age=(70, 90), max_onsets=40))
