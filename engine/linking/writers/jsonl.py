"""JSON lines: an object a document, as `engine.linking.row` makes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.linking.document import row
from engine.linking.writers._sinks import byte_sink as sink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.linking.document import Document
    from ontology.concept import Concept, Cui
    from ontology.mention import Mention

__all__ = ["Rendering", "sink"]


class Rendering:
    """Lines of JSON."""

    def __init__(self, catalog: Mapping[Cui, Concept], *, types: bool = False) -> None:
        self._catalog, self._types = catalog, types

    def __call__(self, linked: Sequence[tuple[Document, Sequence[Mention]]]) -> bytes:
        """A line for each document."""
        return "".join(
            json.dumps(self._row(document, mentions), ensure_ascii=False) + "\n" for document, mentions in linked
        ).encode()

    def _row(self, document: Document, mentions: Sequence[Mention]) -> dict[str, object]:
        made = row(document, mentions, self._catalog)
        if self._types:
            for shown, mention in zip(made["mentions"], mentions, strict=True):
                shown["types"] = list(self._catalog[mention.cui].types)
        return made
