"""What must hold between the elements of a whole graph, beyond the shape of each (`schema.check`)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from graph_loaders.schema import OLDEST_SHOWN, EdgeType, NodeType, check, place
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graph_loaders.elements import Edge, GraphElements, Node

__all__ = ["verify"]

_LISTED = ("gap_days", "events_by_age", "years_by_age", "events_by_cell", "years_by_cell")
_COUNTS = ("persons", "person_years", "same_visit", "events")
_PAIR = 2
"""Persons of the smallest cell that hides anybody."""

_AGES = ("visits", "onset_ages", "onset_after", "absence_ages", "presence_ages")
_ACYCLIC = (EdgeType.IS_A, EdgeType.REQUIRES)


def verify(elements: GraphElements) -> tuple[Issue, ...]:
    """Every broken invariant of a graph, the schema's first; linear in the elements.

    Keys are unique across labels; edges have their nodes; `IS_A` and `REQUIRES` have no circle; counts are not
    negative; an edge counts no more persons than its cohort, and no more gaps than persons; an estimate has one
    coefficient a feature and a symmetric information matrix whose diagonal is not negative. What is cited has a source.
    A cohort released by suppression shows no count below its least cell; one with noise says epsilon, delta and mechanism;
    a merged one adds up members that are there; a ledger has not spent more than its budget. Persons are of a private
    cohort, and none is shown to be above 90.

    >>> from graph_loaders.elements import GraphElements, Node
    >>> [str(i) for i in verify(GraphElements.of([Node("Stage", "death"), Node("Death", "death")]))]
    ["error key-twice at Stage death: the key 'death' also stands under Death"]
    """
    issues = list(check(elements))
    if issues:  # what follows reads properties by their declared types
        return tuple(issues)
    persons = {n.key: n.properties.get("persons") for n in elements.nodes if n.label == NodeType.COHORT}
    for circle in _ACYCLIC:
        issues += _circles(elements, circle)
    return (
        *_nodes(elements),
        *(i for edge in elements.edges for i in _edge(edge, persons)),
        *_loose(elements),
        *(i for edge in elements.edges for i in _source(edge)),
        *_releases(elements),
        *issues,
    )


def _error(code: str, message: str, where: str) -> Issue:
    return Issue(Severity.ERROR, code, message, where)


def _nodes(elements: GraphElements) -> Iterator[Issue]:
    first: dict[str, str] = {}
    for node in elements.nodes:
        other = first.setdefault(node.key, node.label)
        if other != node.label:
            yield _error("key-twice", f"the key {node.key!r} also stands under {other}", place(node))
        yield from _counts(node.properties, place(node))


def _counts(properties: Mapping[str, Any], where: str) -> Iterator[Issue]:
    for name in (*_COUNTS, *_LISTED):
        value = properties.get(name, 0)
        values = value if isinstance(value, list) else [value]
        if any(v < 0 for v in values):
            yield _error("negative-count", f"{name} is {value}", where)


def _loose(elements: GraphElements) -> Iterator[Issue]:
    there = {(node.label, node.key) for node in elements.nodes}
    for edge in elements.edges:
        for end in (edge.start, edge.end):
            if end not in there:
                yield _error("loose-edge", f"there is no node {' '.join(end)}", place(edge))


def _edge(edge: Edge, persons: Mapping[str, object]) -> Iterator[Issue]:
    where, properties = place(edge), edge.properties
    yield from _counts(properties, where)
    cohort = properties.get("cohort")
    if cohort and cohort not in persons:
        yield _error("no-cohort", f"there is no Cohort {cohort}", where)
    whole, part = persons.get(str(cohort)), properties.get("persons")
    if isinstance(whole, int) and isinstance(part, int) and part > whole:
        yield _error("too-many-persons", f"{part} persons, and the cohort has {whole}", where)
    gaps = properties.get("gap_days")
    if isinstance(gaps, list) and isinstance(part, int) and sum(map(int, gaps)) > part:
        yield _error("too-many-gaps", f"{sum(map(int, gaps))} gaps of {part} persons", where)
    if edge.type == EdgeType.ESTIMATES:
        yield from _estimate(edge, where)


def _estimate(edge: Edge, where: str) -> Iterator[Issue]:
    lists = {name: edge.properties.get(name, []) for name in ("features", "coefficients", "information")}
    features, coefficients, information = (v if isinstance(v, list) else [] for v in lists.values())
    size = len(features)
    twice = [name for name, times in Counter(map(str, features)).items() if times > 1]
    if twice:
        yield _error("feature-twice", f"{twice[0]!r} stands twice in features", where)
    if len(coefficients) != size or len(information) != size * size:
        found = f"{size} features, {len(coefficients)} coefficients, {len(information)} values of information"
        yield _error("bad-estimate", f"{found}: not n, n and n x n", where)
        return
    matrix = [[float(v) for v in information[i * size : (i + 1) * size]] for i in range(size)]
    if any(matrix[i][i] < 0 for i in range(size)):
        yield _error("bad-information", "a value on the diagonal of information is negative", where)
    tolerance = 1e-6 * max((abs(v) for row in matrix for v in row), default=0.0)
    if any(abs(matrix[i][j] - matrix[j][i]) > tolerance for i in range(size) for j in range(i)):
        yield _error("bad-information", "information is not symmetric", where)


def _circles(elements: GraphElements, kind: EdgeType) -> list[Issue]:
    """Nodes that never become free when those without predecessors are taken away (Kahn)."""
    after: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    waiting: Counter[tuple[str, str]] = Counter()
    for edge in elements.edges:
        if edge.type == kind:
            after[edge.start].append(edge.end)
            waiting[edge.end] += 1
    free = [node for node in after if not waiting[node]]
    while free:
        for node in after.pop(free.pop(), ()):
            waiting[node] -= 1
            if not waiting[node]:
                free.append(node)
    left = sorted(node for node in after if waiting[node])
    if not left:
        return []
    names = ", ".join(key for _, key in left[:5])
    return [_error("circle", f"{kind} goes in a circle among {len(left)} nodes: {names}", " ".join(left[0]))]


def _source(edge: Edge) -> Iterator[Issue]:
    if edge.properties.get("basis") == "cited" and not edge.properties.get("source"):
        yield _error("no-source", "what is cited needs a source", place(edge))
    elif edge.type in {EdgeType.MODIFIES, EdgeType.EXPOSED} and not edge.properties.get("source"):
        yield _error("no-source", f"{edge.type} is published and needs a source", place(edge))


def _releases(elements: GraphElements) -> Iterator[Issue]:
    least: dict[str, int] = {}
    cohorts = {node.key for node in elements.nodes if node.label == NodeType.COHORT}
    hidden = {node.key for node in elements.nodes if node.label == NodeType.COHORT and node.properties.get("private")}
    for node in elements.nodes:
        if node.label == NodeType.COHORT:
            yield from _cohort(node, cohorts)
            if node.properties.get("released") == "suppression":
                least[node.key] = int(node.properties.get("min_cell", 0))  # type: ignore[arg-type]  # as the schema has it
        elif node.label == NodeType.LEDGER:
            yield from _ledger(node)
        elif node.label == NodeType.PERSON:
            yield from _person(node, hidden)
    for edge in elements.edges:
        if (cell := least.get(str(edge.properties.get("cohort")), 0)) > 0:
            yield from _small(edge, cell)


def _cohort(node: Node, cohorts: set[str]) -> Iterator[Issue]:
    p: Mapping[str, Any] = node.properties
    released = p.get("released")
    if released == "suppression":
        if p.get("min_cell", 0) < _PAIR:
            yield _error("no-min-cell", "released by suppression, and min_cell is missing", place(node))
        if 0 < p.get("persons", 0) < p.get("min_cell", 0):
            yield _error("small-cell", f"{p['persons']} persons, fewer than min_cell", place(node))
    if released == "differential privacy" and not (
        p.get("epsilon", 0) > 0 and 0 <= p.get("delta", -1) < 1 and p.get("mechanism")
    ):
        yield _error("no-epsilon", "released with noise, and epsilon, delta or mechanism is missing", place(node))
    if released and p.get("private"):
        yield _error("private-release", "a cohort that keeps persons cannot have been released", place(node))
    for lost in sorted(set(p.get("members", [])) - cohorts):
        yield _error("no-member", f"it adds up {lost}, which is not there", place(node))


def _person(node: Node, hidden: set[str]) -> Iterator[Issue]:
    p: Mapping[str, Any] = node.properties
    if p.get("cohort") not in hidden:
        yield _error("person-shown", "a person of no private cohort", place(node))
    ages = [p.get("entry_age", 0.0), p.get("exit_age", 0.0), *(a for name in _AGES for a in p.get(name, []))]
    if max(ages) > OLDEST_SHOWN:
        yield _error("age-shown", f"the age {max(ages):g}; {OLDEST_SHOWN:g} stands for it and more", place(node))
    for name in ("onset", "absence", "presence"):
        if len(p.get(f"{name}s", [])) != len(p.get(f"{name}_ages", [])):
            yield _error("bad-length", f"{name}s and {name}_ages differ in length", place(node))


def _ledger(node: Node) -> Iterator[Issue]:
    p: Mapping[str, Any] = node.properties
    try:
        entries = [json.loads(text) for text in p.get("entries", [])]
        spent = [sum(float(e.get(name, 0.0)) for e in entries) for name in ("epsilon", "delta")]
    except (ValueError, AttributeError, TypeError):
        yield _error("bad-ledger", "an entry is not a JSON object with numbers", place(node))
        return
    for name, value in zip(("epsilon", "delta"), spent, strict=True):
        if value > p.get(f"{name}_total", 0.0) * (1 + 1e-9):
            yield _error("over-budget", f"{name} {value:g} was spent of {p.get(f'{name}_total', 0.0):g}", place(node))


def _small(edge: Edge, least: int) -> Iterator[Issue]:
    for name in ("persons", "same_visit", "events", "gap_days", "events_by_cell"):
        value: Any = edge.properties.get(name, 0)
        found = [v for v in (value if isinstance(value, list) else [value]) if 0 < v < least]
        if found:
            yield _error("small-cell", f"{name} shows {found[0]}, below the least cell of {least}", place(edge))
    for name in ("events_by_age", "years_by_age", "remission"):
        if name in edge.properties:
            yield _error("not-released", f"a release by suppression has no {name}", place(edge))
