"""Two annotations of the same documents, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ontology.errors import SourceError
from ontology.issue import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.linking.document import Document
    from engine.linking.problems import Problems

__all__ = ["paired"]


def paired(
    gold: Iterable[Document], predicted: Iterable[Document], problems: Problems
) -> Iterator[tuple[Document, Document | None]]:
    """Each gold document with the predicted one: by identifier where both have them, by order otherwise.

    A gold document that was not predicted comes with None (its mentions are missed) and is counted; predicted ones without gold are counted
    and left out. SourceError where the two have different texts: offsets would mean nothing. Predicted documents are held in memory.
    """
    by_id: dict[str, Document] = {}
    in_order: list[Document] = []
    for document in predicted:
        if document.id and document.id in by_id:
            raise SourceError(f"two predicted documents are called {document.id!r}", document.place)
        if document.id:
            by_id[document.id] = document
        in_order.append(document)
    seen: set[str] = set()
    used = 0
    for number, document in enumerate(gold):
        if document.id in seen:
            raise SourceError(f"two gold documents are called {document.id!r}", document.place)
        if document.id and by_id:
            seen.add(document.id)
            other = by_id.get(document.id)
        else:
            other = in_order[number] if number < len(in_order) else None
        if other is None:
            problems.note(Severity.WARNING, "not-predicted", f"no prediction for {_name(document)}", document.place)
        else:
            used += 1
            _same(document, other)
        yield document, other
    for _ in range(len(in_order) - used):
        problems.note(Severity.WARNING, "no-gold", "a predicted document has no gold one", "")


def _name(document: Document) -> str:
    return repr(document.id) if document.id else "this document"


def _same(gold: Document, predicted: Document) -> None:
    if gold.text == predicted.text:
        return
    at = next(
        (at for at, pair in enumerate(zip(gold.text, predicted.text, strict=False)) if pair[0] != pair[1]),
        min(len(gold.text), len(predicted.text)),
    )
    raise SourceError(
        f"is another text than {gold.place} from character {at} on ({predicted.text[at : at + 20]!r}, not {gold.text[at : at + 20]!r}); "
        "predict on the gold file itself",
        predicted.place,
    )
