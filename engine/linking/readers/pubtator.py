"""PubTator (Wei et al. 2013, Nucleic Acids Res 41:W518): `id|t|title`, `id|a|abstract`, then a tab-separated line a mention.

MedMentions, NCBI Disease and BC5CDR are published in it. Offsets count the title, one character between, and the abstract.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.linking.document import Annotation, Document
from engine.linking.readers._lines import decoded, lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.linking.problems import Problems
    from engine.linking.readers import Asked

__all__ = ["read"]

_PASSAGE = re.compile(r"([^|\t]+)\|[ta]\|(.*)", re.DOTALL)
_FIELDS = 5  # of a mention without a concept: id, start, end, text, types
_OFFSET = re.compile("[0-9]{1,12}")
_SPLIT = re.compile(r"[,;|]")


def read(path: str, asked: Asked, problems: Problems) -> Iterator[Document]:
    """A document for each identifier; its parts stand together. Relations between mentions are passed over."""
    name, place = "", ""
    passages: list[str] = []
    marked: list[tuple[int, list[str]]] = []
    for number, raw in lines(path):
        line = decoded(raw, "utf-8", problems, f"{path}:{number}")
        fields = line.split("\t")
        passage = _PASSAGE.fullmatch(line)
        said = passage.group(1) if passage else fields[0]
        if name and said != name:  # a blank line ends a document too
            yield Document("\n".join(passages), name, place, {}, _marked(passages, marked, path, problems, asked))
            name, passages, marked = "", [], []
        if passage:
            name, place = said, place if passages else f"{path}:{number}"
            passages.append(passage.group(2))
        elif not line.strip():
            continue
        elif not name or len(fields) < _FIELDS - 1:
            problems.bad(
                "neither a passage (id|t|title, id|a|abstract) nor a mention of the passage before", path, number
            )
        elif len(fields) >= _FIELDS and _OFFSET.fullmatch(fields[1]):
            marked.append((number, fields))
    if name:
        yield Document("\n".join(passages), name, place, {}, _marked(passages, marked, path, problems, asked))


def _marked(
    passages: list[str], marked: list[tuple[int, list[str]]], path: str, problems: Problems, asked: Asked
) -> tuple[Annotation, ...]:
    if not asked.annotations:
        return ()
    size = sum(map(len, passages)) + len(passages) - 1
    found = []
    for number, (_, start, end, _, types, *rest) in marked:
        if not _OFFSET.fullmatch(end) or not int(start) < int(end) <= size:
            problems.bad(f"a mention from {start} to {end} in a text of {size} characters", path, number)
            continue
        cuis = [cui.removeprefix("UMLS:") for cui in _SPLIT.split(rest[0])] if rest else []
        found.append(
            Annotation(int(start), int(end), tuple(c for c in cuis if c not in {"", "-1"}), tuple(_SPLIT.split(types)))
        )
    return tuple(found)
