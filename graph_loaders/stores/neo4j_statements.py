"""The Cypher of the Neo4j store, made from the schema: labels, types and property names are the schema's, never data.

How a graph lies in a database that others use too:

    (:DualAlign {name, format, version})      one a graph; every write locks it and raises `version`
    (:Concept {_graph, id, cui, ...})         a node: its schema label, the graph's name, its key
    -[:PRECEDES {_graph, key, ...}]->         an edge: its schema type, the graph's name, its key
    (:Cohort {_hidden, id, ...})              a private cohort, and its edges, carry `_hidden` in place of `_graph`; so do
                                              edges that came before their Cohort node, which `_placeholder` stands for

So what carries `_graph` is what may be seen, and queries ask for nothing else. Nodes are unique by (`_graph`, `id`) within
their label, by constraint; edges are merged between two such nodes, which Neo4j locks.
"""

from __future__ import annotations

from functools import cache

from graph_loaders.schema import EDGES, NODES, NodeType

__all__ = [
    "CONSTRAINTS",
    "CONTROL",
    "FORMAT_VERSION",
    "INDEXES",
    "delete_graph",
    "delete_owned",
    "merge_edges",
    "merge_nodes",
    "missing_nodes",
    "read_edges",
    "read_nodes",
    "show_owned",
]

FORMAT_VERSION = 1
"""Raised when what is described above changes."""

CONTROL = "DualAlign"
"""The label of the node that stands for a graph."""

CONSTRAINTS: dict[tuple[str, tuple[str, ...]], str] = {
    (
        label,
        names,
    ): f"CREATE CONSTRAINT dualalign_{label.lower()}{names[0] if names[0] == '_hidden' else ''} IF NOT EXISTS "
    f"FOR (n:`{label}`) REQUIRE ({', '.join(f'n.{name}' for name in names)}) IS UNIQUE"
    for label, names in (
        (CONTROL, ("name",)),
        *((str(label), ("_graph", "id")) for label in NODES),
        (str(NodeType.COHORT), ("_hidden", "id")),
    )
}
"""(label, properties) to the statement that makes the constraint; there before any data."""

INDEXES = (f"CREATE INDEX dualalign_concept_cui IF NOT EXISTS FOR (n:`{NodeType.CONCEPT}`) ON (n._graph, n.cui)",)
"""For the queries that people write: `WHERE a.cui = $cui`."""

_STARTS = tuple(dict.fromkeys(str(start) for shape in EDGES.values() for start in shape.starts))
_ANYWHERE = "(a._graph = $graph OR a._hidden = $graph)"


def _map(names: tuple[str, ...], first: int) -> str:
    return "".join(f", `{name}`: r[{first + i}]" for i, name in enumerate(names))


@cache
def merge_nodes(label: str, names: tuple[str, ...], scope: str = "_graph") -> str:
    """Rows of [key, *properties]; a property that is null is left out, one that is not named goes."""
    cui = ", cui: r[0]" if label == NodeType.CONCEPT else ""
    return (
        f"UNWIND $rows AS r MERGE (n:`{label}` {{{scope}: $graph, id: r[0]}}) "
        f"SET n = {{{scope}: $graph, id: r[0]{cui}{_map(names, 1)}}}"
    )


@cache
def merge_edges(kind: str, start: str, end: str, names: tuple[str, ...], scope: str, start_scope: str) -> str:
    """Rows of [start key, end key, key, *properties]; answers how many were written."""
    return (
        f"UNWIND $rows AS r MATCH (a:`{start}` {{{start_scope}: $graph, id: r[0]}}) "
        f"MATCH (b:`{end}` {{_graph: $graph, id: r[1]}}) "
        f"MERGE (a)-[e:`{kind}` {{key: r[2]}}]->(b) "
        f"SET e = {{{scope}: $graph, key: r[2]{_map(names, 3)}}} RETURN count(*) AS written"
    )


@cache
def missing_nodes(label: str) -> str:
    """The first of `$keys` that the graph has no node for."""
    return (
        f"UNWIND $keys AS key OPTIONAL MATCH (n:`{label}` {{_graph: $graph, id: key}}) "
        "WITH key, n WHERE n IS NULL RETURN key LIMIT 1"
    )


def _owned(start: str) -> str:
    return (
        f"MATCH (a:`{start}`)-[e]->() WHERE {_ANYWHERE} AND a.id IS NOT NULL "
        f"AND (e._graph = $graph OR e._hidden = $graph) AND "
        + ("(a.id = $cohort OR e.cohort = $cohort)" if start == NodeType.COHORT else "e.cohort = $cohort")
    )


def delete_owned() -> tuple[str, ...]:
    """Removes the edges of `$cohort`, then its node."""
    node = f"MATCH (a:`{NodeType.COHORT}` {{id: $cohort}}) WHERE {_ANYWHERE} DETACH DELETE a"
    return (*(f"{_owned(start)} DELETE e" for start in _STARTS), node)


def show_owned(*, seen: bool) -> tuple[str, ...]:
    """Shows or hides the edges of `$cohort`; an edge of two cohorts shows when both do (`$shown`)."""
    if not seen:
        return tuple(f"{_owned(start)} SET e._hidden = $graph REMOVE e._graph" for start in _STARTS)
    both = "coalesce(e.cohort, $cohort) IN $shown"
    with_node = f"{both} AND a.id IN $shown"
    return tuple(
        f"{_owned(start)} AND {with_node if start == NodeType.COHORT else both} SET e._graph = $graph REMOVE e._hidden"
        for start in _STARTS
    )


def _union(parts: list[str]) -> str:
    return " UNION ALL ".join(parts)


@cache
def read_nodes(*, private: bool) -> str:
    """Rows of label, key, properties."""
    hidden = f" OR (n:`{NodeType.COHORT}` AND n._hidden = $graph AND n._placeholder IS NULL)" if private else ""
    return _union(
        [
            f"MATCH (n:`{label}`) WHERE (n._graph = $graph{hidden if label == NodeType.COHORT else ''}) AND n.id IS NOT NULL "
            f"RETURN '{label}' AS label, n.id AS key, properties(n) AS properties"
            for label in NODES
        ]
    )


@cache
def read_edges(*, private: bool) -> str:
    """Rows of type, start label and key, labels of the end, its key, properties."""
    scope = "(e._graph = $graph OR e._hidden = $graph)" if private else "e._graph = $graph"
    return _union(
        [
            f"MATCH (a:`{start}`)-[e]->(b) WHERE {_ANYWHERE if start == NodeType.COHORT else 'a._graph = $graph'} "
            f"AND a.id IS NOT NULL AND {scope} "
            f"RETURN type(e) AS type, '{start}' AS label, a.id AS start, labels(b) AS ends, b.id AS end, "
            "properties(e) AS properties"
            for start in _STARTS
        ]
    )


def delete_graph(label: str) -> str:
    """Removes up to `$most` nodes of a label, with their edges; answers how many."""
    return (
        f"MATCH (a:`{label}`) WHERE {_ANYWHERE} AND a.id IS NOT NULL WITH a LIMIT $most "
        "DETACH DELETE a RETURN count(*) AS deleted"
    )
