"""One write of the Neo4j store as statements within one transaction; knows the transaction only by its `run`."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from graph_loaders.schema import NodeType
from graph_loaders.stores import neo4j_statements as text
from graph_loaders.stores.batch import loose
from ontology.errors import SourceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from graph_loaders.elements import Edge, GraphElements, Node

__all__ = ["Transaction", "claim", "drop", "drop_part", "refuse_later", "write"]

BATCH = 10_000
"""Rows of one UNWIND."""

_COHORT = str(NodeType.COHORT)


class Transaction(Protocol):
    """What is used of the driver's transaction."""

    def run(self, query: str, parameters: dict[str, Any] | None = None, **kwparameters: Any) -> Any:
        """Sends one statement."""
        ...


def claim(tx: Transaction, graph: str, address: object) -> None:
    """Makes the node of the graph where there is none, and locks it until the transaction ends: one writer at a time."""
    row = tx.run(
        f"MERGE (g:{text.CONTROL} {{name: $graph}}) ON CREATE SET g.format = $format, g.version = 0 "
        "SET g.version = g.version + 1 RETURN g.format AS format",
        graph=graph,
        format=text.FORMAT_VERSION,
    ).single()
    refuse_later(row["format"], address)


def refuse_later(found: object, address: object) -> None:
    """SourceError for a graph that a later version has written."""
    if found != text.FORMAT_VERSION:
        raise SourceError(
            f"a graph of format {found}, and this version reads format {text.FORMAT_VERSION}; update DualAlign",
            str(address),
        )


def drop(tx: Transaction, graph: str, cohort: str) -> None:
    """Removes a cohort: its edges and its node."""
    for statement in text.delete_owned():
        tx.run(statement, graph=graph, cohort=cohort).consume()


def drop_part(tx: Transaction, *, graph: str, label: str) -> int:
    """Removes some of the graph's nodes of a label, with their edges; 0 when none is left."""
    deleted: int = tx.run(text.delete_graph(label), graph=graph, most=BATCH).single()["deleted"]
    return deleted


def write(tx: Transaction, graph: str, batch: GraphElements, replace: str, address: object) -> None:
    """Everything of one write; the caller commits."""
    claim(tx, graph, address)
    if replace:
        drop(tx, graph, replace)
    nodes = [node for node in batch.nodes if node.label != _COHORT]
    _write_nodes(tx, graph, nodes)
    _refuse_loose(tx, graph, batch, address)
    shown, hidden = _write_cohorts(tx, graph, batch)
    _write_edges(tx, graph, batch, shown, hidden)


def _write_nodes(tx: Transaction, graph: str, nodes: Iterable[Node], scope: str = "_graph") -> None:
    groups: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        groups[node.label].append(node)
    for label, group in groups.items():
        names = _names(node.properties for node in group)
        statement = text.merge_nodes(label, names, scope)
        rows = ([node.key, *map(node.properties.get, names)] for node in group)
        for part in _parts(rows):
            tx.run(statement, graph=graph, rows=part).consume()


def _refuse_loose(tx: Transaction, graph: str, batch: GraphElements, address: object) -> None:
    """An edge needs its nodes; a Cohort node alone may come later, as the commit of its cohort."""
    there = {(node.label, node.key) for node in batch.nodes}
    needed: dict[tuple[str, str], Edge] = {}
    for edge in batch.edges:
        for end in (edge.start, edge.end):
            if end not in there and end[0] != _COHORT:
                needed.setdefault((str(end[0]), end[1]), edge)
    labels: dict[str, list[str]] = defaultdict(list)
    for label, key in needed:
        labels[label].append(key)
    for label, keys in labels.items():
        for part in _parts(keys):
            for row in tx.run(text.missing_nodes(label), graph=graph, keys=part):
                end = (label, row["key"])
                raise loose(needed[end], end, address)


def _write_cohorts(tx: Transaction, graph: str, batch: GraphElements) -> tuple[set[str], set[str]]:
    """Cohort nodes, and stand-ins for those that only edges speak of. The names that may be seen, and the others."""
    shown, hidden, waiting = set[str](), set[str](), set[str]()
    found = tx.run(
        f"MATCH (c:{_COHORT}) WHERE (c._graph = $graph OR c._hidden = $graph) AND c.id IS NOT NULL "
        "RETURN c.id AS key, c._graph IS NOT NULL AS shown, c._placeholder IS NOT NULL AS waiting",
        graph=graph,
    )
    for row in found:
        (shown if row["shown"] else hidden).add(row["key"])
        if row["waiting"]:
            waiting.add(row["key"])
    for node in batch.nodes:
        if node.label != _COHORT:
            continue
        seen = not node.properties.get("private", False)
        was = True if node.key in shown else False if node.key in hidden else None
        if was is not None and was != seen:
            old, new = ("_graph", "_hidden") if was else ("_hidden", "_graph")
            tx.run(
                f"MATCH (c:{_COHORT} {{{old}: $graph, id: $cohort}}) SET c.{new} = $graph REMOVE c.{old}",
                graph=graph,
                cohort=node.key,
            ).consume()
        (shown if seen else hidden).add(node.key)
        (hidden if seen else shown).discard(node.key)
        waiting.discard(node.key)
        _write_nodes(tx, graph, [node], "_graph" if seen else "_hidden")
        if was != seen:
            for statement in text.show_owned(seen=seen):
                tx.run(statement, graph=graph, cohort=node.key, shown=sorted(shown)).consume()
    needed = {edge.start[1] for edge in batch.edges if edge.start[0] == _COHORT} - shown - hidden
    rows = [[key, True] for key in sorted(needed)]
    if rows:
        tx.run(text.merge_nodes(_COHORT, ("_placeholder",), "_hidden"), graph=graph, rows=rows).consume()
    return shown, hidden | needed


def _write_edges(tx: Transaction, graph: str, batch: GraphElements, shown: set[str], hidden: set[str]) -> None:
    groups: dict[tuple[str, str, str, str, str], list[Edge]] = defaultdict(list)
    for edge in batch.edges:
        cohort = edge.properties.get("cohort") or None
        start_scope = "_hidden" if edge.start[0] == _COHORT and edge.start[1] in hidden else "_graph"
        seen = start_scope == "_graph" and (cohort is None or cohort in shown)
        scope = "_graph" if seen else "_hidden"
        groups[str(edge.type), str(edge.start[0]), str(edge.end[0]), scope, start_scope].append(edge)
    for (kind, start, end, scope, start_scope), group in groups.items():
        names = _names(edge.properties for edge in group)
        statement = text.merge_edges(kind, start, end, names, scope, start_scope)
        rows = ([edge.start[1], edge.end[1], edge.key, *map(edge.properties.get, names)] for edge in group)
        for part in _parts(rows):
            written = tx.run(statement, graph=graph, rows=part).single()["written"]
            if written != len(part):
                raise StoreError(f"{written} of {len(part)} edges of type {kind} found their nodes; load it again")


def _names(properties: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted({name for each in properties for name in each}))


def _parts(rows: Iterable[Any]) -> Iterator[list[Any]]:
    rows = iter(rows)
    while part := list(islice(rows, BATCH)):
        yield part
