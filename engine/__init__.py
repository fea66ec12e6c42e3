"""DualAlign: grounded synthetic clinical sentences from a knowledge graph of symptom trajectories.

`open_graph` opens a graph, `generate` makes a run from it, `audit` says what a data set covers, `write` exports records.
Names are imported at first use, so that `import engine` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.audit import audit  # at once and light: later the name of the package would hide the function

if TYPE_CHECKING:
    from engine.graph import TrajectoryGraph, open_graph
    from engine.linking import Linker
    from engine.plan import Plan
    from engine.record import Record, Span
    from engine.runs import Recipe, Run, generate
    from engine.sampling.criteria import Criteria
    from engine.settings import Settings
    from engine.writers import write
    from ontology.errors import (
        BudgetExhausted,
        ConfigError,
        DualAlignError,
        Infeasible,
        MissingExtra,
        MissingGraph,
        ModelError,
        QueryRefused,
        RunConflict,
        SourceError,
        StoreError,
        UnknownConcept,
        WorkerLost,
    )
    from ontology.issue import Issue

__all__ = [
    "BudgetExhausted",
    "ConfigError",
    "Criteria",
    "DualAlignError",
    "Infeasible",
    "Issue",
    "Linker",
    "MissingExtra",
    "MissingGraph",
    "ModelError",
    "Plan",
    "QueryRefused",
    "Recipe",
    "Record",
    "Run",
    "RunConflict",
    "Settings",
    "SourceError",
    "Span",
    "StoreError",
    "TrajectoryGraph",
    "UnknownConcept",
    "WorkerLost",
    "audit",
    "generate",
    "open_graph",
    "write",
]

_HOMES = {
    "Criteria": "engine.sampling.criteria",
    "Issue": "ontology.issue",
    "Linker": "engine.linking.linker",
    "Plan": "engine.plan",
    "Recipe": "engine.runs",
    "Record": "engine.record",
    "Run": "engine.runs",
    "Settings": "engine.settings",
    "Span": "engine.record",
    "TrajectoryGraph": "engine.graph",
    "generate": "engine.runs",
    "open_graph": "engine.graph",
    "write": "engine.writers",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "ontology.errors")), name)


def __dir__() -> list[str]:
    return __all__
