"""`PooledLinker`: the port `Linker` over several processes, for long streams of notes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.linking.pool import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ontology.mention import Linker, Mention

__all__ = ["PooledLinker"]

_LETTERS = 1 << 17  # characters of a batch: enough work for the trip to another process


@dataclass(frozen=True, slots=True)
class PooledLinker:
    """The catalog's strings with the pack's phrases over them, as `graph_loaders.load` links notes; the same mentions in the same
    order, however many processes. Each opens the catalog and four seconds of rules for itself.
    """

    processes: int
    catalog: str | None = None
    pack: str | None = None
    cache: Path | None = None

    def link(self, texts: Iterable[str]) -> Iterator[tuple[Mention, ...]]:
        """The mentions of each text, lazily; a bounded number of texts is on its way."""
        build = partial(_built, self.catalog, self.pack, self.cache)
        for made in in_order(_batched(texts), build, self.processes):
            yield from made


def _built(
    catalog: str | None, pack: str | None, cache: Path | None
) -> Callable[[list[str]], list[tuple[Mention, ...]]]:
    from ontology.catalog import open_catalog, pack_catalog
    from ontology.linker import CatalogLinker
    from ontology.pack import load_pack

    found = load_pack(pack)
    base = open_catalog(catalog, cache=cache) if catalog else None
    linker = CatalogLinker(pack_catalog(found, base=base), cache=cache, prefer=[c.cui for c in found.concepts])
    return partial(_linked, linker)


def _linked(linker: Linker, texts: list[str]) -> list[tuple[Mention, ...]]:
    return list(linker.link(texts))


def _batched(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    letters = 0
    for text in texts:
        batch.append(text)
        letters += len(text)
        if letters > _LETTERS:
            yield batch
            batch, letters = [], 0
    if batch:
        yield batch
