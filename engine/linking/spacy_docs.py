"""Mentions in a spaCy `Doc`: entities with `kb_id_` and extension attributes. The only spaCy in linking, with the component.

ent.kb_id_              the CUI                     ent._.kb_ents       [(CUI, score), ...] best first, as scispaCy has it
ent._.assertion         present, absent ...         ent._.informant     clinician, patient, daughter ...
ent._.concept_name      the preferred name          ent._.mention       severity, times, section where said (a dict)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.linking.document import Document, row
from engine.linking.writers import LABEL, label_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ontology.concept import Concept, Cui
    from ontology.mention import Mention

__all__ = ["EXTENSIONS", "blank", "mark", "register"]

EXTENSIONS: dict[str, Any] = {
    "kb_ents": [],
    "concept_name": "",
    "assertion": "",
    "informant": "",
    "mention": {},
}
"""The extension attributes of a span, with their defaults."""
_OWN = {"start", "end", "text", "cui", "name", "score", "assertion", "informant", "candidates"}


def register() -> None:
    """Declares the extension attributes, except where another component has declared one of that name."""
    from spacy.tokens import Span

    for name, default in EXTENSIONS.items():
        if not Span.has_extension(name):
            Span.set_extension(name, default=default)


def blank() -> Any:
    """The English tokenizer of spaCy, for texts of any length."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what spaCy's imports deprecate is not for our users
        import spacy

    nlp = spacy.blank("en")
    nlp.max_length = 1 << 40  # the limit of spaCy is for parsers: a tokenizer is linear
    return nlp


def mark(
    doc: Any,
    mentions: Sequence[Mention],
    catalog: Mapping[Cui, Concept],
    *,
    types: bool = False,
    label: str = LABEL,
    spans_key: str = "concepts",
    overwrite: bool = True,
) -> None:
    """Sets `doc.spans[spans_key]` to every mention and `doc.ents` to those that do not overlap, the longest first.

    A mention takes every token it touches. `overwrite`: an entity that was there gives way to an overlapping mention; otherwise it
    stays and the mention is in `doc.spans` only.
    """
    from spacy.util import filter_spans

    shown = row(Document(doc.text), mentions, catalog)["mentions"]
    spans = []
    for mention, fields in zip(mentions, shown, strict=True):
        said = label_of(mention, catalog, types=types, other=label)
        span = doc.char_span(mention.start, mention.end, label=said, kb_id=mention.cui, alignment_mode="expand")
        if span is None:
            continue
        span._.kb_ents = [tuple(pair) for pair in fields["candidates"]]
        span._.concept_name = fields["name"]
        span._.assertion, span._.informant = fields["assertion"], fields["informant"]
        span._.mention = {name: value for name, value in fields.items() if name not in _OWN}
        spans.append(span)
    doc.spans[spans_key] = spans
    chosen, before = filter_spans(spans), list(doc.ents)
    loser, winner = (before, chosen) if overwrite else (chosen, before)
    taken = {at for span in winner for at in range(span.start, span.end)}
    doc.ents = [*winner, *(span for span in loser if taken.isdisjoint(range(span.start, span.end)))]
