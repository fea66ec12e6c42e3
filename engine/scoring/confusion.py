"""`Confusion`: which class was taken for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.scoring.figures import Figure

if TYPE_CHECKING:
    from engine.scoring.figures import Table

__all__ = ["Confusion"]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Pairs by class: `counts[gold][predicted]` over `labels`; `accuracy`, Cohen's `kappa` (None where it has no meaning), and precision,
    recall and F1 of each class. Empty where the gold says nothing of it.
    """

    labels: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    accuracy: Figure
    kappa: float | None
    classes: dict[str, dict[str, Figure]]

    @classmethod
    def of(cls, table: Table, part: str) -> Confusion:
        """The confusion of the keys `(part, gold, predicted)` of a table."""
        keys = [key for key in table.keys() if isinstance(key, tuple) and key[0] == part]  # noqa: SIM118 - a table is no mapping
        labels = tuple(sorted({label for _, *both in keys for label in both}))
        everything = dict.fromkeys(keys, 1.0)
        classes = {}
        for label in labels:
            right = {(part, label, label): 1.0}
            said = {key: 1.0 for key in keys if key[2] == label}
            meant = {key: 1.0 for key in keys if key[1] == label}
            classes[label] = {
                "precision": table.share(right, said),
                "recall": table.share(right, meant),
                "f1": table.harmonic(right, said, meant),
            }
        accuracy = table.share({(part, label, label): 1.0 for label in labels}, everything)
        counts = {gold: {said: table.total((part, gold, said)) for said in labels} for gold in labels}
        return cls(labels, counts, accuracy, _kappa(counts), classes)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "labels": list(self.labels),
            "counts": self.counts,
            "accuracy": self.accuracy.to_json(),
            "kappa": None if self.kappa is None else round(self.kappa, 5),
            "classes": {
                label: {name: figure.to_json() for name, figure in one.items()} for label, one in self.classes.items()
            },
        }


def _kappa(counts: dict[str, dict[str, int]]) -> float | None:
    everything = sum(sum(row.values()) for row in counts.values())
    if not everything:
        return None
    agreed = sum(counts[label][label] for label in counts) / everything
    chance = (
        sum(sum(counts[label].values()) * sum(row[label] for row in counts.values()) for label in counts)
        / everything**2
    )
    return (agreed - chance) / (1 - chance) if chance < 1 else None
