"""Readers of texts: one module a format, each with `read(path, asked, problems)`. The file list is the registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.linking.document import Document
    from engine.linking.problems import Problems

__all__ = ["Asked", "format_of", "formats", "read"]

_SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".pubtator": "pubtator",
    ".ann": "brat",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader is asked for. `text`, `id`: the fields of a row that hold them; `keep`: fields carried to the output;
    `encoding` of plain text; `annotations`: whether those are wanted too.
    """

    text: str = "text"
    id: str = "id"
    keep: tuple[str, ...] = ()
    encoding: str = "utf-8"
    annotations: bool = False


def formats() -> tuple[str, ...]:
    """The names of the formats that can be read.

    >>> formats()
    ('brat', 'jsonl', 'parquet', 'pubtator', 'text')
    """
    from pkgutil import iter_modules

    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def format_of(path: str) -> str:
    """The format that a path's name says: text for `-` and for unknown endings, BRAT for a folder (Parquet where it holds such files).

    >>> format_of("notes.jsonl.gz"), format_of("corpus_pubtator.txt.gz"), format_of("-")
    ('jsonl', 'pubtator', 'text')
    """
    place = Path(path)
    if path != "-" and place.is_dir():
        return "parquet" if any(place.glob("*.parquet")) else "brat"
    if "pubtator" in place.name.lower():
        return "pubtator"
    suffix = place.with_suffix("").suffix if place.suffix == ".gz" else place.suffix
    return _SUFFIXES.get(suffix.lower(), "text")


def read(path: str, problems: Problems, format: str | None = None, asked: Asked | None = None) -> Iterator[Document]:  # noqa: A002 - the word users type
    """The documents of a file, a folder or standard input (`-`), lazily, in the order of the file (of names in a folder).

    SourceError for what cannot be read, ConfigError for a format or field that is not there.
    """
    from difflib import get_close_matches
    from importlib import import_module

    name = format or format_of(path)
    if name not in formats():
        near = get_close_matches(name, formats(), 1, 0)[0]
        raise ConfigError(f"{name!r} is not a format; the nearest is {near!r}, all are {', '.join(formats())}")
    documents: Iterator[Document] = import_module(f"{__name__}.{name}").read(path, asked or Asked(), problems)
    return documents
