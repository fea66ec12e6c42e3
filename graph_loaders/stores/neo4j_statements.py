"""The Cypher of the Neo4j store, made from the schema: labels, types and property names are the schema's, never data.

How a graph lies in a database that others use too:

    (:DualAlign {name, format, version})      one a graph; every write locks it and raises `version`
    (:Concept {_graph, id, cui, ...})         a node: its schema label, the graph's name, its key
    -[:PRECEDES {_graph, key, ...}]->         an edge: its schema type, the graph's name, its key

What may be seen carries the graph's name in `_graph`, and queries ask for nothing else. The Cohort node of a private cohort carries
`NAME/hidden`, and so do its edges, and those that came before their Cohort node (a node with `_placeholder` stands for it). Edges of
a large load carry `+` and a digest until its last transaction gives them the name. Nodes are unique by (`_graph`, `id`) within
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
    "STAGED",
    "delete_graph",
    "delete_owned",
    "hidden",
    "merge_edges",
    "merge_nodes",
    "missing_nodes",
    "outdate",
    "publish",
    "read_edges",
    "read_nodes",
    "show_owned",
    "unstage",
]

FORMAT_VERSION = 1
"""Raised when what is described above changes."""

CONTROL = "DualAlign"
"""The label of the node that stands for a graph."""

CONSTRAINTS: dict[tuple[str, tuple[str, ...]], str] = {
    (label, names): f"CREATE CONSTRAINT dualalign_{label.lower()} IF NOT EXISTS "
    f"FOR (n:`{label}`) REQUIRE ({', '.join(f'n.{name}' for name in names)}) IS UNIQUE"
    for label, names in ((CONTROL, ("name",)), *((str(label), ("_graph", "id")) for label in NODES))
}
"""(label, properties) to the statement that makes the constraint; there before any data."""

INDEXES = (f"CREATE INDEX dualalign_concept_cui IF NOT EXISTS FOR (n:`{NodeType.CONCEPT}`) ON (n._graph, n.cui)",)
"""For the queries that people write: `WHERE a.cui = $cui`."""

_STARTS = tuple(dict.fromkeys(str(start) for shape in EDGES.values() for start in shape.starts))
_COHORT = str(NodeType.COHORT)


def hidden(graph: str) -> str:
    """What carries this in `_graph` is there, and not seen."""
    return f"{graph}/hidden"


STAGED = "+"
"""What an unfinished load has in `_graph` begins with this, which no name does; short, so that Neo4j keeps it in the record."""


def _map(names: tuple[str, ...], first: int) -> str:
    return "".join(f", `{name}`: r[{first + i}]" for i, name in enumerate(names))


@cache
def merge_nodes(label: str, names: tuple[str, ...]) -> str:
    """Rows of [key, *properties] into `$scope`; a property that is null is left out, one that is not named goes."""
    cui = ", cui: r[0]" if label == NodeType.CONCEPT else ""
    return (
        f"UNWIND $rows AS r MERGE (n:`{label}` {{_graph: $scope, id: r[0]}}) "
        f"SET n = {{_graph: $scope, id: r[0]{cui}{_map(names, 1)}}}"
    )


@cache
def merge_edges(kind: str, start: str, end: str, names: tuple[str, ...], *, moves: bool) -> str:
    """Rows of [start key, [[end key, key, *properties], ...]] into `$scope`, from nodes in `$starts`; answers how many edges.

    `moves`: an edge of that identity in the scope `$other` goes (a fact that becomes a private cohort's, say).
    """
    gone = f"OPTIONAL MATCH (a)-[o:`{kind}` {{_graph: $other, key: r[1]}}]->(b) DELETE o " if moves else ""
    return (
        f"UNWIND $rows AS s MATCH (a:`{start}` {{_graph: $starts, id: s[0]}}) UNWIND s[1] AS r "
        f"MATCH (b:`{end}` {{_graph: $graph, id: r[0]}}) {gone}"
        f"MERGE (a)-[e:`{kind}` {{_graph: $scope, key: r[1]}}]->(b) "
        f"SET e = {{_graph: $scope, key: r[1]{_map(names, 2)}}} RETURN count(*) AS written"
    )


@cache
def missing_nodes(label: str) -> str:
    """The first of `$keys` that the graph has no node for."""
    return (
        f"UNWIND $keys AS key OPTIONAL MATCH (n:`{label}` {{_graph: $graph, id: key}}) "
        "WITH key, n WHERE n IS NULL RETURN key LIMIT 1"
    )


def _edges_from(start: str) -> str:
    """The start of a walk over the graph's edges from nodes of one label."""
    scopes = "a._graph IN [$graph, $hidden]" if start == _COHORT else "a._graph = $graph"
    return f"MATCH (a:`{start}`)-[e]->() WHERE {scopes} AND a.id IS NOT NULL AND "


def _owned(start: str) -> str:
    return "(a.id = $cohort OR e.cohort = $cohort)" if start == _COHORT else "e.cohort = $cohort"


def delete_owned() -> tuple[str, ...]:
    """Removes the edges of `$cohort`, but for those of loads that are not finished, and then its node."""
    node = f"MATCH (a:`{_COHORT}` {{id: $cohort}}) WHERE a._graph IN [$graph, $hidden] DETACH DELETE a"
    seen = "e._graph IN [$graph, $hidden]"
    return (*(f"{_edges_from(start)}{_owned(start)} AND {seen} DELETE e" for start in _STARTS), node)


def show_owned(*, seen: bool) -> tuple[str, ...]:
    """Shows or hides the edges of `$cohort`; an edge of two cohorts shows when both do (`$shown`)."""
    if not seen:
        return tuple(f"{_edges_from(s)}{_owned(s)} AND e._graph = $graph SET e._graph = $hidden" for s in _STARTS)
    both = "e._graph = $hidden AND coalesce(e.cohort, $cohort) IN $shown"
    return tuple(
        f"{_edges_from(start)}{_owned(start)} AND {both}{' AND a.id IN $shown' if start == _COHORT else ''} "
        "SET e._graph = $graph"
        for start in _STARTS
    )


@cache
def unstage(start: str) -> str:
    """Removes up to `$most` edges of unfinished loads of `$cohorts` other than `$scope`; answers how many."""
    return (
        f"{_edges_from(start)}e._graph STARTS WITH '{STAGED}' AND e._graph <> $scope AND e.cohort IN $cohorts "
        "WITH e LIMIT $most DELETE e RETURN count(*) AS deleted"
    )


@cache
def outdate(kind: str, start: str) -> str:
    """Removes the edges that those of the load `$scope` replace."""
    return (
        f"MATCH (a:`{start}`)-[e:`{kind}` {{_graph: $scope}}]->(b) WHERE a._graph = $graph AND a.id IS NOT NULL "
        f"MATCH (a)-[o:`{kind}` {{key: e.key}}]->(b) WHERE o._graph IN [$graph, $hidden] DELETE o"
    )


@cache
def publish(kind: str, start: str) -> str:
    """Gives the edges of the load `$scope` the name under which they stay; answers how many."""
    return (
        f"MATCH (a:`{start}`)-[e:`{kind}` {{_graph: $scope}}]->() WHERE a._graph = $graph AND a.id IS NOT NULL "
        "SET e._graph = CASE WHEN e.cohort IN $shown THEN $graph ELSE $hidden END RETURN count(*) AS published"
    )


@cache
def read_nodes(*, private: bool) -> str:
    """Rows of label, key, properties."""
    also = " OR (n._graph = $hidden AND n._placeholder IS NULL)" if private else ""
    return " UNION ALL ".join(
        f"MATCH (n:`{label}`) WHERE (n._graph = $graph{also if label == NodeType.COHORT else ''}) AND n.id IS NOT NULL "
        f"RETURN '{label}' AS label, n.id AS key, properties(n) AS properties"
        for label in NODES
    )


@cache
def read_edges(*, private: bool) -> str:
    """Rows of type, start label and key, labels of the end, its key, properties."""
    scopes = "e._graph IN [$graph, $hidden]" if private else "e._graph = $graph"
    return " UNION ALL ".join(
        f"{_edges_from(start)}{scopes} RETURN type(e) AS type, '{start}' AS label, a.id AS start, "
        "labels(endNode(e)) AS ends, endNode(e).id AS end, properties(e) AS properties"
        for start in _STARTS
    )


@cache
def delete_graph(label: str) -> str:
    """Removes up to `$most` nodes of a label, with their edges; answers how many."""
    return (
        f"MATCH (a:`{label}`) WHERE a._graph IN [$graph, $hidden] AND a.id IS NOT NULL WITH a LIMIT $most "
        "DETACH DELETE a RETURN count(*) AS deleted"
    )
