"""Plans: what a sentence must say, drawn from a trajectory of the shipped pack."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.plan import ASSERTION_MIX, GUIDANCE, label_of, plan, plan_for_label, plan_unguided
from graph_loaders.trajectory import Onset, Persona, Trajectory
from ontology.errors import UnknownConcept
from ontology.mention import Assertion, Informant
from ontology.pack import Pack, load_pack

APATHY, MEMORY, MMSE, BATHING, DIAGNOSIS = "C0085632", "C0751295", "C0451306", "C0150141", "C0002395"
LOOKING = {"present": 0.4, "absent": 0.3, "possible": 0.15, "historical": 0.15}


@lru_cache(maxsize=1)
def shipped() -> Pack:
    return load_pack()


def history(*cuis: str, sex: str = "female", stage: str = "mild", start: float = 74.0) -> Trajectory:
    onsets = tuple(Onset(cui, start + place, start + place, stage) for place, cui in enumerate(cuis))
    persona = Persona({"sex": sex} if sex else {}, ("diabetes",))
    return Trajectory("t1", persona, start - 1, start + len(cuis) + 1, onsets=onsets, sampled=True)


@st.composite
def trajectories(draw):
    cuis = draw(st.lists(st.sampled_from([c.cui for c in shipped().concepts]), min_size=1, max_size=25, unique=True))
    stage = draw(st.sampled_from([stage.id for stage in shipped().stages]))
    return history(*cuis, sex=draw(st.sampled_from(["female", "male", ""])), stage=stage)


@settings(max_examples=150, deadline=None)
@given(trajectories(), st.integers(0, 2**32), st.sampled_from(GUIDANCE))
def test_a_plan_says_one_thing_of_the_pack_with_its_one_right_label(trajectory, seed, guidance):
    pack = shipped()
    concepts = {concept.cui: concept for concept in pack.concepts}
    rng = np.random.default_rng(seed)
    for step in range(len(trajectory.onsets)):
        made = plan(trajectory, step, pack, rng, guidance=guidance, assertion_mix=LOOKING)
        if guidance == "none":
            assert (made.cui, made.of, made.age, made.persona) == (None, None, None, Persona())
            continue
        concept = concepts[made.cui]
        assert made.label == label_of(concept, made.assertion, made.informant, pack)
        assert made.phrase in {p.text for p in pack.phrases if p.cui == made.cui and p.form == "noun"}
        assert made.informant.kind in (concept.reporters or "patient|other|clinician").split("|")
        assert made.definition == next(label.definition for label in pack.labels if label.id == made.label)


@settings(max_examples=150, deadline=None)
@given(trajectories(), st.integers(0, 2**32))
def test_absent_is_what_has_not_begun_and_historical_what_began_earlier(trajectory, seed):
    rng = np.random.default_rng(seed)
    for step, onset in enumerate(trajectory.onsets):
        made = plan(trajectory, step, shipped(), rng, assertion_mix=LOOKING)
        begun = [o.cui for o in trajectory.onsets if o.age <= onset.age]
        if made.assertion is Assertion.ABSENT:
            assert made.cui not in begun
        elif made.assertion is Assertion.HISTORICAL:
            assert made.cui in begun
            assert made.cui != onset.cui
        else:
            assert made.cui == onset.cui


@settings(max_examples=100, deadline=None)
@given(trajectories(), st.integers(0, 2**32), st.sampled_from([label.id for label in load_pack().labels]))
def test_a_plan_for_a_label_has_that_label_or_is_none(trajectory, seed, label):
    made = plan_for_label(trajectory, label, shipped(), np.random.default_rng(seed), assertion_mix=LOOKING)
    own = {c.cui for c in shipped().concepts if c.label == label}
    if label == "none":
        assert made is not None
        assert made.cui is None
    elif label == "concern-by-others":
        assert made is None or (made.label == label and made.informant.kind == "other" and made.entity == "sign")
    else:
        assert (made is None) == own.isdisjoint(o.cui for o in trajectory.onsets)
        assert made is None or made.label == label


def test_a_sign_told_by_a_relative_is_their_concern_and_told_by_the_patient_is_not():
    trajectory, pack = history(APATHY), shipped()
    for informant, label in (
        ("daughter", "concern-by-others"),
        ("patient", "neuropsychiatric"),
        ("clinician", "neuropsychiatric"),
    ):
        made = plan(trajectory, 0, pack, np.random.default_rng(3), informant=informant, assertion_mix={"present": 1})
        assert made.label == label


def test_a_function_or_an_absent_sign_told_by_a_relative_keeps_its_label():
    pack, rng = shipped(), np.random.default_rng(3)
    bathing = plan(history(BATHING), 0, pack, rng, informant="son", assertion_mix={"present": 1})
    absent = plan(history(APATHY), 0, pack, rng, informant="son", assertion_mix={"absent": 1})
    assert (bathing.label, absent.label) == ("requires-assistance", "neuropsychiatric")
    assert absent.assertion is Assertion.ABSENT


def test_what_is_of_a_kind_with_something_begun_is_not_said_to_be_absent():
    visual, any_kind = "C0233763", "C0018524"
    trajectory = history(visual)
    said = {
        plan(trajectory, 0, shipped(), np.random.default_rng(seed), assertion_mix={"absent": 1}).cui
        for seed in range(300)
    }
    assert any_kind not in said
    assert visual not in said
    assert len(said) > 10


def test_no_other_diagnosis_is_denied_once_one_is_made():
    made = plan(history(DIAGNOSIS), 0, shipped(), np.random.default_rng(1), assertion_mix={"absent": 1})
    assert (made.cui, made.assertion) == (DIAGNOSIS, Assertion.PRESENT)


def test_only_what_comes_and_goes_is_history():
    atrophy, constipation = "C0235946", "C0009806"
    rng = np.random.default_rng(2)
    stays = plan(history(atrophy, "C0015672"), 1, shipped(), rng, assertion_mix={"historical": 1})
    goes = plan(history(constipation, "C0015672"), 1, shipped(), rng, assertion_mix={"historical": 1})
    assert (stays.cui, stays.assertion) == ("C0015672", Assertion.PRESENT)
    assert (goes.cui, goes.assertion) == (constipation, Assertion.HISTORICAL)


def test_a_test_is_never_possible():
    drawn = {
        plan(
            history(MMSE), 0, shipped(), np.random.default_rng(seed), assertion_mix={"possible": 0.9, "present": 0.1}
        ).assertion
        for seed in range(50)
    }
    assert drawn == {Assertion.PRESENT}


@pytest.mark.parametrize(("sex", "spouse"), [("female", "husband"), ("male", "wife"), ("", "spouse")])
def test_a_spouse_fits_the_persona(sex, spouse):
    told = {
        plan(
            history(APATHY, sex=sex), 0, shipped(), np.random.default_rng(seed), label="concern-by-others"
        ).informant.value
        for seed in range(200)
    }
    assert told == {spouse, "daughter", "son", "caregiver"}


def test_in_the_last_stages_the_patient_does_not_tell():
    told = {
        plan(history(APATHY, stage="very_severe"), 0, shipped(), np.random.default_rng(seed)).informant
        for seed in range(200)
    }
    assert Informant.PATIENT not in told


def test_the_default_mix_is_kept_where_every_assertion_makes_sense():
    rng = np.random.default_rng(7)
    trajectory = history("C0009806", "C0015672")  # both come and go
    drawn = [plan(trajectory, 1, shipped(), rng).assertion.value for _ in range(4000)]
    for assertion, share in ASSERTION_MIX.items():
        assert abs(drawn.count(assertion) / len(drawn) - share) < 0.025


def test_context_comes_from_the_trajectory_and_goes_with_its_switch():
    trajectory, pack = history(MEMORY, APATHY), shipped()
    both = plan(trajectory, 1, pack, np.random.default_rng(0))
    assert (both.stage, both.gap_days, both.age, both.step, both.of) == ("mild", 365, 75.0, 1, 2)
    assert [previous.cui for previous in both.previous] == [MEMORY]
    assert both.persona is trajectory.persona
    alone = plan(trajectory, 1, pack, np.random.default_rng(0), guidance="trajectory")
    assert (alone.persona, alone.age, alone.gap_days) == (Persona(), None, 365)
    persona = plan(trajectory, 1, pack, np.random.default_rng(0), guidance="persona")
    assert (persona.stage, persona.gap_days, persona.previous, persona.age) == ("", None, (), 75.0)


def test_the_first_onset_has_no_gap():
    assert plan(history(MEMORY), 0, shipped(), np.random.default_rng(0)).gap_days is None


def test_the_same_seed_gives_the_same_plan():
    trajectory = history(MEMORY, APATHY, MMSE)
    one, two = (plan(trajectory, 2, shipped(), np.random.default_rng(9)) for _ in range(2))
    assert one == two


def test_unguided_has_the_definition_alone():
    made = plan_unguided("neuropsychiatric", shipped(), np.random.default_rng(0))
    assert made.definition
    assert (made.cui, made.phrase, made.of, made.trajectory_id) == (None, "", None, "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"guidance": "some"}, "guidance 'some'"),
        ({"label": "moood"}, "'moood' is not a label"),
        ({"label": "diagnostic-tests"}, "cannot carry the label"),
        ({"label": "none"}, "cannot carry the label"),
        ({"informant": "uncle bob"}, "not an informant"),
        ({"label": "neuropsychiatric", "informant": "wife", "assertion_mix": {"present": 1}}, "not told by the wife"),
        ({"assertion_mix": {"present": 0}}, "no share"),
        ({"assertion_mix": {"present": 2, "absent": -1}}, "no share"),
        ({"assertion_mix": {"perhaps": 1}}, "perhaps"),
    ],
)
def test_what_cannot_be_is_refused_with_the_value(change, says):
    with pytest.raises(ValueError, match=says):
        plan(history(APATHY), 0, shipped(), np.random.default_rng(0), **change)


@pytest.mark.parametrize("step", [-1, 1])
def test_a_step_that_is_not_there_is_refused(step):
    with pytest.raises(ValueError, match="is not one of its 1 onsets"):
        plan(history(APATHY), step, shipped(), np.random.default_rng(0))


def test_an_onset_that_the_pack_does_not_have_is_named():
    with pytest.raises(UnknownConcept, match="C0000001"):
        plan(history("C0000001"), 0, shipped(), np.random.default_rng(0))


def test_a_label_that_the_pack_does_not_have_is_refused():
    with pytest.raises(ValueError, match="labels: cognitive-impairment"):
        plan_for_label(history(APATHY), "moood", shipped(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="labels: cognitive-impairment"):
        plan_unguided("moood", shipped(), np.random.default_rng(0))
