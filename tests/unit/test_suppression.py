"""What was withheld cannot be worked out from what was released."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graph_loaders.disclosure import bin_bounds, bounds
from graph_loaders.elements import Edge, GraphElements
from graph_loaders.estimate import estimate
from graph_loaders.margins import Counts
from graph_loaders.partition import CELLS, boxes, grouped, pool_bins
from graph_loaders.suppression import suppress
from ontology.errors import ConfigError
from ontology.pack import load_pack
from random_cohorts import events_of, people, private, random_private

LEAST = 11


def attacked(graph: GraphElements, shown: Counts):
    """Exact bounds of what is not shown, and the truth."""
    truth = Counts.of(graph, "c")
    return {cell: (low, high, truth.values.get(cell, 0)) for cell, (low, high) in bounds(shown).items()}


@pytest.mark.parametrize("seed", range(12))
def test_no_withheld_count_of_a_random_graph_is_recovered(seed):
    graph = random_private(np.random.default_rng(seed))
    truth = Counts.of(graph, "c")
    shown = Counts.of(GraphElements.of([*graph.nodes, *suppress(graph, "c", LEAST).edges]), "c", truth.events)
    assert all(truth.values[cell] == value >= LEAST for cell, value in shown.values.items())
    for cell, (low, high, value) in attacked(graph, shown).items():
        assert low <= value <= high, cell
        assert high - low >= LEAST - 1, cell


@pytest.mark.parametrize("seed", range(6))
def test_what_is_known_to_hold_holds_in_every_cohort(seed):
    counts = Counts.of(random_private(np.random.default_rng(seed)), "c")
    for rule in counts.rules():
        total = sum(weight * counts.values.get(cell, 0) for cell, weight in rule.weights.items())
        assert rule.low <= total <= rule.high, rule


def test_the_attack_recovers_what_primary_suppression_alone_leaves_open():
    found = 0
    for seed in range(8):
        graph = random_private(np.random.default_rng(seed))
        naive = Counts.of(graph, "c")
        naive.values = {cell: value for cell, value in naive.values.items() if value >= LEAST}
        found += sum(high == low == value > 0 for low, high, value in attacked(graph, naive).values())
    assert found >= 3


def test_a_count_that_no_cohort_could_have_is_called_changed():
    counts = Counts(20, ("C1", "C2"), {("before", "start", "C1"): 21})
    with pytest.raises(ConfigError, match="changed after its release"):
        bounds(counts)


def test_histograms_show_no_small_bin_and_add_up():
    rng = np.random.default_rng(1)
    for _ in range(200):
        counts = rng.integers(0, 30, 8).tolist()
        bins, edges = pool_bins(counts, list(range(8)), LEAST)
        assert sum(bins) in {sum(counts), 0}
        assert all(v == 0 or v >= LEAST for v in bins)
        assert len(bins) == len(edges)
        assert sorted(set(edges)) == edges


def test_time_at_risk_limits_what_pooled_bins_hide():
    assert bin_bounds([12], [0], [0, 3652], 1000.0) == [(0, 12), (0, 12)]
    assert bin_bounds([12], [0], [0, 3652], 20.0) == [(10, 12), (0, 2)]


def test_boxes_cover_every_cell_once_and_cut_sex_everywhere_or_nowhere():
    rng = np.random.default_rng(2)
    for most in (1, 3, 12, 60):
        events = rng.integers(0, most, CELLS).astype(float)
        found = boxes(lambda box, events=events: bool(events[box].sum() >= LEAST))
        covered = np.zeros(CELLS)
        for box in found:
            covered[box] += 1
        assert (covered == 1).all() or not found
        assert len({box[1].stop - box[1].start for box in found}) <= 1
        sums, groups = grouped(events, found)
        assert not found or sums.sum() == events.sum()
        assert len(set(groups)) == max(len(found), 1)


def test_observed_cells_are_large_or_surely_many_persons_at_risk():
    graph = random_private(np.random.default_rng(11))
    for edge in suppress(graph, "c", LEAST).edges:
        if edge.type == "OBSERVED":
            assert all(v == 0 or v >= LEAST for v in edge.properties["events_by_cell"])
            assert "events_by_age" not in edge.properties


def test_coefficients_leave_only_where_every_count_behind_them_is_large():
    rng = np.random.default_rng(5)
    events = events_of(4)
    persons = people(rng, 400, events)
    graph = private(persons, events)
    fitted = [e for e in estimate(persons, load_pack(), "c", events) if e.type == "ESTIMATES"]
    graph = GraphElements.of([*graph, *(e for e in fitted if e.end[0] == "Concept")])
    found = suppress(graph, "c", LEAST)
    pairs = {(e.start[1], e.end[1]) for e in found.edges if e.type == "PRECEDES" and "persons" in e.properties}
    kept = [e for e in found.edges if e.type == "ESTIMATES"]
    assert kept
    assert not any(set(e.properties) & {"events_by_age", "years_by_age", "events", "remission"} for e in kept)
    for edge in kept:
        names = edge.properties["features"]
        information = np.array(edge.properties["information"]).reshape(len(names), -1)
        binary = [i for i, n in enumerate(names) if ":" in n]
        for i in binary:
            assert information[0, i] >= LEAST - 0.01
            assert information[0, 0] - information[0, i] >= LEAST - 0.01
            assert not names[i].startswith("after:") or (names[i][6:], edge.end[1]) in pairs
            for j in binary:
                assert i == j or information[i, j] >= LEAST - 0.01


def test_cells_that_do_not_fit_the_pairs_are_withheld():
    graph = random_private(np.random.default_rng(3))
    changed = [
        replace(e, properties={**e.properties, "events_by_cell": [9] * 112}) if e.type == "OBSERVED" else e
        for e in graph.edges
    ]
    found = suppress(GraphElements(graph.nodes, tuple(changed)), "c", LEAST)
    assert not [e for e in found.edges if e.type == "OBSERVED"]


def test_a_cohort_of_ten_persons_is_refused():
    events = events_of(2)
    with pytest.raises(ConfigError, match="fewer than 11 persons"):
        suppress(private(people(np.random.default_rng(1), 10, events), events), "c", LEAST)


def test_an_edge_that_shows_nothing_is_gone():
    graph = random_private(np.random.default_rng(0))
    for edge in suppress(graph, "c", LEAST).edges:
        assert isinstance(edge, Edge)
        assert edge.type != "PRECEDES" or {"persons", "same_visit"} & set(edge.properties)
