"""OWL ontologies by rdflib: classes with rdfs:label, rdfs:subClassOf and the annotations of OBO ontologies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontology.catalog import CatalogSource
from ontology.concept import Concept, Cui, parse_concept_id
from ontology.readers.obo import concept_codings, licence_name
from ontology.readers.reading import Reading, sha256_of
from ontology.readers.skos import parse_graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    import rdflib

__all__ = ["read"]

_OBO = "http://purl.obolibrary.org/obo/"
_IN_OWL = "http://www.geneontology.org/formats/oboInOwl#"
_CUI = re.compile(r"(?:UMLS(?:_CUI)?):(C[0-9]{7})")


def read(path: str | Path, reading: Reading | None = None, *, own_codes: bool = False) -> Iterator[Concept]:
    """The named classes of an ontology, as `obo.read` has them: by their UMLS cross-references, obsolete ones left out.

    The graph is held in memory: some kilobytes a class.

    Raises:
        SourceError: the file is no RDF.
    """
    from rdflib import OWL, RDF, RDFS, Literal, URIRef

    reading = reading or Reading()
    graph = parse_graph(path)

    def texts(subject: Any, *predicates: str) -> list[str]:
        found = (one for name in predicates for one in graph.objects(subject, URIRef(name)))
        kept = [
            one
            for one in found
            if isinstance(one, Literal) and (one.language in {None, "en"} or str(one.language).startswith("en-"))
        ]
        return sorted({str(one) for one in kept})

    classes = {}
    for subject in sorted(one for one in graph.subjects(RDF.type, OWL.Class) if isinstance(one, URIRef)):
        if any(str(value) == "true" for value in graph.objects(subject, OWL.deprecated)):
            reading.findings.add("obsolete", "", str(subject))
        else:
            classes[subject] = _code(subject, texts(subject, f"{_IN_OWL}id"))
    xrefs = {one: texts(one, f"{_IN_OWL}hasDbXref") for one in classes}
    kept: dict[Any, tuple[Cui, ...]] = {}
    for subject, code in classes.items():
        cuis = tuple(sorted({Cui(match.group(1)) for xref in xrefs[subject] if (match := _CUI.fullmatch(xref))}))
        if not cuis:
            reading.findings.add("own-code" if own_codes and code else "no-cui", "", str(subject))
        kept[subject] = cuis or ((parse_concept_id(code),) if own_codes and code else ())
    for subject, cuis in kept.items():
        if not cuis:
            continue
        names = texts(subject, str(RDFS.label)) or [classes[subject] or str(subject)]
        if len(names) > 1:
            reading.findings.add("two-names", cuis[0], " | ".join(names))
        exact = texts(subject, f"{_IN_OWL}hasExactSynonym")
        aliases = tuple(one for one in dict.fromkeys((*names[1:], *exact)) if one != names[0])
        code = classes[subject]
        prefix = code.partition(":")[0]
        own = (code, *texts(subject, f"{_IN_OWL}hasAlternativeId")) if code else ()
        definition = next(iter(texts(subject, f"{_OBO}IAO_0000115")), "")
        parents = tuple(dict.fromkeys(_parents(graph, subject, kept, {subject})))
        for cui in cuis:
            above = tuple(parent for parent in parents if parent != cui)
            yield Concept(
                cui, names[0], aliases, (), definition, concept_codings(prefix, own, xrefs[subject]), above, prefix
            )
    reading.sources.append(_source(graph, path))


def _code(subject: rdflib.URIRef, said: list[str]) -> str:
    """`HP:0000741` from the class's id or its address; empty where there is none."""
    match = re.search(r"([A-Za-z][A-Za-z0-9]*)[_:]([A-Za-z0-9.-]+)$", str(subject))
    text = said[0] if said else f"{match.group(1)}:{match.group(2)}" if match else ""
    try:
        return parse_concept_id(text)
    except ValueError:
        return ""


def _parents(graph: rdflib.Graph, subject: Any, kept: dict[Any, tuple[Cui, ...]], seen: set[Any]) -> Iterator[Cui]:
    from rdflib import RDFS

    for parent in sorted((one for one in graph.objects(subject, RDFS.subClassOf) if one in kept), key=str):
        if parent in seen:
            continue
        seen.add(parent)
        if kept[parent]:
            yield from kept[parent]
        else:
            yield from _parents(graph, parent, kept, seen)


def _source(graph: rdflib.Graph, path: str | Path) -> CatalogSource:
    from rdflib import DC, DCTERMS, OWL, RDF

    subject = next(iter(sorted(graph.subjects(RDF.type, OWL.Ontology), key=str)), None)

    def said(*predicates: Any) -> str:
        return next((str(value) for name in predicates for value in sorted(graph.objects(subject, name), key=str)), "")

    if subject is None:
        return CatalogSource(Path(path).name, format="owl", sha256=sha256_of(path))
    address = said(DCTERMS.license, DC.rights)
    version = said(OWL.versionInfo, OWL.versionIRI)
    title = said(DCTERMS.title, DC.title) or str(subject)
    return CatalogSource(title, version, licence_name(address), address, format="owl", sha256=sha256_of(path))
