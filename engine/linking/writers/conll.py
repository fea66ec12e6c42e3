"""CoNLL columns (as CoNLL-2003, Tjong Kim Sang and De Meulder), tab-separated: token, CUI, assertion, informant, IOB2 tag.

The tag stands last, where readers of the format look for it (`spacy convert -c ner`). A blank line ends a sentence, the usual
`-DOCSTART-` line begins each document, in the order of the input. Tokens are spaCy's for English; a mention takes every token it touches.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from engine.linking.spacy_docs import blank
from engine.linking.writers import label_of
from engine.linking.writers._sinks import byte_sink as sink

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.linking.document import Document
    from ontology.concept import Concept, Cui
    from ontology.mention import Mention

__all__ = ["Rendering", "sink"]

_HEAD = "-DOCSTART- -X- O O\n\n"
_OUTSIDE = "-\t-\t-\tO"
_BREAK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class Rendering:
    """Columns of documents."""

    def __init__(self, catalog: Mapping[Cui, Concept], *, types: bool = False) -> None:
        self._catalog, self._types = catalog, types
        self._nlp = blank()

    def __call__(self, linked: Sequence[tuple[Document, Sequence[Mention]]]) -> bytes:
        """The lines of each document."""
        return "".join(f"{_HEAD}{''.join(self._lines(doc.text, mentions))}" for doc, mentions in linked).encode()

    def _lines(self, text: str, mentions: Sequence[Mention]) -> Iterator[str]:
        from ontology.context import sentences

        tokens = [token for token in self._nlp.make_doc(text) if not token.is_space]
        starts = [token.idx for token in tokens]
        columns, inside = self._columns(starts, [token.idx + len(token) for token in tokens], mentions)
        ends = {bisect_left(starts, end) for _, end in sentences(text)} - inside
        for at, token in enumerate(tokens):
            if at and at in ends:
                yield "\n"
            yield f"{_BREAK.sub('_', token.text)}\t{columns.get(at, _OUTSIDE)}\n"
        if tokens:
            yield "\n"

    def _columns(
        self, starts: Sequence[int], ends: Sequence[int], mentions: Sequence[Mention]
    ) -> tuple[dict[int, str], set[int]]:
        """Columns of the tokens in a mention, and which of them do not begin one."""
        columns: dict[int, str] = {}
        inside: set[int] = set()
        for mention in mentions:
            first, last = bisect_right(ends, mention.start), bisect_left(starts, mention.end)
            if first >= last or any(at in columns for at in range(first, last)):
                continue
            said = f"{mention.cui}\t{mention.assertion}\t{mention.informant}"
            label = label_of(mention, self._catalog, types=self._types)
            columns |= {at: f"{said}\t{'B' if at == first else 'I'}-{label}" for at in range(first, last)}
            inside.update(range(first + 1, last))
        return columns, inside
