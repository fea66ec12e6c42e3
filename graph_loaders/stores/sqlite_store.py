"""`SqliteStore`: a graph in one SQLite file, the form that institutions exchange.

One file at rest: the rollback journal exists only while a write is under way, and an interrupted write is undone by the
next one who opens the file. The header carries our application id and format version, so that a foreign file or one of a
later version is refused before anything is touched.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.schema import PRIVATE, NodeType
from graph_loaders.stores.batch import checked, loose
from ontology.errors import SourceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from graph_loaders.stores.cypher_process import CypherProcess

__all__ = ["APPLICATION_ID", "FORMAT_VERSION", "SqliteStore"]

APPLICATION_ID = 0x4475416C
"""`DuAl` in the header of every graph file."""

FORMAT_VERSION = 1
"""Raised when the tables change."""

_TABLES = """
CREATE TABLE node (
  label TEXT NOT NULL, key TEXT NOT NULL, properties TEXT NOT NULL,
  PRIMARY KEY (label, key)) WITHOUT ROWID;
CREATE TABLE edge (
  type TEXT NOT NULL, start_label TEXT NOT NULL, start_key TEXT NOT NULL,
  end_label TEXT NOT NULL, end_key TEXT NOT NULL, key TEXT NOT NULL,
  cohort TEXT, properties TEXT NOT NULL,
  PRIMARY KEY (type, start_label, start_key, end_label, end_key, key)) WITHOUT ROWID;
"""

# Rows come in the order of their primary keys, byte by byte in UTF-8, which is the order of Python's strings.
_COHORTS = """SELECT key FROM node WHERE label = 'Cohort'
  AND (:private OR NOT coalesce(json_extract(properties, '$.private'), 0))"""
_PRIVATE = ", ".join(f"'{label}'" for label in sorted(PRIVATE))
_READ_NODES = f"""SELECT label, key, properties FROM node
  WHERE (label <> 'Cohort' OR key IN ({_COHORTS})) AND (:private OR label NOT IN ({_PRIVATE}))
  ORDER BY label, key"""  # noqa: S608 -- constants only
_READ_EDGES = f"""WITH cohorts AS MATERIALIZED ({_COHORTS})
  SELECT type, start_label, start_key, end_label, end_key, key, properties FROM edge
  WHERE (cohort IS NULL OR cohort IN cohorts)
    AND (start_label <> 'Cohort' OR start_key IN cohorts)
    AND (end_label <> 'Cohort' OR end_key IN cohorts)
  ORDER BY type, start_label, start_key, end_label, end_key, key"""  # noqa: S608 -- constants only


class SqliteStore:
    """A graph in one SQLite file, or in memory; makes the file where there is none. Threads may share it.

    Args:
        path: the file, or `:memory:`.
        read_only: refuse every write; works on media that cannot be written.
        private: let `query` see private cohorts.
        wait: seconds to wait for another process's lock.
    """

    def __init__(
        self, path: str | Path = ":memory:", *, read_only: bool = False, private: bool = False, wait: float = 5.0
    ) -> None:
        self.path, self._private, self._writes = str(path), private, 0
        self._lock = threading.RLock()
        self._engine: CypherProcess | None = None
        self._filled: tuple[int, int] | None = None
        new = self.path == ":memory:" or not Path(self.path).exists() or Path(self.path).stat().st_size == 0
        made = self.path != ":memory:" and not Path(self.path).exists()
        if not new:
            _refuse_foreign(Path(self.path))
        name = self.path
        if name != ":memory:":
            name = f"{Path(self.path).absolute().as_uri()}?mode={'ro' if read_only else 'rwc' if new else 'rw'}"
        try:
            with self._translated("opened"):
                self._db: sqlite3.Connection | None = sqlite3.connect(
                    name, timeout=wait, isolation_level=None, check_same_thread=False, uri=True
                )
                self._db.execute("PRAGMA secure_delete = ON")  # what is dropped, persons above all, leaves no bytes
                self._create() if new else self._open()
            self._clear_journal()
        except BaseException:
            self.close()
            if made:
                Path(self.path).unlink(missing_ok=True)
            raise

    def _create(self) -> None:
        with self._transaction() as db:
            if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:  # another process was first
                return
            for statement in _TABLES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {FORMAT_VERSION}")

    def _open(self) -> None:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        _refuse_version(application, version, self.path)
        self._connection.execute("SELECT count(*) FROM node, edge WHERE 0").fetchone()  # a damaged schema shows here

    def _clear_journal(self) -> None:
        """A write that was killed before its first page leaves a journal with nothing in it; an empty write removes it."""
        if self.path == ":memory:" or not Path(f"{self.path}-journal").exists():
            return
        with suppress(sqlite3.OperationalError):  # someone is writing, or nobody may: then it is not ours to remove
            (wait,) = self._connection.execute("PRAGMA busy_timeout").fetchone()
            self._connection.execute("PRAGMA busy_timeout = 0")
            try:
                self._connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {int(wait)}")

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"the graph {self.path} is closed; open it again")
        return self._db

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """SQLite's errors in our words."""
        try:
            yield
        except sqlite3.Error as error:
            raise _translate(error, self.path, doing) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._connection
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def write(self, elements: Iterable[Node | Edge], *, replace: str = "") -> None:
        """Adds or replaces elements by identity, all or none, Cohort nodes last; `replace` drops a cohort first.

        Raises:
            ConfigError: elements that the schema does not have, every one of them named; nothing is written.
            StoreError: an edge without its nodes; a full disk, a lock (retryable), a file that cannot be written.
        """
        batch = checked(elements, self.path)
        cohort = NodeType.COHORT.value
        nodes = [(n.label, n.key, _text(n)) for n in batch.nodes if n.label != cohort]
        last = [(n.label, n.key, _text(n)) for n in batch.nodes if n.label == cohort]
        edges = [(e.type, *e.start, *e.end, e.key, e.properties.get("cohort") or None, _text(e)) for e in batch.edges]
        with self._lock, self._translated("written"), self._transaction() as db:
            _drop(db, replace)
            db.executemany("INSERT OR REPLACE INTO node VALUES (?, ?, ?)", nodes)
            self._refuse_loose(db, batch)
            db.executemany("INSERT OR REPLACE INTO edge VALUES (?, ?, ?, ?, ?, ?, ?, ?)", edges)
            db.executemany("INSERT OR REPLACE INTO node VALUES (?, ?, ?)", last)
            self._writes += 1

    def _refuse_loose(self, db: sqlite3.Connection, batch: GraphElements) -> None:
        """An edge needs its nodes; a Cohort node alone may come later, as the commit of its cohort."""
        there = {(n.label, n.key) for n in batch.nodes}
        for edge in batch.edges:
            for end in (edge.start, edge.end):
                if tuple(end) in there or end[0] == NodeType.COHORT:
                    continue
                if not db.execute("SELECT 1 FROM node WHERE label = ? AND key = ?", tuple(end)).fetchone():
                    raise loose(edge, end, self.path)
                there.add((end[0], end[1]))

    def read(self, *, private: bool = False) -> GraphElements:
        """Everything committed, in canonical order; cohorts marked private only when asked for."""
        with self._lock, self._translated("read"):
            db = self._connection
            db.execute("BEGIN")  # both tables as of one moment
            try:
                nodes = db.execute(_READ_NODES, {"private": private}).fetchall()
                edges = db.execute(_READ_EDGES, {"private": private}).fetchall()
            finally:
                if db.in_transaction:
                    db.execute("COMMIT")
        try:
            return GraphElements(
                tuple(Node(label, key, json.loads(text)) for label, key, text in nodes),
                tuple(
                    Edge(kind, (sl, sk), (el, ek), key, json.loads(text)) for kind, sl, sk, el, ek, key, text in edges
                ),
            )
        except ValueError as error:
            raise SourceError(f"a damaged graph file: {error}; take a copy that is whole", self.path) from None

    def query(
        self, cypher: str, /, *, timeout: float = 30.0, limit: int = 10_000, **params: Any
    ) -> list[dict[str, Any]]:
        """Rows of a read-only Cypher query; `$name` in it takes the keyword `name`.

        Raises:
            QueryRefused: not read-only, not allowed, wrong, longer than `timeout` seconds, more than `limit` rows.
            StoreError: the query engine stopped (retryable: the next query starts another).

        >>> from graph_loaders.elements import Node
        >>> with SqliteStore() as store:
        ...     store.write([Node("Concept", "C0002395", {"name": "Alzheimer's disease"})])
        ...     store.query("MATCH (c:Concept) WHERE c.cui = $cui RETURN c.name AS name", cui="C0002395")
        [{'name': "Alzheimer's disease"}]
        """
        from graph_loaders.stores.cypher import guard
        from graph_loaders.stores.cypher_process import CypherProcess
        from graph_loaders.stores.cypher_scope import own_keys

        text, renamed = own_keys(guard(cypher, params), ("title", "type"))
        with self._lock:
            with self._translated("read"):
                state = (self._writes, self._connection.execute("PRAGMA data_version").fetchone()[0])
            if self._engine is None:
                self._engine = CypherProcess()
            if self._filled != state or not self._engine.alive:
                self._filled = None
                self._engine.fill(self.read(private=self._private))
                self._filled = state
            rows = self._engine.query(text, params, timeout=timeout, limit=limit)
        if not renamed:
            return rows
        return [{_renamed(name, renamed): value for name, value in row.items()} for row in rows]

    def drop(self, cohort: str) -> None:
        """Removes one cohort: its node and every edge that carries its id; nothing happens when there is none."""
        with self._lock, self._translated("changed"), self._transaction() as db:
            _drop(db, cohort)
            self._writes += 1

    def close(self) -> None:
        """Closes the file and ends the query engine; may be called twice."""
        with self._lock:
            engine, self._engine = self._engine, None
            db, self._db = getattr(self, "_db", None), None
        if engine is not None:
            engine.close()
        if db is not None:
            db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SqliteStore({self.path!r})"


def _renamed(name: str, written: dict[str, str]) -> str:
    for ran, asked in reversed(written.items()):  # the outermost first
        name = name.replace(ran, asked)
    return name


def _drop(db: sqlite3.Connection, cohort: str) -> None:
    db.execute(
        "DELETE FROM edge WHERE cohort = :c OR (start_label = 'Cohort' AND start_key = :c)"
        " OR (end_label = 'Cohort' AND end_key = :c)",
        {"c": cohort},
    )
    db.execute("DELETE FROM node WHERE label = 'Cohort' AND key = ?", (cohort,))
    db.execute(
        f"DELETE FROM node WHERE label IN ({_PRIVATE}) AND json_extract(properties, '$.cohort') = ?",  # noqa: S608 -- constants
        (cohort,),
    )


def _text(element: Node | Edge) -> str:
    return json.dumps(dict(element.properties), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _refuse_foreign(path: Path) -> None:
    """Looks at the header before SQLite does, which would make files beside a foreign database."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise StoreError(f"the graph {path} cannot be opened: {error.strerror}") from None
    if not head.startswith(b"SQLite format 3\0"):
        raise SourceError("not a graph of DualAlign; make one with: dualalign load facts --graph FILE", path)
    if Path(f"{path}-journal").exists():  # a write under way, or interrupted: SQLite waits for it or undoes it first
        return
    _refuse_version(int.from_bytes(head[68:72]), int.from_bytes(head[60:64]), path)
    expected = int.from_bytes(head[16:18]) * int.from_bytes(head[28:32])
    if (size := path.stat().st_size) < expected:
        raise SourceError(
            f"a damaged graph file ({size} of {expected} bytes are there); take a copy that is whole", path
        )


def _refuse_version(application: int, version: int, path: str | Path) -> None:
    if application != APPLICATION_ID:
        raise SourceError("a database of another program, not a graph of DualAlign; name another file", path)
    if version != FORMAT_VERSION:
        raise SourceError(
            f"a graph of format {version}, and this version reads format {FORMAT_VERSION}; update DualAlign", path
        )


def _translate(error: sqlite3.Error, path: str, doing: str) -> SourceError | StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or "no such table" in str(error):
        return SourceError(f"a damaged graph file ({error}); take a copy that is whole", path)
    why = {
        sqlite3.SQLITE_FULL: "the disk is full; make room and try again",
        sqlite3.SQLITE_READONLY: "the file or its folder cannot be written; copy it to another place",
        sqlite3.SQLITE_BUSY: "another process is writing to it; try again",
        sqlite3.SQLITE_LOCKED: "another process is writing to it; try again",
        sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check that its folder exists and may be used",
    }.get(code, f"{error}")
    retryable = code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return StoreError(f"the graph {path} was not {doing}: {why}", retryable=retryable)
