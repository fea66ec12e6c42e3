"""JSON and JSON lines in files and folders, also gzipped, as streams; what is damaged is one `SourceError`. The only ijson."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import ijson
import msgspec

from ontology.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["has_lines", "items", "json_files", "lines", "top_key", "value_of"]

_LINES = (".ndjson", ".jsonl")
_ENDINGS = (".json", *_LINES)
_BRACKETS = 2_000
"""Brackets that may be open at once: the parser keeps the path of each, so that deeper nesting would fill the memory."""
_CHUNK = 8_192


def json_files(path: str | Path) -> list[Path]:
    """The file, or the files of a folder and its folders in order of name. SourceError where there is none."""
    path = Path(path)
    ends = f"{', '.join(_ENDINGS)}, perhaps with .gz"
    if path.is_file():
        if not _plain(path).endswith(_ENDINGS):
            raise SourceError(f"is no JSON file by its name, which ends in {ends}", path)
        return [path]
    if not path.is_dir():
        raise SourceError("is not there", path)
    found = sorted(file for file in path.rglob("*") if file.is_file() and _plain(file).endswith(_ENDINGS))
    if not found:
        raise SourceError(f"has no file that ends in {ends}", path)
    return found


def has_lines(file: Path) -> bool:
    """Whether it holds a value a line, by its name."""
    return _plain(file).endswith(_LINES)


def _plain(file: Path) -> str:
    return file.name.lower().removesuffix(".gz")


def lines(file: Path) -> Iterator[tuple[str, bytes]]:
    """Each line that is not blank, with its place."""
    with _opened(file) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield f"{file.name}:{number}", line


def value_of(line: bytes) -> Any:
    """The JSON of a line, in characters that can be written again; ValueError where it is none."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None


def items(file: Path, prefix: str) -> Iterator[Any]:
    """The values at a place of a JSON file (`entry.item`; "" for the whole), in memory that does not grow with the file."""
    try:
        with _opened(file) as stream:
            yield from ijson.items(_Shallow(stream, file), prefix, buf_size=_CHUNK, use_float=True)
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error, file) from None


def top_key(file: Path, wanted: frozenset[str]) -> str:
    """The first of these keys that the outermost object has, in its order; "" where it has none."""
    try:
        with _opened(file) as stream:
            for prefix, event, value in ijson.parse(_Shallow(stream, file), buf_size=_CHUNK):
                if event == "map_key" and not prefix and value in wanted:
                    return str(value)
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error, file) from None
    return ""


def _not_json(error: Exception, file: Path) -> SourceError:
    hint = "; a value a line belongs in a file named .ndjson" if "trailing garbage" in str(error) else ""
    why = (str(error).splitlines() or ["damaged"])[0][:120]
    return SourceError(f"is cut off, or not JSON: {why}{hint}", file)


class _Shallow:
    """A stream that refuses what is nested beyond measure. Brackets in text count too, which hurts nobody."""

    def __init__(self, stream: IO[bytes], file: Path) -> None:
        self._stream, self._file, self._open = stream, file, 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        opened = chunk.count(b"[") + chunk.count(b"{") - chunk.count(b"]") - chunk.count(b"}")
        self._open = max(0, self._open + opened)
        if self._open > _BRACKETS:
            raise SourceError("is nested too deep to be clinical data", self._file)
        return chunk


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
