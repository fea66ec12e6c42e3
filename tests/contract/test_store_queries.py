"""What every store answers to Cypher: the same query, the same rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from graph_loaders.elements import Edge, Node
from graph_loaders.schema import EDGES, NODES
from ontology.errors import QueryRefused
from store_graphs import FACTS, GRAPH, A, cohort

if TYPE_CHECKING:
    from graph_loaders.stores import GraphStore


def test_the_query_of_the_guide_answers(store: GraphStore) -> None:
    store.write(GRAPH)
    rows = store.query(
        "MATCH (a:Concept)-[p:PRECEDES]->(b) WHERE a.cui = $cui RETURN b.name, p.persons ORDER BY p.key", cui="C0085632"
    )
    assert rows == [
        {"b.name": A.properties["name"], "p.persons": None},
        {"b.name": A.properties["name"], "p.persons": 7},
    ]


def test_every_property_of_every_element_can_be_queried(store: GraphStore) -> None:
    store.write(GRAPH)
    for node in GRAPH.nodes:
        returned = ", ".join(["n.id AS id", *(f"n.{key} AS {key}" for key in node.properties)])
        rows = store.query(f"MATCH (n:{node.label}) WHERE n.id = $key RETURN {returned}", key=node.key)
        assert rows == [{"id": node.key, **node.properties}]
    for edge in GRAPH.edges:
        returned = ", ".join(["e.key AS key", *(f"e.{key} AS {key}" for key in edge.properties)])
        rows = store.query(
            f"MATCH (a)-[e:{edge.type}]->(b) WHERE a.id = $a AND b.id = $b AND e.key = $key RETURN {returned}",
            a=edge.start[1],
            b=edge.end[1],
            key=edge.key,
        )
        assert rows == [{"key": edge.key, **edge.properties}]


def test_a_missing_property_is_null(store: GraphStore) -> None:
    store.write([Node("Concept", "C0000001"), Node("Stage", "stage:mild", {"ordinal": 1})])
    assert store.query("MATCH (n:Concept) RETURN n.name AS name, n.definition AS d") == [{"name": None, "d": None}]
    assert store.query("MATCH (n:Stage) RETURN n.name AS name, n.ordinal AS o") == [{"name": None, "o": 1}]


def test_every_label_and_type_of_the_schema_can_be_filled_and_queried(store: GraphStore) -> None:
    nodes = {label: Node(label, f"the {label}") for label, shape in NODES.items() if not shape.private}
    edges = [
        Edge(kind, (shape.starts[0], f"the {shape.starts[0]}"), (shape.ends[-1], f"the {shape.ends[-1]}"))
        for kind, shape in EDGES.items()
    ]
    store.write([*nodes.values(), *edges])
    for label in nodes:
        assert store.query(f"MATCH (n:{label}) RETURN n.id AS id") == [{"id": f"the {label}"}]
    for edge in edges:
        rows = store.query(f"MATCH (a)-[e:{edge.type}]->(b) RETURN a.id AS a, b.id AS b, type(e) AS type")
        assert rows == [{"a": edge.start[1], "b": edge.end[1], "type": edge.type}]
    assert store.query("MATCH ()-[e:IS_A|IN]->() RETURN count(e) AS n") == [{"n": 2}]


def test_edges_between_the_same_nodes_are_all_there(store: GraphStore) -> None:
    store.write([*FACTS, *(element for k in range(5) for element in cohort(f"c{k}", persons=k))])
    rows = store.query("MATCH (:Concept)-[p:PRECEDES]->(:Concept) RETURN p.key AS key, p.persons AS n ORDER BY key")
    assert [row["key"] for row in rows] == ["c0", "c1", "c2", "c3", "c4", "fact-1"]
    assert [row["n"] for row in rows] == [0, 1, 2, 3, 4, None]


@pytest.mark.parametrize(
    "text", ['O\'Brien "x"', "line\nbreak\ttab", "`back`", "\\u0027", "$cui", "λ 🧠 ſ", "", "') DELETE n //"]
)
def test_parameters_are_values_whatever_they_say(store: GraphStore, text: str) -> None:
    store.write([Node("Concept", "C0000001", {"name": text}), Node("Concept", "C0000002", {"name": "other"})])
    assert store.query("MATCH (n:Concept) WHERE n.name = $name RETURN n.cui AS cui", name=text) == [{"cui": "C0000001"}]
    assert store.query("RETURN $x AS x", x={"a": [1, 2.5, None, True, text]}) == [
        {"x": {"a": [1, 2.5, None, True, text]}}
    ]


def test_queries_see_what_was_written_since(store: GraphStore) -> None:
    count = "MATCH (n:Concept) RETURN count(n) AS n"
    assert store.query(count) == [{"n": 0}]
    store.write(FACTS)
    assert store.query(count) == [{"n": 2}]


def test_too_many_rows_are_refused_with_the_way_out(store: GraphStore) -> None:
    store.write(FACTS)
    with pytest.raises(QueryRefused, match="2 rows, more than 1: add LIMIT"):
        store.query("MATCH (n:Concept) RETURN n", limit=1)
    assert len(store.query("MATCH (n:Concept) RETURN n", limit=2)) == 2


def test_a_slow_query_is_ended_and_the_next_one_answered(store: GraphStore) -> None:
    nodes = [Node("Concept", f"C{i:07d}") for i in range(60)]
    edges = [Edge("IS_A", ("Concept", a.key), ("Concept", b.key)) for a in nodes for b in nodes if a is not b]
    store.write([*nodes, *edges])
    store.query("RETURN 1 AS x")
    start = time.perf_counter()
    with pytest.raises(QueryRefused, match=r"longer than 0.5 s"):
        store.query("MATCH (a)-[*]->(b) RETURN count(b)", timeout=0.5)
    assert time.perf_counter() - start < 10
    assert store.query("MATCH (n) RETURN count(n) AS n") == [{"n": 60}]


def test_a_query_that_cannot_run_says_why_in_one_line(store: GraphStore) -> None:
    with pytest.raises(QueryRefused, match="the query cannot run") as caught:
        store.query("MATCH (n RETURN n)")
    assert "\n" not in str(caught.value)


def test_nodes_edges_and_paths_have_one_form(store: GraphStore) -> None:
    store.write(GRAPH)
    a = {"id": A.key, "labels": ["Concept"], "properties": {"id": A.key, "cui": A.key, **A.properties}}
    paquid = {"id": "paquid", "labels": ["Cohort"], "properties": {"id": "paquid", "persons": 7, "source": "test"}}
    estimate = next(edge for edge in GRAPH.edges if edge.type == "ESTIMATES")
    edge = {
        "start": "paquid",
        "end": A.key,
        "type": "ESTIMATES",
        "properties": {"key": "paquid", **estimate.properties},
    }
    assert store.query("MATCH (n:Concept) WHERE n.cui = $cui RETURN n", cui=A.key) == [{"n": a}]
    assert store.query("MATCH ()-[e:ESTIMATES]->() RETURN e, [e] AS es") == [{"e": edge, "es": [edge]}]
    assert store.query("MATCH p = (:Cohort)-[e]->() RETURN p") == [
        {"p": {"nodes": [paquid, a], "relationships": [edge]}}
    ]
    assert store.query("MATCH (n:Cohort) RETURN properties(n), n {.*} AS m, labels(n)") == [
        {"properties(n)": paquid["properties"], "m": paquid["properties"], "labels(n)": ["Cohort"]}
    ]
    ((name, keys),) = store.query("MATCH (n:Cohort) RETURN keys(n)")[0].items()
    assert (name, sorted(keys)) == ("keys(n)", ["id", "persons", "source"])


def test_shortest_paths_are_found(store: GraphStore) -> None:
    nodes = [Node("Concept", f"C{i}") for i in range(4)]
    store.write([*nodes, *(Edge("IS_A", ("Concept", f"C{i}"), ("Concept", f"C{i + 1}")) for i in range(3))])
    ends = "(a:Concept {id: 'C0'})-[:IS_A*..5]->(b:Concept {id: 'C3'})"
    assert store.query(f"MATCH p = shortestPath({ends}) RETURN length(p) AS n") == [{"n": 3}]


@pytest.mark.parametrize("function", ["id", "elementId", "startNode", "endNode"])
def test_functions_that_stores_answer_differently_are_refused(store: GraphStore, function: str) -> None:
    with pytest.raises(QueryRefused, match=rf"{function}\(\) at character"):
        store.query(f"MATCH (a)-[e]->() RETURN {function}(e) AS x")
