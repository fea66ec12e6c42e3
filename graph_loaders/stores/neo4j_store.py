"""`Neo4jStore`: a graph in a Neo4j database, which several graphs and other programs may share. [the only neo4j]."""

from __future__ import annotations

import logging
import re
import time
from collections import OrderedDict
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import neo4j
from neo4j.exceptions import DriverError, GqlError, IncompleteCommit, UnsupportedServerProduct
from neo4j.graph import Node as NeoNode
from neo4j.graph import Path as NeoPath
from neo4j.graph import Relationship as NeoEdge

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.persons import refuse_persons
from graph_loaders.schema import NODES, NodeType
from graph_loaders.stores import neo4j_statements as text
from graph_loaders.stores import neo4j_writing as writing
from graph_loaders.stores.batch import checked
from graph_loaders.stores.cypher import guard
from graph_loaders.stores.cypher_scope import OWN, PARAMETER, scope
from graph_loaders.stores.neo4j_errors import translate
from ontology.errors import ConfigError, MissingGraph, QueryRefused, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from graph_loaders.stores.address import ServerAddress

__all__ = ["OLDEST_SERVER", "Neo4jStore"]

T = TypeVar("T")

OLDEST_SERVER = (5, 13)
"""Constraints on several properties, quantified paths and server codes are as this store needs them from here on."""

logging.getLogger("neo4j").addHandler(logging.NullHandler())
"""The driver warns of what it then raises; who wants its log sets logging up."""

_ATTEMPTS = 5
_FETCH = 5_000
_REMEMBERED = 500
_WRITING = frozenset({"w", "rw", "s"})
_LABELS = frozenset(map(str, NODES))
_FOREIGN = (DriverError, GqlError, UnsupportedServerProduct, OSError)
_SLOW = ("TransactionTimedOut", "TransactionTimedOutClientConfiguration", "Terminated", "LockClientStopped")


class Neo4jStore:
    """The graph `address.graph` on a server; sessions are the driver's, so threads may share it.

    Args:
        address: the server, user, database and name of the graph.
        password: of that user; goes to the driver and is not kept here.
        create: make the graph where there is none, with the constraints that keep its elements unique.
        wait: seconds to reach the server, and to try again what it could not do just now.
        load_timeout: seconds that one write may take, waiting for another writer included.

    Raises:
        ConfigError: a user, password, database or address that the server refuses; a server older than 5.13.
        MissingGraph: no such graph, and `create` is not set.
        StoreError: no server there (retryable).
        SourceError: a graph that a later version of this software has written.
    """

    def __init__(
        self,
        address: ServerAddress,
        password: str,
        *,
        create: bool = False,
        wait: float = 30.0,
        load_timeout: float = 3600.0,
    ) -> None:
        self.address, self._load_timeout = address, load_timeout
        self._allowed: OrderedDict[str, tuple[str, list[str]]] = OrderedDict()
        self._driver: neo4j.Driver | None = None
        try:
            with self._translated("opened"):
                self._driver = neo4j.GraphDatabase.driver(
                    address.uri,
                    auth=(address.user, password),
                    max_transaction_retry_time=wait,
                    connection_timeout=wait,
                    connection_acquisition_timeout=2 * wait,
                    notifications_min_severity="OFF",
                    user_agent="dualalign",
                    telemetry_disabled=True,
                )
                self._refuse_old(self._driver.get_server_info().agent)
                self._open(create=create)
        except BaseException:
            self.close()
            raise

    # Opening

    def _refuse_old(self, agent: str) -> None:
        found = re.fullmatch(r"Neo4j/(\d+)\.(\d+).*", agent)
        if found is None:
            raise ConfigError(f"what answers at {self.address} is {agent!r:.60}; name a Neo4j server of 5.13 or later")
        if (int(found[1]), int(found[2])) < OLDEST_SERVER:
            raise ConfigError(
                f"the server of {self.address} is {agent}, and graphs need Neo4j 5.13 or later; update it or name another"
            )

    def _open(self, *, create: bool) -> None:
        asked = f"MATCH (g:{text.CONTROL} {{name: $graph}}) RETURN g.format AS format"
        found = self._managed(neo4j.READ_ACCESS, lambda tx: tx.run(asked, graph=self.address.graph).single())
        if found is not None:
            writing.refuse_later(found["format"], self.address)
        elif create:
            self._constrain()
            self._work(lambda tx: writing.claim(tx, self.address.graph, self.address))
        else:
            raise MissingGraph(self.address)

    def _constrain(self) -> None:
        """Makes the constraints that are not there; without every one of them nothing is written."""
        with self._session(neo4j.WRITE_ACCESS) as session:
            missing = text.CONSTRAINTS.keys() - self._managed(neo4j.READ_ACCESS, _constraints)
            if not missing:
                return
            try:
                for key in sorted(missing):
                    session.run(text.CONSTRAINTS[key]).consume()
                for statement in text.INDEXES:
                    session.run(statement).consume()
            except GqlError as error:
                if isinstance(error, DriverError):
                    raise
                raise StoreError(
                    f"nothing was written to {self.address}: the server would not make the constraint on "
                    f"{key[0]}({', '.join(key[1])}) ({_said(error)}); let a user who may make it do so, or name another database"
                ) from None
            if missing := text.CONSTRAINTS.keys() - self._managed(neo4j.READ_ACCESS, _constraints):
                names = ", ".join(f"{label}({', '.join(names)})" for label, names in sorted(missing))
                raise StoreError(f"nothing was written to {self.address}: the constraints on {names} are not there")

    # Sessions

    @property
    def _open_driver(self) -> neo4j.Driver:
        if self._driver is None:
            raise StoreError(f"the graph {self.address} is closed; open it again")
        return self._driver

    def _session(self, access: str) -> neo4j.Session:
        return self._open_driver.session(database=self.address.database, default_access_mode=access, fetch_size=_FETCH)

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except _FOREIGN as error:
            raise translate(error, self.address, doing) from None

    def _work(self, function: Callable[[neo4j.ManagedTransaction], T]) -> T:
        """A managed write."""
        return self._managed(neo4j.WRITE_ACCESS, neo4j.unit_of_work(timeout=self._load_timeout)(function))

    def _managed(self, access: str, function: Callable[[neo4j.ManagedTransaction], T]) -> T:
        """A managed transaction; once more where the connection was cut at the commit, since a write twice is a write once."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._session(access) as session:
                    run = session.execute_write if access == neo4j.WRITE_ACCESS else session.execute_read
                    return run(function)
            except IncompleteCommit:
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(0.2 * attempt)
        raise AssertionError

    # The port

    def write(self, elements: Iterable[Node | Edge], *, replace: str = "") -> None:
        """Adds or replaces elements by identity, cohorts all or none; `replace` drops a cohort first.

        Up to 40,000 elements are one transaction. More go in parts of 20,000: nodes and facts are there as they come, the
        cohorts with the last transaction, which alone also drops the replaced one. A load that was cut off shows no cohort,
        and the same load goes on where it was.

        Raises:
            ConfigError: elements that the schema does not have, every one of them named; nothing is written.
            StoreError: an edge without its nodes; no constraints; a server that cannot (retryable where it may later).
        """
        batch = checked(elements, self.address)
        refuse_persons(batch, "kept on a server, which many can read")
        with self._translated("written"):
            self._constrain()
            write = writing.Writing(self.address.graph, batch, replace, self.address)
            small = len(batch.nodes) + len(batch.edges) <= writing.ONE_TRANSACTION
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return self._work(write.whole) if small else write.staged(self._work)
                except (
                    writing.Overtaken
                ):  # so ends, too, a last commit whose answer was lost: it is there, and is written again
                    if attempt == _ATTEMPTS:
                        raise
            return None

    def read(self, *, private: bool = False) -> GraphElements:
        """Everything committed, in canonical order and as of one moment; private cohorts only when asked for."""
        with self._translated("read"):
            for _ in range(_ATTEMPTS):
                before, elements, after = self._managed(neo4j.READ_ACCESS, partial(self._read, private=private))
                if before == after:
                    return elements
        raise StoreError(f"the graph {self.address} changes faster than it can be read; try again", retryable=True)

    def _read(self, tx: neo4j.ManagedTransaction, *, private: bool) -> tuple[object, GraphElements, object]:
        """The elements, between the versions before and after: Neo4j reads what is committed meanwhile."""
        graph = {"graph": self.address.graph, "hidden": text.hidden(self.address.graph)}
        version = f"MATCH (g:{text.CONTROL} {{name: $graph}}) RETURN g.version"
        before = tx.run(version, graph).value()
        nodes = [
            Node(label, key, _without(properties, ("id", "cui") if label == NodeType.CONCEPT else ("id",)))
            for label, key, properties in tx.run(text.read_nodes(private=private), graph)
        ]
        cohorts = {node.key for node in nodes if node.label == NodeType.COHORT}
        edges = [
            Edge(kind, (label, start), (_label(ends), end), properties["key"], _without(properties, ("key",)))
            for kind, label, start, ends, end, properties in tx.run(text.read_edges(private=private), graph)
            if not private or _shown(label, start, properties, cohorts)
        ]
        return before, GraphElements.of([*nodes, *edges]), tx.run(version, graph).value()

    def query(
        self, cypher: str, /, *, timeout: float = 30.0, limit: int = 10_000, **params: Any
    ) -> list[dict[str, Any]]:
        """Rows of a read-only Cypher query over this graph alone; `$name` in it takes the keyword `name`.

        Raises:
            QueryRefused: not read-only, not allowed, wrong, longer than `timeout` seconds, more than `limit` rows.
            StoreError: the server failed.
        """
        safe = guard(cypher, params)
        if PARAMETER in params:
            raise QueryRefused(f"the parameter {PARAMETER} is the store's own; give yours another name")
        values = {**params, PARAMETER: self.address.graph}
        begun = time.monotonic()
        with self._translated("read"):
            try:
                with self._session(neo4j.READ_ACCESS) as session, session.begin_transaction(timeout=timeout) as tx:
                    narrowed, names = self._classified(tx, safe, values)
                    rows = [record.values() for record in islice(tx.run(narrowed, values), limit + 1)]
                    if len(rows) > limit:
                        raise QueryRefused(
                            f"the query gives at least {limit + 1} rows, more than {limit}: add LIMIT, or raise the limit"
                        )
                    plain = _Plain(tx, rows)
                    return [dict(zip(names, map(plain, row), strict=True)) for row in rows]
            except GqlError as error:
                raise self._refused(error, timeout, time.monotonic() - begun) from None

    def _classified(self, tx: neo4j.Transaction, safe: str, values: dict[str, Any]) -> tuple[str, list[str]]:
        """The text that may run and the names of its columns, when the server itself calls it read-only; asked once a text."""
        if safe in self._allowed:
            self._allowed.move_to_end(safe)
            return self._allowed[safe]
        asked = tx.run(f"EXPLAIN {safe}", values)  # a mistake is shown in the words of whoever made it
        names = list(asked.keys())
        asked.consume()
        narrowed = scope(safe)
        summary = tx.run(f"EXPLAIN {narrowed}", values).consume()
        if summary.query_type != "r" or any(step.startswith(_REFUSED_STEPS) for step in _steps(summary.plan or {})):
            raise QueryRefused("the server does not call the query read-only: queries only read")
        self._allowed[safe] = narrowed, names
        while len(self._allowed) > _REMEMBERED:
            self._allowed.popitem(last=False)
        return self._allowed[safe]

    def _refused(self, error: GqlError, timeout: float, spent: float) -> Exception:
        """What a query did wrong, as against a server that failed."""
        code = getattr(error, "code", None) or ""
        if code.endswith(_SLOW) and spent >= timeout:
            return QueryRefused(f"the query took longer than {timeout:g} s: narrow it, or allow more time")
        if code.endswith("OutOfMemoryError"):
            return QueryRefused("the query needs more memory than the server gives one: narrow it, or add LIMIT")
        if ".Statement." in code:
            return QueryRefused(f"the query cannot run: {_said(error)}")
        if ".Security.Forbidden" in code or code.endswith("AccessMode"):
            return QueryRefused(f"the server does not allow it: {_said(error)}")
        return error

    def drop(self, cohort: str) -> None:
        """Removes one cohort: its node and every edge that carries its id; nothing happens when there is none."""
        graph = self.address.graph

        def work(tx: neo4j.ManagedTransaction) -> None:
            writing.claim(tx, graph, self.address)
            writing.drop(tx, graph, cohort)

        with self._translated("changed"):
            self._work(work)

    def drop_graph(self) -> None:
        """Removes the graph from the database, in parts of 10,000 nodes, and closes it; other nodes stay."""
        graph = self.address.graph
        with self._translated("dropped"):
            for label in NODES:
                while self._work(partial(writing.drop_part, graph=graph, label=label)):
                    pass
            self._work(
                lambda tx: tx.run(f"MATCH (g:{text.CONTROL} {{name: $graph}}) DETACH DELETE g", graph=graph).consume()
            )
        self.close()

    def close(self) -> None:
        """Closes the connections; may be called twice."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Neo4jStore({str(self.address)!r})"


_REFUSED_STEPS = (
    *(
        "LoadCSV",
        "ProcedureCall",
        "Show",
        "Terminate",
        "Create",
        "Merge",
        "Delete",
        "Detach",
        "Set",
        "Remove",
        "Foreach",
    ),
    *("TransactionForeach", "TransactionApply", "Alter", "Drop", "DoNothing"),
)
"""Beginnings of the names of plan steps that do more than read the graph."""


def _constraints(tx: neo4j.ManagedTransaction) -> set[tuple[str, tuple[str, ...]]]:
    rows = tx.run("SHOW CONSTRAINTS YIELD type, labelsOrTypes, properties")
    return {
        (row["labelsOrTypes"][0], tuple(row["properties"]))
        for row in rows
        if row["type"] in {"UNIQUENESS", "NODE_PROPERTY_UNIQUENESS", "NODE_KEY"}
    }


def _said(error: BaseException) -> str:
    """What the server said, in one line, without the text of the query."""
    return " ".join(str(getattr(error, "message", None) or error).partition(" (line ")[0].split())[:500]


def _steps(plan: Mapping[str, Any]) -> Iterator[str]:
    yield str(plan.get("operatorType", ""))
    for child in plan.get("children", ()):
        yield from _steps(child)


def _label(labels: list[str]) -> str:
    return next(label for label in labels if label in _LABELS)


def _without(properties: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {key: properties[key] for key in sorted(properties) if key not in names and key not in OWN}


def _shown(label: str, start: str, properties: Mapping[str, Any], cohorts: set[str]) -> bool:
    """Whether every cohort that an edge belongs to is committed."""
    cohort = properties.get("cohort")
    return (not cohort or cohort in cohorts) and (label != NodeType.COHORT or start in cohorts)


class _Plain:
    """Values of an answer as JSON has them, without what is the store's own; an edge names the keys of its nodes."""

    def __init__(self, tx: neo4j.Transaction, rows: list[list[Any]]) -> None:
        ends = {node.element_id for edge in _bare_edges(rows) for node in edge.nodes if node is not None}
        asked = "MATCH (n) WHERE elementId(n) IN $ends RETURN elementId(n), n.id"
        self._keys: dict[str, str] = {row[0]: row[1] for row in tx.run(asked, ends=sorted(ends))} if ends else {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, NeoNode):
            labels = [label for label in value.labels if label in _LABELS]
            return {"id": value.get("id"), "labels": labels, "properties": self(dict(value))}
        if isinstance(value, NeoEdge):
            start, end = (
                None if node is None else node.get("id", self._keys.get(node.element_id)) for node in value.nodes
            )
            return {"start": start, "end": end, "type": value.type, "properties": self(dict(value))}
        if isinstance(value, NeoPath):
            return {"nodes": self(list(value.nodes)), "relationships": self(list(value.relationships))}
        if isinstance(value, dict):
            return {key: self(value[key]) for key in sorted(value) if key not in OWN}
        return [self(item) for item in value] if isinstance(value, list) else value


def _bare_edges(values: list[Any]) -> Iterator[NeoEdge]:
    """Edges that an answer holds without their nodes."""
    for value in values:
        if isinstance(value, NeoEdge):
            yield value
        elif isinstance(value, list | dict):
            yield from _bare_edges(list(value.values()) if isinstance(value, dict) else value)
