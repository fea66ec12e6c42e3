"""The lines of a file: plain or gzip, or standard input; only a newline ends one."""

from __future__ import annotations

import codecs
import gzip
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from engine.linking.document import storable
from ontology.errors import ConfigError, SourceError
from ontology.issue import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.linking.problems import Problems

__all__ = ["decoded", "lines", "plain_encoding"]


def lines(path: str) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and bytes of each line, without its end."""
    with _opened(path) as file:
        try:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip(b"\n").removesuffix(b"\r")
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"cannot be read to its end ({error}); is it cut short?", path) from None


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    if Path(path).is_dir():
        raise SourceError("is a folder; give a file, or --from brat for a folder of .txt files", path)
    try:
        file = cast("IO[bytes]", gzip.open(path) if path.endswith(".gz") else open(path, "rb"))  # noqa: PTH123, SIM115 - the block below closes it
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None
    with file:
        yield file


def decoded(data: bytes, encoding: str, problems: Problems, where: str) -> str:
    """The text of some bytes; what is no such text becomes U+FFFD and is counted."""
    try:
        return storable(data.decode(encoding))
    except UnicodeDecodeError as error:
        problems.note(
            Severity.WARNING,
            "not-text",
            f"byte {data[error.start]:#04x} at {error.start} is not {encoding}",
            where,
            "it was read as U+FFFD; name the encoding with --encoding, such as latin-1",
        )
        return storable(data.decode(encoding, "replace"))


def plain_encoding(name: str) -> str:
    """The encoding of that name; ConfigError for one that is unknown or in which a newline is not one byte."""
    try:
        known = codecs.lookup(name)
        if "\n".encode(known.name) != b"\n":
            raise ConfigError(
                f"in --encoding {name} a newline is not one byte; convert the file to UTF-8 first (iconv)"
            )
    except (LookupError, UnicodeError, TypeError):
        raise ConfigError(f"--encoding {name!r} is not known; utf-8, latin-1 and cp1252 are") from None
    return known.name
