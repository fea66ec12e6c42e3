"""The writes of the Neo4j store, as functions over a transaction of which they know only `run`.

A small write is one transaction. A large one would not fit into the memory of one, so it goes in parts: nodes and facts as
they come, the edges of cohorts aside (`staged`), and all that makes a cohort visible in one last transaction. Killed before that
it leaves nothing to be seen, and the same load goes on from what is there.
"""

from __future__ import annotations

import hashlib
import marshal
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Protocol

from graph_loaders.elements import Edge
from graph_loaders.schema import NodeType
from graph_loaders.stores import neo4j_statements as text
from graph_loaders.stores.batch import loose
from ontology.errors import SourceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from graph_loaders.elements import GraphElements, Node

__all__ = [
    "BATCH",
    "ONE_TRANSACTION",
    "Overtaken",
    "Transaction",
    "Writing",
    "claim",
    "drop",
    "drop_part",
    "refuse_later",
]

BATCH = 20_000
"""Rows of one UNWIND, and of one transaction of a large load."""

ONE_TRANSACTION = 40_000
"""Elements that are written in one transaction: 1.3 to 2.5 kB of the server's memory each."""

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
        tx.run(statement, graph=graph, hidden=text.hidden(graph), cohort=cohort).consume()


def drop_part(tx: Transaction, *, graph: str, label: str) -> int:
    """Removes some of the graph's nodes of a label, with their edges; 0 when none is left."""
    statement = text.delete_graph(label)
    deleted: int = tx.run(statement, graph=graph, hidden=text.hidden(graph), most=BATCH // 4).single()["deleted"]
    return deleted


@dataclass(frozen=True, slots=True)
class _Group:
    """Edges that one statement writes."""

    kind: str
    start: str
    end: str
    edges: list[Edge]
    starts: str = ""  # the scope of the start nodes, where it is not the graph

    def parts(self, *, moves: bool = True) -> Iterator[_Part]:
        """Statements with their rows: the edges of one start node go together, so that it is looked up once."""
        names = _names(edge.properties for edge in self.edges)
        statement = text.merge_edges(self.kind, self.start, self.end, names, moves=moves)
        for part in _parts(self.edges):
            rows = [
                [key, [[e.end[1], e.key, *map(e.properties.get, names)] for e in edges]]
                for key, edges in groupby(part, lambda edge: edge.start[1])
            ]
            yield _Part(self, statement, rows, len(part))


@dataclass(frozen=True, slots=True)
class _Part:
    """One statement of a group, with so many edges."""

    group: _Group
    statement: str
    rows: list[list[Any]]
    edges: int


class Overtaken(StoreError):
    """Another load made a cohort visible, or took edges away, while this one was under way; the same load may begin again."""


class Writing:
    """One write of `batch` to `graph`: `whole` in one transaction, or `staged` in several."""

    def __init__(self, graph: str, batch: GraphElements, replace: str, address: object) -> None:
        self.graph, self.hidden, self.replace, self.address = graph, text.hidden(graph), replace, address
        self.batch = batch
        self.nodes = [node for node in batch.nodes if node.label != _COHORT]
        self.cohorts = [node for node in batch.nodes if node.label == _COHORT]

    # In one transaction

    def whole(self, tx: Transaction) -> None:
        """Everything; the caller commits."""
        claim(tx, self.graph, self.address)
        if self.replace:
            drop(tx, self.graph, self.replace)
        for statement, rows in self._node_parts():
            self._run(tx, statement, rows=rows).consume()
        self._refuse_loose(tx)
        shown, hidden = self._cohorts(tx)
        for scope, groups in self._scoped(self.batch.edges, shown, hidden):
            for part in _all_parts(groups):
                self._merge(tx, part, scope)

    # In several

    def staged(self, work: Callable[[Callable[[Transaction], Any]], Any]) -> None:
        """Everything, with `work` running one transaction after the other; the last one makes cohorts visible."""
        free, late, aside = list[Edge](), list[Edge](), list[Edge]()
        for edge in self.batch.edges:
            kind = late if edge.start[0] == _COHORT else aside if edge.properties.get("cohort") else free
            kind.append(edge)
        waiting = [part for group in _groups(aside) for part in group.parts(moves=False)]
        scope = text.STAGED + _digest(waiting)
        self._unstage(work, aside, scope)
        for statement, rows in self._node_parts():
            work(partial(self._write_nodes, statement=statement, rows=rows))
        work(self._refuse_loose)
        for part in _all_parts(_groups(free)):
            work(partial(self._write_edges, part=part))
        for part in waiting:
            work(partial(self._merge, part=part, scope=scope))
        work(partial(self._publish, late=late, waiting=waiting, scope=scope))

    def _write_nodes(self, tx: Transaction, statement: str, rows: list[Any]) -> None:
        claim(tx, self.graph, self.address)
        self._run(tx, statement, rows=rows).consume()

    def _write_edges(self, tx: Transaction, part: _Part) -> None:
        claim(tx, self.graph, self.address)
        self._merge(tx, part, self.graph)

    def _unstage(self, work: Callable[[Callable[[Transaction], Any]], Any], edges: list[Edge], scope: str) -> None:
        """Removes what other loads of these cohorts left when they were killed."""
        wanted = {
            "cohorts": sorted({str(edge.properties["cohort"]) for edge in edges}),
            "scope": scope,
            "most": BATCH,
        }
        for start in sorted({str(edge.start[0]) for edge in edges}):
            statement = text.unstage(start)
            while work(partial(self._deleted, statement=statement, wanted=wanted)):
                pass

    def _deleted(self, tx: Transaction, statement: str, wanted: dict[str, Any]) -> int:
        deleted: int = self._run(tx, statement, **wanted).single()["deleted"]
        return deleted

    def _publish(self, tx: Transaction, late: list[Edge], waiting: list[_Part], scope: str) -> None:
        """The last transaction: the old cohort out, the new one in."""
        claim(tx, self.graph, self.address)
        if self.replace:
            drop(tx, self.graph, self.replace)
        known = set().union(*self._found(tx))
        shown, hidden = self._cohorts(tx)
        for scoped, groups in self._scoped(late, shown, hidden):
            for part in _all_parts(groups):
                self._merge(tx, part, scoped)
        expected: dict[tuple[str, str], int] = defaultdict(int)
        cohorts = set[object]()
        for part in waiting:
            expected[part.group.kind, part.group.start] += part.edges
            cohorts.update(edge.properties["cohort"] for edge in part.group.edges)
        for (kind, start), count in expected.items():
            if known & cohorts:
                self._run(tx, text.outdate(kind, start), scope=scope).consume()
            found = self._run(tx, text.publish(kind, start), scope=scope, shown=sorted(shown)).single()["published"]
            if found != count:
                raise Overtaken(
                    f"nothing was written to {self.address}: another process loaded the same cohort meanwhile "
                    f"({found} of {count} edges are there); try again",
                    retryable=True,
                )

    # Both

    def _run(self, tx: Transaction, statement: str, **more: Any) -> Any:
        return tx.run(statement, {"graph": self.graph, "hidden": self.hidden, "scope": self.graph} | more)

    def _merge(self, tx: Transaction, part: _Part, scope: str) -> None:
        other = self.hidden if scope == self.graph else self.graph
        starts = part.group.starts or self.graph
        found = self._run(tx, part.statement, starts=starts, scope=scope, other=other, rows=part.rows)
        if (written := found.single()["written"]) != part.edges:
            raise Overtaken(
                f"{self.address} was not written: {written} of {part.edges} edges {part.group.kind} found their nodes, "
                "which another process may have removed; try again",
                retryable=True,
            )

    def _node_parts(self) -> Iterator[tuple[str, list[Any]]]:
        groups: dict[str, list[Node]] = defaultdict(list)
        for node in self.nodes:
            groups[str(node.label)].append(node)
        for label, group in groups.items():
            yield from _node_rows(label, group)

    def _refuse_loose(self, tx: Transaction) -> None:
        """An edge needs its nodes; a Cohort node alone may come later, as the commit of its cohort."""
        there = {(node.label, node.key) for node in self.batch.nodes}
        needed: dict[str, dict[str, Edge]] = defaultdict(dict)
        for edge in self.batch.edges:
            for end in (edge.start, edge.end):
                if end not in there and end[0] != _COHORT:
                    needed[str(end[0])].setdefault(end[1], edge)
        for label, keys in needed.items():
            for part in _parts(keys):
                for row in self._run(tx, text.missing_nodes(label), keys=part):
                    raise loose(keys[row["key"]], (label, row["key"]), self.address)

    def _found(self, tx: Transaction) -> tuple[set[str], set[str]]:
        """The cohorts that may be seen, and the others, stand-ins included; the graph has edges of no other cohort."""
        found = self._run(
            tx,
            f"MATCH (c:{_COHORT}) WHERE c._graph IN [$graph, $hidden] AND c.id IS NOT NULL "
            "RETURN c.id AS key, c._graph = $graph AS shown",
        )
        shown, hidden = set[str](), set[str]()
        for row in found:
            (shown if row["shown"] else hidden).add(row["key"])
        return shown, hidden

    def _cohorts(self, tx: Transaction) -> tuple[set[str], set[str]]:
        """Cohort nodes, and stand-ins for those that only edges speak of. The names that may be seen, and the others."""
        shown, hidden = self._found(tx)
        for node in self.cohorts:
            self._cohort(tx, node, shown, hidden)
        needed = {edge.start[1] for edge in self.batch.edges if edge.start[0] == _COHORT}
        needed |= {str(edge.properties["cohort"]) for edge in self.batch.edges if edge.properties.get("cohort")}
        if needed := needed - shown - hidden:
            rows = [[key, True] for key in sorted(needed)]
            self._run(tx, text.merge_nodes(_COHORT, ("_placeholder",)), scope=self.hidden, rows=rows).consume()
        return shown, hidden | needed

    def _cohort(self, tx: Transaction, node: Node, shown: set[str], hidden: set[str]) -> None:
        """One Cohort node; its edges are shown or hidden with it."""
        seen = not node.properties.get("private", False)
        was = True if node.key in shown else False if node.key in hidden else None
        scope = self.graph if seen else self.hidden
        if was is not None and was != seen:
            moved = f"MATCH (c:{_COHORT} {{_graph: $old, id: $cohort}}) SET c._graph = $scope"
            old = self.hidden if seen else self.graph
            self._run(tx, moved, old=old, scope=scope, cohort=node.key).consume()
        (shown if seen else hidden).add(node.key)
        (hidden if seen else shown).discard(node.key)
        for statement, rows in _node_rows(_COHORT, [node]):
            self._run(tx, statement, rows=rows, scope=scope).consume()
        if was is not None and was != seen:
            for statement in text.show_owned(seen=seen):
                self._run(tx, statement, cohort=node.key, shown=sorted(shown)).consume()

    def _scoped(self, edges: Iterable[Edge], shown: set[str], hidden: set[str]) -> Iterator[tuple[str, list[_Group]]]:
        """Groups of edges with the scope they belong to."""
        scopes: dict[tuple[str, str], list[Edge]] = defaultdict(list)
        for edge in edges:
            cohort = edge.properties.get("cohort")
            starts = self.hidden if edge.start[0] == _COHORT and edge.start[1] in hidden else self.graph
            seen = starts == self.graph and (not cohort or cohort in shown)
            scopes[self.graph if seen else self.hidden, starts].append(edge)
        for (scope, starts), group in scopes.items():
            yield scope, list(_groups(group, starts))


def _groups(edges: Iterable[Edge], starts: str = "") -> Iterator[_Group]:
    groups: dict[tuple[str, str, str], list[Edge]] = defaultdict(list)
    for edge in edges:
        groups[str(edge.type), str(edge.start[0]), str(edge.end[0])].append(edge)
    for (kind, start, end), group in groups.items():
        yield _Group(kind, start, end, group, starts)


def _node_rows(label: str, nodes: list[Node]) -> Iterator[tuple[str, list[Any]]]:
    names = _names(node.properties for node in nodes)
    for part in _parts([node.key, *map(node.properties.get, names)] for node in nodes):
        yield text.merge_nodes(label, names), part


def _all_parts(groups: Iterable[_Group]) -> Iterator[_Part]:
    for group in groups:
        yield from group.parts()


def _digest(parts: list[_Part]) -> str:
    """Names a load by what it writes, so that the same load goes on with what it left, and no other takes it.

    `marshal` in its second version writes the same values as the same bytes, thirty times as fast as JSON; they are not kept.
    """
    digest = hashlib.blake2b(digest_size=5)
    for part in parts:
        digest.update(part.statement.encode())
        digest.update(marshal.dumps(part.rows, 2))
    return digest.hexdigest()


def _names(properties: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted({name for each in properties for name in each}))


def _parts(rows: Iterable[Any]) -> Iterator[list[Any]]:
    rows = iter(rows)
    while part := list(islice(rows, BATCH)):
        yield part
