"""Graphs of several institutions as one: every cohort stays as it is, and one more holds what they add up to.

What is pooled is a function of the set of cohorts, computed anew at every merge: so merging is associative and order-free.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.heterogeneity import marginal, pool
from graph_loaders.partition import CELLS
from graph_loaders.schema import GAP_BINS_DAYS, EdgeType, NodeType, place
from graph_loaders.verify import verify
from ontology.concept import Cui
from ontology.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from graph_loaders.elements import Value
    from graph_loaders.stores.address import ServerAddress
    from ontology.pack import Pack

    Ends = tuple[tuple[str, str], tuple[str, str]]

__all__ = ["MERGED", "MergeReport", "merge", "merged", "read_mapping"]

MERGED = "merged"
"""The id of the cohort that adds up the others."""

_DIGITS = 10


@dataclass(slots=True)
class MergeReport:
    """What a merge did; `said`: what the reader should know (packs that differ, concepts that were mapped)."""

    graphs: list[str] = field(default_factory=list)
    target: str = ""
    cohorts: list[dict[str, Any]] = field(default_factory=list)
    persons: int = 0
    coefficients: int = 0
    differing: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
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
            yield f"cohort {cohort['id']}", f"{cohort['persons']} persons, {cohort['released'] or 'not released'}"
        yield "persons", self.persons
        yield "coefficients of two cohorts or more", self.coefficients
        for row in self.differing[:10]:
            yield (
                f"{row['feature']} on {row['event']}",
                f"I² {row['i2']:.0%}, tau {row['tau']:.2f}, {row['cohorts']} cohorts",
            )
        for sentence in self.said:
            yield "note", sentence
        yield "nodes", self.nodes
        yield "edges", self.edges
        yield "fingerprint", self.fingerprint
        yield "graph", self.target if self.written else f"{self.target} (dry run: nothing was written)"


def merge(
    graphs: Sequence[str | Path | ServerAddress],
    target: str | Path | ServerAddress,
    *,
    pack: Pack | None = None,
    mapping: Mapping[str, str] | None = None,
    password: str = "",
    dry_run: bool = False,
) -> MergeReport:
    """Merges graphs into a new one. `pack`: take the facts from it where the graphs' packs differ. `mapping`: CUI -> CUI.

    Raises:
        ConfigError: see `merged`; the target exists; nothing is written then.
        MissingGraph: there is no graph at one of the names.
    """
    from graph_loaders.release import refuse_existing
    from graph_loaders.stores import open_store

    refuse_existing(target, password)
    report = MergeReport([str(g) for g in graphs], str(target), written=not dry_run)
    found = []
    for graph in graphs:
        with open_store(graph, password=password) as store:
            found.append((str(graph), store.read(private=True)))
    elements = merged(found, pack=pack, mapping=mapping, report=report)
    if faults := [issue for issue in verify(elements) if issue.severity == "error"]:
        raise ConfigError(f"nothing was merged: {len(faults)} faults in what would have been written", faults)
    report.nodes, report.edges, report.fingerprint = len(elements.nodes), len(elements.edges), elements.fingerprint
    if not dry_run:
        with open_store(target, create=True, password=password) as store:
            store.write(elements)
    return report


def merged(
    graphs: Sequence[tuple[str, GraphElements]],
    *,
    pack: Pack | None = None,
    mapping: Mapping[str, str] | None = None,
    report: MergeReport | None = None,
) -> GraphElements:
    """The elements of named graphs as one, with the cohort `merged` that adds up theirs.

    Counts and person-years add up; histograms and cells that were pooled at release add up over the finest bins that all
    share; coefficients are pooled by inverse variance with Cochran's Q, I² and tau (`POOLED` edges, for reading: a model is
    combined from the cohorts' own edges, each once). A count that one cohort does not show is missing from the sum.

    Raises:
        ConfigError: fewer than two graphs; a private cohort; a cohort that comes twice, also under another name; packs or
            facts that differ while no `pack` is given; a mapping that puts two concepts of a cohort on one.
    """
    report = report or MergeReport()
    if len(graphs) < 2:  # noqa: PLR2004 -- a merge
        raise ConfigError(f"{len(graphs)} graph was given to merge; give two or more")
    parts = [(name, _mapped(_members(elements), mapping or {}, name, report)) for name, elements in graphs]
    cohorts = _cohorts(parts)
    facts = _facts(parts, cohorts, pack, report)
    own = [e for _, elements in parts for e in elements if _of_cohort(e, cohorts)]
    nodes = sorted(cohorts.values(), key=lambda n: n.key)
    edges = sorted((e for e in own if isinstance(e, Edge)), key=lambda e: (e.type, e.start, e.end, e.key))
    for node in nodes:
        released = node.properties.get("released", "")
        report.cohorts.append({"id": node.key, "persons": node.properties.get("persons", 0), "released": released})
    together = _together(nodes, edges, report)
    report.persons = int(together[0].properties["persons"])
    there = {(n.label, n.key) for n in facts if isinstance(n, Node)}
    brought = [e for e in own if isinstance(e, Node) and e.label == NodeType.CONCEPT and (e.label, e.key) not in there]
    return GraphElements.of([*facts, *_one_each(brought), *nodes, *edges, *together])


def read_mapping(path: str | Path) -> dict[str, str]:
    """CUIs that changed, from a file with a line FROM,TO each; SourceError names the line that is not one."""
    found: dict[str, str] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot be read: {error}", path) from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            old, new = (str(Cui(part.strip())) for part in line.split(","))
        except ValueError as error:
            raise SourceError(f"not a line FROM,TO of two CUIs: {error}", path, number) from None
        if found.setdefault(old, new) != new:
            raise SourceError(f"{old} is mapped a second time, to {new}", path, number)
    return found


def _members(elements: GraphElements) -> GraphElements:
    """Without the ledger, and without what an earlier merge added up."""
    return GraphElements(
        tuple(n for n in elements.nodes if n.label != NodeType.LEDGER and not n.properties.get("members")),
        tuple(e for e in elements.edges if e.properties.get("cohort") != MERGED),
    )


def _mapped(elements: GraphElements, mapping: Mapping[str, str], name: str, report: MergeReport) -> GraphElements:
    """Cohort edges and the concepts they brought under their new CUIs; facts are not touched."""
    cohorts = {n.key for n in elements.nodes if n.label == NodeType.COHORT}
    used = set()

    def end(pair: tuple[str, str]) -> tuple[str, str]:
        if pair[0] == NodeType.CONCEPT and pair[1] in mapping:
            used.add(pair[1])
            return pair[0], mapping[pair[1]]
        return pair

    edges, seen = [], dict[tuple[Any, ...], Edge]()
    names = {n.key: str(n.properties.get("name", n.key)) for n in elements.nodes if n.label == NodeType.CONCEPT}
    for edge in elements.edges:
        if edge.properties.get("cohort") not in cohorts:
            edges.append(edge)
            continue
        properties = dict(edge.properties)
        if isinstance(features := properties.get("features"), list):
            properties["features"] = [
                f"after:{mapping.get(str(f)[6:], str(f)[6:])}" if str(f).startswith("after:") else str(f)
                for f in features
            ]
        moved = replace(edge, start=end(edge.start), end=end(edge.end), properties=properties)
        identity = (moved.type, moved.start, moved.end, moved.key)
        if identity in seen or moved.start == moved.end:
            raise ConfigError(
                f"{name}: the mapping puts two concepts of {edge.key} on one ({place(moved)}); map one of them only"
            )
        seen[identity] = moved
        edges.append(moved)
    nodes = [
        n
        for n in elements.nodes
        if not (n.label == NodeType.CONCEPT and n.key in used and n.properties.get("source") in cohorts)
    ]
    there = {n.key for n in nodes if n.label == NodeType.CONCEPT}
    nodes += [
        Node(NodeType.CONCEPT, mapping[old], {"name": names.get(old, mapping[old]), "source": min(cohorts)})
        for old in sorted(used)
        if mapping[old] not in there
    ]
    report.said += [f"{name}: {old} was mapped to {mapping[old]}" for old in sorted(used)]
    return GraphElements.of([*nodes, *edges])


def _cohorts(parts: Sequence[tuple[str, GraphElements]]) -> dict[str, Node]:
    """Cohort nodes by id; ConfigError where one comes twice or may not leave."""
    found: dict[str, Node] = {}
    origin: dict[str, str] = {}
    contents: dict[str, str] = {}
    for name, elements in parts:
        for node in (n for n in elements.nodes if n.label == NodeType.COHORT):
            if node.properties.get("private"):
                raise ConfigError(
                    f"{name} holds the private cohort {node.key}, which cannot leave; release it and merge that"
                )
            if node.key == MERGED:
                raise ConfigError(
                    f"{name} has a cohort named {MERGED!r}, the name of what is added up; release it under another"
                )
            content = _content(elements, node.key)
            other = node.key if node.key in found else contents.get(content, "")
            if other:
                same = "the same cohort" if contents.get(content) else "two cohorts of one name"
                raise ConfigError(
                    f"{node.key} of {name} and {other} of {origin[other]} are {same}: nothing is counted twice; "
                    "leave one out, or release one under another name with --cohort OLD=NEW"
                )
            found[node.key], origin[node.key] = node, name
            contents[content] = node.key
    if not found:
        raise ConfigError("none of the graphs has a cohort; load or release one first")
    return found


def _content(elements: GraphElements, cohort: str) -> str:
    """A fingerprint of what a cohort counts, whatever it is called."""
    of_it = [
        Edge(
            e.type,
            e.start if e.start[0] != NodeType.COHORT else (e.start[0], ""),
            e.end,
            "",
            {**e.properties, "cohort": ""},
        )
        for e in elements.edges
        if e.properties.get("cohort") == cohort
    ]
    return GraphElements.of(of_it).fingerprint if of_it else f"nothing of {cohort}"


def _of_cohort(element: Node | Edge, cohorts: Mapping[str, Node]) -> bool:
    if isinstance(element, Node):
        return element.label == NodeType.CONCEPT and element.properties.get("source") in cohorts
    return element.properties.get("cohort") in cohorts


def _facts(
    parts: Sequence[tuple[str, GraphElements]], cohorts: Mapping[str, Node], pack: Pack | None, report: MergeReport
) -> list[Node | Edge]:
    packs = {str(n.properties.get("pack", "")) for n in cohorts.values()} - {""}
    facts = [
        (
            name,
            [
                e
                for e in elements
                if not _of_cohort(e, cohorts) and not (isinstance(e, Node) and e.label == NodeType.COHORT)
            ],
        )
        for name, elements in parts
    ]
    if pack is not None:
        from graph_loaders.facts import facts_to_elements

        if packs - {pack.fingerprint}:
            report.said.append(
                f"cohorts were loaded with {len(packs)} versions of the pack; the facts are those of {pack.id} {pack.version}, "
                "and concepts keep their CUIs"
            )
        found = facts_to_elements(pack)
        there = {(n.label, n.key) for n in found.nodes}
        more = [n for _, part in facts for n in part if isinstance(n, Node) and (n.label, n.key) not in there]
        needed = {
            end
            for _, part in parts
            for e in part.edges
            if e.properties.get("cohort") in cohorts
            for end in (e.start, e.end)
        }
        lost = [n for n in more if (n.label, n.key) in needed]
        if lost:
            report.said.append(
                f"{len({n.key for n in lost})} concepts of the cohorts are not in {pack.id} {pack.version}; they are kept"
            )
        return [*found, *_one_each(lost)]
    if len(packs) > 1:
        raise ConfigError(
            f"the cohorts were loaded with {len(packs)} versions of the pack; give --pack to take the facts from one, "
            "and --map for concepts that changed"
        )
    try:
        return list(GraphElements.of(e for _, part in facts for e in part))
    except ValueError as error:
        raise ConfigError(
            f"the graphs hold different facts ({str(error)[:200]}); give --pack to take them from one"
        ) from None


def _one_each(nodes: Iterable[Node]) -> list[Node]:
    """One node a concept, the first by its content: two mappings may name it differently."""
    found: dict[tuple[str, str], Node] = {}
    for node in sorted(nodes, key=lambda n: (n.label, n.key, str(sorted(n.properties.items())))):
        found.setdefault((node.label, node.key), node)
    return list(found.values())


def _together(nodes: Sequence[Node], edges: Sequence[Edge], report: MergeReport) -> list[Any]:
    properties: dict[str, Value] = {
        "name": "all cohorts together",
        "persons": sum(_int(n.properties.get("persons")) for n in nodes),
        "person_years": _years(n.properties.get("person_years", 0.0) for n in nodes),
        "members": [n.key for n in nodes],
    }
    if nodes and all(n.properties.get("released") for n in nodes):
        properties["released"] = "merged from released cohorts"
    by_pair: dict[tuple[EdgeType, Ends], list[Edge]] = defaultdict(list)
    for edge in edges:
        start = (NodeType.COHORT.value, MERGED) if edge.start[0] == NodeType.COHORT else edge.start
        kind = EdgeType.PRECEDES if edge.type == EdgeType.PRECEDES else EdgeType.POOLED
        by_pair[kind, (start, edge.end)].append(edge)
    found: list[Any] = [Node(NodeType.COHORT, MERGED, properties)]
    for (kind, (start, end)), several in sorted(by_pair.items()):
        pooled = _counts(several) if kind == EdgeType.PRECEDES else _pooled(several, end[1], report)
        if pooled:
            found.append(Edge(kind, start, end, MERGED, {"cohort": MERGED, **pooled}))
    return found


def _counts(edges: Sequence[Edge]) -> dict[str, Value]:
    found: dict[str, Value] = {"basis": "counted", "cohorts": len(edges)}
    for name in ("persons", "same_visit"):
        values = [_int(e.properties[name]) for e in edges if name in e.properties]
        if values:
            found[name] = sum(values)
    if years := [e.properties["person_years"] for e in edges if "person_years" in e.properties]:
        found["person_years"] = _years(years)
    counted = [e for e in edges if _int(e.properties.get("persons"))]
    histograms = [(_ints(e, "gap_days"), _ints(e, "gap_bins") or list(GAP_BINS_DAYS)) for e in counted]
    if histograms and all(gaps for gaps, _ in histograms):
        lefts = sorted(set.intersection(*(set(bins) for _, bins in histograms)))
        sums = [0] * len(lefts)
        for gaps, bins in histograms:
            for count, left in zip(gaps, bins, strict=True):
                sums[max(i for i, edge in enumerate(lefts) if edge <= left)] += count
        found["gap_days"] = sums
        if lefts != list(GAP_BINS_DAYS):
            found["gap_bins"] = lefts
    elif not counted and edges and all("gap_days" in e.properties for e in edges):
        found["gap_days"] = [0] * len(GAP_BINS_DAYS)
    return found


def _pooled(edges: Sequence[Edge], event: str, report: MergeReport) -> dict[str, Value]:
    found: dict[str, Value] = {}
    by_feature: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for edge in (e for e in edges if e.type == EdgeType.ESTIMATES):
        names: Any = edge.properties.get("features", [])
        values: Any = edge.properties.get("coefficients", [])
        information = np.asarray(edge.properties.get("information", []), np.float64).reshape(len(names), len(names))
        for name, value, variance in zip(names, values, marginal(information), strict=True):
            if variance is not None:
                by_feature[name].append((value, variance))
    if by_feature:
        features = sorted(by_feature)
        rows = [pool(*zip(*by_feature[f], strict=True)) for f in features]
        columns = {"coefficients": "value", "se": "se", "cohorts": "cohorts", "q": "q", "i2": "i2", "tau": "tau"}
        found["features"] = features
        for column, name in columns.items():
            figures = [getattr(row, name) for row in rows]
            found[column] = [v if isinstance(v, int) else float(f"{v:.{_DIGITS}g}") for v in figures]
        several = [(f, r) for f, r in zip(features, rows, strict=True) if r.cohorts > 1]
        report.coefficients += len(several)
        report.differing += [{"event": event, "feature": f, **asdict(r)} for f, r in several if r.i2 > 0]
        report.differing.sort(key=lambda r: (-r["i2"], r["event"], r["feature"]))
    if observed := [e for e in edges if e.type == EdgeType.OBSERVED]:
        found |= _cells(observed)
    return found


def _cells(edges: Sequence[Edge]) -> dict[str, Value]:
    """Cells added up over the finest groups that all share: cells are joined that any cohort has pooled."""
    size = int(np.prod(CELLS))
    root = list(range(size))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for edge in edges:
        first: dict[int, int] = {}
        for cell, group in enumerate(_ints(edge, "cell_groups") or range(size)):
            one, other = find(cell), find(first.setdefault(group, cell))
            root[max(one, other)] = min(one, other)
    roots = [find(i) for i in range(size)]
    order = {r: n for n, r in enumerate(dict.fromkeys(roots))}
    members: dict[int, list[int]] = defaultdict(list)
    for cell, r in enumerate(roots):
        members[r].append(cell)
    events, years = [0] * size, [0.0] * size
    for inside in members.values():
        at = inside[(len(inside) - 1) // 2]
        events[at] = sum(_ints(e, "events_by_cell")[c] for e in edges for c in inside)
        years[at] = _years(_floats(e, "years_by_cell")[c] for e in edges for c in inside)
    found: dict[str, Value] = {"events_by_cell": events, "years_by_cell": years}
    if len(members) < size:
        found["cell_groups"] = [order[r] for r in roots]
    return found


def _years(values: Iterable[Any]) -> float:
    """Sums in whole ten-thousandths, so that their order changes nothing."""
    return sum(round(float(v) * 10_000) for v in values) / 10_000


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _ints(edge: Edge, name: str) -> list[int]:
    value = edge.properties.get(name, [])
    return [int(v) for v in value] if isinstance(value, list) else []


def _floats(edge: Edge, name: str) -> list[float]:
    value = edge.properties.get(name, [])
    return [float(v) for v in value] if isinstance(value, list) else []
