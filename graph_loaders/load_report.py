"""`LoadReport`: what a load did with everything it read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ontology.issue import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LoadReport", "ranked"]

_CODES_SHOWN = 15
"""Unmapped codes in the table of a report; JSON has all."""


@dataclass(slots=True)
class LoadReport:
    """What a load did: `read = used + skipped` events, by reason; `unmapped`: codes without a concept, `outside`: concepts
    that neither pack nor mapping asks for; `notes`: every note, by what became of it. `nodes`, `edges` and `fingerprint` are of
    the whole graph afterwards, without what is private (`kept`: persons that it keeps).
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
    notes: Counter[str] = field(default_factory=Counter)
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
            "notes": {"read": self.notes.total(), **dict(ranked(self.notes))},
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
            if self.notes:
                yield "notes read", self.notes.total()
                yield "notes with concepts", self.notes["with concepts"]
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
