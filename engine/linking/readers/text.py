"""Plain text: every line is a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.linking.document import Document
from engine.linking.readers._lines import decoded, lines, plain_encoding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.linking.problems import Problems
    from engine.linking.readers import Asked

__all__ = ["read"]


def read(path: str, asked: Asked, problems: Problems) -> Iterator[Document]:
    """A document a line, empty lines too; a byte order mark at the beginning of the file is no part of it."""
    encoding = plain_encoding(asked.encoding)
    for number, line in lines(path):
        where = f"{path}:{number}"
        text = decoded(line, encoding, problems, where)
        yield Document(text.removeprefix("\ufeff") if number == 1 else text, place=where)
