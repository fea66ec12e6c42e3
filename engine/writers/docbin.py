"""spaCy's DocBin (`.spacy`): text, `doc.ents` with `kb_id`, `doc.spans["concepts"]`, and the label in `doc.cats`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.writers._whole import whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from engine.record import Record

__all__ = ["write"]


def write(records: Iterable[Record], path: str | Path) -> int:
    """Writes one Doc a record for `spacy train`; returns how many. Overlapping spans are all in `doc.spans`; `doc.ents`
    keeps the longest. `doc.user_data` holds the record's id, assertion and informant. Memory grows with the records.
    """
    import spacy
    from spacy.tokens import DocBin
    from spacy.util import filter_spans

    nlp = spacy.blank("en")
    docs = DocBin(attrs=["ORTH", "SPACY", "ENT_IOB", "ENT_TYPE", "ENT_KB_ID"], store_user_data=True)
    count = 0
    for record in records:
        doc = nlp.make_doc(record.text)
        found = [
            doc.char_span(span.start, span.end, label=span.label, kb_id=span.cui, alignment_mode="expand")
            for span in record.spans
        ]
        spans = [span for span in found if span is not None]
        doc.spans["concepts"] = spans
        doc.set_ents(filter_spans(spans))
        doc.cats = {record.label: 1.0}
        doc.user_data |= {"id": record.id, "assertion": record.assertion, "informant": record.informant}
        docs.add(doc)
        count += 1
    with whole(path) as part:
        docs.to_disk(part)
    return count
