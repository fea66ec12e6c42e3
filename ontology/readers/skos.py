"""SKOS (W3C Recommendation, 2009) by rdflib: concepts read from Turtle, JSON-LD, RDF/XML or N-Triples; written as Turtle or JSON-LD.

What is written is plain SKOS: prefLabel, altLabel, definition, broader, and codes as notations whose datatype is the code
system (SKOS Reference, section 6.5). RDF has no order, so values that are not in order carry their order beside them; that
and the lay words are the only properties of our own, and with them what is read back is the same.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from ontology.catalog import CatalogSource
from ontology.concept import Coding, Concept, Cui, parse_concept_id
from ontology.errors import SourceError
from ontology.readers.reading import Reading, sha256_of
from ontology.systems import coding, system_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import rdflib

__all__ = ["FORMATS", "concept_id", "parse_graph", "read", "write"]

FORMATS = {".ttl": "turtle", ".jsonld": "json-ld", ".rdf": "xml", ".owl": "xml", ".xml": "xml", ".nt": "nt"}
"""Forms by the end of a file's name."""

_CORE = "http://www.w3.org/2004/02/skos/core#"
_TERMS = "http://purl.org/dc/terms/"
_OURS = "urn:dualalign:"
_TYPE = "http://purl.bioontology.org/ontology/STY/"
_PREFIXES = {"skos": _CORE, "dcterms": _TERMS, "da": _OURS, "sty": _TYPE, "umls": "urn:umls:"}
_CUI_AT_END = re.compile(r"(?i:umls).*?(C[0-9]{7})$")
_OBO = re.compile(r"http://purl\.obolibrary\.org/obo/([A-Za-z]+)_([A-Za-z0-9.-]+)")
_LINKS = {  # where a code has a web address of its own
    "SNOMEDCT_US": "http://snomed.info/id/{}",
    "LNC": "http://loinc.org/rdf/{}",
    "MSH": "http://id.nlm.nih.gov/mesh/{}",
    "HPO": "http://purl.obolibrary.org/obo/{}",
    "DOID": "http://purl.obolibrary.org/obo/{}",
    "SYMP": "http://purl.obolibrary.org/obo/{}",
}
_SAFE = re.compile(r"[A-Za-z0-9.:_-]+")


_Node = dict[str, Any]


def write(
    concepts: Iterable[Concept], path: str | Path, sources: Sequence[CatalogSource] = (), *, form: str = ""
) -> int:
    """Writes SKOS, one concept after the other, as `turtle` or `json-ld` (by default as `path` ends). Returns how many.

    A stream of some 50 microseconds a concept.

    Raises:
        SourceError: `path` ends with something else.
    """
    form = form or FORMATS.get(Path(path).suffix, "")
    if form not in {"turtle", "json-ld"}:
        raise SourceError("SKOS is written as .ttl (Turtle) or .jsonld (JSON-LD); name the file so", path)
    nodes = chain((_scheme_node(sources),), map(_concept_node, concepts))
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        return (_write_turtle if form == "turtle" else _write_json)(nodes, file) - 1


def _concept_node(concept: Concept) -> _Node:
    """The concept in JSON-LD; Turtle is made of the same."""
    links = {link for one in concept.codings if (link := _link(one))}
    notations = [
        {"@value": one.code, "@type": f"{_OURS}system:{quote(one.system, safe='')}"} for one in concept.codings
    ]
    labels = (*concept.aliases, *concept.lay)
    node: _Node = {
        "@id": _iri(concept.cui),
        "@type": "skos:Concept",
        "skos:inScheme": {"@id": f"{_OURS}catalog"},
        "skos:prefLabel": concept.name,
        "skos:altLabel": sorted(set(labels)),
        "da:layLabel": sorted(set(concept.lay)),
        "skos:definition": concept.definition or [],
        "skos:notation": _unique(notations),
        "skos:closeMatch": [{"@id": link} for link in sorted(links)],
        "skos:broader": [{"@id": _iri(parent)} for parent in sorted(set(concept.parents))],
        "dcterms:type": [{"@id": _TYPE + quote(kind, safe="")} for kind in sorted(set(concept.types))],
        "dcterms:source": concept.source or [],
    }
    order = _order(concept)
    if order:
        node["da:order"] = json.dumps(order, separators=(",", ":"))
    return {name: value for name, value in node.items() if value != []}


def _link(one: Coding) -> str:
    """The web address of a code, where it has one that says the same."""
    tail = one.code.replace(":", "_")
    if one.system in _LINKS and _SAFE.fullmatch(tail) and coding(one.system, tail) == one:
        return _LINKS[one.system].format(tail)
    return ""


def _order(concept: Concept) -> dict[str, list[int]]:
    """For each kind of values that does not come out of a set as it was: the places in the sorted set."""
    lay = set(concept.lay)
    wholes: dict[str, tuple[Sequence[Any], list[Any], list[Any]]] = {
        "aliases": (concept.aliases, sorted({*concept.aliases, *lay}), sorted(set(concept.aliases) - lay)),
        "lay": (concept.lay, sorted(lay), sorted(lay)),
        "types": (concept.types, sorted(set(concept.types)), sorted(set(concept.types))),
        "parents": (concept.parents, sorted(set(concept.parents)), sorted(set(concept.parents))),
    }
    codings = [(one.system, one.code) for one in concept.codings]
    wholes["codings"] = (codings, sorted(set(codings)), sorted(set(codings)))
    return {
        name: [all_values.index(value) for value in values]
        for name, (values, all_values, default) in wholes.items()
        if list(values) != default
    }


def _unique(notations: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({(one["@type"], one["@value"]): one for one in notations}.values())


def _scheme_node(sources: Sequence[CatalogSource]) -> _Node:
    return {
        "@id": f"{_OURS}catalog",
        "@type": "skos:ConceptScheme",
        **(
            {"dcterms:provenance": [json.dumps(_source_row(at, source)) for at, source in enumerate(sources)]}
            if sources
            else {}
        ),
    }


def _source_row(at: int, source: CatalogSource) -> dict[str, Any]:
    from dataclasses import asdict

    return {"place": at, **asdict(source)}


def _write_json(nodes: Iterable[_Node], file: Any) -> int:
    file.write(f'{{"@context": {json.dumps(_PREFIXES)},\n"@graph": [')
    count = 0
    for node in nodes:
        file.write((",\n" if count else "\n") + json.dumps(node, ensure_ascii=False))
        count += 1
    file.write("\n]}\n")
    return count


def _write_turtle(nodes: Iterable[_Node], file: Any) -> int:
    file.write("".join(f"@prefix {name}: <{iri}> .\n" for name, iri in _PREFIXES.items()))
    count = 0
    for node in nodes:
        lines = []
        for name, value in node.items():
            if name != "@id":
                values = value if isinstance(value, list) else [value]
                said = [one if name == "@type" else _turtle_value(one) for one in values]
                lines.append(f"{'a' if name == '@type' else name} {', '.join(said)}")
        file.write(f"\n<{node['@id']}> " + " ;\n    ".join(lines) + " .\n")
        count += 1
    return count


def _turtle_value(value: Any) -> str:
    """A literal or an IRI. The escapes of JSON's strings are Turtle's too (Turtle, section 6.4)."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if "@id" in value:
        return f"<{value['@id']}>"
    return f"{json.dumps(value['@value'], ensure_ascii=False)}^^<{value['@type']}>"


def _iri(cui: str) -> str:
    return f"{_OURS}concept:{quote(cui, safe='')}" if ":" in cui else f"urn:umls:{cui}"


def read(
    path: str | Path, reading: Reading | None = None, *, own_codes: bool = False, language: str = "en"
) -> Iterator[Concept]:
    """The concepts of a SKOS file in order of identifier: labels in `language` or without one (others where there is none).

    A concept's CUI is the end of its address, a notation, or an exactMatch; without one it is left out, or kept under its own
    code. The graph is held in memory: some kilobytes a concept.

    Raises:
        SourceError: not RDF in the form that the name ends with, or JSON-LD whose context is on the web.
    """
    from rdflib import RDF, URIRef

    reading = reading or Reading()
    graph = parse_graph(path)
    subjects = {
        subject for subject in graph.subjects(RDF.type, URIRef(f"{_CORE}Concept")) if isinstance(subject, URIRef)
    }
    found = {subject: concept_id(graph, subject, reading, own_codes=own_codes) for subject in sorted(subjects)}
    for done, (subject, cui) in enumerate(sorted(found.items(), key=lambda pair: pair[1] or ""), 1):
        if done % 5000 == 0:
            reading.step(f"read {Path(path).name}", done)
        if cui:
            yield _read_concept(graph, subject, cui, found, reading, language)
    reading.sources += _read_sources(graph) or [CatalogSource(Path(path).name, format="skos", sha256=sha256_of(path))]


def parse_graph(path: str | Path) -> rdflib.Graph:
    """The file as a graph; nothing is ever fetched from the web."""
    import rdflib

    form = FORMATS.get(Path(path).suffix)
    if form is None:
        raise SourceError(f"ends with {Path(path).suffix!r}; RDF files end with {', '.join(FORMATS)}", path)
    try:
        data = Path(path).read_bytes()
        if form == "json-ld":
            _refuse_remote(json.loads(data), path)
        return rdflib.Graph().parse(data=data, format=form)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001 - each of rdflib's parsers raises its own kinds
        first = str(error).strip().partition("\n")[0][:200]
        raise SourceError(f"is not RDF in the form {form}: {first or type(error).__name__}", path) from None


def _refuse_remote(value: Any, path: str | Path) -> None:
    """A context named by its address would be fetched."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            contexts = one.get("@context", [])
            for context in contexts if isinstance(contexts, list) else [contexts]:
                if isinstance(context, str) or (isinstance(context, dict) and "@import" in context):
                    raise SourceError(
                        f"its @context {str(context)[:100]!r} is on the web and is not fetched; put it into the file",
                        path,
                    )
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def concept_id(graph: rdflib.Graph, subject: rdflib.URIRef, reading: Reading, *, own_codes: bool) -> Cui | None:
    """The identifier of a resource, or None where it is left out."""
    from rdflib import URIRef

    text = str(subject)
    if text.startswith(f"{_OURS}concept:"):
        return parse_concept_id(unquote(text.removeprefix(f"{_OURS}concept:")))
    matches = graph.objects(subject, URIRef(f"{_CORE}exactMatch"))
    for place in (
        text,
        *sorted(map(str, graph.objects(subject, URIRef(f"{_CORE}notation")))),
        *sorted(map(str, matches)),
    ):
        match = re.fullmatch(r"(C[0-9]{7})", place) or _CUI_AT_END.search(place)
        if match:
            return Cui(match.group(1))
    own = _own_code(text)
    if own is None or not own_codes:
        reading.findings.add("no-cui", "", text)
        return None
    reading.findings.add("own-code", "", text)
    return own


def _own_code(iri: str) -> Cui | None:
    match = _OBO.fullmatch(iri)
    text = f"{match.group(1)}:{match.group(2)}" if match else ":".join(re.split(r"[/#:]", iri)[-2:])
    try:
        return parse_concept_id(text)
    except ValueError:
        return None


def _read_concept(
    graph: rdflib.Graph, subject: Any, cui: Cui, found: dict[Any, Cui | None], reading: Reading, language: str
) -> Concept:
    from rdflib import Literal, URIRef

    def values(name: str, base: str = _CORE) -> list[Any]:
        return list(graph.objects(subject, URIRef(base + name)))

    def labels(name: str, base: str = _CORE) -> list[str]:
        some = [one for one in values(name, base) if isinstance(one, Literal)]
        kept = [one for one in some if one.language in {None, language} or str(one.language).startswith(f"{language}-")]
        return sorted({str(one) for one in kept or some})

    names = labels("prefLabel")
    if len(names) > 1:
        reading.findings.add("two-names", cui, " | ".join(names))
    lay = labels("layLabel", _OURS)
    alts = sorted({*labels("altLabel"), *lay})
    codings = _read_codings(values("notation"), [*values("exactMatch"), *values("closeMatch")])
    parents = sorted({known for parent in values("broader") if (known := _known(parent, found)) is not None})
    kinds = sorted(
        unquote(str(kind).removeprefix(_TYPE)) for kind in values("type", _TERMS) if str(kind).startswith(_TYPE)
    )
    orders = values("order", _OURS)
    order = json.loads(str(orders[0])) if orders else {}

    def put(name: str, whole: list[Any], default: list[Any]) -> tuple[Any, ...]:
        return tuple(whole[at] for at in order[name]) if name in order else tuple(default)

    return Concept(
        cui,
        names[0] if names else str(cui),
        put("aliases", alts, [one for one in (*names[1:], *alts) if one not in lay]),
        put("types", kinds, kinds),
        next(iter(labels("definition")), ""),
        tuple(Coding(*pair) for pair in put("codings", codings, codings)),
        put("parents", parents, parents),
        next(iter(labels("source", _TERMS)), ""),
        put("lay", lay, lay),
    )


def _known(parent: Any, found: dict[Any, Cui | None]) -> Cui | None:
    """The identifier of a parent, also of one that the file only names."""
    if parent in found:
        return found[parent]
    text = str(parent)
    if text.startswith(f"{_OURS}concept:"):
        return parse_concept_id(unquote(text.removeprefix(f"{_OURS}concept:")))
    match = _CUI_AT_END.search(text)
    return Cui(match.group(1)) if match else None


def _read_codings(notations: list[Any], matches: list[Any]) -> list[tuple[str, str]]:
    pairs = set()
    for one in notations:
        kind = str(getattr(one, "datatype", "") or "")
        if kind.startswith(f"{_OURS}system:"):
            pairs.add((unquote(kind.removeprefix(f"{_OURS}system:")), str(one)))
        elif kind and system_name(kind) != kind:
            known = coding(kind, str(one))
            pairs.add((known.system, known.code))
    for match in map(str, matches):
        for system, link in _LINKS.items():
            head = link.removesuffix("{}")
            tail = match.removeprefix(head)
            if tail == match or not _SAFE.fullmatch(tail):
                continue
            if "obolibrary" in head and not tail.startswith({"HPO": "HP_"}.get(system, f"{system}_")):
                continue
            known = coding(system, tail)
            pairs.add((known.system, known.code))
    return sorted(pairs)


def _read_sources(graph: rdflib.Graph) -> list[CatalogSource]:
    from rdflib import URIRef

    rows = []
    for text in graph.objects(URIRef(f"{_OURS}catalog"), URIRef(f"{_TERMS}provenance")):
        try:
            row = json.loads(str(text))
            rows.append((row.pop("place"), CatalogSource(**row)))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return [source for _, source in sorted(rows, key=lambda pair: pair[0])]
