"""The fit: exact between visits, honest about what it knows, and the same whatever the size of the cohort."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_loaders.estimate import Estimator, estimate
from graph_loaders.estimation import panel as panels
from graph_loaders.estimation.counts import Cells, fit_counts
from graph_loaders.estimation.fit import Fit, Ridge, fit
from graph_loaders.estimation.lattice import Expectation, expect, log_probability
from graph_loaders.estimation.panel import Panel, needs_matrix
from graph_loaders.estimation.remission import fit_remission
from graph_loaders.estimation.scores import FITTED, GOMPERTZ, assign_folds, cross_validate, interval_subsets
from graph_loaders.estimation.simulate import onset_ages, resample
from graph_loaders.trajectory import Absence, Onset, Persona, Presence, Trajectory
from ontology.concept import Cui
from ontology.errors import ConfigError
from ontology.pack import load_pack

EVENTS = tuple(Cui(f"C000000{i}") for i in range(5))
MALE = ["sex:male"]


def cohort(n, rng, theta, needs, *, gap=2.5, visits=5) -> list[Trajectory]:
    """Persons from known rates, seen at visits; what had begun at entry comes from ten years before it."""
    male = rng.random(n) < 0.5
    entry = rng.uniform(65, 80, n)
    calendar = entry[:, None] + np.concatenate(
        [np.zeros((n, 1)), rng.uniform(0.5, 1.5, (n, visits - 1)).cumsum(1) * gap], 1
    )
    fixed = male[:, None].astype(float)
    none = np.zeros((n, len(theta)), bool)
    begun = onset_ages(theta, needs, entry - 10, entry, fixed, none, int(rng.integers(2**31))) < np.inf
    ages = onset_ages(theta, needs, entry, calendar[:, -1], fixed, begun, int(rng.integers(2**31)))
    people = []
    for i in range(n):
        seen = calendar[i]
        onsets = []
        for j in range(len(theta)):
            k = int(np.searchsorted(seen, ages[i, j]))
            if k < visits:
                onsets.append(Onset(EVENTS[j], float(seen[k]), float(seen[k - 1]) if k else None))
        onsets.sort(key=lambda o: (o.age, o.cui))
        persona = Persona({"sex": "male" if male[i] else "female"})
        people.append(
            Trajectory(f"p{i}", persona, seen[0], seen[-1], visits=tuple(seen.tolist()), onsets=tuple(onsets))
        )
    return people


def world(rng, events=4):
    theta = np.zeros((events, 3 + events))
    theta[:, 0], theta[:, 1] = rng.normal(-2.7, 0.4, events), rng.normal(0.5, 0.3, events)
    theta[:, 2], theta[:, 3:] = rng.normal(0, 0.4, events), rng.normal(0, 0.5, (events, events))
    return theta, needs_matrix(EVENTS[:events], {EVENTS[1]: EVENTS[0]})


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_probabilities_of_all_sets_of_new_onsets_sum_to_one(seed):
    rng = np.random.default_rng(seed)
    theta, needs = world(rng, 5)
    panel = Panel(EVENTS, MALE)
    row = np.zeros(1, panel.dtype)[0]
    row["start"], row["fixed"] = rng.uniform(60, 90), rng.integers(0, 2)
    row["end"] = row["start"] + rng.uniform(0.1, 8)
    row["state"] = rng.integers(0, 2, 5)
    found = Fit(EVENTS, ("sex:male",), theta, theta != 0, np.zeros((5, 8, 8)), theta, needs, 0.0, 0, 0.0)
    assert sum(interval_subsets(found, row).values()) == pytest.approx(1, abs=1e-6)


def test_the_expected_score_is_the_slope_of_the_log_probability_and_louis_gives_its_curvature():
    rng = np.random.default_rng(3)
    theta, needs = world(rng)
    rows = Panel.of(cohort(300, rng, theta, needs), EVENTS[:4], MALE).rows()
    found = Expectation(*theta.shape)
    logs = expect(theta, needs, rows, found, missing=1)
    np.testing.assert_allclose(logs, log_probability(theta, needs, rows), atol=1e-9)
    complete, lost = found.symmetric()
    for j, c in ((0, 0), (1, 1), (2, 2), (3, 5)):
        up, down = theta.copy(), theta.copy()
        up[j, c] += 1e-4
        down[j, c] -= 1e-4
        slope = (log_probability(up, needs, rows).sum() - log_probability(down, needs, rows).sum()) / 2e-4
        assert found.score[j, c] == pytest.approx(slope, abs=1e-2)
        scores = [Expectation(*theta.shape) for _ in range(2)]
        for t, s in zip((up, down), scores, strict=True):
            expect(t, needs, rows, s)
        curvature = -(scores[0].score[j, c] - scores[1].score[j, c]) / 2e-4
        assert complete[j, c, c] - lost[j, c, c] == pytest.approx(curvature, rel=0.03)
        assert lost[j, c, c] > 0


@pytest.mark.slow
def test_intervals_of_95_percent_hold_the_truth_90_to_98_times_in_100():
    z = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        theta, needs = world(rng)
        found = fit(Panel.of(cohort(600, rng, theta, needs), EVENTS[:4], MALE), needs)
        sd = np.array([10.0, 2.0, 0.5, *[0.6] * 4])
        for j in range(4):
            at = np.flatnonzero(found.free[j])
            truth = theta[j].copy()
            truth[0] += theta[j, 3 + np.flatnonzero(needs[j])].sum()  # what it needs has always begun
            covariance = np.linalg.inv(found.information[j][np.ix_(at, at)] + np.diag(sd[at] ** -2))
            z += list((found.theta[j] - truth)[at] / np.sqrt(np.diag(covariance)))
    covered = np.mean(np.abs(z) < 1.96)
    assert 0.90 <= covered <= 0.98


def test_a_planted_hazard_ratio_of_two_is_recovered_from_visits():
    rng = np.random.default_rng(5)
    theta, needs = world(rng)
    theta[2, 2] = math.log(2)
    found = fit(Panel.of(cohort(3000, rng, theta, needs), EVENTS[:4], MALE), needs)
    se = math.sqrt(np.linalg.inv(found.information[2][:3, :3])[2, 2])
    assert se < 0.1
    assert found.theta[2, 2] == pytest.approx(math.log(2), abs=2.5 * se)


def test_dating_onsets_at_the_visit_is_worse_than_summing_over_what_was_not_seen():
    rng = np.random.default_rng(8)
    theta, needs = world(rng)
    theta[0, 4:] = 1.0
    panel = Panel.of(cohort(1500, rng, theta, needs, gap=4.0), EVENTS[:4], MALE)
    rows = Panel.of(cohort(1500, rng, theta, needs, gap=4.0), EVENTS[:4], MALE).rows()
    best, dated = fit(panel, needs), fit(panel, needs, dated=True)
    assert log_probability(best.theta, needs, rows).sum() > log_probability(dated.theta, needs, rows).sum() + 20


def test_a_panel_in_a_file_gives_the_same_fit_as_one_in_memory(monkeypatch):
    rng = np.random.default_rng(4)
    theta, needs = world(rng)
    people = cohort(400, rng, theta, needs)
    whole = Panel.of(people, EVENTS[:4], MALE)
    monkeypatch.setattr(panels, "_CHUNK", 128)
    with Panel.of(people, EVENTS[:4], MALE) as filed:
        assert filed._file is not None
        np.testing.assert_array_equal(filed.rows(), whole.rows())
        np.testing.assert_allclose(fit(filed, needs).theta, fit(whole, needs).theta, atol=1e-9)


def test_estimates_of_two_halves_add_up_to_nearly_the_whole():
    rng = np.random.default_rng(6)
    theta, needs = world(rng)
    people = cohort(4000, rng, theta, needs)
    pack = load_pack()
    requires = {EVENTS[1]: EVENTS[0]}

    def told(part):
        edges = estimate(part, pack, "c", EVENTS[:4], requires)
        return next(e.properties for e in edges if e.type == "ESTIMATES" and e.end[1] == EVENTS[2])

    parts = [told(people[:2000]), told(people[2000:]), told(people)]
    features = parts[0]["features"]
    assert all(p["features"] == features for p in parts)
    size = len(features)
    information = [np.reshape(p["information"], (size, size)) for p in parts]
    summed = np.linalg.solve(
        information[0] + information[1],
        sum(i @ p["coefficients"] for i, p in zip(information[:2], parts, strict=False)),
    )
    sd = np.sqrt(np.diag(np.linalg.inv(information[2])))
    assert np.abs(summed - parts[2]["coefficients"]).max() < 0.5 * sd.max()


def test_what_an_event_requires_is_no_feature_of_it_and_an_unseen_event_has_no_estimate():
    rng = np.random.default_rng(2)
    theta, needs = world(rng)
    edges = estimate(cohort(300, rng, theta, needs), load_pack(), "c", EVENTS, {EVENTS[1]: EVENTS[0]})
    told = {e.end[1]: e.properties for e in edges if e.type == "ESTIMATES"}
    assert f"after:{EVENTS[0]}" not in told[EVENTS[1]]["features"]
    assert EVENTS[4] not in told
    assert "death" not in told  # the pack's diagnosis is not among the events


def test_death_is_an_event_where_the_diagnosis_is_known():
    pack, rng = load_pack(), np.random.default_rng(9)
    people = []
    for i in range(2000):
        sick = rng.random() < 0.5
        dies = 70 + rng.exponential(1 / (0.2 if sick else 0.05))
        leaves = min(dies, 75.0)
        visits = tuple(float(v) for v in (70, 72, 74) if v <= leaves)
        onsets = (Onset(pack.diagnosis, 70.0),) if sick else ()
        people.append(Trajectory(f"p{i}", Persona(), 70.0, leaves, died=dies < 75, visits=visits, onsets=onsets))
    edge = next(
        e for e in estimate(people, pack, "c", [pack.diagnosis]) if e.end[1] == "death" and e.type == "ESTIMATES"
    )
    found = dict(zip(edge.properties["features"], edge.properties["coefficients"], strict=True))
    assert found[f"after:{pack.diagnosis}"] == pytest.approx(math.log(4), abs=0.35)


def test_more_onsets_at_one_visit_than_the_lattice_holds_are_sampled():
    events = [f"C{i:07d}" for i in range(10)]
    panel = Panel(events, [])
    rows = np.zeros(2, panel.dtype)
    rows["start"], rows["end"] = 70.0, 73.0
    rows["state"][0, :9] = 2
    theta = np.full((10, 12), 0.05)
    theta[:, 0], theta[:, 1] = -1.5, 0.0
    needs = np.zeros((10, 10), np.bool_)
    found = Expectation(*theta.shape)
    logs = expect(theta, needs, rows, found)
    assert logs[0] == pytest.approx(log_probability(theta, needs, rows)[0], abs=0.2)
    assert np.isfinite(found.score).all()


def test_follow_up_that_ends_before_it_begins_is_refused():
    with pytest.raises(ConfigError, match="p1 leaves at 69"):
        Panel(EVENTS, []).add(Trajectory("p1", Persona(), 70.0, 69.0))


def test_folds_by_person_are_those_of_the_protocol_and_beat_the_baseline_without_history():
    np.testing.assert_array_equal(assign_folds(7, 5, 0), np.random.default_rng(0).permutation(7) % 5)
    rng = np.random.default_rng(1)
    theta, needs = world(rng)
    theta[:, 3:] = 0.9
    found = cross_validate(Panel.of(cohort(300, rng, theta, needs), EVENTS[:4], MALE), needs, chain=False)
    assert found.above(FITTED, GOMPERTZ)[0] > 0
    assert sum(i.log_p[FITTED] for i in found.intervals) == pytest.approx(found.panel[FITTED].sum())
    assert abs(found.expected.mean() - found.seen.mean()) < 0.02


def test_more_folds_than_persons_are_refused():
    panel = Panel.of(cohort(3, np.random.default_rng(1), *world(np.random.default_rng(1))), EVENTS[:4], MALE)
    with pytest.raises(ConfigError, match="5 folds of 3 persons"):
        cross_validate(panel, np.zeros((4, 4), np.bool_))


def test_counts_alone_give_the_count_model():
    rng = np.random.default_rng(7)
    theta, needs = world(rng)
    theta[:, 3:], theta[2, 2] = 0.3, math.log(2)
    people = cohort(6000, rng, theta, needs)
    edges = estimate(people, load_pack(), "c", EVENTS[:4])
    observed = next(e for e in edges if e.type == "OBSERVED" and e.end[1] == EVENTS[2])
    names, coefficients, information = fit_counts(observed, EVENTS[:4])
    found = dict(zip(names, coefficients, strict=True))
    assert found["sex:male"] == pytest.approx(math.log(2), abs=0.15)
    assert found[f"after:{EVENTS[0]}"] == pytest.approx(0.3, abs=0.15)
    assert np.linalg.eigvalsh(information).min() > -1e-6 * np.abs(information).max()


@given(st.integers(1, 60), st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_cells_of_two_cohorts_add_up(cut, seed):
    rng = np.random.default_rng(seed)
    people = cohort(60, rng, *world(rng))
    whole, *parts = (Cells.of(Panel.of(p, EVENTS[:4], MALE)) for p in (people, people[:cut], people[cut:]))
    np.testing.assert_array_equal(whole.events, parts[0].events + parts[1].events)
    np.testing.assert_allclose(whole.years, parts[0].years + parts[1].years)


def test_rates_of_remission_come_from_what_later_visits_recorded():
    rng = np.random.default_rng(3)
    estimator = Estimator(load_pack(), EVENTS[:1])
    for i in range(1500):
        there, records = True, []
        for age in range(71, 78):
            rate = 0.4 if there else 0.15
            share = 0.15 / 0.55
            there = rng.random() < share + ((1 - share) if there else -share) * math.exp(-0.55)
            records.append((there, float(age)))
            del rate
        estimator.add(
            Trajectory(
                f"p{i}", Persona(), 70.0, 77.0, visits=tuple(float(a) for a in range(70, 78)), onsets=(Onset(EVENTS[0], 70.0),),
                absences=tuple(Absence(EVENTS[0], a) for t, a in records if not t),
                presences=tuple(Presence(EVENTS[0], a) for t, a in records if t),
            )
        )  # fmt: skip
    rates, information = fit_remission(estimator.remissions.pairs[0])
    se = np.sqrt(np.diag(np.linalg.inv(information)))
    np.testing.assert_allclose(rates, np.log([0.4, 0.15]), atol=3 * se.max())
    assert se.max() < 0.1


def test_a_person_drawn_again_keeps_visits_and_entry_state():
    rng = np.random.default_rng(2)
    theta, needs = world(rng)
    people = cohort(50, rng, theta, needs)
    found = fit(Panel.of(people, EVENTS[:4], MALE), needs)
    for real, drawn in zip(people, resample(found, people, 1), strict=True):
        assert drawn.visits == real.visits
        assert {o.cui for o in real.onsets if o.age <= real.entry_age} == {
            o.cui for o in drawn.onsets if o.age <= drawn.entry_age
        }
        assert all(o.age in drawn.visits for o in drawn.onsets)
    assert [d.onsets for d in resample(found, people, 5)] == [d.onsets for d in resample(found, people, 5)]


def test_a_looser_ridge_lets_the_data_speak_more():
    rng = np.random.default_rng(2)
    theta, needs = world(rng)
    panel = Panel.of(cohort(200, rng, theta, needs), EVENTS[:4], MALE)
    tight, loose = (fit(panel, needs, Ridge(history=sd)).theta[:, 3:] for sd in (0.1, 2.0))
    assert np.abs(tight).sum() < np.abs(loose).sum()
