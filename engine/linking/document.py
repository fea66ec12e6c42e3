"""`Document`: a text to link, or one that is annotated; and how a linked text looks as plain values."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ontology.concept import Concept, Cui
    from ontology.mention import Mention

__all__ = ["Annotation", "Document", "row", "storable"]

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Annotation:
    """A concept marked in a text, characters, end exclusive. `cuis` best first; "" or () where nothing is said."""

    start: int
    end: int
    cuis: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    assertion: str = ""
    informant: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A text. `id`: as its file names it ("" where it does not). `kept`: fields of its row that are carried to the output."""

    text: str
    id: str = ""
    place: str = ""
    kept: dict[str, Any] = field(default_factory=dict)
    annotations: tuple[Annotation, ...] = ()


def storable(text: str) -> str:
    r"""The text with each half of a surrogate pair, which UTF-8 cannot hold, as U+FFFD; every offset stays.

    >>> storable("a\ud83db") == "a\ufffdb"
    True
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def row(document: Document, mentions: Iterable[Mention], catalog: Mapping[Cui, Concept]) -> dict[str, Any]:
    """A linked text as plain values: `text` and `mentions`, with the document's id and kept fields where it has them.

    Attributes of a mention that are empty (severity, time, section where none is said) are left out.

    >>> from ontology.concept import Concept, parse_cui
    >>> from ontology.mention import Mention
    >>> cui = parse_cui("C0085632")
    >>> row(Document("Apathy."), [Mention(0, 6, "Apathy", ((cui, 1.0),))], {cui: Concept(cui, "Apathy")})["mentions"][0]["name"]
    'Apathy'
    """
    head = {"id": document.id} if document.id else {}
    return {
        **head,
        **document.kept,
        "text": document.text,
        "mentions": [_mention(mention, catalog) for mention in mentions],
    }


def _mention(mention: Mention, catalog: Mapping[Cui, Concept]) -> dict[str, Any]:
    candidates = [[cui, round(float(score), 4)] for cui, score in mention.candidates]
    shown: dict[str, Any] = {
        "start": mention.start,
        "end": mention.end,
        "text": mention.text,
        "cui": mention.cui,
        "name": catalog[mention.cui].name,
        "score": candidates[0][1],
        "assertion": mention.assertion.value,
        "informant": mention.informant.value,
        "candidates": candidates,
    }
    for one in fields(mention):
        if one.name not in shown and (value := getattr(mention, one.name)) not in ("", (), None):
            shown[one.name] = _plain(value)
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
