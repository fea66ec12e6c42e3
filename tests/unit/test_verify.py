"""Invariants of a whole graph."""

from __future__ import annotations

from typing import Any

import pytest

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.verify import verify

A, B, C = (("Concept", f"C000000{i}") for i in range(3))
NODES = [Node(*A), Node(*B), Node(*C), Node("Cohort", "one", {"persons": 10}), Node("Stage", "stage:mild")]


def counted(**properties: Any) -> Edge:
    return Edge("PRECEDES", A, B, "one", {"cohort": "one", **properties})


def estimated(**properties: Any) -> Edge:
    return Edge("ESTIMATES", ("Cohort", "one"), A, "one", {"cohort": "one", **properties})


FINE = [
    counted(persons=10, gap_days=[5, 5, 0, 0, 0, 0, 0, 0], person_years=0.0),
    estimated(features=["a", "b"], coefficients=[-1.0, 2.0], information=[1.0, -0.5, -0.5, 2.0]),
    Edge("IS_A", A, B),
    Edge("IS_A", A, C),
    Edge("IS_A", B, C),
    Edge("REQUIRES", C, A),
]


def test_a_sound_graph_has_no_issue() -> None:
    assert verify(GraphElements.of([*NODES, *FINE])) == ()
    assert verify(GraphElements()) == ()


@pytest.mark.parametrize(
    ("element", "code", "message"),
    [
        (Node("Category", "stage:mild"), "key-twice", "also stands under Category"),
        (Node("Cohort", "two", {"persons": -1}), "negative-count", "persons is -1"),
        (Edge("IS_A", A, ("Concept", "C9")), "loose-edge", "there is no node Concept C9"),
        (Edge("PRECEDES", A, B, "x", {"cohort": "lost"}), "no-cohort", "there is no Cohort lost"),
        (counted(persons=11), "too-many-persons", "11 persons, and the cohort has 10"),
        (counted(persons=3, gap_days=[2, 2, 0, 0, 0, 0, 0, 0]), "too-many-gaps", "4 gaps of 3 persons"),
        (counted(gap_days=[-1, 0, 0, 0, 0, 0, 0, 0]), "negative-count", "gap_days is"),
        (estimated(features=["a"], coefficients=[], information=[1.0]), "bad-estimate", "1 features, 0 coefficients"),
        (estimated(features=["a"], coefficients=[1.0], information=[-1.0]), "bad-information", "negative"),
        (
            estimated(features=["a", "b"], coefficients=[1.0, 1.0], information=[1.0, 0.5, 0.0, 1.0]),
            "bad-information",
            "not symmetric",
        ),
        (
            estimated(features=["a", "a"], coefficients=[1.0, 1.0], information=[1.0] * 4),
            "feature-twice",
            "'a' stands twice",
        ),
        (Node("Concept", "x", {"nmae": "y"}), "unknown-property", "did you mean"),
    ],
)
def test_what_is_broken_is_named(element: Node | Edge, code: str, message: str) -> None:
    (issue,) = verify(GraphElements.of([*NODES, element]))
    assert issue.code == code
    assert message in str(issue)
    assert issue.where


@pytest.mark.parametrize("ends", [[(A, A)], [(A, B), (B, A)], [(A, B), (B, C), (C, A)]])
@pytest.mark.parametrize("kind", ["IS_A", "REQUIRES"])
def test_a_circle_is_found(kind: str, ends: list[tuple[tuple[str, str], tuple[str, str]]]) -> None:
    (issue,) = verify(GraphElements.of([*NODES, *(Edge(kind, *pair) for pair in ends)]))
    assert issue.code == "circle"
    assert f"among {len(ends)} nodes" in issue.message
