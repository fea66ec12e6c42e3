"""Invariants of graphs as values: order, sums, fingerprints, and every form they go through."""

from __future__ import annotations

import json
from typing import Any

import rdflib
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_loaders.elements import Edge, GraphElements, Node, canonical_json, misfit
from graph_loaders.interchange import from_networkx, from_rdf, to_networkx, to_rdf
from graph_loaders.schema import EDGES, GAP_BINS_DAYS, NODES, NodeType, check
from graph_loaders.stores import SqliteStore

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": text,
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "list[str]": st.lists(text, max_size=3),
    "list[int]": st.lists(st.integers(-(2**63), 2**63 - 1), min_size=8, max_size=8),
    "list[float]": st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=8, max_size=8),
}


def properties(draw: st.DrawFn, declared: dict[str, str]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(declared)), unique=True, max_size=4)) if declared else []
    drawn = {name: draw(VALUES[declared[name]]) for name in names if name not in {"cohort", "private"}}
    if "gap_bins" in drawn:  # not any numbers: the bins that a histogram was pooled into
        drawn["gap_bins"] = list(GAP_BINS_DAYS)
    cells = {name: value * 14 for name, value in drawn.items() if name.endswith("_by_cell") or name == "cell_groups"}
    return {**drawn, **cells}  # a value for each of eight age bands and 14 groups


@st.composite
def graphs(draw: st.DrawFn) -> GraphElements:
    """Graphs of the schema: keys unique across labels, edges with their nodes."""
    keys = draw(st.lists(text.filter(bool), unique=True, max_size=6))
    nodes = []
    for key in keys:
        label = draw(st.sampled_from([label for label, shape in NODES.items() if not shape.private]))
        nodes.append(Node(label.value, key, properties(draw, NODES[label].properties)))
    edges = {}
    for kind, shape in EDGES.items():
        starts = [(n.label, n.key) for n in nodes if n.label in shape.starts]
        ends = [(n.label, n.key) for n in nodes if n.label in shape.ends]
        for _ in range(draw(st.integers(0, 2)) if starts and ends else 0):
            start, end = draw(st.sampled_from(starts)), draw(st.sampled_from(ends))
            edge = Edge(kind.value, start, end, draw(text), properties(draw, shape.properties))
            edges[edge.type, edge.start, edge.end, edge.key] = edge
    return GraphElements.of([*nodes, *edges.values()])


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_of_building_does_not_matter(graph: GraphElements, random: Any) -> None:
    shuffled = list(graph)
    random.shuffle(shuffled)
    again = GraphElements.of([*shuffled, *shuffled])
    assert again == graph
    assert again.fingerprint == graph.fingerprint


@given(graphs())
def test_a_graph_added_to_itself_or_to_nothing_is_itself(graph: GraphElements) -> None:
    assert graph + graph == graph
    assert graph + GraphElements() == graph == GraphElements() + graph


@given(graphs(), graphs())
def test_other_graphs_have_other_fingerprints(one: GraphElements, other: GraphElements) -> None:
    if one != other:
        assert one.fingerprint != other.fingerprint


@given(graphs())
def test_graphs_of_the_schema_pass_its_check(graph: GraphElements) -> None:
    assert check(graph) == ()


@given(graphs())
def test_networkx_and_back_is_the_identity(graph: GraphElements) -> None:
    assert from_networkx(to_networkx(graph)).fingerprint == graph.fingerprint


@settings(max_examples=50)
@given(graphs())
def test_rdf_and_back_is_the_identity(graph: GraphElements) -> None:
    assert from_rdf(to_rdf(graph)).fingerprint == graph.fingerprint
    turtle = to_rdf(graph).serialize(format="turtle")
    assert from_rdf(rdflib.Graph().parse(data=turtle, format="turtle")).fingerprint == graph.fingerprint


@given(graphs())
def test_a_store_gives_back_what_it_got(graph: GraphElements) -> None:
    with SqliteStore() as store:
        store.write(graph)
        store.write(graph)
        again = store.read()
        assert again.fingerprint == graph.fingerprint
        assert again == graph


@given(graphs())
def test_dropping_every_cohort_leaves_no_trace_of_one(graph: GraphElements) -> None:
    cohorts = {node.key for node in graph.nodes if node.label == NodeType.COHORT}
    with SqliteStore() as store:
        store.write(graph)
        for cohort in cohorts:
            store.drop(cohort)
        left = store.read()
    assert all(node.label != NodeType.COHORT for node in left.nodes)
    assert left.nodes == tuple(n for n in graph.nodes if n.label != NodeType.COHORT)
    assert [e for e in left.edges if NodeType.COHORT in (e.start[0], e.end[0])] == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists, max_leaves=5
    )
)
def test_a_value_is_a_misfit_or_comes_back_from_json(value: Any) -> None:
    if not misfit(value):
        line = canonical_json(Node("Concept", "C0000001", {"name": value}))
        line.encode()
        assert json.loads(line)["properties"]["name"] == value
        assert "NaN" not in line or "NaN" in str(value)
