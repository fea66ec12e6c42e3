"""OBO ontologies (HPO, SYMP, DOID, MONDO) by pronto: terms as concepts, by their UMLS cross-references."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from ontology.catalog import CatalogSource
from ontology.concept import Coding, Concept, Cui, parse_concept_id
from ontology.errors import SourceError
from ontology.readers.reading import Reading, sha256_of
from ontology.systems import coding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["concept_codings", "licence_name", "read"]

_CUI = re.compile(r"(?:UMLS(?:_CUI)?):(C[0-9]{7})")
_NO_CODES = re.compile(r"UMLS|https?$|url$|PMID$|ISBN|.*_AUI$|RO$", re.IGNORECASE)
_LICENCES = {
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
    "creativecommons.org/licenses/by/4.0": "CC-BY-4.0",
    "creativecommons.org/licenses/by/3.0": "CC-BY-3.0",
    "hpo.jax.org/app/license": "Human Phenotype Ontology licence: cite HPO, show its version, do not alter it",
}
_SAME = {"EXACT", "RELATED"}  # scopes of synonyms; related ones meant the concept 90 times of 91 in annotated abstracts


def read(path: str | Path, reading: Reading | None = None, *, own_codes: bool = False) -> Iterator[Concept]:
    """Concepts in order of term. A term with several CUIs gives each of them the same strings; terms that share a CUI are
    merged by whoever collects them (`Catalog`). Exact and related synonyms are kept;
    layperson ones go to `lay`.

    Obsolete terms are left out. So are terms without a CUI, unless `own_codes` keeps them under their own code (`SYMP:0000462`);
    parents are the nearest ancestors that are kept. Codes of a term are its own, its former ones and its cross-references.

    Raises:
        SourceError: the file is no OBO ontology.
    """
    import pronto

    reading = reading or Reading()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pronto warns of each unknown xref form; the terms are read all the same
            ontology = pronto.Ontology(str(path))
    except KeyError as error:
        raise SourceError(f"names a term that it does not have: {error}; take a file that is whole", path) from None
    except (OSError, ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise SourceError(f"is not an OBO ontology: {str(error).partition(chr(10))[0]}", path) from None
    reading.sources.append(_source(ontology, path))
    terms = {}
    for term in sorted(ontology.terms(), key=lambda one: str(one.id)):  # pronto reads by threads, in any order
        if term.obsolete:
            reading.findings.add("obsolete", term.id, str(term.name or ""))
        else:
            terms[term.id] = term
    kept = {name: _identifiers(term, reading, own_codes=own_codes) for name, term in terms.items()}
    for done, (name, term) in enumerate(terms.items(), 1):
        if done % 1000 == 0:
            reading.step(f"read {ontology.metadata.ontology or path}", done)
        if not kept[name]:
            continue
        exact = sorted((s for s in term.synonyms if s.scope in _SAME), key=lambda s: str(s.description))  # a set there
        lay = tuple(dict.fromkeys(s.description for s in exact if s.type is not None and s.type.id == "layperson"))
        label = str(term.name or name)
        aliases = tuple(d for d in dict.fromkeys(s.description for s in exact) if d not in lay and d != label)
        prefix, _, _ = name.partition(":")
        xrefs = sorted(xref.id for xref in term.xrefs)
        codings = concept_codings(prefix, (name, *sorted(term.alternate_ids)), xrefs)
        parents = tuple(dict.fromkeys(_parents(term, terms, kept, {name})))
        definition = str(term.definition or "")
        for cui in kept[name]:
            above = tuple(parent for parent in parents if parent != cui)
            yield Concept(cui, label, aliases, (), definition, codings, above, prefix, lay)


def concept_codings(prefix: str, own: tuple[str, ...], xrefs: list[str]) -> tuple[Coding, ...]:
    """A term's own codes, then its cross-references (`SNOMEDCT_US_2025_09_01:26929004`) in order; CUIs and web addresses are none."""
    found = [coding(prefix, name) for name in own]
    for xref in xrefs:
        system, _, code = xref.partition(":")
        if code.strip() and not _NO_CODES.match(system):
            found.append(coding(system, code))
    return tuple(dict.fromkeys(found))


def licence_name(address: str) -> str:
    """The short name of a licence that is given by its address."""
    plain = address.strip().rstrip("/").removeprefix("https://").removeprefix("http://").removeprefix("www.")
    return _LICENCES.get(plain, address.strip())


def _source(ontology: Any, path: str | Path) -> CatalogSource:
    data = ontology.metadata
    said = {
        note.property.rpartition(":")[2]: getattr(note, "literal", None) or getattr(note, "resource", "")
        for note in data.annotations
    }
    address = str(said.get("license", said.get("licence", "")))
    return CatalogSource(
        str(said.get("title", "") or data.ontology or path),
        str(data.data_version or said.get("versionInfo", "") or ""),
        licence_name(address) or str(said.get("rights", "")),
        address,
        format="obo",
        sha256=sha256_of(path),
    )


def _identifiers(term: Any, reading: Reading, *, own_codes: bool) -> tuple[Cui, ...]:
    found = (_CUI.fullmatch(xref.id) for xref in term.xrefs)
    cuis = tuple(sorted(Cui(match.group(1)) for match in found if match))
    if cuis:
        return cuis
    if own_codes:
        try:
            own = parse_concept_id(term.id)
        except ValueError:
            reading.findings.add("malformed-id", "", term.id)
            return ()
        reading.findings.add("own-code", term.id, str(term.name or ""))
        return (own,)
    reading.findings.add("no-cui", term.id, str(term.name or ""))
    return ()


def _parents(term: Any, terms: dict[str, Any], kept: dict[str, tuple[Cui, ...]], seen: set[str]) -> Iterator[Cui]:
    """The nearest ancestors that are kept; each term is passed once, so that a cycle ends."""
    for parent in sorted(term.superclasses(distance=1, with_self=False), key=lambda t: str(t.id)):
        if parent.id not in terms or parent.id in seen:
            continue
        seen.add(parent.id)
        if kept[parent.id]:
            yield from kept[parent.id]
        else:
            yield from _parents(parent, terms, kept, seen)
