"""The use case: read, onset, aggregate, estimate, write; and a report in which nothing disappears."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graph_loaders.elements import GraphElements
from ontology.concept import Cui
from ontology.errors import ConfigError
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from graph_loaders.contribution import Bounds
    from graph_loaders.stores.address import ServerAddress
    from graph_loaders.trajectory import Trajectory
    from ontology.pack import Pack

__all__ = ["LoadReport", "load_facts", "load_table"]

_SHOWN = 20
"""Issues of one code that are kept one by one; the rest is counted."""


@dataclass(slots=True)
class LoadReport:
    """What a load did: `read = used + skipped` events, by reason. `fingerprint` is of the whole graph afterwards."""

    graph: str
    cohort: str = ""
    persons: int = 0
    trajectories: int = 0
    read: int = 0
    used: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    onsets: Counter[str] = field(default_factory=Counter)
    nodes: int = 0
    edges: int = 0
    fingerprint: str = ""
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
            "onsets": dict(self.onsets.most_common()),
            "nodes": self.nodes,
            "edges": self.edges,
            "fingerprint": self.fingerprint,
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
            for name, count in self.onsets.most_common():
                yield f"onsets of {name}", count
        yield "nodes", self.nodes
        yield "edges", self.edges
        yield "fingerprint", self.fingerprint
        yield "graph", self.graph if self.written else f"{self.graph} (dry run: nothing was written)"


def load_facts(
    pack: Pack, graph: str | Path | ServerAddress, *, password: str = "", dry_run: bool = False
) -> LoadReport:
    """Writes the pack's published facts; loading them twice changes nothing. `password`: of a graph on a server."""
    from graph_loaders.facts import facts_to_elements

    report = LoadReport(str(graph))
    _write(facts_to_elements(pack), graph, report, password=password, dry_run=dry_run)
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
    """Loads a table of visits as one cohort, with the pack's facts beside it; only aggregates are kept, no person.

    `bounds`: the most of a person that is counted; a release with noise needs it.
    Loading the same cohort again replaces it. ConfigError lists every mistake of the mapping; rows that cannot be used are in the report.
    """
    from graph_loaders.aggregate import aggregate
    from graph_loaders.estimate import Estimator
    from graph_loaders.facts import facts_to_elements
    from graph_loaders.onset import Tally, trajectories
    from graph_loaders.readers import table

    chosen = table.read_mapping(mapping, pack)
    name = cohort or chosen.cohort
    tally, issues, begun = Tally(), list[Issue](), Counter[Cui]()
    events = [rule.cui for rule in chosen.events]
    known = {concept.cui for concept in pack.concepts}
    new = {rule.cui: rule.name for rule in chosen.events if rule.cui not in known}
    pairs = ((Cui(r.event), Cui(r.needs)) for r in pack.requirements)
    needs = {event: needed for event, needed in pairs if event in events and needed in events} | chosen.requires

    with Estimator(pack, events, needs) as estimator:
        read = trajectories(table.read(path, chosen, issues), tally)
        people = estimator.watch(bounds.each(read) if bounds else read)
        counts = aggregate(
            _counted(people, begun),
            name,
            events,
            source=chosen.source,
            pack=pack.fingerprint,
            names=new,
            bounds=bounds,
        )
        persons = estimator.panel.persons
        if not persons:
            raise ConfigError(f"{path} has no person that can be used", issues[:_SHOWN])
        edges = estimator.edges(name)
    names = {rule.cui: rule.name for rule in chosen.events}
    report = LoadReport(
        str(graph),
        cohort=name,
        persons=tally.persons,
        trajectories=persons,
        read=tally.read,
        used=tally.used,
        skipped=tally.skipped,
        onsets=Counter({names[cui]: count for cui, count in begun.items()}),
        issues=_summed(issues),
    )
    elements = facts_to_elements(pack) + GraphElements.of([*counts, *edges])
    _write(elements, graph, report, password=password, dry_run=dry_run, replace=name)
    return report


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


def _summed(issues: list[Issue]) -> list[Issue]:
    kept, seen = list[Issue](), Counter[str]()
    for issue in issues:
        seen[issue.code] += 1
        if seen[issue.code] <= _SHOWN:
            kept.append(issue)
    kept += [
        Issue(Severity.WARNING, code, f"{count - _SHOWN} more of these", "")
        for code, count in seen.items()
        if count > _SHOWN
    ]
    return kept
