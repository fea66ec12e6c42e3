"""Parquet, a batch of rows at a time: memory is that of a row group. The only pyarrow in linking."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.linking.document import Document
from engine.linking.readers._lines import decoded
from ontology.errors import ConfigError, MissingExtra, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.linking.problems import Problems
    from engine.linking.readers import Asked

__all__ = ["read"]

_ROWS = 512


def read(path: str, asked: Asked, problems: Problems) -> Iterator[Document]:
    """A document a row of the file, or of every `.parquet` file of a folder in order of name."""
    if path == "-":
        raise ConfigError("Parquet cannot be read from a pipe; give the file's name")
    place = Path(path)
    for file in sorted(place.glob("*.parquet")) if place.is_dir() else [place]:
        yield from _rows(file, asked, problems)


def _rows(path: Path, asked: Asked, problems: Problems) -> Iterator[Document]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pyarrow, which reads Parquet,", 'pip install "dualalign[hf]"') from None
    try:
        with parquet.ParquetFile(path) as file:
            wanted = _columns(file.schema_arrow, asked, path)
            number = 0
            for batch in file.iter_batches(_ROWS, columns=wanted):
                columns = {name: _values(pa, batch.column(name), raw=name == asked.text) for name in wanted}
                for at in range(batch.num_rows):
                    number += 1
                    row = {name: values[at] for name, values in columns.items()}
                    if (document := _document(row, asked, problems, path, number)) is not None:
                        yield document
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"is not a Parquet file that can be read: {str(error).splitlines()[0]}", path) from None


def _columns(schema: Any, asked: Asked, path: Path) -> list[str]:
    from difflib import get_close_matches

    names = list(schema.names)
    for field in (asked.text, *asked.keep):
        if field not in names:
            near = ", ".join(get_close_matches(field, names, 3, 0.4) or names[:8])
            raise ConfigError(f"{path} has no column {field!r}; it has {near} (--text-field and --keep name columns)")
    if asked.id != "id" and asked.id not in names:
        raise ConfigError(f"{path} has no column {asked.id!r}; it has {', '.join(names[:8])}")
    return list(dict.fromkeys([asked.text, *([asked.id] if asked.id in names else []), *asked.keep]))


def _values(pyarrow: Any, column: Any, *, raw: bool) -> list[Any]:
    """The values of a column; those of the text as bytes, since a file may call bytes a string that are none."""
    if isinstance(column, pyarrow.DictionaryArray):
        column = column.dictionary_decode()
    kinds = pyarrow.types
    if raw and (kinds.is_string(column.type) or kinds.is_large_string(column.type)):
        column = column.cast(pyarrow.large_binary() if kinds.is_large_string(column.type) else pyarrow.binary())
    return list(column.to_pylist())


def _document(row: dict[str, Any], asked: Asked, problems: Problems, path: Path, number: int) -> Document | None:
    where = f"{path}:{number}"
    text = row[asked.text]
    if not isinstance(text, bytes):
        said = "is null" if text is None else f"holds {type(text).__name__}, not text"
        problems.bad(f"column {asked.text!r} {said}", path, number, unit="row")
        return None
    name = row.get(asked.id)
    kept = {field: _plain(row[field]) for field in asked.keep}
    return Document(decoded(text, "utf-8", problems, where), "" if name is None else str(name), where, kept)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | bool) or value is None else str(value)
