"""The use case: a private graph in, a graph that may leave out, and the ledger of both kept in the private one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.ledger import Ledger
from graph_loaders.persons import refuse_persons
from graph_loaders.schema import NodeType
from graph_loaders.suppression import suppress
from graph_loaders.verify import verify
from ontology.errors import ConfigError, MissingGraph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graph_loaders.elements import Value
    from graph_loaders.stores.address import ServerAddress

__all__ = ["LEAST_CELL", "ReleaseReport", "Terms", "refuse_existing", "release", "released"]

LEAST_CELL = 11
"""Fewest persons of a released count (the cell size policy of the Centers for Medicare & Medicaid Services: none of 1 to 10)."""

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Terms:
    """How a graph is released.

    `epsilon` None: suppression of counts below `min_cell`. Else differentially private noise with (`epsilon`, `delta`);
    delta 0 is pure. `epsilon_total`, `delta_total`: the budget of all releases, set by the first. `rename`: cohort -> its id
    outside. `source`: what the released cohort says of itself; nothing of the private one's words leaves.
    """

    min_cell: int = LEAST_CELL
    epsilon: float | None = None
    delta: float = 0.0
    epsilon_total: float | None = None
    delta_total: float | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    date: str = ""

    def check(self) -> None:
        """ConfigError for terms that protect nothing."""
        if self.min_cell < 2:  # noqa: PLR2004 -- one person is no cell
            raise ConfigError(f"--min-cell {self.min_cell} hides nobody; the usual least cell is {LEAST_CELL}")
        if self.epsilon is None:
            if self.delta or self.epsilon_total is not None or self.delta_total is not None:
                raise ConfigError("--delta and a total belong to --epsilon; give it, or leave them out")
            return
        if not 0 < self.epsilon < 100:  # noqa: PLR2004 -- above this, e^epsilon promises nothing
            raise ConfigError(
                f"--epsilon {self.epsilon:g} is not a privacy loss; give one between 0 and 100, such as 1"
            )
        if not 0 <= self.delta < 1e-3:  # noqa: PLR2004 -- a delta above 1/persons lets whole persons out
            raise ConfigError(
                f"--delta {self.delta:g} is not below 0.001; give one far below one in the number of persons"
            )


@dataclass(slots=True)
class ReleaseReport:
    """What left and what did not, by cohort; `texts`: words of the mapping that are in the public graph, to be read by somebody."""

    private: str
    public: str
    cohorts: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    nodes: int = 0
    edges: int = 0
    fingerprint: str = ""
    written: bool = True

    def as_data(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def rows(self) -> Iterator[tuple[str, object]]:
        """What and value, for a table."""
        for cohort in self.cohorts:
            yield from ((key.replace("_", " "), value) for key, value in cohort.items())
        if self.texts:
            yield "words of the mapping that leave", "; ".join(self.texts)
        yield "nodes", self.nodes
        yield "edges", self.edges
        yield "fingerprint", self.fingerprint
        yield "public graph", self.public if self.written else f"{self.public} (dry run: nothing was written)"


def release(
    private: str | Path | ServerAddress,
    public: str | Path | ServerAddress,
    terms: Terms,
    *,
    password: str = "",
    dry_run: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ReleaseReport:
    """Writes to `public` what may leave of `private`. The ledger is written first: a release that fails is spent, never free.

    Raises:
        ConfigError: terms that protect nothing; a cohort that is private (persons are kept), too small, or out of budget; a
            `public` that exists. Nothing is written then.
        MissingGraph: there is no graph at `private`.
    """
    from graph_loaders.stores import open_store

    terms.check()
    refuse_existing(public, password)
    report = ReleaseReport(str(private), str(public), written=not dry_run)
    with open_store(private, password=password) as store:
        elements, ledgers = released(store.read(private=True), terms, report, progress=progress)
        if not dry_run:
            store.write([ledger.node() for ledger in ledgers])
    if faults := [issue for issue in verify(elements) if issue.severity == "error"]:
        raise ConfigError(f"nothing was released: {len(faults)} faults in what would have left", faults)
    report.nodes, report.edges, report.fingerprint = len(elements.nodes), len(elements.edges), elements.fingerprint
    if not dry_run:
        with open_store(public, create=True, password=password) as store:
            store.write(elements)
    return report


def released(
    elements: GraphElements,
    terms: Terms,
    report: ReleaseReport | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[GraphElements, list[Ledger]]:
    """The elements that may leave, and the ledgers as they are then. Cohorts released before pass through unchanged.

    Facts leave as they are. Of a cohort leave its counts and estimates as the terms have it, its id (`Terms.rename`), the
    fingerprint of its pack, and the names of concepts that its mapping brought; not its source, name, definition or the time
    it was loaded. A merged cohort does not leave: merge what was released.
    """
    report = report or ReleaseReport("", "")
    refuse_persons(elements, "released")
    cohorts = [n for n in elements.nodes if n.label == NodeType.COHORT and not n.properties.get("members")]
    if not cohorts:
        raise ConfigError("the graph has no cohort, only facts, which may leave as they are; load a cohort first")
    unknown = sorted(set(terms.rename) - {n.key for n in cohorts})
    if unknown:
        raise ConfigError(f"there is no cohort {unknown[0]!r} to rename; there are {', '.join(n.key for n in cohorts)}")
    merged = {n.key for n in elements.nodes if n.label == NodeType.COHORT} - {n.key for n in cohorts}
    own = {n.key for n in cohorts} | merged
    keep: list[Node | Edge] = [n for n in elements.nodes if n.label not in {NodeType.COHORT, NodeType.LEDGER}]
    keep += [e for e in elements.edges if e.properties.get("cohort") not in own]
    ledgers: list[Ledger] = []
    brought: dict[str, str] = {}
    for node in cohorts:
        if node.properties.get("released"):
            keep += [node, *(e for e in elements.edges if e.properties.get("cohort") == node.key)]
            report.cohorts.append({"cohort": node.key, "as": "released before, unchanged"})
            continue
        name = _outside(node, terms)
        brought[node.key] = name
        edges, properties, ledger = _cohort(elements, node, terms, report, progress)
        keep += [_renamed(edge, name) for edge in edges]
        keep.append(Node(NodeType.COHORT, name, {**properties, "name": name}))
        ledgers.append(ledger)
    return _without_loose(keep, brought, report), ledgers


def _outside(node: Node, terms: Terms) -> str:
    if node.properties.get("private"):
        raise ConfigError(
            f"the cohort {node.key} keeps persons and can never leave; load it again without persons and release that"
        )
    name = terms.rename.get(node.key, node.key)
    if not _ID.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a cohort outside; give letters, digits, dots and dashes with --cohort OLD=NEW"
        )
    return name


def _cohort(
    elements: GraphElements,
    node: Node,
    terms: Terms,
    report: ReleaseReport,
    progress: Callable[[str], None] | None,
) -> tuple[list[Edge], dict[str, Value], Ledger]:
    ledger = Ledger.of(elements, node.key)
    of_it = [e for e in elements.edges if e.properties.get("cohort") == node.key]
    entry: dict[str, Any] = {"when": terms.date, "fingerprint": GraphElements.of(of_it).fingerprint}
    common: dict[str, Value] = {"source": terms.source} if terms.source else {}
    common |= {"pack": pack} if (pack := str(node.properties.get("pack", ""))) else {}
    _refuse_mixing(node, ledger, terms)
    if terms.epsilon is not None:
        from graph_loaders.privacy import noisy

        found = noisy(elements, node, terms.epsilon, terms.delta)
        entry |= {"mechanism": found.mechanism, "epsilon": terms.epsilon, "delta": terms.delta}
        ledger = ledger.spend(entry, epsilon_total=terms.epsilon_total, delta_total=terms.delta_total)
        report.cohorts.append(
            {"cohort": node.key, **found.figures(), "epsilon_left": ledger.epsilon_total - ledger.epsilon}
        )
        return found.edges, {**common, **found.properties}, ledger
    _refuse_differencing(node, ledger, terms, entry["fingerprint"])
    shown = suppress(elements, node.key, terms.min_cell, progress=progress)
    persons: Any = node.properties.get("persons", 0)
    years: Any = node.properties.get("person_years", 0.0)
    entry |= {"mechanism": "suppression", "min_cell": terms.min_cell, "persons": persons}
    counted = {name: value for name, value in asdict(shown).items() if name != "edges"}
    report.cohorts.append({"cohort": node.key, "persons": persons, "min_cell": terms.min_cell, **counted})
    properties: dict[str, Value] = {
        **common,
        "persons": persons,
        "person_years": float(round(years)),
        "min_cell": terms.min_cell,
        "released": "suppression",
    }
    return shown.edges, properties, ledger.add(entry)


def _refuse_mixing(node: Node, ledger: Ledger, terms: Terms) -> None:
    """A count that is out exactly is not made private by noise on another copy, and the other way round."""
    for entry in ledger.entries:
        if (entry.get("mechanism") == "suppression") != (terms.epsilon is None):
            raise ConfigError(
                f"the cohort {node.key} was released with {entry.get('mechanism')} before, and exact and noisy counts of the same "
                "persons undo each other's protection; use the release that is out"
            )


def _refuse_differencing(node: Node, ledger: Ledger, terms: Terms, fingerprint: str) -> None:
    """Two releases of nearly the same persons show, by subtraction, those few who came or went between them."""
    for entry in ledger.entries:
        if entry.get("mechanism") != "suppression":
            continue
        if entry.get("fingerprint") != fingerprint or entry.get("min_cell") != terms.min_cell:
            raise ConfigError(
                f"the cohort {node.key} was released by suppression before, from other data or with another least cell; "
                "the difference of two releases shows single persons: use the one that is out, or release with --epsilon"
            )


def _renamed(edge: Edge, name: str) -> Edge:
    start = (edge.start[0], name) if edge.start[0] == NodeType.COHORT else edge.start
    return replace(edge, start=start, key=name, properties={**edge.properties, "cohort": name})


def _without_loose(keep: list[Node | Edge], brought: dict[str, str], report: ReleaseReport) -> GraphElements:
    """Concepts that a cohort brought stay where an edge needs them, under its name outside."""
    needed = {end for element in keep if isinstance(element, Edge) for end in (element.start, element.end)}
    found: list[Node | Edge] = []
    for element in keep:
        if isinstance(element, Node) and element.label == NodeType.CONCEPT:
            source = str(element.properties.get("source", ""))
            if source in brought:
                if (element.label, element.key) not in needed:
                    continue
                name = str(element.properties.get("name", element.key))
                report.texts.append(name)
                found.append(Node(element.label, element.key, {"name": name, "source": brought[source]}))
                continue
        found.append(element)
    return GraphElements.of(found)


def refuse_existing(public: str | Path | ServerAddress, password: str) -> None:
    """ConfigError where a new graph would be written over something."""
    from graph_loaders.stores import open_store
    from graph_loaders.stores.address import is_server

    if is_server(public):
        try:
            with open_store(public, password=password) as store:
                there = any(store.read(private=True))
        except MissingGraph:
            there = False
    else:
        there = Path(str(public)).exists()
    if there:
        raise ConfigError(f"there is something at {public} already; name a new graph")
