"""Graphs in other programs' forms: networkx, RDF (Turtle), GraphML, JSON. The first two come back without loss."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.persons import refuse_persons
from graph_loaders.schema import place
from ontology.errors import SourceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import networkx as nx
    import rdflib

__all__ = ["from_networkx", "from_rdf", "to_json", "to_networkx", "to_rdf", "write_graphml", "write_turtle"]


def to_networkx(elements: GraphElements) -> nx.MultiDiGraph[str]:
    """A `MultiDiGraph`: a node's id is its key, and its attributes are `label` and the properties; an edge's key is
    (type, key), and its attributes are `type` and the properties. Linear in the elements.

    Raises:
        StoreError: one key stands under two labels, or an edge has no node.

    >>> graph = to_networkx(GraphElements.of([Node("Concept", "C0002395", {"name": "Alzheimer's disease"})]))
    >>> graph.nodes["C0002395"]["name"]
    "Alzheimer's disease"
    """
    import networkx as nx

    refuse_persons(elements, "exported")
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for node in elements.nodes:
        if node.key in graph:
            other = graph.nodes[node.key]["label"]
            raise StoreError(
                f"the key {node.key!r} stands under {other} and {node.label}: give one of them another key"
            )
        graph.add_node(node.key, label=str(node.label), **_copied(node.properties))
    for edge in elements.edges:
        _refuse_loose(edge, {end: graph.nodes[end[1]]["label"] for end in (edge.start, edge.end) if end[1] in graph})
        key = (str(edge.type), edge.key)
        graph.add_edge(edge.start[1], edge.end[1], key=key, type=str(edge.type), **_copied(edge.properties))
    return graph


def from_networkx(graph: nx.MultiDiGraph[str]) -> GraphElements:
    """The elements of a graph that `to_networkx` made, or one of the same form.

    Raises:
        SourceError: a node without `label`, or an edge whose key is not (type, key).
    """
    found: list[Node | Edge] = []
    labels: dict[str, str] = {}
    for key, data in graph.nodes(data=True):
        if "label" not in data:
            raise SourceError(f"node {key!r} has no attribute 'label'", "networkx graph")
        labels[key] = data["label"]
        found.append(Node(data["label"], key, {name: value for name, value in data.items() if name != "label"}))
    for start, end, name, data in graph.edges(keys=True, data=True):
        if not (isinstance(name, tuple) and len(name) == 2):  # noqa: PLR2004 -- a pair
            raise SourceError(
                f"the edge from {start!r} to {end!r} has the key {name!r}, not (type, key)", "networkx graph"
            )
        properties = {attribute: value for attribute, value in data.items() if attribute != "type"}
        found.append(Edge(name[0], (labels[start], start), (labels[end], end), name[1], properties))
    return GraphElements.of(found)


def _copied(properties: Mapping[str, Any]) -> dict[str, Any]:
    """So that a change of the graph is none of the elements."""
    return {name: list(value) if isinstance(value, list) else value for name, value in properties.items()}


def _refuse_loose(edge: Edge, there: Mapping[tuple[str, str], str]) -> None:
    for end in (edge.start, edge.end):
        if there.get(end) != end[0]:
            raise StoreError(f"{place(edge)} has no node {' '.join(end)}: add the node")


# XML 1.0 has no way to write these.
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_graphml(elements: GraphElements, path: str | Path) -> None:
    """GraphML, for Gephi, yEd and Cytoscape: lists become JSON text, characters that XML cannot hold become U+FFFD.

    Raises:
        StoreError: the file cannot be written.
    """
    import networkx as nx

    refuse_persons(elements, "exported")
    flat: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for node in elements.nodes:
        flat.add_node(_xml(node.key), label=str(node.label), **_flat(node.properties))
    for edge in elements.edges:
        ends = (_xml(edge.start[1]), _xml(edge.end[1]))
        flat.add_edge(*ends, type=str(edge.type), edge_key=_xml(edge.key), **_flat(edge.properties))
    text = "\n".join(nx.generate_graphml(flat, named_key_ids=True))
    try:
        Path(path).write_text(f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n', encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} was not written: {error.strerror}") from None


def _flat(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _xml(json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value)
        for name, value in properties.items()
    }


def _xml(value: Any) -> Any:
    return _NOT_IN_XML.sub("\ufffd", value) if isinstance(value, str) else value


def to_json(elements: GraphElements) -> dict[str, Any]:
    """Node-link JSON as networkx and D3 read it (`nx.node_link_graph(data, edges="links")`).

    >>> to_json(GraphElements.of([Node("Death", "death")]))["nodes"]
    [{'id': 'death', 'label': 'Death'}]
    """
    refuse_persons(elements, "exported")
    return {
        "directed": True,
        "multigraph": True,
        "graph": {"fingerprint": elements.fingerprint},
        "nodes": [{**_copied(n.properties), "id": n.key, "label": str(n.label)} for n in elements.nodes],
        "links": [
            {
                **_copied(e.properties),
                "source": e.start[1],
                "target": e.end[1],
                "key": f"{e.type} {e.key}".rstrip(),
                "type": str(e.type),
            }
            for e in elements.edges
        ],
    }


_OURS = "urn:dualalign:"
_PREFIXES = frozenset({"da", "umls", "skos", "rdf", "property"})
_LOCAL = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_CUI = re.compile(r"C\d{7}")


def to_rdf(elements: GraphElements) -> rdflib.Graph:
    """RDF: a concept is a `skos:Concept` at `urn:umls:CUI` with `skos:prefLabel`, `skos:definition` and `skos:broader`;
    every edge is one triple of its type and one `rdf:Statement` that carries its key and properties.

    All else is in our own words, `urn:dualalign:`. `graph.serialize("ad.ttl")` writes Turtle; lists are JSON text.

    >>> graph = to_rdf(GraphElements.of([Node("Concept", "C0002395", {"name": "Alzheimer's disease"})]))
    >>> print(graph.serialize(format="turtle").strip().splitlines()[-1].strip())
    skos:prefLabel "Alzheimer's disease" .
    """
    import rdflib
    from rdflib.namespace import RDF, SKOS

    refuse_persons(elements, "exported")
    graph = rdflib.Graph()
    graph.bind("da", _OURS)
    graph.bind("umls", "urn:umls:")
    graph.bind("property", f"{_OURS}property:")
    graph.bind("skos", SKOS)
    for node in elements.nodes:
        iri = rdflib.URIRef(_iri(node.label, node.key))
        graph.add((iri, RDF.type, rdflib.URIRef(_OURS + node.label)))
        if node.label == "Concept":
            graph.add((iri, RDF.type, SKOS.Concept))
            graph.add((iri, SKOS.notation, rdflib.Literal(node.key)))
        for name, value in node.properties.items():
            graph.add((iri, _predicate(node.label, name), _literal(value)))
    for edge in elements.edges:
        start, end = (rdflib.URIRef(_iri(*point)) for point in (edge.start, edge.end))
        kind = rdflib.URIRef(_OURS + edge.type)
        name = ":".join(quote(part, safe="") for part in (edge.type, *edge.start, *edge.end, edge.key))
        statement = rdflib.URIRef(f"{_OURS}edge:{name}")
        graph.add((start, kind, end))
        if edge.type == "IS_A":
            graph.add((start, SKOS.broader, end))
        graph.add((statement, RDF.type, RDF.Statement))
        graph.add((statement, RDF.subject, start))
        graph.add((statement, RDF.predicate, kind))
        graph.add((statement, RDF.object, end))
        for attribute, value in edge.properties.items():
            graph.add((statement, _predicate("", attribute), _literal(value)))
    return graph


def write_turtle(elements: GraphElements, path: str | Path) -> None:
    """Turtle, a block a subject in order; rdflib's own writer takes ten times as long for a graph of 26,000 edges.

    Raises:
        StoreError: the file cannot be written.
    """
    import rdflib

    graph = to_rdf(elements)
    spaces = sorted(((str(name), prefix) for prefix, name in graph.namespaces() if prefix in _PREFIXES), reverse=True)
    names: dict[rdflib.term.Node, str] = {}

    def word(term: rdflib.term.Node) -> str:
        if isinstance(term, rdflib.Literal):
            return term.n3()
        if term not in names:  # rdflib's own look-up of a prefix costs a millisecond for each new IRI
            iri = str(term)
            found = ((prefix, iri.removeprefix(name)) for name, prefix in spaces if iri.startswith(name))
            names[term] = next((f"{prefix}:{local}" for prefix, local in found if _LOCAL.fullmatch(local)), f"<{iri}>")
        return names[term]

    blocks: dict[str, list[str]] = {}
    for subject, predicate, value in graph:
        blocks.setdefault(word(subject), []).append(f"{word(predicate)} {word(value)}")
    prefixes = "\n".join(f"@prefix {prefix}: <{name}> ." for name, prefix in sorted(spaces))
    between = " ;\n    "
    body = "\n".join(f"{subject} {between.join(sorted(lines))} ." for subject, lines in sorted(blocks.items()))
    try:
        Path(path).write_text(f"{prefixes}\n\n{body}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} was not written: {error.strerror}") from None


def from_rdf(graph: rdflib.Graph) -> GraphElements:
    """The elements of a graph that `to_rdf` made, also after it was written and read again; other triples are left out.

    Raises:
        SourceError: an edge statement whose name was not made by `to_rdf`.
    """
    import rdflib
    from rdflib.namespace import RDF

    found: list[Node | Edge] = []
    for subject, kind in graph.subject_objects(RDF.type):
        if kind == RDF.Statement and str(subject).startswith(f"{_OURS}edge:"):
            parts = [unquote(part) for part in str(subject).removeprefix(f"{_OURS}edge:").split(":")]
            if len(parts) != 6:  # noqa: PLR2004 -- type, two ends of two parts, key
                raise SourceError(f"not the name of an edge: {subject}", "RDF graph")
            properties = _properties(graph, subject, "")
            found.append(Edge(parts[0], (parts[1], parts[2]), (parts[3], parts[4]), parts[5], properties))
        elif isinstance(kind, rdflib.URIRef) and str(kind).startswith(_OURS):
            label = str(kind).removeprefix(_OURS)
            found.append(Node(label, _key(label, str(subject)), _properties(graph, subject, label)))
    return GraphElements.of(found)


def _iri(label: str, key: str) -> str:
    if label == "Concept" and _CUI.fullmatch(key):
        return f"urn:umls:{key}"
    return f"{_OURS}{label}:{quote(key, safe='')}"


def _key(label: str, iri: str) -> str:
    return (
        iri.removeprefix("urn:umls:") if iri.startswith("urn:umls:") else unquote(iri.removeprefix(f"{_OURS}{label}:"))
    )


def _predicate(label: str, name: str) -> rdflib.URIRef:
    import rdflib
    from rdflib.namespace import SKOS

    if label == "Concept" and name in {"name", "definition"}:
        return SKOS.prefLabel if name == "name" else SKOS.definition
    return rdflib.URIRef(f"{_OURS}property:{quote(name, safe='')}")


def _literal(value: Any) -> rdflib.Literal:
    """Floats as decimals with every digit (rdflib writes doubles with six in Turtle), lists as JSON."""
    import rdflib
    from rdflib.namespace import RDF, XSD

    if isinstance(value, bool):
        return rdflib.Literal("true" if value else "false", datatype=XSD.boolean)
    if isinstance(value, int):
        return rdflib.Literal(str(value), datatype=XSD.integer)
    if isinstance(value, float):
        return rdflib.Literal(f"{Decimal(repr(float(value))):f}", datatype=XSD.decimal, normalize=False)
    if isinstance(value, list):
        return rdflib.Literal(json.dumps(value), datatype=RDF.JSON, normalize=False)
    return rdflib.Literal(value)


def _properties(graph: rdflib.Graph, subject: rdflib.term.Node, label: str) -> dict[str, Any]:
    import rdflib
    from rdflib.namespace import RDF, SKOS, XSD

    names: dict[str, str] = {}
    if label == "Concept":
        names = {str(SKOS.prefLabel): "name", str(SKOS.definition): "definition"}
    read: dict[str, Callable[[str], Any]] = {
        str(XSD.boolean): lambda text: text == "true",
        str(XSD.integer): int,
        str(XSD.decimal): float,
        str(RDF.JSON): json.loads,
    }
    properties: dict[str, Any] = {}
    for predicate, value in graph.predicate_objects(subject):
        name = names.get(str(predicate))
        if name is None and str(predicate).startswith(f"{_OURS}property:"):
            name = unquote(str(predicate).removeprefix(f"{_OURS}property:"))
        if name is not None and isinstance(value, rdflib.Literal):
            properties[name] = read.get(str(value.datatype), str)(str(value))
    return properties
