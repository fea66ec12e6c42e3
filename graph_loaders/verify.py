"""What must hold between the elements of a whole graph, beyond the shape of each (`schema.check`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from graph_loaders.schema import EdgeType, NodeType, check, place
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graph_loaders.elements import Edge, GraphElements

__all__ = ["verify"]

_COUNTS = ("persons", "person_years", "same_visit", "events")
_ACYCLIC = (EdgeType.IS_A, EdgeType.REQUIRES)


def verify(elements: GraphElements) -> tuple[Issue, ...]:
    """Every broken invariant of a graph, the schema's first; linear in the elements.

    Keys are unique across labels; edges have their nodes; `IS_A` and `REQUIRES` have no circle; counts are not
    negative; an edge counts no more persons than its cohort, and no more gaps than persons; an estimate has one
    coefficient a feature and a symmetric information matrix whose diagonal is not negative.

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
    for name in (*_COUNTS, "gap_days", "events_by_age", "years_by_age"):
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
