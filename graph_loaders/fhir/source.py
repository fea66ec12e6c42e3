"""`entries`: the resources of files and folders: Bundles, single resources, NDJSON; each also gzipped. Constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_loaders.json_files import has_lines, items, json_files, lines, value_of
from ontology.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Entry", "entries"]

_DEEPEST = 8
"""Bundles within Bundles."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource as JSON, or as what JSON gave; None where an entry of a Bundle has none. `url`: its fullUrl; `where`: its place."""

    raw: bytes | dict[str, Any] | None
    where: str
    url: str = ""


def entries(path: str | Path) -> Iterator[Entry]:
    """Every resource of a file, or of the files of a folder in order of name; what a Bundle holds comes in its place.

    Raises:
        SourceError: what cannot be read, is no JSON, no FHIR, or a history of old versions.
    """
    for file in json_files(path):
        if has_lines(file):
            yield from _lines(file)
        else:
            yield from _whole(file, alone=file == Path(path))


def _lines(file: Path) -> Iterator[Entry]:
    for where, line in lines(file):
        if b'"Bundle"' in line and (bundle := _bundle(line)) is not None:
            yield from _flat({"resource": bundle}, where, file, 0)
        else:
            yield Entry(line, where)


def _bundle(line: bytes) -> dict[str, Any] | None:
    try:
        found = value_of(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("resourceType") == "Bundle" else None


def _whole(file: Path, *, alone: bool) -> Iterator[Entry]:
    kind = _first(file, "resourceType")
    if kind == "Bundle":
        _check(_first(file, "type"), file)
        for number, entry in enumerate(items(file, "entry.item"), 1):
            yield from _flat(entry, f"{file.name} entry {number}", file, 1)
    elif isinstance(kind, str):
        for resource in items(file, ""):
            yield Entry(resource, file.name)
    elif alone or _first(file, "transactionTime") is None:  # the manifest of a bulk export lies beside its files
        raise SourceError("is no FHIR: it has no resourceType", file)


def _first(file: Path, name: str) -> object:
    """An element of the outermost object; reads no further than to there."""
    return next(items(file, name), None)


def _check(kind: object, file: Path) -> None:
    if kind == "history":
        raise SourceError("is a Bundle of old versions (history); give the current state of the resources", file)


def _flat(entry: object, where: str, file: Path, depth: int) -> Iterator[Entry]:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    url = entry.get("fullUrl") if isinstance(entry, dict) else None
    if not isinstance(resource, dict):
        yield Entry(None, where)
    elif resource.get("resourceType") == "Bundle" and depth < _DEEPEST:
        _check(resource.get("type"), file)
        inner = resource.get("entry", [])
        for number, one in enumerate(inner if isinstance(inner, list) else [inner], 1):
            yield from _flat(one, f"{where}.{number}", file, depth + 1)
    else:
        yield Entry(resource, where, url if isinstance(url, str) else "")
