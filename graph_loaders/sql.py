"""`open_sql`: tables of a DuckDB or SQLite file, a PostgreSQL server, or a folder of Parquet and CSV, read by one small SQL.

The engine selects, casts and sorts; rows come in as a stream. Plain DB-API connections: what differs between the engines
is how a date becomes a day and text a number, three lines a dialect.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontology.errors import ConfigError, MissingExtra, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Tables", "open_sql"]

_BATCH = 10_000
_MEMORY = "256MB"
"""What DuckDB may hold; it spills the rest to a temporary folder."""


class Tables:
    """Read-only access to tables; names and columns in lower case."""

    def __init__(self, db: Any, dialect: str, where: str, errors: tuple[type[Exception], ...]) -> None:
        self._db, self.dialect, self.where, self._errors = db, dialect, where, errors
        self.schema = ""
        self.columns: Mapping[str, frozenset[str]] = {}
        self.rejected: dict[str, int] = {}

    def table(self, name: str) -> str:
        """The name as SQL has it."""
        return f'"{self.schema}"."{name}"' if self.schema else f'"{name}"'

    def day(self, column: str) -> str:
        """SQL: days since 1970-01-01, NULL for what is no date."""
        if self.dialect == "duckdb":
            text = f"CAST({column} AS VARCHAR)"
            date = f"coalesce(TRY_CAST({column} AS DATE), CAST(try_strptime({text}, '%Y%m%d') AS DATE))"
            return f"date_diff('day', DATE '1970-01-01', {date})"
        if self.dialect == "postgresql":
            return f"(CAST({column} AS DATE) - DATE '1970-01-01')"
        number = f"CAST({column} / 86400 AS INTEGER)"  # R writes seconds since 1970
        return (
            f"CASE WHEN typeof({column}) IN ('integer', 'real') THEN {number} "
            f"ELSE CAST(julianday({column}) - 2440587.5 AS INTEGER) END"
        )

    def number(self, column: str) -> str:
        """SQL: a floating number, NULL for what is none."""
        if self.dialect == "duckdb":
            return f"TRY_CAST({column} AS DOUBLE)"
        if self.dialect == "postgresql":
            return f"CAST({column} AS DOUBLE PRECISION)"
        return f"CASE WHEN CAST({column} AS TEXT) GLOB '*[0-9]*' THEN CAST({column} AS REAL) END"

    def integer(self, column: str) -> str:
        """SQL: a whole number, NULL for what is none."""
        if self.dialect == "duckdb":
            return f"TRY_CAST({column} AS BIGINT)"
        if self.dialect == "postgresql":
            return f"CAST({column} AS BIGINT)"
        return f"CASE WHEN CAST({column} AS TEXT) GLOB '[0-9-]*' THEN CAST({column} AS INTEGER) END"

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a query as a stream; `?` stands for a parameter. SourceError where the engine fails."""
        with self._translated():
            cursor = self._db.cursor()
            cursor.execute(sql.replace("?", "%s") if self.dialect == "postgresql" else sql, list(parameters))
            while batch := cursor.fetchmany(_BATCH):
                yield from batch

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        """The first value of the first row."""
        return next(self.rows(sql, parameters))[0]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise SourceError(f"cannot be read: {_first_line(error)}", self.where) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@contextmanager
def open_sql(path: str | Path, wanted: Sequence[str]) -> Iterator[Tables]:
    """The tables of a source, closed when the block ends; `wanted`: the tables that matter (of a folder only they are read).

    CSV files are brought into a temporary database that goes with the block, so that a query costs no second parse; their
    broken lines are counted in `rejected`.

    Raises:
        SourceError: not a database, a damaged one, a folder without such tables, a server that does not answer.
        MissingExtra: duckdb or psycopg is not installed.
    """
    text = str(path)
    if text.startswith(("postgresql://", "postgres://")):
        with _postgres(text) as tables:
            yield tables
        return
    place = Path(path)
    if place.is_dir():
        with _folder(place, wanted) as tables:
            yield tables
        return
    try:
        with place.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", place) from None
    if head.startswith(b"SQLite format 3\0"):
        with _sqlite(place) as tables:
            yield tables
    elif head[8:12] == b"DUCK":
        with _duckdb(place) as tables:
            yield tables
    else:
        raise SourceError("is no DuckDB or SQLite database, and no folder of Parquet or CSV files", place)


@contextmanager
def _sqlite(path: Path) -> Iterator[Tables]:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        tables = Tables(db, "sqlite", str(path), (sqlite3.Error,))
        names = [row[0] for row in tables.rows("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")]
        tables.columns = {
            name.lower(): frozenset(
                row[0].lower() for row in tables.rows("SELECT name FROM pragma_table_info(?)", [name])
            )
            for name in names
        }
        yield tables
    finally:
        db.close()


def _duckdb_module() -> Any:
    try:
        import duckdb
    except ImportError:
        raise MissingExtra("duckdb", "pip install 'dualalign[omop]'") from None
    return duckdb


@contextmanager
def _duckdb(path: Path) -> Iterator[Tables]:
    duckdb = _duckdb_module()
    with tempfile.TemporaryDirectory(prefix="dualalign-") as spill:
        try:
            db = duckdb.connect(str(path), read_only=True, config={"memory_limit": _MEMORY, "temp_directory": spill})
        except duckdb.Error as error:
            raise SourceError(f"cannot be read: {_first_line(error)}", path) from None
        try:
            tables = Tables(db, "duckdb", str(path), (duckdb.Error, UnicodeDecodeError))
            tables.schema, tables.columns = _schema(tables, "main")
            yield tables
        finally:
            db.close()


@contextmanager
def _folder(path: Path, wanted: Sequence[str]) -> Iterator[Tables]:
    duckdb = _duckdb_module()
    files = {name: found for name in wanted if (found := _file_of(path, name))}
    if not files:
        raise SourceError(f"holds no file of these tables: {', '.join(wanted)} (.parquet, .csv or .csv.gz)", path)
    with tempfile.TemporaryDirectory(prefix="dualalign-") as spill:
        db = duckdb.connect(f"{spill}/tables.duckdb", config={"memory_limit": _MEMORY, "temp_directory": f"{spill}/t"})
        try:
            tables = Tables(db, "duckdb", str(path), (duckdb.Error, UnicodeDecodeError))
            for name, file in files.items():
                _import(db, duckdb, name, file, tables.rejected)
            tables.schema, tables.columns = _schema(tables, "main")
            yield tables
        finally:
            db.close()


def _file_of(folder: Path, name: str) -> Path | None:
    """`person.csv`, `PERSON.parquet`, ..."""
    for file in sorted(folder.iterdir()):
        stem, _, ending = file.name.lower().partition(".")
        if stem == name and ending in {"parquet", "csv", "csv.gz", "tsv", "tsv.gz"}:
            return file
    return None


def _import(db: Any, duckdb: Any, name: str, file: Path, rejected: dict[str, int]) -> None:
    try:
        if file.name.lower().endswith(".parquet"):
            db.execute(f'CREATE TABLE "{name}" AS SELECT * FROM read_parquet(?)', [str(file)])  # noqa: S608 - a name of ours
            return
        db.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
        db.execute(
            f'CREATE TABLE "{name}" AS SELECT * FROM read_csv(?, header = true, all_varchar = true, store_rejects = true)',  # noqa: S608
            [str(file)],
        )
        count = db.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()[0]
        if count:
            rejected[name] = count
    except duckdb.Error as error:
        raise SourceError(f"cannot be read: {_first_line(error)}", file) from None


@contextmanager
def _postgres(url: str) -> Iterator[Tables]:
    try:
        import psycopg
    except ImportError:
        raise MissingExtra("psycopg", "pip install 'dualalign[omop]'") from None
    where = _without_password(url)
    try:
        db = psycopg.connect(url, options="-c default_transaction_read_only=on", connect_timeout=10)
    except (psycopg.Error, ValueError) as error:
        why = (
            "the server does not answer" if "refused" in str(error) else "no connection (check name, user and password)"
        )
        raise SourceError(why, where) from None
    try:
        tables = Tables(db, "postgresql", where, (psycopg.Error,))
        tables.schema, tables.columns = _schema(tables, "public")
        yield tables
    finally:
        db.close()


def _without_password(url: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return "postgresql://"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _schema(tables: Tables, usual: str) -> tuple[str, dict[str, frozenset[str]]]:
    """The schema that has a table `person` (the usual one first), and its columns."""
    found: dict[str, dict[str, set[str]]] = {}
    sql = "SELECT table_schema, table_name, column_name FROM information_schema.columns"
    for schema, table, column in tables.rows(sql):
        found.setdefault(schema, {}).setdefault(table.lower(), set()).add(column.lower())
    having = [schema for schema, names in found.items() if "person" in names]
    if len(having) > 1 and usual not in having:
        raise ConfigError(f"{tables.where} has a table person in {', '.join(sorted(having))}; grant or name one alone")
    schema = usual if usual in having or not having else having[0]
    return schema, {name: frozenset(columns) for name, columns in found.get(schema, {}).items()}
