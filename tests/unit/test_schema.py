"""The schema is closed, and its check names every element that is outside."""

from __future__ import annotations

from typing import Any

import pytest

from graph_loaders.elements import Edge, Node
from graph_loaders.schema import AGE_BANDS, EDGES, GAP_BINS_DAYS, NODES, EdgeType, NodeType, check

A, B = ("Concept", "C0000001"), ("Concept", "C0000002")


def test_every_type_has_a_shape_of_known_value_types() -> None:
    assert set(NODES) == set(NodeType)
    assert set(EDGES) == set(EdgeType)
    declared = {kind for shape in (*NODES.values(), *EDGES.values()) for kind in shape.properties.values()}
    assert declared <= {"str", "int", "float", "bool", "list[str]", "list[int]", "list[float]"}
    assert all(shape.starts and shape.ends for shape in EDGES.values())


def test_labels_and_types_are_plain_words() -> None:
    assert all(name.isascii() and name.replace("_", "").isalnum() for name in (*NODES, *EDGES))


@pytest.mark.parametrize("edges", [GAP_BINS_DAYS, AGE_BANDS])
def test_bins_start_at_zero_and_rise(edges: tuple[int, ...]) -> None:
    assert edges[0] == 0
    assert list(edges) == sorted(set(edges))


@pytest.mark.parametrize(
    ("element", "code", "message"),
    [
        (Node("Patient", "p"), "unknown-label", "the schema has no label 'Patient'"),
        (Node("Conceptt", "p"), "unknown-label", "did you mean 'Concept'?"),
        (Node("Concept", ""), "empty-key", "a Concept needs a key"),
        (Node("Concept", "\ud800"), "bad-key", "whole characters"),
        (Node("Concept", 7), "bad-key", "a key is text"),  # type: ignore[arg-type]
        (Node(*A, {"title": "x"}), "unknown-property", "Concept has no property 'title'"),
        (Node(*A, {"nmae": "x"}), "unknown-property", "did you mean 'name'?"),
        (Node(*A, {"name": None}), "bad-value", "name is None (leave the key out instead)"),  # type: ignore[dict-item]
        (Node(*A, {"name": 3}), "bad-type", "name is 3 (name is str)"),
        (Node(*A, {"remits": 1}), "bad-type", "remits is 1"),
        (Node("Stage", "s", {"ordinal": True}), "bad-type", "ordinal is True"),
        (Node("Stage", "s", {"years": True}), "bad-type", "years is True"),
        (Node("Stage", "s", {"ordinal": 1.0}), "bad-type", "ordinal is 1.0"),
        (Node(*A, {"types": [1]}), "bad-type", "types is [1]"),
        (Edge("KNOWS", A, B), "unknown-type", "the schema has no type 'KNOWS'"),
        (Edge("IS_A", A, ("Stage", "s")), "bad-end", "IS_A cannot end at 'Stage' (one of Concept)"),
        (Edge("IN", ("Category", "c"), ("Category", "d")), "bad-end", "IN cannot start at 'Category'"),
        (Edge("PRECEDES", A, B, "", {"gap_days": [1, 2]}), "bad-length", "gap_days has 2 values, not 8"),
        (Edge("ESTIMATES", ("Cohort", "c"), B, "", {"years_by_age": [1.0]}), "bad-length", "years_by_age has 1 values"),
    ],
)
def test_what_is_outside_is_an_issue_with_its_place(element: Node | Edge, code: str, message: str) -> None:
    (issue,) = check([element])
    assert issue.code == code
    assert message in str(issue)
    assert issue.where


@pytest.mark.parametrize(
    "element",
    [
        Node(*A, {"name": "x", "types": [], "remits": False}),
        Node("Stage", "s", {"ordinal": 1, "years": 2}),
        Edge("ESTIMATES", ("Cohort", "c"), ("Death", "death"), "c", {"coefficients": [1, 2], "events": 0}),
        Edge("PRECEDES", ("Start", "start"), A, "f", {"gap_days": [0] * 8}),
    ],
)
def test_what_is_inside_passes(element: Node | Edge) -> None:
    assert check([element]) == ()


def test_all_issues_come_at_once_and_in_order() -> None:
    bad: list[Any] = [Node("X", "1"), Node(*A, {"a": 1, "b": 2}), Edge("Y", A, B)]
    assert [issue.code for issue in check(bad)] == [
        "unknown-label",
        "unknown-property",
        "unknown-property",
        "unknown-type",
    ]
