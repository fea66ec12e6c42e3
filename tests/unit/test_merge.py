"""Graphs of several institutions as one."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_loaders.elements import GraphElements, Node
from graph_loaders.estimate import estimate
from graph_loaders.heterogeneity import marginal, pool
from graph_loaders.merge import MERGED, MergeReport, merge, merged, read_mapping
from graph_loaders.release import Terms, released
from graph_loaders.stores.sqlite_store import SqliteStore
from graph_loaders.verify import verify
from ontology.errors import ConfigError, SourceError
from ontology.pack import load_pack
from random_cohorts import events_of, people, private

EVENTS = events_of(4)
PACK = load_pack()


def fitted(persons, cohort):
    graph = private(persons, EVENTS, cohort)
    edges = [e for e in estimate(persons, PACK, cohort, EVENTS) if e.type == "ESTIMATES" and e.end[0] == "Concept"]
    return graph + GraphElements.of(edges)


def counted(graph, cohort):
    keys = ("persons", "same_visit", "gap_days", "person_years")
    return {
        (e.start[1], e.end[1]): tuple(e.properties.get(k) for k in keys)
        for e in graph.edges
        if e.type == "PRECEDES" and e.properties.get("cohort") == cohort
    }


@pytest.fixture(scope="module")
def split():
    """A cohort, and the same persons in five at random."""
    rng = np.random.default_rng(6)
    persons = people(rng, 900, EVENTS)
    part = rng.integers(0, 5, len(persons))
    return fitted(persons, "whole"), [
        fitted([p for p, at in zip(persons, part, strict=True) if at == i], f"site-{i}") for i in range(5)
    ]


@pytest.fixture(scope="module")
def together(split):
    report = MergeReport()
    return merged([(str(i), g) for i, g in enumerate(split[1])], report=report), report


def test_the_counts_of_a_split_cohort_add_up_to_those_of_the_whole(split, together):
    left, right = counted(split[0], "whole"), counted(together[0], MERGED)
    assert left.keys() == right.keys()
    for pair, (persons, same, gaps, years) in left.items():
        assert right[pair][:3] == (persons, same, gaps)
        assert right[pair][3] == pytest.approx(years, abs=5 * 0.5e-4 + 0.5e-4)
    (node,) = (n for n in together[0].nodes if n.key == MERGED)
    assert node.properties["persons"] == together[1].persons == 900
    assert node.properties["members"] == [f"site-{i}" for i in range(5)]
    assert verify(together[0]) == ()


def test_the_cells_of_a_split_cohort_add_up_to_those_of_the_whole(split, together):
    whole = {e.end[1]: e.properties for e in split[0].edges if e.type == "OBSERVED"}
    sums = {e.end[1]: e.properties for e in together[0].edges if e.type == "POOLED"}
    for event, cells in whole.items():
        assert sums[event]["events_by_cell"] == cells["events_by_cell"]
        np.testing.assert_allclose(sums[event]["years_by_cell"], cells["years_by_cell"], atol=3e-4)


def test_pooled_coefficients_of_a_split_cohort_are_those_of_the_whole_within_their_error(split, together):
    whole = {e.end[1]: e.properties for e in split[0].edges if e.type == "ESTIMATES"}
    off = []
    for edge in (e for e in together[0].edges if e.type == "POOLED"):
        names = edge.properties["features"]
        fit = dict(zip(whole[edge.end[1]]["features"], whole[edge.end[1]]["coefficients"], strict=True))
        for name, value, se, k in zip(
            names, *(edge.properties[c] for c in ("coefficients", "se", "cohorts")), strict=True
        ):
            if k == 5:
                off.append((value - fit[name]) / se)
    assert len(off) >= 20
    assert max(map(abs, off)) < 2.5
    assert math.sqrt(np.mean(np.square(off))) < 1.0


def test_merging_is_associative_and_order_free(split):
    parts = [(str(i), g) for i, g in enumerate(split[1][:4])]
    found = merged(parts)
    for order in itertools.islice(itertools.permutations(parts), 0, 24, 7):
        assert merged(order) == found
        assert merged([("ab", merged(order[:2])), ("cd", merged(order[2:]))]) == found
        assert merged([("abc", merged([("ab", merged(order[:2])), order[2]])), order[3]]) == found


def test_released_graphs_merge_over_the_bins_that_all_share(split):
    public = [released(g, Terms())[0] for g in split[1][:3]]
    found = merged([(str(i), g) for i, g in enumerate(public)])
    assert verify(found) == ()
    shown = counted(found, MERGED)
    assert any(gaps is not None and len(gaps) < 8 for _, _, gaps, _ in shown.values())
    assert all(sum(gaps) == persons for persons, _, gaps, _ in shown.values() if gaps)
    pooled = [e.properties for e in found.edges if e.type == "POOLED" and "cell_groups" in e.properties]
    singles = [e.properties for g in public for e in g.edges if e.type == "OBSERVED"]
    assert pooled
    assert sum(sum(p["events_by_cell"]) for p in pooled) == sum(sum(p["events_by_cell"]) for p in singles)
    assert merged([("b", public[1]), ("ca", merged([("c", public[2]), ("a", public[0])]))]) == found


def test_the_same_cohort_twice_is_refused_under_any_name(split):
    one, two = split[1][:2]
    with pytest.raises(ConfigError, match="same cohort"):
        merged([("a", one), ("b", one)])
    with pytest.raises(ConfigError, match="two cohorts of one name"):
        merged([("a", one), ("b", named(two, "site-1", "site-0"))])
    with pytest.raises(ConfigError, match="same cohort"):
        merged([("a", one), ("b", named(one, "site-0", "elsewhere"))])
    with pytest.raises(ConfigError, match="site-0"):
        merged([("ab", merged([("a", one), ("b", two)])), ("a again", one)])


def named(graph, old, new):
    nodes = [Node(n.label, new, n.properties) if n.key == old else n for n in graph.nodes]
    edges = [
        replace(
            e,
            start=(e.start[0], new) if e.start[1] == old else e.start,
            key=new,
            properties={**e.properties, "cohort": new},
        )
        for e in graph.edges
    ]
    return GraphElements.of([*nodes, *edges])


def test_other_packs_are_refused_or_taken_from_one_and_said(split):
    one, two = split[1][:2]
    other = GraphElements.of(
        [
            *(Node(n.label, n.key, {**n.properties, "pack": "older"}) if n.label == "Cohort" else n for n in two.nodes),
            *two.edges,
        ]
    )
    with pytest.raises(ConfigError, match="2 versions of the pack; give --pack"):
        merged([("a", one), ("b", other)])
    report = MergeReport()
    found = merged([("a", one), ("b", other)], pack=PACK, report=report)
    assert verify(found) == ()
    assert any("2 versions" in sentence for sentence in report.said)
    differing = [*two, Node("Category", "label:x", {"name": "x"})]
    facts = [*one, Node("Category", "label:x", {"name": "y"})]
    with pytest.raises(ConfigError, match="different facts"):
        merged([("a", GraphElements.of(facts)), ("b", GraphElements.of(differing))])


def test_a_concept_that_changed_is_mapped_and_two_on_one_are_refused(split, tmp_path):
    one, two = split[1][:2]
    file = tmp_path / "map.csv"
    file.write_text("# retired\nC0000003,C0000009\n")
    report = MergeReport()
    found = merged([("a", one), ("b", two)], mapping=read_mapping(file), report=report)
    assert verify(found) == ()
    assert not [
        e
        for e in found.edges
        if "C0000003" in {e.start[1], e.end[1]} or "after:C0000003" in e.properties.get("features", [])
    ]
    assert report.said == ["a: C0000003 was mapped to C0000009", "b: C0000003 was mapped to C0000009"]
    with pytest.raises(ConfigError, match="two concepts"):
        merged([("a", one), ("b", two)], mapping={"C0000003": "C0000002"})
    file.write_text("C0000003;C0000009\n")
    with pytest.raises(SourceError, match=r"map\.csv:1"):
        read_mapping(file)


def test_private_cohorts_and_single_graphs_are_refused_and_nothing_is_written(split, tmp_path):
    one, two = split[1][:2]
    hidden = GraphElements.of(
        [
            *(Node(n.label, n.key, {**n.properties, "private": True}) if n.label == "Cohort" else n for n in two.nodes),
            *two.edges,
        ]
    )
    with pytest.raises(ConfigError, match="private cohort"):
        merged([("a", one), ("b", hidden)])
    with pytest.raises(ConfigError, match="two or more"):
        merged([("a", one)])
    files = []
    for name, graph in (("a", one), ("b", two)):
        files.append(tmp_path / f"{name}.graph")
        with SqliteStore(files[-1]) as store:
            store.write(graph)
    report = merge(files, tmp_path / "dry.graph", dry_run=True)
    assert not (tmp_path / "dry.graph").exists()
    assert merge(files, tmp_path / "ab.graph").fingerprint == report.fingerprint
    with pytest.raises(ConfigError, match="something at"):
        merge(files, tmp_path / "ab.graph")


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 10)), min_size=1, max_size=8), st.randoms())
@settings(deadline=None)
def test_pooling_is_between_its_values_and_order_free(rows, random):
    found = pool(*zip(*rows, strict=True))
    assert min(v for v, _ in rows) - 1e-9 <= found.value <= max(v for v, _ in rows) + 1e-9
    assert found.se <= math.sqrt(min(v for _, v in rows)) + 1e-12
    assert 0 <= found.i2 <= 1
    assert found.tau >= 0
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert pool(*zip(*shuffled, strict=True)) == found


def test_planted_differences_between_cohorts_are_found():
    rng = np.random.default_rng(8)
    for tau in (0.0, 0.5):
        taus = [
            pool((rng.normal(0.3, tau, 200) + rng.normal(0, 0.2, 200)).tolist(), [0.04] * 200).tau for _ in range(5)
        ]
        assert np.mean(taus) == pytest.approx(tau, abs=0.08)
    with pytest.raises(ValueError, match="nothing to pool"):
        pool([], [])
    assert marginal(np.array([[1.0, 1.0], [1.0, 1.0]])) == [None, None]
