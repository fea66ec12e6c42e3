"""`LayeredCatalog`: one catalog over another, of which the lower may be a file of any size."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ontology.catalog import Catalog, CatalogSource, merged, order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ontology.concept import Coding, Concept, Cui

__all__ = ["LayeredCatalog"]


class LayeredCatalog(Catalog):
    """The concepts of both; where they share one, the upper one's name stays and the rest adds up, as `Catalog` merges.

    Nothing is copied: every question goes to both. `upper` should be the small one.
    """

    def __init__(self, upper: Catalog, lower: Catalog) -> None:
        self._upper, self._lower = upper, lower

    @property
    def sources(self) -> tuple[CatalogSource, ...]:
        """Those of both."""
        return tuple(dict.fromkeys((*self._upper.sources, *self._lower.sources)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the two fingerprints."""
        return hashlib.sha256(f"{self._upper.fingerprint} {self._lower.fingerprint}".encode()).hexdigest()

    def get(self, cui: Cui, default: Any = None, /) -> Any:
        """The concept or `default`."""
        above, below = self._upper.get(cui), self._lower.get(cui)
        if above is None or below is None:
            return below if above is None else above if below is None else default
        return merged(above, below)

    def __contains__(self, cui: object) -> bool:
        return cui in self._upper or cui in self._lower

    def __iter__(self) -> Iterator[Cui]:
        yield from self._upper
        yield from (cui for cui in self._lower if cui not in self._upper)

    @cached_property
    def _extra(self) -> int:
        return sum(cui not in self._lower for cui in self._upper)

    def __len__(self) -> int:
        return self._extra + len(self._lower)

    def strings(self) -> Iterator[tuple[str, Cui, bool]]:
        """As `Catalog.strings`, one stream of both."""
        own = sorted(self._upper, key=order)
        at = 0
        for string, cui, preferred in self._lower.strings():
            while at < len(own) and order(own[at]) <= order(cui):
                yield from self._strings_of(own[at])
                at += 1
            if not (at and own[at - 1] == cui):
                yield string, cui, preferred
        for cui in own[at:]:
            yield from self._strings_of(cui)

    def _strings_of(self, cui: Cui) -> Iterator[tuple[str, Cui, bool]]:
        for place, string in enumerate(self[cui].strings):
            yield string, cui, place == 0

    def _with_code(self, coding: Coding) -> tuple[Cui, ...]:
        return self._both(self._upper.lookup(coding), self._lower.lookup(coding))

    def find(self, text: str) -> tuple[Cui, ...]:
        """As `Catalog.find`, in both."""
        return self._both(self._upper.find(text), self._lower.find(text))

    @staticmethod
    def _both(above: Iterable[Cui], below: Iterable[Cui]) -> tuple[Cui, ...]:
        return tuple(sorted({*above, *below}, key=order))

    def _ranked(self, text: str, limit: int) -> list[tuple[Cui, float]]:
        scores: dict[Cui, float] = {}
        for catalog in (self._upper, self._lower):
            for concept, score in catalog.search(text, limit):
                scores[concept.cui] = max(score, scores.get(concept.cui, 0.0))
        return sorted(scores.items(), key=lambda pair: (-pair[1], order(pair[0])))

    def _near_ids(self, text: str) -> list[Cui]:
        near = (*self._upper._near_ids(text), *self._lower._near_ids(text))  # noqa: SLF001 - catalogs, like this one
        return list(dict.fromkeys(near))[:3]

    def current(self, cui: Cui) -> Cui:
        """As `Catalog.current`, in the upper one, then in the lower one."""
        if cui in self:
            return cui
        for catalog in (self._upper, self._lower):
            if catalog._past(cui):  # noqa: SLF001 - as above
                return catalog.current(cui)
        return super().current(cui)

    def _past(self, cui: Cui) -> str:
        return self._upper._past(cui) or self._lower._past(cui)  # noqa: SLF001 - catalogs, like this one

    def _parents_of(self, cui: Cui) -> Iterable[Cui]:
        return dict.fromkeys((*self._upper._parents_of(cui), *self._lower._parents_of(cui)))  # noqa: SLF001 - as above

    def _children_of(self, cui: Cui) -> Iterable[Cui]:
        return dict.fromkeys((*self._upper._children_of(cui), *self._lower._children_of(cui)))  # noqa: SLF001 - as above

    def values(self) -> Any:
        """Every concept, as a stream."""
        return _Values(self)


class _Values:
    def __init__(self, catalog: LayeredCatalog) -> None:
        self._catalog = catalog

    def __len__(self) -> int:
        return len(self._catalog)

    def __iter__(self) -> Iterator[Concept]:
        upper, lower = self._catalog._upper, self._catalog._lower  # noqa: SLF001 - its other half
        for cui in upper:
            yield self._catalog[cui]
        yield from (concept for concept in lower.values() if concept.cui not in upper)
