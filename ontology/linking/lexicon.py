"""The strings of a catalog as an `Index`: opened from the cache where it is there, built where not."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ontology.linking.derived import derived
from ontology.linking.index import ALIAS, DERIVED, Index, Named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ontology.concept import Concept, Cui

__all__ = ["meant", "open_index"]

_COMMON = 2  # definitions that have a word which is not a slip of the pen
_CLINICAL = "SNOMEDCT_US"
_WORD = re.compile(r"[^\W\d_]{4,}")


def open_index(catalog: Mapping[Cui, Concept], cache: Path | None) -> Index:
    """The index of `catalog`, from `cache` by the catalog's fingerprint; built and put there where missing or damaged."""
    if cache is None:
        return _built(catalog)
    path = Index.path(cache, _fingerprint(catalog))
    try:
        return Index.open(path)
    except (ValueError, OSError):
        pass
    made = _built(catalog)
    try:
        made.save(path)
    except OSError:  # a folder that cannot be written, a full disk: the index in memory serves as well
        return made
    return Index.open(path)


def _built(catalog: Mapping[Cui, Concept]) -> Index:
    cuis: list[str] = []

    def named() -> Iterator[Named]:
        for string, cui, preferred in _strings(catalog):
            if not cuis or cuis[-1] != cui:
                cuis.append(cui)
            yield Named(len(cuis) - 1, string, 0 if preferred else ALIAS)
            for other in derived(string):
                yield Named(len(cuis) - 1, other, ALIAS | DERIVED)

    common, coded = _read(catalog)
    return Index.build(cuis, named(), common, coded, meant())


def _strings(catalog: Any) -> Iterator[tuple[str, Cui, bool]]:
    """Every string with its concept and whether it is the name, concept by concept."""
    if hasattr(catalog, "strings"):
        yield from catalog.strings()
        return
    for concept in catalog.values():
        for place, string in enumerate(concept.strings):
            yield string, concept.cui, place == 0


def _fingerprint(catalog: Any) -> str:
    known = getattr(catalog, "fingerprint", None)
    if known is not None:
        return str(known)
    digest = hashlib.sha256()
    for concept in catalog.values():
        digest.update(repr(concept).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _read(catalog: Mapping[Cui, Concept]) -> tuple[set[str], set[str]]:
    """Words that are no misspelling of others, and the concepts that SNOMED CT codes.

    Such words are English ones (the list of pyspellchecker, half a second), those in two definitions of the catalog, and
    those that the rules of `ontology.context` know.
    """
    from ontology.context import read_rules

    seen: Counter[str] = Counter()
    coded: set[str] = set()
    for concept in catalog.values():
        if concept.definition:
            seen.update(set(_WORD.findall(concept.definition.lower())))
        if any(coding.system == _CLINICAL for coding in concept.codings):
            coded.add(concept.cui)
    told = {word for phrase in read_rules().words for word in _WORD.findall(phrase)}
    return {*_english(), *told, *(word for word, count in seen.items() if count >= _COMMON)}, coded


@cache
def meant() -> dict[str, int]:
    """How often annotators of MedMentions meant a concept; `benchmarks/medmentions.py --count` makes the table, from
    every second abstract of its training part.
    """
    table = resources.files("ontology.linking").joinpath("meant.csv").read_text("utf-8")
    rows = (line.split(",") for line in table.splitlines() if not line.startswith(("#", "cui")))
    return {cui: int(count) for cui, count in rows}


@cache
def _english() -> frozenset[str]:
    from spellchecker import SpellChecker

    return frozenset(filter(_WORD.fullmatch, SpellChecker(language="en").word_frequency.words()))
