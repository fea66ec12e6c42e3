"""The use case: read, onset, aggregate, estimate, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_loaders.codes import Codes
from graph_loaders.elements import GraphElements
from graph_loaders.load_report import LoadReport
from ontology.concept import Cui
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from graph_loaders.contribution import Bounds
    from graph_loaders.stores.address import ServerAddress
    from graph_loaders.tally import Tally
    from graph_loaders.trajectory import Trajectory
    from ontology.catalog import Catalog
    from ontology.mention import Linker
    from ontology.pack import Pack

__all__ = ["LoadReport", "formats", "load", "load_facts", "load_table"]


def load_facts(
    pack: Pack, graph: str | Path | ServerAddress, *, password: str = "", dry_run: bool = False
) -> LoadReport:
    """Writes the pack's published facts; loading them twice changes nothing. `password`: of a graph on a server."""
    from graph_loaders.facts import facts_to_elements

    report = LoadReport(str(graph))
    _write(facts_to_elements(pack), graph, report, password=password, dry_run=dry_run)
    return report


def formats() -> tuple[str, ...]:
    """Names of the readers: the files of `graph_loaders/readers`."""
    from pkgutil import iter_modules

    import graph_loaders.readers as package

    return tuple(sorted(module.name for module in iter_modules(package.__path__)))


def load(
    format: str,  # noqa: A002 - the word users type
    path: str | Path,
    pack: Pack,
    graph: str | Path | ServerAddress,
    *,
    mapping: str | Path | None = None,
    catalog: Catalog | None = None,
    cohort: str | None = None,
    bounds: Bounds | None = None,
    password: str = "",
    dry_run: bool = False,
    keep_persons: bool = False,
    notes: bool = False,
    linker: Linker | None = None,
    cache: Path | None = None,
    today: date | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> LoadReport:
    """Loads clinical data as one cohort, with the pack's facts beside it; only aggregates are kept: no person, text or date.

    Loading the same cohort again replaces it; the graph is written once, at the end, so that a load that is killed leaves it as it
    was. Memory does not grow with the number of persons. Events are the concepts of the pack and of the mapping file.

    Args:
        format: the name of a reader (`formats()`).
        path: what that reader reads; for OMOP a server's address too.
        pack: the disease pack.
        graph: the graph to write; made where there is none.
        mapping: a mapping file; a table needs one.
        catalog: a vocabulary whose cross-references make concepts of codes.
        cohort: its name; without it the mapping's.
        bounds: the most of a person that is counted; a release with noise needs it.
        password: of a graph on a server.
        dry_run: read and report, and write nothing.
        keep_persons: keep each person's trajectory as a private node (`graph_loaders.persons`), about 2 kB of memory each; the
            cohort is then private: no store shows it unless asked, and it cannot be exported, released or merged.
        notes: read free text too, of a format that has codes and notes; `load("notes", ...)` always does.
        linker: finds concepts in free text; None: the catalog's strings with the pack's phrases over them.
        cache: folder of that linker's index.
        today: events of a later date are skipped; None: none is.
        progress: called with a note once for every person.
        options: handed to the reader.

    Raises:
        ConfigError: every mistake of the mapping; no person that can be used; persons to be kept on a server.
        SourceError: the source cannot be read.
    """
    from graph_loaders.facts import facts_to_elements
    from graph_loaders.persons import Kept
    from graph_loaders.spool import Spool
    from graph_loaders.stores.address import is_server
    from graph_loaders.tally import Tally

    if keep_persons and is_server(graph):
        raise ConfigError(f"{graph} is a server, which many can read; --keep-persons needs a graph file")
    if notes or format == "notes":
        options["linker"] = linker
    source = _opened(format, path, pack, mapping, cohort or "", catalog, options)
    if "linker" in options and linker is None:
        options["linker"] = _linker(pack, catalog, cache)
    chosen, name, tally = source.chosen, cohort or source.chosen.cohort, Tally(today=today)
    kept = Kept(name) if keep_persons else None
    people = source.people(tally, kept.key if kept else None)
    people = _noted(kept.watch(people) if kept else people, tally, progress)
    with Spool() as spool:
        seen = source.surveyed()
        if seen is None:  # what occurs is known only when all has been read
            spool.fill(people)
            people, seen = iter(spool), spool.concepts
        events = [cui for cui in chosen.names if cui in seen and cui not in source.risks]
        pairs = [(Cui(r.event), Cui(r.needs)) for r in pack.requirements] + list(chosen.requires.items())
        needs = {event: needed for event, needed in pairs if event in events and needed in events}
        elements, persons, begun = _combined(people, pack, name, events, needs, chosen, bounds)
    if not persons:
        raise ConfigError(f"{path_text(path)} has no person that can be used", tally.issues)
    report = LoadReport(
        str(graph),
        cohort=name,
        persons=tally.persons,
        trajectories=persons,
        read=tally.read,
        used=tally.used,
        skipped=tally.skipped,
        unmapped=tally.unmapped,
        outside=tally.outside,
        notes=tally.notes,
        onsets=Counter({chosen.names[cui]: count for cui, count in begun.items()}),
        kept=len(kept.nodes) if kept else 0,
        issues=tally.issues,
    )
    if kept:
        elements = kept.private(elements)
    _write(facts_to_elements(pack) + elements, graph, report, password=password, dry_run=dry_run, replace=name)
    return report


def load_table(
    path: str | Path,
    mapping: str | Path,
    pack: Pack,
    graph: str | Path | ServerAddress,
    *,
    cohort: str | None = None,
    bounds: Bounds | None = None,
    password: str = "",
    dry_run: bool = False,
) -> LoadReport:
    """`load("table", ...)`: visits with a mapping file."""
    return load(
        "table", path, pack, graph, mapping=mapping, cohort=cohort, bounds=bounds, password=password, dry_run=dry_run
    )


def path_text(path: str | Path) -> str:
    """The source in messages; an address without what stands before its host."""
    text = str(path)
    scheme, mark, rest = text.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}" if mark else text


def _linker(pack: Pack, catalog: Catalog | None, cache: Path | None) -> Linker:
    from ontology.catalog import pack_catalog
    from ontology.linker import CatalogLinker

    return CatalogLinker(pack_catalog(pack, base=catalog), cache=cache, prefer=[c.cui for c in pack.concepts])


@dataclass(frozen=True, slots=True)
class _Source:
    """A source with what its codes mean."""

    reader: Any
    path: str | Path
    chosen: Any
    codes: Codes
    risks: Mapping[Cui, str]
    options: dict[str, Any]

    def people(self, tally: Tally, identify: Callable[[str], str] | None) -> Iterator[Trajectory]:
        from graph_loaders.onset import trajectories

        found = self.reader.read(self.path, self.chosen, tally, **self.options)
        return trajectories(found, tally, self.codes, self.risks, identify)

    def surveyed(self) -> set[Cui] | None:
        """The concepts that occur, where they are known without reading all: a table's rules, the codes of a survey."""
        if self.reader.__name__.endswith(".table"):
            return set(self.chosen.names)
        if not hasattr(self.reader, "survey") or "linker" in self.options:
            return None
        seen: set[Cui] = set()
        for coding in self.reader.survey(self.path, self.chosen):
            meaning = self.codes.meaning(coding)
            seen |= {threshold.cui for threshold in meaning.thresholds} | ({meaning.cui} if meaning.cui else set())
        return seen


def _opened(
    format: str,  # noqa: A002 - the word users type
    path: str | Path,
    pack: Pack,
    mapping: str | Path | None,
    cohort: str,
    catalog: Catalog | None,
    options: dict[str, Any],
) -> _Source:
    """The reader of a format with its mapping, checked; nothing is read yet."""
    from difflib import get_close_matches
    from importlib import import_module
    from inspect import signature

    from graph_loaders.mapping import read_code_mapping
    from graph_loaders.readers import table

    if format not in formats():
        near = get_close_matches(format, formats(), 1, 0)[0]
        raise ConfigError(
            f"{format!r} is not a format to load; the nearest is {near!r}, all are {', '.join(formats())}"
        )
    if format == "table" and mapping is None:
        raise ConfigError("a table needs --mapping FILE; write a first one with: dualalign load table PATH --guess")
    reader: Any = import_module(f"graph_loaders.readers.{format}")
    for name in options:
        if name not in signature(reader.read).parameters:
            raise ConfigError(f"load {format} does not read {'notes' if name == 'linker' else name}")
    if format == "table":
        return _Source(reader, path, table.read_mapping(str(mapping), pack), Codes(()), {}, options)
    chosen = read_code_mapping(mapping, pack, cohort=cohort, source=format)
    return _Source(reader, path, chosen, chosen.look_up(catalog), chosen.risks, options)


def _combined(
    people: Iterable[Trajectory],
    pack: Pack,
    name: str,
    events: list[Cui],
    needs: dict[Cui, Cui],
    chosen: Any,
    bounds: Bounds | None,
) -> tuple[GraphElements, int, Counter[Cui]]:
    """Counts and estimates of one pass; the number of persons; onsets by concept."""
    from graph_loaders.aggregate import aggregate
    from graph_loaders.estimate import Estimator

    known = {concept.cui for concept in pack.concepts}
    new = {cui: chosen.names[cui] for cui in events if cui not in known}
    begun = Counter[Cui]()
    with Estimator(pack, events, needs) as estimator:
        watched = _counted(estimator.watch(bounds.each(people) if bounds else people), begun)
        counts = aggregate(watched, name, events, source=chosen.source, pack=pack.fingerprint, names=new, bounds=bounds)
        persons = estimator.panel.persons
        edges = estimator.edges(name) if persons else []
    return GraphElements.of([*counts, *edges]), persons, begun


def _noted(people: Iterable[Trajectory], tally: Tally, progress: Callable[[str], None] | None) -> Iterator[Trajectory]:
    """The same persons; progress is told of each."""
    for person in people:
        if progress is not None:
            progress(f"{tally.used:,} events used, {tally.skipped.total():,} skipped")
        yield person


def _counted(people: Iterable[Trajectory], begun: Counter[Cui]) -> Iterator[Trajectory]:
    """The same persons; their onsets are counted on the way."""
    for person in people:
        begun.update(onset.cui for onset in person.onsets)
        yield person


def _write(
    elements: GraphElements,
    graph: str | Path | ServerAddress,
    report: LoadReport,
    *,
    password: str,
    dry_run: bool,
    replace: str = "",
) -> None:
    from graph_loaders.stores import open_store
    from graph_loaders.stores.sqlite_store import SqliteStore

    report.written = not dry_run
    with SqliteStore(":memory:") if dry_run else open_store(graph, create=True, password=password) as store:
        store.write(elements, replace=replace)
        found = store.read()
    report.nodes, report.edges, report.fingerprint = len(found.nodes), len(found.edges), found.fingerprint
