"""`open_sheet`: rows of text from CSV, TSV, Parquet or Excel; `Grouped`: rows by person, out of memory."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import IO, TYPE_CHECKING, Any, Self

from ontology.errors import MissingExtra, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Grouped", "Sheet", "open_sheet"]

_EXTRA = "pip install 'dualalign[omop]'"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns, and rows as (line, text by column); None for a row of another width."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, dict[str, str] | None]]


@contextmanager
def open_sheet(path: Path) -> Iterator[Sheet]:
    """A table as a stream of text; the form by the file's ending. SourceError names what cannot be read, and where."""
    name = path.name.lower()
    opened = _parquet if name.endswith(".parquet") else _excel if name.endswith((".xlsx", ".xlsm")) else _csv
    with opened(path) as sheet:
        twice = sorted({column for column in sheet.columns if sheet.columns.count(column) > 1})
        if twice:
            raise SourceError(f"has two columns {', '.join(twice)}; rename one", path)
        yield sheet


@contextmanager
def _csv(path: Path) -> Iterator[Sheet]:
    line = 1
    try:
        with _text(path) as file:
            delimiter = "\t" if ".tsv" in path.name.lower() else ","
            reader = csv.DictReader(file, strict=True, delimiter=delimiter)
            columns = tuple(reader.fieldnames or ())

            def rows() -> Iterator[tuple[int, dict[str, str] | None]]:
                nonlocal line
                try:
                    for row in reader:
                        line = reader.line_num
                        yield line, None if None in row or None in row.values() else row
                except csv.Error:
                    line = reader.line_num
                    raise

            yield Sheet(columns, rows())
    except UnicodeDecodeError as error:
        raise SourceError(f"is not UTF-8 at byte {error.start}; save it as UTF-8", path) from None
    except csv.Error as error:
        raise SourceError(f"is not a CSV file: {error}", path, line) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"is a damaged gzip file: {error}", path) from None
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None


def _text(path: Path) -> IO[str]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


@contextmanager
def _parquet(path: Path) -> Iterator[Sheet]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("pyarrow, which reads Parquet,", _EXTRA) from None
    try:
        with pq.ParquetFile(path) as source:
            names = tuple(source.schema_arrow.names)
            values = (
                row
                for batch in source.iter_batches(10_000)
                for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)
            )
            yield Sheet(names, _as_text(names, values, 1))
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        raise SourceError(
            f"is no Parquet file that can be read: {(str(error).splitlines() or [''])[0][:200]}", path
        ) from None


@contextmanager
def _excel(path: Path) -> Iterator[Sheet]:
    """The first sheet; its first row names the columns."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise MissingExtra("openpyxl, which reads Excel,", _EXTRA) from None
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path) from None
    except Exception as error:  # noqa: BLE001 - a damaged workbook fails in whatever part of openpyxl reads it
        raise _no_excel(path, error) from None
    try:
        values = _excel_rows(book, path)
        names = tuple("" if cell is None else str(cell).strip() for cell in next(values, ()))
        yield Sheet(names, _as_text(names, values, 2))
    finally:
        book.close()


def _excel_rows(book: Any, path: Path) -> Iterator[tuple[Any, ...]]:
    """Rows are unpacked as they are asked for, so damage may show late."""
    try:
        yield from book.worksheets[0].iter_rows(values_only=True)
    except Exception as error:  # noqa: BLE001 - as above
        raise _no_excel(path, error) from None


def _no_excel(path: Path, error: Exception) -> SourceError:
    why = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return SourceError(f"is no Excel file that can be read: {why or type(error).__name__}", path)


def _as_text(
    names: tuple[str, ...], values: Iterable[tuple[Any, ...]], first: int
) -> Iterator[tuple[int, dict[str, str] | None]]:
    for line, row in enumerate(values, first):
        if any(cell is not None for cell in row):
            yield line, {name: "" if cell is None else _cell(cell) for name, cell in zip(names, row, strict=False)}


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # 1.0 in a sheet is the 1 that people see
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


class Grouped:
    """Rows by person, in the order in which persons first came, each person's by age and line; kept in a temporary file."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a file of SQLite's own, gone with the connection
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE person (number INTEGER PRIMARY KEY, id TEXT UNIQUE)")
        self._db.execute("CREATE TABLE row (id TEXT, age REAL, line INTEGER, data TEXT)")
        self._db.execute("BEGIN")

    def add(self, person: str, age: float, line: int, row: dict[str, str]) -> None:
        """One row."""
        data = json.dumps(row)
        self._db.execute("INSERT OR IGNORE INTO person (id) VALUES (?)", (person,))
        self._db.execute("INSERT INTO row VALUES (?, ?, ?, ?)", (person, age, line, data))

    def __iter__(self) -> Iterator[tuple[str, list[tuple[float, int, dict[str, str]]]]]:
        rows = self._db.execute("SELECT id, age, line, data FROM row JOIN person USING (id) ORDER BY number, age, line")
        for person, mine in groupby(rows, key=itemgetter(0)):
            yield person, [(age, line, json.loads(data)) for _, age, line, data in mine]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
