"""`Linker`: what Python users call. Texts to mentions, over a catalog or the name of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ontology.catalog import Catalog
    from ontology.concept import Concept, Cui
    from ontology.mention import Mention

__all__ = ["Linker", "open_vocabulary"]


class Linker:
    """Finds the concepts of a catalog in texts, with assertion and informant.

    `catalog`: concepts by CUI, or a name: `hpo`, `pack`, or a file; None: the pack's words over the HPO, its
    concepts first where a string means several. `pack`: a folder
    (default: the shipped one). `fuzzy=False` finds strings of the catalog and their inflected forms only. `model`: a spaCy or scispaCy
    model by name, whose entities and noun chunks are linked as well. `context=False`: everything is present and told by the clinician
    (faster). `cache`: the folder for indexes (default: the user's). Opening takes some seconds.

    >>> from ontology.concept import Concept, parse_cui
    >>> cui = parse_cui("C0085632")
    >>> linker = Linker({cui: Concept(cui, "apathy")}, fuzzy=False)
    >>> [(m.text, m.cui, m.informant.value) for m in linker("Wife reports apathy.")]
    [('apathy', 'C0085632', 'wife')]
    >>> [len(mentions) for mentions in linker(["Apathy.", "Well.", "No apathy."])]
    [1, 0, 1]
    """

    def __init__(
        self,
        catalog: Mapping[Cui, Concept] | str | Path | None = None,
        *,
        pack: str | Path | None = None,
        cache: Path | None = None,
        fuzzy: bool = True,
        model: str | None = None,
        context: bool = True,
    ) -> None:
        from engine.settings import Settings
        from ontology.linker import CatalogLinker
        from ontology.pack import load_pack

        where = cache or Settings.load().cache
        self.catalog: Mapping[Cui, Concept] = (
            catalog if isinstance(catalog, Mapping) else open_vocabulary(catalog, pack=pack, cache=where)
        )
        """The concepts that are looked for."""
        expected = () if catalog is not None else [concept.cui for concept in load_pack(pack).concepts]
        self._linker = CatalogLinker(
            self.catalog, cache=where, fuzzy=fuzzy, model=model, context=context, prefer=expected
        )

    @overload
    def __call__(self, texts: str) -> tuple[Mention, ...]: ...  # type: ignore[overload-overlap] # a str is an iterable of str too
    @overload
    def __call__(self, texts: Iterable[str]) -> Iterator[tuple[Mention, ...]]: ...
    def __call__(self, texts: str | Iterable[str]) -> tuple[Mention, ...] | Iterator[tuple[Mention, ...]]:
        """The mentions of one text, or lazily those of each of many."""
        if isinstance(texts, str):
            return next(iter(self.link([texts])))
        return self.link(texts)

    def link(self, texts: Iterable[str]) -> Iterator[tuple[Mention, ...]]:
        """The mentions of each text in order of `start`, lazily (the `ontology.Linker` port)."""
        return self._linker.link(texts)


def open_vocabulary(name: str | Path | None, *, pack: str | Path | None = None, cache: Path | None = None) -> Catalog:
    """The catalog of that name; the pack's words over the base catalog for None, the pack's words alone for `pack`."""
    from engine.graph import default_catalog
    from ontology.catalog import open_catalog, pack_catalog
    from ontology.pack import load_pack

    if name is not None and name != "pack":
        return open_catalog(name, cache=cache)
    base = "pack" if name == "pack" else default_catalog()
    return pack_catalog(load_pack(pack), base=None if base == "pack" else open_catalog(base, cache=cache))
