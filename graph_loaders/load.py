"""The use case: read, onset, aggregate, estimate, write; and a report in which nothing disappears."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graph_loaders.codes import Codes
from graph_loaders.elements import GraphElements
from ontology.concept import Cui
from ontology.errors import ConfigError
from ontology.issue import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from graph_loaders.contribution import Bounds
    from graph_loaders.mapping import CodeMapping
    from graph_loaders.stores.address import ServerAddress
    from graph_loaders.tally import Tally
    from graph_loaders.trajectory import Trajectory
    from ontology.catalog import Catalog
    from ontology.pack import Pack

__all__ = ["LoadReport", "formats", "load", "load_facts", "load_table"]

_CODES_SHOWN = 15
"""Unmapped codes in the table of a report; JSON has all."""


@dataclass(slots=True)
class LoadReport:
    """What a load did: `read = used + skipped` events, by reason; `unmapped`: codes without a concept, `outside`: concepts
    that neither pack nor mapping asks for. `nodes`, `edges` and `fingerprint` are of the whole graph afterwards, without
    what is private (`kept`: persons that it keeps).
    """

    graph: str
    cohort: str = ""
    persons: int = 0
    trajectories: int = 0
    read: int = 0
    used: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)
    onsets: Counter[str] = field(default_factory=Counter)
    nodes: int = 0
    edges: int = 0
    fingerprint: str = ""
    kept: int = 0
    written: bool = True
    issues: list[Issue] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "graph": self.graph,
            "cohort": self.cohort,
            "persons": self.persons,
            "trajectories": self.trajectories,
            "events": {"read": self.read, "used": self.used, "skipped": dict(self.skipped)},
            "unmapped": dict(ranked(self.unmapped)),
            "outside": dict(ranked(self.outside)),
            "onsets": dict(self.onsets.most_common()),
            "nodes": self.nodes,
            "edges": self.edges,
            "fingerprint": self.fingerprint,
            "persons_kept": self.kept,
            "written": self.written,
            "issues": [str(issue) for issue in self.issues],
        }

    def rows(self) -> Iterator[tuple[str, object]]:
        """What and count, for a table."""
        if self.cohort:
            yield "cohort", self.cohort
            yield "persons", self.persons
            yield "trajectories", self.trajectories
            yield "events read", self.read
            yield "events used", self.used
            for reason, count in sorted(self.skipped.items()):
                yield f"skipped: {reason}", count
            for code, count in ranked(self.unmapped)[:_CODES_SHOWN]:
                yield f"no concept for {code}", count
            if len(self.unmapped) > _CODES_SHOWN:
                yield f"and {len(self.unmapped) - _CODES_SHOWN} codes more (--json lists all)", ""
            for name, count in self.onsets.most_common():
                yield f"onsets of {name}", count
        if self.kept:
            yield "persons kept, private", self.kept
        yield "nodes", self.nodes
        yield "edges", self.edges
        yield "fingerprint", self.fingerprint
        yield "graph", self.graph if self.written else f"{self.graph} (dry run: nothing was written)"


def ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """Most frequent first, ties by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


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
        today: events of a later date are skipped; None: none is.
        progress: called with a note once for every person.
        options: handed to the reader.

    Raises:
        ConfigError: every mistake of the mapping; no person that can be used; persons to be kept on a server.
        SourceError: the source cannot be read.
    """
    from difflib import get_close_matches
    from importlib import import_module

    from graph_loaders.facts import facts_to_elements
    from graph_loaders.mapping import read_code_mapping
    from graph_loaders.onset import trajectories
    from graph_loaders.persons import Kept
    from graph_loaders.readers import table
    from graph_loaders.stores.address import is_server
    from graph_loaders.tally import Tally

    if format not in formats():
        near = get_close_matches(format, formats(), 1, 0)[0]
        raise ConfigError(
            f"{format!r} is not a format to load; the nearest is {near!r}, all are {', '.join(formats())}"
        )
    if format == "table" and mapping is None:
        raise ConfigError("a table needs --mapping FILE; write a first one with: dualalign load table PATH --guess")
    if keep_persons and is_server(graph):
        raise ConfigError(f"{graph} is a server, which many can read; --keep-persons needs a graph file")
    reader: Any = import_module(f"graph_loaders.readers.{format}")
    chosen: Any
    codes, risks = Codes(()), dict[Cui, str]()
    if format == "table":
        chosen = table.read_mapping(str(mapping), pack)
        events = list(chosen.names)
    else:
        chosen = read_code_mapping(mapping, pack, cohort=cohort or "", source=format)
        codes, risks = chosen.look_up(catalog), chosen.risks
        events = _begun(reader, path, chosen, codes, risks, options)
    name = cohort or chosen.cohort
    pairs = ((Cui(r.event), Cui(r.needs)) for r in pack.requirements)
    needs = {event: needed for event, needed in pairs if event in events and needed in events}
    needs |= {event: needed for event, needed in chosen.requires.items() if event in events and needed in events}
    tally = Tally(today=today)
    kept = Kept(name) if keep_persons else None
    people = trajectories(
        reader.read(path, chosen, tally, **options), tally, codes, risks, identify=kept.key if kept else None
    )
    if kept:
        people = kept.watch(people)
    elements, persons, begun = _combined(_noted(people, tally, progress), pack, name, events, needs, chosen, bounds)
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


def _begun(
    reader: Any, path: str | Path, mapping: CodeMapping, codes: Codes, risks: Mapping[Cui, str], options: dict[str, Any]
) -> list[Cui]:
    """The concepts that occur, in the order of the mapping: from the reader's survey, or by reading all once before."""
    from graph_loaders.onset import trajectories
    from graph_loaders.tally import Tally

    seen: set[Cui] = set()
    if hasattr(reader, "survey"):
        for coding in reader.survey(path, mapping):
            meaning = codes.meaning(coding)
            seen |= {threshold.cui for threshold in meaning.thresholds} | ({meaning.cui} if meaning.cui else set())
    else:
        tally = Tally()
        for person in trajectories(reader.read(path, mapping, tally, **options), tally, codes, risks):
            seen |= {onset.cui for onset in person.onsets} | {absence.cui for absence in person.absences}
    return [cui for cui in mapping.names if cui in seen and cui not in risks]


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
