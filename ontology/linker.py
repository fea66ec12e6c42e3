"""`CatalogLinker`: text to concepts of a catalog, with assertion and informant.

Two tiers: strings of the catalog and their inflected forms (`Lexicon`); then, where nothing longer was found, windows
that are nearly such a string, scored by scispaCy's `CandidateGenerator` over an index of our own (`TfidfIndex`).
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ontology.concept import Cui
from ontology.context import Context
from ontology.lexicon import Hit, Lexicon, Taken, normalise
from ontology.mention import Mention

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ontology.concept import Concept
    from ontology.lexicon import Normal
    from ontology.nearby import Nearby, Window

__all__ = ["THRESHOLD", "CatalogLinker"]

THRESHOLD = 0.6
"""Least cosine of 3-grams for a window that already has the words of a string, but for a letter or their order."""
_CAP = 0.98  # a near string never outranks an exact one
_NEIGHBOURS = 50  # strings looked at for a window
_KEPT = 5  # candidates of a mention
_REMEMBERED = 100_000  # answers of the index
_BATCH = 64  # texts looked at together: one call of the index for all their windows


class CatalogLinker:
    """Links texts to the concepts of `catalog`.

    `cache` is a folder for the index of 3-grams (None: built anew in each process, some seconds for 40,000 strings, when
    the first near string turns up). `fuzzy=False` leaves that tier out, and with it scispaCy. Opening takes about five
    seconds for the HPO (52,000 forms): four for medspaCy's import and its rules, one for the forms.

    >>> from ontology.concept import Concept
    >>> linker = CatalogLinker({"C0233563": Concept("C0233563", "wandering")}, fuzzy=False)
    >>> [(m.cui, m.text, m.assertion.value, m.informant.value) for m in next(linker.link(["Wife denies wandering."]))]
    [('C0233563', 'wandering', 'absent', 'wife')]
    """

    def __init__(self, catalog: Mapping[Cui, Concept], *, cache: Path | None = None, fuzzy: bool = True) -> None:
        self._lexicon = Lexicon(catalog.values())
        self._near = _NearTier(self._lexicon, catalog, cache) if fuzzy and len(self._lexicon) else None
        self._context = Context()

    def link(self, texts: Iterable[str]) -> Iterator[tuple[Mention, ...]]:
        """The mentions of each text in order of `start`, lazily; the same whether texts come together or alone."""
        if self._near is None:
            for text in texts:
                yield self._mentions(text, self._lexicon.find(text))
            return
        for batch in _batched(texts):
            yield from self._batch(self._near, batch)

    def _batch(self, near: _NearTier, texts: tuple[str, ...]) -> Iterator[tuple[Mention, ...]]:
        normals = [normalise(text) for text in texts]
        hits = [self._lexicon.find(text, normal) for text, normal in zip(texts, normals, strict=True)]
        for text, found in zip(texts, near.add(texts, normals, hits), strict=True):
            yield self._mentions(text, found)

    def _mentions(self, text: str, hits: list[Hit]) -> tuple[Mention, ...]:
        hits = [hit for hit in hits if not self._context.other_sense(text, hit.start, hit.end)]
        if not hits:
            return ()
        read = self._context.read(text, [(hit.start, hit.end) for hit in hits])
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


class _NearTier:
    """Windows that are nearly a string, with scispaCy's candidates."""

    def __init__(self, lexicon: Lexicon, catalog: Mapping[Cui, Concept], cache: Path | None) -> None:
        self._strings = lexicon.strings
        self._catalog = catalog
        self._cache = cache
        self._known: dict[str, tuple[tuple[Cui, float], ...]] = {}

    @cached_property
    def _nearby(self) -> Nearby:
        from ontology.nearby import Nearby, common_words

        return Nearby(self._strings, common_words(self._catalog.values()))

    @cached_property
    def _generator(self) -> Any:
        """The generator of scispaCy over our own index: its index builder fails on Python 3.11 and reads a pickle."""
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its imports deprecate is not for our users
            from scispacy.candidate_generation import CandidateGenerator
            from scispacy.linking_utils import Entity, KnowledgeBase
        from ontology.tfidf import TfidfIndex

        strings = list(self._strings)
        index = TfidfIndex.cached(strings, self._cache) if self._cache else TfidfIndex.build(strings)
        aliases: dict[str, list[str]] = {}
        for string, cuis in self._strings.items():
            for cui in cuis:
                aliases.setdefault(cui, []).append(string)
        kb = KnowledgeBase([Entity(cui, names[0], names) for cui, names in aliases.items()])
        return CandidateGenerator(
            ann_index=index, tfidf_vectorizer=index.vectorizer, ann_concept_aliases_list=index.strings, kb=kb
        )

    def add(self, texts: tuple[str, ...], normals: list[Normal], hits: list[list[Hit]]) -> Iterator[list[Hit]]:
        """The hits of each text with those of the near windows among them."""
        windows = [self._worth(text, normal, found) for text, normal, found in zip(texts, normals, hits, strict=True)]
        self._ask(
            {_said(normal, one): one.strings for normal, wanted in zip(normals, windows, strict=True) for one in wanted}
        )
        for normal, wanted, found in zip(normals, windows, hits, strict=True):
            yield self._merged(normal, wanted, found) if wanted else found
        if len(self._known) > _REMEMBERED:
            self._known.clear()

    def _worth(self, text: str, normal: Normal, hits: list[Hit]) -> list[Window]:
        """Windows that are no hit, lie in no hit and cut none in two."""
        kept = []
        starts, ends = [hit.start for hit in hits], [hit.end for hit in hits]
        for window in self._nearby.windows(normal, text):
            start, end = normal.span(window.start, window.end)
            cut = hits[bisect_right(ends, start) : bisect_left(starts, end)]
            if all(start <= hit.start and hit.end <= end and end - start > hit.end - hit.start for hit in cut):
                kept.append(window)
        return kept

    def _ask(self, said: Mapping[str, tuple[str, ...]]) -> None:
        """Candidates of each text among the strings that its words may be."""
        new = sorted(said.keys() - self._known.keys())
        for text, found in zip(new, self._generator(new, _NEIGHBOURS) if new else (), strict=True):
            scores: dict[Cui, float] = {}
            for one in found:
                for alias, score in zip(one.aliases, one.similarities, strict=True):
                    if score >= THRESHOLD and alias in said[text]:
                        cui = Cui(one.concept_id)
                        scores[cui] = max(scores.get(cui, 0.0), round(min(score, _CAP), 4))
            self._known[text] = tuple(sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:_KEPT])

    def _merged(self, normal: Normal, windows: list[Window], hits: list[Hit]) -> list[Hit]:
        taken = Taken()
        chosen: list[Hit] = []
        for window in sorted(windows, key=lambda one: (-one.words, one.misspelt, one.start, one.end - one.start)):
            start, end = normal.span(window.start, window.end)
            candidates = self._known[_said(normal, window)]
            if candidates and taken.free(start, end):
                taken.add(start, end)
                chosen.append(Hit(start, end, candidates))
        kept = [hit for hit in hits if taken.free(hit.start, hit.end)]
        return sorted([*kept, *chosen], key=lambda hit: hit.start)


def _said(normal: Normal, window: Window) -> str:
    return normal.text[window.start : window.end]


def _batched(texts: Iterable[str]) -> Iterator[tuple[str, ...]]:
    left = iter(texts)
    while batch := tuple(itertools.islice(left, _BATCH)):
        yield batch
