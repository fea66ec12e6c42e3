"""`CatalogLinker`, or `Linker` for short: text to concepts of a catalog, with assertion and informant.

Two tiers: strings of the catalog, inflected and respelled; then, where nothing longer was found, windows that are such a
string but for a letter or the order of its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ontology.linking.abbreviations import explained
from ontology.linking.lexicon import open_index
from ontology.linking.ranking import Ranking
from ontology.linking.tiers import THRESHOLD, Tiers, beside
from ontology.mention import Mention

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from ontology.concept import Concept, Cui
    from ontology.context import Context
    from ontology.linking.candidates import ModelSpans
    from ontology.linking.index import Index
    from ontology.linking.tiers import Hit

__all__ = ["THRESHOLD", "CatalogLinker", "Linker"]

_BATCH = 256  # texts looked at together
_LETTERS = 1 << 20  # characters of a batch, but for one text that is longer


class CatalogLinker:
    """Links texts to the concepts of `catalog`; called, it does the same as `link`.

    - `cache`: a folder for the index, which is then mapped into memory (None: built in each process, 30 microseconds a string).
    - `fuzzy=False`: exact, inflected and respelled strings only.
    - `context=False`: no assertion, informant or other sense of a word ("in the fall"): everything is present and told by
      the clinician, five to eight times as fast.
    - `model`: a spaCy or scispaCy model (`en_core_sci_md`); its entities and noun chunks that no string is are linked by
      scispaCy's `EntityLinker` over the same strings.
    - `prefer`: concepts that come first where a string means several, such as those of a disease pack.

    Opening takes a third of a second for the rules (`context`), 10 ms for the index of the HPO (36,000 strings).

    >>> from ontology.concept import Concept
    >>> linker = Linker({"C0233563": Concept("C0233563", "wandering")}, fuzzy=False)
    >>> [(m.cui, m.text, m.assertion.value, m.informant.value) for m in next(linker(["Wife denies wandering."]))]
    [('C0233563', 'wandering', 'absent', 'wife')]
    """

    def __init__(
        self,
        catalog: Mapping[Cui, Concept],
        *,
        cache: Path | None = None,
        fuzzy: bool = True,
        context: bool = True,
        model: str | None = None,
        prefer: Collection[Cui] = (),
    ) -> None:
        index = open_index(catalog, cache)
        self._tiers = Tiers(index, fuzzy=fuzzy)
        self._spans = _model_spans(model, index, cache) if model else None
        self._ranking = Ranking(catalog, prefer)
        self._context = _context() if context else None

    def __call__(self, texts: Iterable[str]) -> Iterator[tuple[Mention, ...]]:
        """As `link`."""
        return self.link(texts)

    def link(self, texts: Iterable[str]) -> Iterator[tuple[Mention, ...]]:
        """The mentions of each text in order of `start`, lazily; the same whether texts come together or alone."""
        for batch in _batched(texts):
            found = self._tiers.find(batch)
            if self._spans is not None:
                found = [beside(hits, more) for hits, more in zip(found, self._spans.find(batch), strict=True)]
            for text, hits in zip(batch, found, strict=True):
                yield self._mentions(text, self._ranking.together(explained(text, hits)))

    def _mentions(self, text: str, hits: list[Hit]) -> tuple[Mention, ...]:
        context = self._context
        if not hits:
            return ()
        if context is None:
            return tuple(Mention(start, end, text[start:end], candidates) for start, end, candidates in hits)
        hits = [hit for hit in hits if not context.other_sense(text, hit.start, hit.end)]
        read = context.read(text, [(hit.start, hit.end) for hit in hits])
        return tuple(
            Mention(
                hit.start,
                hit.end,
                text[hit.start : hit.end],
                hit.candidates,
                said.assertion,
                said.informant,
                said.severity,
                said.severity_text,
                said.times,
                said.section,
            )
            for hit, said in zip(hits, read, strict=True)
        )


Linker = CatalogLinker
"""The short name. The port of the same name, for type hints, is `ontology.mention.Linker`."""


def _model_spans(model: str, index: Index, cache: Path | None) -> ModelSpans:
    from ontology.linking.candidates import ModelSpans

    return ModelSpans(model, index, cache)


def _context() -> Context:
    from ontology.context import Context

    return Context()


def _batched(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    letters = 0
    for text in texts:
        batch.append(text)
        letters += len(text)
        if len(batch) == _BATCH or letters > _LETTERS:
            yield batch
            batch, letters = [], 0
    if batch:
        yield batch
