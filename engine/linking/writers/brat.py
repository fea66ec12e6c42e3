"""BRAT standoff: a folder of `NAME.txt` (the text as it is) and `NAME.ann`, with the `annotation.conf` that brat asks for.

    T1<tab>CONCEPT 16 25<tab>wandering
    N1<tab>Reference T1 UMLS:C0233569<tab>Wandering
    A1<tab>Assertion T1 absent
    A2<tab>Informant T1 daughter

A mention that runs over the end of a line is written in pieces, as brat itself does; the best concept of a mention is kept.
"""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING
from urllib.parse import quote

from engine.linking.writers import label_of
from engine.linking.writers._sinks import whole_folder
from ontology.errors import ConfigError
from ontology.mention import Assertion, Informant, Mention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from engine.linking.document import Document
    from ontology.concept import Concept, Cui

__all__ = ["Rendering", "sink"]

_Piece = list[tuple[str, bytes, bytes, frozenset[tuple[str, str]]]]
_LINE = re.compile(r"[^\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")
_SAFE = " ()[]{}+,;=@!'"  # beside letters, digits and _.-~ : kept in a file's name
_LONGEST = 150  # characters of a file's name
_MORE = tuple(
    field.name
    for field in fields(Mention)
    if field.name not in {"start", "end", "text", "candidates", "assertion", "informant"}
)


class Rendering:
    """Names, texts and annotations of documents, with the labels and attribute values they use."""

    def __init__(self, catalog: Mapping[Cui, Concept], *, types: bool = False) -> None:
        self._catalog, self._types = catalog, types

    def __call__(self, linked: Sequence[tuple[Document, Sequence[Mention]]]) -> _Piece:
        """Identifier, text, annotations and used words of each document."""
        return [(doc.id, doc.text.encode(), *self._annotations(doc.text, mentions)) for doc, mentions in linked]

    def _annotations(self, text: str, mentions: Sequence[Mention]) -> tuple[bytes, frozenset[tuple[str, str]]]:
        lines: list[str] = []
        used: set[tuple[str, str]] = set()
        attributes = 0
        for number, mention in enumerate(mentions, 1):
            label = label_of(mention, self._catalog, types=self._types)
            used.add(("", label))
            pieces = list(_LINE.finditer(text, mention.start, mention.end))
            places = ";".join(f"{piece.start()} {piece.end()}" for piece in pieces)
            lines.append(f"T{number}\t{label} {places}\t{_one_line(' '.join(piece[0] for piece in pieces))}")
            name = _one_line(self._catalog[mention.cui].name)
            lines.append(f"N{number}\tReference T{number} UMLS:{mention.cui}\t{name}")
            for attribute, value in _attributes(mention):
                attributes += 1
                used.add((attribute, value))
                lines.append(f"A{attributes}\t{attribute} T{number} {value}")
        return "".join(f"{line}\n" for line in lines).encode(), frozenset(used)


def _one_line(text: str) -> str:
    return re.sub(r"[\t\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", " ", text)


def _attributes(mention: Mention) -> Iterator[tuple[str, str]]:
    yield "Assertion", mention.assertion.value
    yield "Informant", mention.informant.value
    for name in _MORE:  # severity, section: those that are words
        value = getattr(mention, name)
        if isinstance(value, str) and value and not name.endswith("_text"):
            yield name.capitalize(), re.sub(r"[\s|]+", "_", value)


@contextmanager
def sink(out: str | Path | None) -> Iterator[Callable[[_Piece], None]]:
    """Writes the files of each document; a document without an identifier is called by its number."""
    if out is None or str(out) == "-":
        raise ConfigError("BRAT is a folder; name a new one with --out")
    words: dict[str, set[str]] = defaultdict(set)
    words["Assertion"].update(Assertion)
    words["Informant"].update(Informant)
    count = 0
    with whole_folder(out) as folder:

        def take(piece: _Piece) -> None:
            nonlocal count
            for name, text, annotations, used in piece:
                count += 1
                stem = _file_name(name) if name else f"{count:08d}"
                place = folder / f"{stem}.txt"
                if place.exists():
                    raise ConfigError(
                        f"two documents are called {name!r}; BRAT needs a name for each: --id-field names another field"
                    )
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(text)
                place.with_name(f"{place.name.removesuffix('.txt')}.ann").write_bytes(annotations)
                for attribute, value in used:
                    words[attribute].add(value)

        yield take
        (folder / "annotation.conf").write_text(_configuration(words), encoding="utf-8", newline="\n")


def _file_name(name: str) -> str:
    """A path below the folder for an identifier, whatever is in it: no step up, nothing hidden, no odd character."""
    parts = [quote(part[:_LONGEST], safe=_SAFE)[:_LONGEST].strip(" ") for part in name.split("/")]
    return "/".join(f"_{part}" if part.startswith(".") or not part else part for part in parts[-8:])


def _configuration(words: Mapping[str, set[str]]) -> str:
    entities = sorted(words.get("", ())) or ["CONCEPT"]
    attributes = [
        f"{name}\tArg:<ENTITY>, Value:{'|'.join(sorted(values))}" for name, values in sorted(words.items()) if name
    ]
    return "\n".join(["[entities]", *entities, "[relations]", "[events]", "[attributes]", *attributes, ""])
