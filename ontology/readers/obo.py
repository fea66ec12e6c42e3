"""OBO ontologies (HPO, SYMP, DOID) by pronto: the terms that have a UMLS cross-reference, as concepts."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from ontology.concept import Coding, Concept, Cui
from ontology.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["read"]

_CUI = re.compile(r"(?:UMLS(?:_CUI)?):(C[0-9]{7})")
_SYSTEMS = {
    "SNOMEDCT_US": "SNOMEDCT_US",
    "SNOMEDCT": "SNOMEDCT_US",
    "MSH": "MSH",
    "MESH": "MSH",
    "ICD-10": "ICD10",
    "ICD10CM": "ICD10CM",
}


def read(path: str | Path) -> Iterator[Concept]:
    """Concepts in order of term. A term with several CUIs gives each of them the same strings; terms that share a CUI are
    merged by whoever collects them (`Catalog`). Only exact synonyms mean the same thing and are kept; layperson synonyms go to `lay`.
    Obsolete terms and terms without a CUI are left out; parents are the nearest ancestors that have one.
    """
    import pronto

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pronto warns of each unknown xref form; the terms are read all the same
            ontology = pronto.Ontology(str(path))
    except (OSError, ValueError, SyntaxError, TypeError) as error:
        raise SourceError(f"is not an OBO ontology: {error}", path) from None
    terms = {term.id: term for term in ontology.terms() if not term.obsolete}
    cuis = {name: _cuis(term) for name, term in terms.items()}
    for name, term in terms.items():
        if not cuis[name]:
            continue
        exact = [s for s in term.synonyms if s.scope == "EXACT"]
        lay = tuple(dict.fromkeys(s.description for s in exact if s.type is not None and s.type.id == "layperson"))
        label = str(term.name or name)
        aliases = tuple(d for d in dict.fromkeys(s.description for s in exact) if d not in lay and d != label)
        prefix, _, _ = name.partition(":")
        codings = (Coding(prefix, name), *_codings(term))
        parents = tuple(dict.fromkeys(_parents(term, terms, cuis)))
        definition = str(term.definition or "")
        for cui in cuis[name]:
            above = tuple(parent for parent in parents if parent != cui)
            yield Concept(cui, label, aliases, (), definition, codings, above, prefix, lay)


def _cuis(term: Any) -> tuple[Cui, ...]:
    found = (_CUI.fullmatch(xref.id) for xref in term.xrefs)
    return tuple(sorted(Cui(match.group(1)) for match in found if match))


def _codings(term: Any) -> Iterator[Coding]:
    for xref in sorted(term.xrefs, key=lambda x: x.id):
        system, _, code = xref.id.partition(":")
        if system in _SYSTEMS and code:
            yield Coding(_SYSTEMS[system], code)


def _parents(term: Any, terms: dict[str, Any], cuis: dict[str, tuple[Cui, ...]]) -> Iterator[Cui]:
    for parent in sorted(term.superclasses(distance=1, with_self=False), key=lambda t: str(t.id)):
        if parent.id not in terms:
            continue
        if cuis[parent.id]:
            yield from cuis[parent.id]
        else:
            yield from _parents(parent, terms, cuis)
