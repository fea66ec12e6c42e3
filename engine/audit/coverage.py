"""Concept coverage: planned, written, expected share with interval, missing; by label, stage and persona stratum."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ontology.concept import Cui
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.audit.source import Item
    from engine.graph import TrajectoryGraph
    from engine.sampling.criteria import Criteria

__all__ = ["ConceptRow", "Coverage", "StratumRow", "coverage", "wilson"]

_TRAJECTORIES = 2000
"""Trajectories drawn (with seed 0) for the expected shares: their standard error is at most 0.011."""

_SURPRISE = 0.001
"""A concept is reported missing when its absence has less than this probability under the expected share."""


@dataclass(frozen=True, slots=True)
class ConceptRow:
    """A concept of the pack in the data set. `share`: of the planned (or, without plans, the linked) concepts, with its
    95 % Wilson interval `low`-`high`; `expected`: the share that the graph leads to expect for the same labels.
    """

    cui: str
    name: str
    label: str
    planned: int
    written: int
    share: float
    low: float
    high: float
    expected: float

    @property
    def missing(self) -> bool:
        """Neither planned nor written."""
        return self.planned + self.written == 0


@dataclass(frozen=True, slots=True)
class StratumRow:
    """A part of the data set: `axis` is label, stage, sex, race, age or informant. `concepts`: how many of the pack's occur."""

    axis: str
    value: str
    sentences: int
    concepts: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """The figures of one data set."""

    sentences: int
    records: int
    pack_concepts: int
    concepts: tuple[ConceptRow, ...]
    strata: tuple[StratumRow, ...]
    others: tuple[tuple[str, str, int], ...]
    issues: tuple[Issue, ...] = field(default=())

    @property
    def covered(self) -> int:
        """Concepts of the pack that are written at least once."""
        return sum(row.written > 0 for row in self.concepts)


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927).

    >>> [round(x, 3) for x in wilson(5, 10)]
    [0.237, 0.763]
    """
    if total == 0:
        return 0.0, 1.0
    z, p = 1.959964, count / total
    middle, half = p + z * z / (2 * total), z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return max(0.0, (middle - half) / (1 + z * z / total)), min(1.0, (middle + half) / (1 + z * z / total))


def coverage(items: Iterable[Item], graph: TrajectoryGraph, criteria: Criteria) -> Coverage:
    """Counts one data set in one pass (memory in concepts and strata) and draws trajectories for what was to be expected."""
    known = {str(concept.cui): concept for concept in graph.pack.concepts}
    planned, written, others = Counter[str](), Counter[str](), Counter[str]()
    labels = Counter[str]()
    strata: dict[tuple[str, str], tuple[Counter[str], list[int]]] = defaultdict(lambda: (Counter(), [0]))
    issues: list[Issue] = []
    seen: set[str] = set()
    sentences = records = 0
    for item in items:
        sentences += 1
        said = {cui for cui, _ in item.written}
        written.update(said & known.keys())
        others.update(said - known.keys())
        parts = [("all", "all")]
        if item.record is not None:
            records += 1
            if item.record.cui:
                planned[item.record.cui] += 1
            labels[item.record.label] += 1
            issues += _faults(item, seen)
            parts = list(_parts(item))
        for part in parts:
            strata[part][0].update(said & known.keys())
            strata[part][1][0] += 1
    counted = planned if records else written
    total = sum(counted.values())
    expected = _expected(graph, criteria, labels)
    rows = []
    for cui, concept in known.items():
        low, high = wilson(counted[cui], total)
        share = counted[cui] / total if total else 0.0
        row = (planned[cui], written[cui], share, low, high, expected.get(cui, 0.0))
        rows.append(ConceptRow(cui, concept.name, concept.label, *row))
    issues += _missing(rows, total, labels, graph)
    order = sorted(strata, key=lambda part: (_AXES.index(part[0]), part[1]))
    return Coverage(
        sentences,
        records,
        len(known),
        tuple(sorted(rows, key=lambda row: (row.label, -row.planned, -row.written, row.cui))),
        tuple(StratumRow(*part, strata[part][1][0], len(strata[part][0])) for part in order),
        tuple((cui, _name(graph, cui), count) for cui, count in others.most_common(20)),
        tuple(issues),
    )


def _name(graph: TrajectoryGraph, cui: str) -> str:
    return graph.catalog[Cui(cui)].name if cui in graph.catalog else ""


_AXES = ("all", "label", "stage", "assertion", "informant", "sex", "race", "education", "age", "other")


def _parts(item: Item) -> Iterator[tuple[str, str]]:
    record = item.record
    assert record is not None
    yield "label", record.label
    yield "stage", record.stage or "before the first"
    yield "assertion", record.assertion
    yield "informant", record.informant
    for trait in record.traits:
        axis, _, value = trait.partition(":")
        yield (axis, value) if axis in _AXES else ("other", trait)
    if record.age >= 0:
        low = min(90, int(record.age) // 10 * 10)
        yield "age", "90+" if low == 90 else f"{low}-{low + 9}"  # noqa: PLR2004 - ages above 89 are one band (HIPAA)


def _faults(item: Item, seen: set[str]) -> Iterator[Issue]:
    record = item.record
    assert record is not None
    if record.id in seen:
        yield Issue(Severity.ERROR, "duplicate-id", f"{record.id} occurs twice", record.id, "drop one of the two")
    seen.add(record.id)
    for span in record.spans:
        if record.text[span.start : span.end] != span.text:
            message = f"span {span.start}-{span.end} says {span.text!r} and the text says {record.text[span.start : span.end]!r}"
            yield Issue(Severity.ERROR, "span-wrong", message, record.id, "offsets are Python characters")
    if record.cui and (record.cui, record.assertion) not in item.written and not any(s.planned for s in record.spans):
        message = f"{record.name} was planned as {record.assertion} and is not among the spans"
        yield Issue(Severity.ERROR, "not-written", message, record.id, "leave this record out")


def _expected(graph: TrajectoryGraph, criteria: Criteria, labels: Counter[str]) -> dict[str, float]:
    """Shares of planned concepts when each label is planned over drawn trajectories (without labels: shares of onsets)."""
    from engine.plan import plan_for_label

    rng = np.random.default_rng(0)
    weights = Counter[str]()
    known = {label.id for label in graph.pack.labels}
    labels = Counter({label: count for label, count in labels.items() if label in known})
    total = sum(labels.values())
    found: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for trajectory in graph.sample(_TRAJECTORIES, seed=0, criteria=criteria):
        if not labels:
            weights.update(onset.cui for onset in trajectory.onsets)
        for label in labels:
            chosen = plan_for_label(trajectory, label, graph.pack, rng)
            if chosen is not None and chosen.cui:
                found[label][chosen.cui] += 1
    for label, counts in found.items():
        drawn = sum(counts.values())
        for cui, count in counts.items():
            weights[cui] += labels[label] / total * count / drawn  # type: ignore[assignment]
    whole = sum(weights.values())
    return {cui: weight / whole for cui, weight in weights.items()} if whole else {}


def _missing(rows: Iterable[ConceptRow], total: int, labels: Counter[str], graph: TrajectoryGraph) -> Iterator[Issue]:
    for row in rows:
        if row.missing and total and (1 - row.expected) ** total < _SURPRISE:
            message = f"{row.name} is missing; {row.expected * total:.1f} of {total} were to be expected"
            yield Issue(
                Severity.WARNING,
                "concept-missing",
                message,
                row.cui,
                "ask for it with --include, or for more sentences",
            )
    for name in sorted(set(labels) - {label.id for label in graph.pack.labels}):
        message = f"{labels[name]} records have the label {name!r}, which the pack {graph.pack.id} does not have"
        yield Issue(Severity.ERROR, "unknown-label", message, "labels", "audit them with the pack they were made with")
    if labels:
        for label in graph.pack.labels:
            if not labels[label.id]:
                yield Issue(Severity.INFORMATION, "label-missing", f"no sentence has the label {label.id}", "labels")
