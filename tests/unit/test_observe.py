import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sampling.observe import Calendar, observe, observed
from graph_loaders.trajectory import Onset, Persona, Remission, StageEntry, Trajectory
from ontology.concept import parse_cui
from ontology.errors import ConfigError

A, B = parse_cui("C0085632"), parse_cui("C0011581")


def her(*onsets: Onset, died: bool = False, remissions=()) -> Trajectory:
    return Trajectory("t", Persona(), 70.0, 80.0, died=died, onsets=onsets, sampled=True, remissions=remissions,
                      stages=(StageEntry("mci", 70.0), StageEntry("mild", 75.5)))  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    begins=st.lists(st.floats(70, 80), min_size=1, max_size=2),
    gap=st.floats(0.3, 4),
    missing=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_an_onset_is_dated_between_the_last_absent_and_the_first_present_visit(begins, gap, missing, seed):
    whole = her(*(Onset(c, a, a) for c, a in zip((A, B), begins, strict=False)))
    seen = observe(whole, Calendar((gap,), missing_otherwise=missing), np.random.default_rng(seed))
    assert not seen.sampled
    assert all(70 <= v <= 80 for v in seen.visits)
    assert seen.exit_age == seen.visits[-1]
    for onset in seen.onsets:
        true = next(o.age for o in whole.onsets if o.cui == onset.cui)
        assert onset.age in seen.visits
        assert true <= onset.age
        if onset.after is not None:
            assert onset.after in seen.visits
            assert onset.after < true
    for absence in seen.absences:
        assert absence.age < next(o.age for o in whole.onsets if o.cui == absence.cui)


def test_a_symptom_that_is_away_at_a_visit_is_absent_there():
    away = (Remission(A, 73.0, 77.0),)
    seen = observe(her(Onset(A, 71.0, 71.0), remissions=away), Calendar((2.0,)), np.random.default_rng(0))
    assert seen.onsets[0].age == 72.0
    assert [a.age for a in seen.absences] == [70.0, 74.0, 76.0]


def test_what_is_present_at_the_first_visit_has_no_age_of_absence():
    seen = observe(her(Onset(A, 70.0, 70.0)), Calendar((1.0,)), np.random.default_rng(0))
    assert seen.onsets[0].after is None


def test_items_that_never_began_are_absent_and_missing_ones_are_not_seen():
    seen = observe(her(), Calendar((5.0,)), np.random.default_rng(0), items=[A])
    assert [a.age for a in seen.absences] == [70.0, 75.0, 80.0]
    never = observe(her(Onset(A, 71.0, 71.0)), Calendar((1.0,), missing={A: 1.0}), np.random.default_rng(0))
    assert never.onsets == never.absences == ()


def test_death_stays_known_and_stages_are_dated_at_visits():
    seen = observe(her(died=True), Calendar((3.0,)), np.random.default_rng(0))
    assert seen.exit_age == 80.0
    assert [(s.stage, s.age) for s in seen.stages] == [("mci", 70.0), ("mild", 76.0)]


def test_a_calendar_is_read_from_a_real_cohort_and_nonsense_is_refused():
    real = [
        Trajectory("a", Persona(), 70, 75, visits=(70.0, 72.0, 75.0)),
        Trajectory("b", Persona(), 70, 70, visits=(70.0,)),
    ]
    assert Calendar.of(real).gaps == (2.0, 3.0)
    with pytest.raises(ConfigError, match="nobody"):
        Calendar.of(real[1:])
    with pytest.raises(ConfigError, match="gaps"):
        Calendar((0.0,))
    with pytest.raises(ConfigError, match="shares"):
        Calendar(dropout=2.0)


def test_a_cohort_is_observed_lazily_and_again_the_same():
    cohort = [her(Onset(A, 72.0, 72.0))] * 3
    first = list(observed(cohort, Calendar((1.0, 2.0), dropout=0.1), np.random.default_rng(4)))
    assert first == list(observed(cohort, Calendar((1.0, 2.0), dropout=0.1), np.random.default_rng(4)))
