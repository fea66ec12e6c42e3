"""`entries`: the resources of files and folders: Bundles, single resources, NDJSON; each also gzipped. Constant memory.

A Bundle is read as a stream, entry by entry (ijson), NDJSON line by line.
"""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import ijson

from ontology.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Entry", "entries"]

_LINES = (".ndjson", ".jsonl")
_ENDINGS = (".json", *_LINES)
_DEEPEST = 8
"""Bundles within Bundles."""
_BRACKETS = 2_000
"""Brackets that may be open at once: the parser keeps the path of each, so that deeper nesting would fill the memory."""
_CHUNK = 8_192


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
    for file in _files(Path(path)):
        if _plain(file).endswith(_LINES):
            yield from _lines(file)
        else:
            yield from _whole(file, alone=file == Path(path))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        if not _plain(path).endswith(_ENDINGS):
            raise SourceError(f"is no FHIR file by its name; it ends in {', '.join(_ENDINGS)}, perhaps with .gz", path)
        return [path]
    if not path.is_dir():
        raise SourceError("is not there", path)
    found = sorted(file for file in path.rglob("*") if file.is_file() and _plain(file).endswith(_ENDINGS))
    if not found:
        raise SourceError(f"has no file that ends in {', '.join(_ENDINGS)}, perhaps with .gz", path)
    return found


def _plain(file: Path) -> str:
    return file.name.lower().removesuffix(".gz")


class _Shallow:
    """A stream that refuses what is nested beyond measure. Brackets in text count too, which hurts nobody."""

    def __init__(self, stream: IO[bytes], file: Path) -> None:
        self._stream, self._file, self._open = stream, file, 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        opened = chunk.count(b"[") + chunk.count(b"{") - chunk.count(b"]") - chunk.count(b"}")
        self._open = max(0, self._open + opened)
        if self._open > _BRACKETS:
            raise SourceError("is nested too deep to be FHIR", self._file)
        return chunk


def _items(stream: IO[bytes], prefix: str, file: Path) -> Iterator[Any]:
    return iter(ijson.items(_Shallow(stream, file), prefix, buf_size=_CHUNK, use_float=True))


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """The bytes; what the system or gzip says against them is a SourceError."""
    try:
        opened: Any = gzip.open if file.name.lower().endswith(".gz") else Path.open
        with opened(file, "rb") as stream:
            if stream.read(3) != b"\xef\xbb\xbf":
                stream.seek(0)
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"is a damaged gzip file: {error}", file) from None
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", file) from None


def _lines(file: Path) -> Iterator[Entry]:
    with _opened(file) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            where = f"{file.name}:{number}"
            if b'"Bundle"' in line and (bundle := _bundle(line)) is not None:
                yield from _flat({"resource": bundle}, where, file, 0)
            else:
                yield Entry(line, where)


def _bundle(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("resourceType") == "Bundle" else None


def _whole(file: Path, *, alone: bool) -> Iterator[Entry]:
    try:
        kind = _first(file, "resourceType")
        if kind == "Bundle":
            _check(_first(file, "type"), file)
            with _opened(file) as stream:
                for number, entry in enumerate(_items(stream, "entry.item", file), 1):
                    yield from _flat(entry, f"{file.name} entry {number}", file, 1)
        elif isinstance(kind, str):
            with _opened(file) as stream:
                for resource in _items(stream, "", file):
                    yield Entry(resource, file.name)
        elif alone or _first(file, "transactionTime") is None:  # the manifest of a bulk export lies beside its files
            raise SourceError("is no FHIR: it has no resourceType", file)
    except (ijson.JSONError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        hint = "; one resource a line belongs in a file named .ndjson" if "trailing garbage" in str(error) else ""
        raise SourceError(f"is cut off, or not JSON: {_short(error)}{hint}", file) from None


def _first(file: Path, name: str) -> object:
    """An element of the outermost object; reads no further than to there."""
    with _opened(file) as stream:
        return next(_items(stream, name, file), None)


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


def _short(error: BaseException) -> str:
    return (str(error).splitlines() or ["damaged"])[0][:120]
