"""scispaCy's candidates over our own index: for the spans that a spaCy model finds.

scispaCy's own index builder fails on Python 3.11 and reads a pickle, so its `CandidateGenerator` gets a `TfidfIndex`, and
its `EntityLinker` that generator. Both build Python objects for every neighbour of every span, hundreds of microseconds a
span, so the two tiers ask the same strings and weights directly (`ontology.linking.kernels`); here, where a model has
already spent milliseconds on a text, scispaCy's way is taken as it is.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ontology.concept import Cui
from ontology.errors import ConfigError, MissingExtra
from ontology.linking.fold import plain
from ontology.linking.index import ACRONYM, DERIVED
from ontology.linking.senses import CAP
from ontology.linking.tfidf import TfidfIndex
from ontology.linking.tiers import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ontology.linking.index import Index

__all__ = ["LEAST", "ModelSpans", "generator"]

LEAST = 0.8
"""Least cosine of 3-grams for a span that a model found, and that no string of the catalog is."""
_NEIGHBOURS = 30  # strings looked at for a span
_KEPT = 5  # candidates of a span


def generator(index: Index, cache: Path | None = None) -> Any:
    """ScispaCy's `CandidateGenerator` over the strings of `index`. Building takes about 50 microseconds and 1 kB a string,
    opening from `cache` a tenth of that.

    `CandidateGenerator` and `EntityLinker(candidate_generator=...)` then work as scispaCy documents them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its imports deprecate is not for our users
        from scispacy.candidate_generation import CandidateGenerator
        from scispacy.linking_utils import Entity, KnowledgeBase

    aliases: dict[str, list[str]] = {}
    concepts, kinds = index.arrays["string_concept"], index.arrays["string_kind"]
    for string in range(len(index)):
        if not kinds[string] & (ACRONYM | DERIVED):
            aliases.setdefault(index.cuis[concepts[string]].decode(), []).append(index.text(string))
    if not aliases:
        raise ConfigError("a model needs a catalog with at least one string; give one, or leave `model` out")
    strings = sorted({string for names in aliases.values() for string in names})
    tfidf = TfidfIndex.cached(strings, cache) if cache else TfidfIndex.build(strings)
    tfidf.vectorizer.preprocessor = plain
    kb = KnowledgeBase([Entity(cui, names[0], names) for cui, names in aliases.items()])
    return CandidateGenerator(
        ann_index=tfidf, tfidf_vectorizer=tfidf.vectorizer, ann_concept_aliases_list=tfidf.strings, kb=kb
    )


class ModelSpans:
    """Entities and noun chunks of the spaCy or scispaCy model `model` (an installed package or a folder), linked by
    scispaCy's `EntityLinker`.
    """

    def __init__(self, model: str, index: Index, cache: Path | None = None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import spacy
            from scispacy.linking import EntityLinker
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # models trained with another version of spaCy say so
                self._nlp = spacy.load(model)
        except OSError:
            known = ", ".join(sorted(spacy.util.get_installed_models())) or "none"
            raise MissingExtra(f"the spaCy model {model!r} (installed: {known})", f"pip install {model}") from None
        self._link: Any = EntityLinker(
            candidate_generator=generator(index, cache),
            resolve_abbreviations=False,
            k=_NEIGHBOURS,
            threshold=LEAST,
            filter_for_definitions=False,
            max_entities_per_mention=_KEPT,
        )

    def find(self, texts: Sequence[str]) -> Iterator[list[Hit]]:
        """The linked spans of each text, in order of `start`."""
        from spacy.util import filter_spans

        self._nlp.max_length = max(self._nlp.max_length, *(len(text) + 1 for text in texts))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for doc in self._nlp.pipe(texts):
                spans = [*doc.ents, *(self._chunks(doc) if doc.has_annotation("DEP") else ())]
                doc.set_ents(filter_spans(spans))
                yield [self._hit(span) for span in self._link(doc).ents if span._.kb_ents]

    @staticmethod
    def _chunks(doc: Any) -> Iterator[Any]:
        """Noun chunks without the articles and pronouns before them."""
        for chunk in doc.noun_chunks:
            first = chunk.start
            while first < chunk.end and doc[first].pos_ in {"DET", "PRON", "PUNCT", "SPACE"}:
                first += 1
            if first < chunk.end:
                yield doc[first : chunk.end]

    @staticmethod
    def _hit(span: Any) -> Hit:
        scores = ((Cui(cui), round(min(float(score), CAP), 4)) for cui, score in span._.kb_ents)
        return Hit(span.start_char, span.end_char, tuple(sorted(scores, key=lambda pair: (-pair[1], pair[0]))))
