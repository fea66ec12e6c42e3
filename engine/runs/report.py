"""`RunReport`: what became of every request of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.runs.outcome import Usage
from engine.runs.quotas import counted, key_of
from ontology.issue import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.record import Record

__all__ = ["RunReport"]

_SHOWN = 3
"""Refused texts kept in the report for each code."""


@dataclass(slots=True)
class RunReport:
    """Counts of what is committed: `requested = accepted + rejected + dead_lettered`, always.

    `n`: sentences (or trajectories) the recipe asks for. `requested`: requests to whatever writes, each of which ended as a record, as a
    text that was refused, or as a dead letter (the model failed for good). `lost`: sentences given up after that; what is
    neither accepted nor lost is still open. `by_quota` counts records by the keys of the recipe's quotas.
    """

    n: int
    axes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    requested: int = 0
    accepted: int = 0
    rejected: int = 0
    dead_lettered: int = 0
    lost: int = 0
    by_label: Counter[str] = field(default_factory=Counter)
    by_quota: Counter[str] = field(default_factory=Counter)
    by_code: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)

    @property
    def acceptance(self) -> float:
        """Accepted share of the requests."""
        tried = self.accepted + self.rejected + self.dead_lettered
        return self.accepted / tried if tried else 0.0

    def accept(self, record: Record) -> None:
        """Adds a record."""
        self.accepted += 1
        self.by_label[record.label] += 1
        self.by_quota.update(counted(record, self.axes))

    def refuse(self, rows: Iterable[dict[str, Any]], *, dead: bool) -> None:
        """Adds refused texts or dead letters (rows of rejected.jsonl or dead.jsonl)."""
        for row in rows:
            if dead:
                self.dead_lettered += 1
            else:
                self.rejected += 1
            self.lost += bool(row.get("given_up"))
            for code in sorted({issue["code"] for issue in row["issues"] if issue["severity"] == Severity.ERROR.value}):
                self.by_code[code] += 1
                shown = self.examples.setdefault(code, [])
                if len(shown) < _SHOWN and row["text"]:
                    shown.append(row["text"])

    def as_data(self) -> dict[str, Any]:
        """Plain values, in a fixed order."""
        asked = {key_of(axis, value): count for axis, values in self.axes.items() for value, count in values.items()}
        return {
            "n": self.n,
            "requested": self.requested,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "dead_lettered": self.dead_lettered,
            "lost": self.lost,
            "acceptance": round(self.acceptance, 4),
            "by_label": dict(sorted(self.by_label.items())),
            "by_quota": {key: [self.by_quota[key], count] for key, count in asked.items()},
            "by_code": dict(sorted(self.by_code.items(), key=lambda item: (-item[1], item[0]))),
        }
