"""Audits of a data set: one module a family of figures, and a report that renders rows and knows no figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from engine.audit.report import AuditReport
    from engine.graph import TrajectoryGraph
    from engine.record import Record

__all__ = ["audit"]


def audit(source: str | Path | Iterable[Record], graph: TrajectoryGraph) -> AuditReport:
    """What a data set covers, beside what the graph leads to expect; order and time of its persons; published figures.

    `source`: a run, records, a run folder, a `.jsonl` of records (or of objects with a text), a `.txt` of sentences, or `-`. Sentences
    without a plan are linked first. SourceError names a line that cannot be read.

    >>> from engine.graph import open_graph
    >>> from engine.runs import generate
    >>> with open_graph(catalog="pack") as graph:
    ...     report = audit(generate(graph, 4, seed=1, quotas={"neuropsychiatric": 4}), graph)
    >>> sum(row.planned for row in report.coverage.concepts)
    4
    """
    from engine.audit.coverage import coverage
    from engine.audit.plausibility import Recorded, plausibility
    from engine.audit.presence import presence
    from engine.audit.report import AuditReport
    from engine.audit.source import criteria_of, items_of

    criteria = criteria_of(source)
    recorded = Recorded()
    covered = coverage(recorded.watch(items_of(source, graph)), graph, criteria)
    return AuditReport(covered, presence(graph, criteria), plausibility(graph, recorded, criteria))
