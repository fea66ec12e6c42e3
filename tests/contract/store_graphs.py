"""Small graphs that the tests of the stores write."""

from __future__ import annotations

from typing import Any

from graph_loaders.elements import Edge, GraphElements, Node

A = Node("Concept", "C0002395", {"name": "Alzheimer's disease", "types": ["T047"], "remits": False})
B = Node("Concept", "C0085632", {"name": 'Apathy "quoted"\nsecond line — λ 🧠', "types": []})
START = Node("Start", "start", {"name": "start"})
FACT = Edge(
    "PRECEDES", ("Concept", "C0085632"), ("Concept", "C0002395"), "fact-1", {"source": "doi:1", "log_ratio": 0.5}
)
GAPS = [0, 1, 2, 3, 0, 0, 0, 0]


def cohort(key: str, persons: int = 7, **more: Any) -> list[Node | Edge]:
    """A cohort with counts and an estimate between A and B."""
    return [
        Node("Cohort", key, {"persons": persons, "source": "test", **more}),
        Edge(
            "PRECEDES",
            ("Concept", B.key),
            ("Concept", A.key),
            key,
            {"cohort": key, "persons": persons, "gap_days": GAPS},
        ),
        Edge(
            "ESTIMATES",
            ("Cohort", key),
            ("Concept", A.key),
            key,
            {"cohort": key, "features": ["intercept"], "coefficients": [-3.25], "information": [12.5]},
        ),
    ]


FACTS = GraphElements.of([A, B, START, FACT])
GRAPH = GraphElements.of([*FACTS, *cohort("paquid")])
