"""Noise hides a person: sensitivities hold on neighbouring data, and the stated loss is not passed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta

from graph_loaders.contribution import Bounds
from graph_loaders.elements import GraphElements, Node
from graph_loaders.margins import Counts
from graph_loaders.privacy import GAUSSIAN, LAPLACE, Noise, _agreeing, _noise, noisy
from graph_loaders.trajectory import Onset, Persona, Trajectory
from graph_loaders.verify import verify
from ontology.errors import ConfigError
from random_cohorts import events_of, people, private

EVENTS = events_of(4)
BOUNDS = Bounds(3, 6.0)


def vectors(graph):
    """What gets noise, by group."""
    counts = Counts.of(graph, "c", EVENTS)
    edges = {(e.type, e.start[1], e.end[1]): e.properties for e in graph.edges}
    cells = list(Counts(0, tuple(EVENTS)).cells())
    gaps = [edges.get(("PRECEDES", a, b), {}).get("gap_days", [0] * 8) for kind, a, b in cells if kind == "before"]
    observed = [edges.get(("OBSERVED", "c", e), {}) for e in EVENTS]
    return {
        "persons": np.array([counts.persons]),
        "pairs": np.array([counts.values.get(cell, 0) for cell in cells]),
        "gaps": np.array(gaps).ravel(),
        "events": np.array([o.get("events_by_cell", [0] * 112) for o in observed]).ravel(),
        "years": np.round(np.array([o.get("years_by_cell", [0.0] * 112) for o in observed]).ravel() * 10_000),
    }


def test_one_person_moves_no_group_by_more_than_its_sensitivity():
    rng = np.random.default_rng(1)
    noise = _noise(BOUNDS.most_onsets, BOUNDS.most_years, len(EVENTS), 1.0, 0.0)
    moved = dict.fromkeys(noise, 0.0)
    for _ in range(60):
        persons = people(rng, 8, EVENTS)
        whole, less = (vectors(private(p, EVENTS, bounds=BOUNDS)) for p in (persons, persons[:-1]))
        for group, n in noise.items():
            change = (whole[group] - less[group]).astype(float)
            assert np.abs(change).sum() <= n.l1
            assert math.sqrt((change**2).sum()) <= n.l2
            moved[group] = max(moved[group], np.abs(change).sum() / n.l1)
    assert min(moved.values()) > 0.3  # the bounds are not idle


def test_bounds_hold_a_person_and_are_kept_when_applied_twice():
    rng = np.random.default_rng(2)
    for person in people(rng, 300, EVENTS):
        held = BOUNDS.within(person)
        assert len(held.onsets) <= 3
        assert held.exit_age - held.entry_age <= 6.0 + 1e-9
        assert all(o.age <= held.exit_age for o in held.onsets)
        assert BOUNDS.within(held) == held
    with pytest.raises(ConfigError, match="0 onsets"):
        Bounds(0, 5.0)


@pytest.mark.parametrize("delta", [0.0, 1e-5])
def test_the_groups_together_cost_what_is_stated(delta):
    noise = _noise(5, 20.0, 9, 1.5, delta)
    budget = sum(n.budget for n in noise.values())
    loss = budget if not delta else budget + 2 * math.sqrt(budget * math.log(1 / delta))
    assert loss == pytest.approx(1.5)
    for n in noise.values():
        found = n.add([0] * 4000)
        assert found.std() == pytest.approx(n.sd, rel=0.1)
        assert abs(found.mean()) < 5 * n.sd / math.sqrt(4000)


def epsilon_shown(one: np.ndarray, other: np.ndarray, delta: float) -> float:
    """The largest loss that samples of two neighbours prove: 95 % Clopper-Pearson bounds over all thresholds, both ways."""
    best, cuts = 0.0, np.unique(np.quantile(np.concatenate([one, other]), np.linspace(0.02, 0.98, 25)))
    level = 0.05 / (4 * len(cuts))
    for a, b in ((one, other), (other, one)):
        for cut in cuts:
            for up in (True, False):
                x, y = ((s >= cut).sum() if up else (s < cut).sum() for s in (a, b))
                low = beta.ppf(level, x, len(a) - x + 1) if x else 0.0
                high = beta.ppf(1 - level, y + 1, len(b) - y) if y < len(b) else 1.0
                if low > delta:
                    best = max(best, math.log((low - delta) / high))
    return best


@pytest.mark.parametrize("delta", [0.0, 1e-5])
def test_samples_of_neighbouring_data_stay_inside_epsilon_and_near_it(delta):
    draws, epsilon = 12_000, 1.0
    noise = Noise.of(7, math.sqrt(7), epsilon, delta, 1.0)
    direction = np.ones(7)  # the worst neighbour: every count of the group moves by one
    samples = [noise.add(np.full(draws * 7, base)).reshape(draws, 7) @ direction for base in (100, 101)]
    shown = epsilon_shown(*samples, delta)
    assert shown <= epsilon
    assert shown > 0.1
    weak = Noise.of(1, 0.5, epsilon, delta, 1.0)  # a sensitivity that is too small is found out
    broken = [weak.add(np.full(draws * 7, base)).reshape(draws, 7) @ direction for base in (100, 101)]
    assert epsilon_shown(*broken, delta) > epsilon


@pytest.mark.parametrize(("delta", "mechanism"), [(0.0, LAPLACE), (1e-6, GAUSSIAN)])
def test_a_large_cohort_keeps_its_shape_under_noise(delta, mechanism):
    rng = np.random.default_rng(3)
    persons = people(rng, 1000, EVENTS)
    graph = private(persons * 12, EVENTS, bounds=BOUNDS)
    node = next(n for n in graph.nodes if n.label == "Cohort")
    found = noisy(graph, node, 3.0, delta)
    assert found.properties["mechanism"] == mechanism
    truth = Counts.of(graph, "c").values
    pairs = [e for e in found.edges if e.type == "PRECEDES" and "persons" in e.properties]
    assert len(pairs) >= 10
    for edge in pairs:
        off = edge.properties["persons"] - truth.get(("before", edge.start[1], edge.end[1]), 0)
        assert abs(off) < 12 * found.sds["pairs"]
        assert sum(edge.properties.get("gap_days", [edge.properties["persons"]])) == edge.properties["persons"]
    assert [e for e in found.edges if e.type == "OBSERVED"]
    assert verify(public(graph, found)) == ()


def public(graph, found):
    others = [n for n in graph.nodes if n.label != "Cohort"]
    return GraphElements.of([*others, *found.edges, Node("Cohort", "c", found.properties), Node("Death", "death")])


def test_counts_of_nearly_everybody_never_pass_the_cohort():
    ages = (70.0, 71.0, 72.0, 73.0)
    onsets = tuple(Onset(event, age, age - 1) for event, age in zip(EVENTS, ages[1:], strict=False))
    persons = [
        Trajectory(f"p{i}", Persona({"sex": "male"}), 70.0, 73.0, visits=ages, onsets=onsets) for i in range(400)
    ]
    graph = private(persons, EVENTS, bounds=BOUNDS)
    node = next(n for n in graph.nodes if n.label == "Cohort")
    met = 0
    for _ in range(40):
        found = noisy(graph, node, 1.0, 0.0)
        assert verify(public(graph, found)) == ()
        met += found.properties["persons"] in {e.properties.get("persons") for e in found.edges}
    assert met > 5  # the noise did bring a count above the cohort


@pytest.mark.parametrize(
    ("whole", "parts", "expected"),
    [
        (100, [90, 100], (100, [90, 100])),
        (100, [130, 90], (115, [115, 90])),
        (100, [130, 120, 0], (117, [117, 117, 0])),  # (100 + 130 + 120) / 3
        (-5, [0, 0], (0, [0, 0])),
    ],
)
def test_counts_agree_at_the_nearest_values(whole, parts, expected):
    found, held = _agreeing(whole, 2.0, np.array(parts), 2.0)
    assert (found, held.tolist()) == expected


def test_the_noisier_count_gives_way():
    assert _agreeing(100, 1.0, np.array([200]), 3.0)[0] == 110


def test_noise_is_not_the_same_twice():
    noise = Noise.of(1, 1.0, 0.1, 0.0, 1.0)
    assert noise.add([0] * 50).tolist() != noise.add([0] * 50).tolist()


def test_a_cohort_without_bounds_is_refused_with_the_way_out():
    graph = private(people(np.random.default_rng(1), 20, EVENTS), EVENTS)
    with pytest.raises(ConfigError, match="--most-onsets 8 --most-years 20"):
        noisy(graph, next(n for n in graph.nodes if n.label == "Cohort"), 1.0, 0.0)
