"""`Ledger`: what was released of a cohort so far, kept in the private graph, where it outlives the cohort's being loaded again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graph_loaders.elements import Node
from graph_loaders.schema import NodeType
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from graph_loaders.elements import GraphElements

__all__ = ["Ledger"]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Ledger:
    """The privacy budget of one cohort and its releases, oldest first. Epsilons and deltas add up (basic composition)."""

    cohort: str
    epsilon_total: float = 0.0
    delta_total: float = 0.0
    entries: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of(cls, elements: GraphElements, cohort: str) -> Ledger:
        """The ledger of a cohort; an empty one where nothing was released yet."""
        for node in elements.nodes:
            if node.label == NodeType.LEDGER and node.properties.get("cohort") == cohort:
                p: Any = node.properties
                entries = tuple(json.loads(text) for text in p.get("entries", []))
                return cls(cohort, float(p.get("epsilon_total", 0.0)), float(p.get("delta_total", 0.0)), entries)
        return cls(cohort)

    def node(self) -> Node:
        """As an element of the private graph."""
        entries = [json.dumps(entry, sort_keys=True) for entry in self.entries]
        return Node(
            NodeType.LEDGER,
            f"ledger:{self.cohort}",
            {
                "cohort": self.cohort,
                "epsilon_total": self.epsilon_total,
                "delta_total": self.delta_total,
                "entries": entries,
            },
        )

    @property
    def epsilon(self) -> float:
        """Spent so far."""
        return float(sum(entry.get("epsilon", 0.0) for entry in self.entries))

    @property
    def delta(self) -> float:
        """Spent so far."""
        return float(sum(entry.get("delta", 0.0) for entry in self.entries))

    def spend(self, entry: dict[str, Any], *, epsilon_total: float | None, delta_total: float | None) -> Ledger:
        """With one differentially private release more. The first one sets the budget: its own loss unless a total is given.

        Raises:
            ConfigError: the budget does not hold it, or is another than was set.

        >>> once = Ledger("c").spend({"epsilon": 1.0, "delta": 0.0}, epsilon_total=2.0, delta_total=None)
        >>> once.epsilon_total - once.epsilon
        1.0
        """
        epsilon, delta = float(entry["epsilon"]), float(entry["delta"])
        found = self
        if not self.epsilon_total:
            total = epsilon if epsilon_total is None else epsilon_total
            found = replace(self, epsilon_total=total, delta_total=delta if delta_total is None else delta_total)
        elif epsilon_total not in {None, self.epsilon_total} or delta_total not in {None, self.delta_total}:
            raise ConfigError(
                f"the budget of {self.cohort} was set to epsilon {self.epsilon_total:g}, delta {self.delta_total:g} by its "
                "first release and cannot be changed; leave --total-epsilon and --total-delta out"
            )
        over = found.epsilon + epsilon > found.epsilon_total * (1 + _ROUNDING)
        if over or found.delta + delta > found.delta_total * (1 + _ROUNDING):
            left = f"epsilon {max(found.epsilon_total - found.epsilon, 0):g}, delta {max(found.delta_total - found.delta, 0):g}"
            raise ConfigError(
                f"the budget of {self.cohort} has {left} left, and this release needs {epsilon:g} and {delta:g}; "
                "ask for less, or use the release that is out already"
            )
        return found.add(entry)

    def add(self, entry: dict[str, Any]) -> Ledger:
        """With one release more that has no budget."""
        return replace(self, entries=(*self.entries, entry))
