"""Graphs in other programs' forms, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import networkx as nx
import pytest
import rdflib
from rdflib.namespace import RDF, SKOS

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.interchange import from_networkx, from_rdf, to_json, to_networkx, to_rdf, write_graphml, write_turtle
from ontology.errors import SourceError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

A, B = ("Concept", "C0002395"), ("Concept", "C0085632")
GRAPH = GraphElements.of(
    [
        Node(
            *A,
            {
                "name": "Alzheimer's disease",
                "definition": 'A "disease"\nof the brain',
                "types": ["T047"],
                "remits": False,
            },
        ),
        Node(*B, {"name": "Apathy — λ 🧠 \x01", "types": []}),
        Node("Demographic", "sex:female", {"name": "female", "share": 0.1 + 0.2}),
        Node("Cohort", "a cohort: 50% <x>", {"persons": 3, "person_years": 1e22}),
        Edge("PRECEDES", B, A, "one", {"persons": 2, "gap_days": [1, 0, 0, 0, 0, 0, 0, 1], "log_ratio": -1e-300}),
        Edge("PRECEDES", B, A, "two", {"persons": 5}),
        Edge("PRECEDES", B, B, "", {}),
        Edge("IS_A", A, B, "hpo:1 / 2", {"source": "hpo"}),
    ]
)


def test_networkx_has_every_edge_and_comes_back() -> None:
    graph = to_networkx(GRAPH)
    assert isinstance(graph, nx.MultiDiGraph)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (4, 4)
    assert graph.nodes["C0002395"]["label"] == "Concept"
    assert graph.edges["C0085632", "C0002395", ("PRECEDES", "two")] == {"type": "PRECEDES", "persons": 5}
    assert from_networkx(graph) == GRAPH


def test_changing_the_networkx_graph_does_not_change_the_elements() -> None:
    graph = to_networkx(GRAPH)
    graph.nodes["C0002395"]["types"].append("T999")
    assert GRAPH.nodes[1].properties["types"] == ["T047"]


def test_one_key_under_two_labels_is_refused() -> None:
    with pytest.raises(StoreError, match="'death' stands under Death and Stage"):
        to_networkx(GraphElements.of([Node("Stage", "death"), Node("Death", "death")]))


def test_an_edge_without_its_node_is_refused() -> None:
    with pytest.raises(StoreError, match="has no node Concept C0085632"):
        to_networkx(GraphElements.of([Node(*A), Edge("IS_A", A, B)]))


def test_a_networkx_graph_of_another_form_is_refused() -> None:
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    graph.add_node("a")
    with pytest.raises(SourceError, match="node 'a' has no attribute 'label'"):
        from_networkx(graph)
    graph.nodes["a"]["label"] = "Concept"
    graph.add_edge("a", "a")
    with pytest.raises(SourceError, match=r"has the key 0, not \(type, key\)"):
        from_networkx(graph)


def test_rdf_speaks_skos_and_comes_back_through_turtle() -> None:
    graph = to_rdf(GRAPH)
    concept = rdflib.URIRef("urn:umls:C0002395")
    assert (concept, RDF.type, SKOS.Concept) in graph
    assert str(graph.value(concept, SKOS.prefLabel)) == "Alzheimer's disease"
    assert (concept, SKOS.broader, rdflib.URIRef("urn:umls:C0085632")) in graph
    assert from_rdf(graph) == GRAPH
    turtle = graph.serialize(format="turtle")
    again = rdflib.Graph().parse(data=turtle, format="turtle")
    assert from_rdf(again) == GRAPH
    assert from_rdf(again).fingerprint == GRAPH.fingerprint


def test_rdf_leaves_out_what_others_added() -> None:
    graph = to_rdf(GRAPH)
    graph.add((rdflib.URIRef("urn:umls:C0002395"), SKOS.altLabel, rdflib.Literal("AD")))
    graph.add((rdflib.URIRef("http://example.org/x"), RDF.type, SKOS.Concept))
    assert from_rdf(graph) == GRAPH
    graph.add((rdflib.URIRef("urn:dualalign:edge:IS_A:x"), RDF.type, RDF.Statement))
    with pytest.raises(SourceError, match="not the name of an edge"):
        from_rdf(graph)


def test_graphml_is_read_by_networkx(tmp_path: Path) -> None:
    path = tmp_path / "ad.graphml"
    write_graphml(GRAPH, path)
    graph = nx.read_graphml(path, force_multigraph=True)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (4, 4)
    assert graph.nodes["C0085632"]["name"] == "Apathy — λ 🧠 \ufffd"
    assert graph.nodes["sex:female"]["share"] == pytest.approx(0.3)
    gaps = [json.loads(data["gap_days"]) for _, _, data in graph.edges(data=True) if "gap_days" in data]
    assert gaps == [[1, 0, 0, 0, 0, 0, 0, 1]]


def test_graphml_into_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="was not written: No such file"):
        write_graphml(GRAPH, tmp_path / "no" / "ad.graphml")


def test_json_is_node_link_data() -> None:
    data = json.loads(json.dumps(to_json(GRAPH)))
    graph = nx.node_link_graph(data, edges="links")
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (4, 4)
    assert data["graph"]["fingerprint"] == GRAPH.fingerprint
    assert {data["key"] for data in data["links"]} == {"IS_A hpo:1 / 2", "PRECEDES", "PRECEDES one", "PRECEDES two"}


def test_an_empty_graph_goes_everywhere(tmp_path: Path) -> None:
    empty = GraphElements()
    assert from_networkx(to_networkx(empty)) == empty
    assert from_rdf(to_rdf(empty)) == empty
    write_graphml(empty, tmp_path / "empty.graphml")
    assert nx.read_graphml(tmp_path / "empty.graphml").number_of_nodes() == 0


def test_turtle_reads_back_as_the_same_graph(tmp_path: Path) -> None:
    write_turtle(GRAPH, tmp_path / "g.ttl")
    text = (tmp_path / "g.ttl").read_text(encoding="utf-8")
    assert from_rdf(rdflib.Graph().parse(data=text, format="turtle")) == GRAPH
    assert "umls:C0002395 a " in text or "umls:C0002395 da:" in text
    with pytest.raises(StoreError, match="was not written"):
        write_turtle(GRAPH, tmp_path / "no" / "g.ttl")
