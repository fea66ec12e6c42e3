"""Nodes and edges as values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graph_loaders.elements import Edge, GraphElements, Node, canonical_json, misfit
from graph_loaders.schema import NodeType

A, B = Node("Concept", "C0000001", {"name": "a"}), Node("Concept", "C0000002")
EDGE = Edge("IS_A", ("Concept", "C0000001"), ("Concept", "C0000002"), "k", {"source": "x"})


def test_elements_are_sorted_and_repeats_dropped() -> None:
    graph = GraphElements.of([EDGE, B, A, EDGE, B])
    assert graph == GraphElements((A, B), (EDGE,))
    assert list(graph) == [A, B, EDGE]


def test_the_fingerprint_is_that_of_the_canonical_lines() -> None:
    assert GraphElements().fingerprint == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert canonical_json(A) == '{"key":"C0000001","label":"Concept","properties":{"name":"a"}}'
    assert json.loads(canonical_json(EDGE))["start"] == ["Concept", "C0000001"]


def test_the_order_of_properties_does_not_matter() -> None:
    one, other = Node("Stage", "s", {"name": "x", "ordinal": 1}), Node("Stage", "s", {"ordinal": 1, "name": "x"})
    assert GraphElements.of([one, other]).fingerprint == GraphElements.of([other]).fingerprint


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0, False), ("1", 1), ([1], [1.0]), (0.0, -0.0)])
def test_values_that_only_compare_equal_are_different_contents(one: Any, other: Any) -> None:
    with pytest.raises(ValueError, match="two different nodes for one identity"):
        GraphElements.of([Node("Stage", "s", {"years": one}), Node("Stage", "s", {"years": other})])


def test_two_edges_of_one_identity_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="two different edges for one identity"):
        GraphElements.of([EDGE, Edge("IS_A", EDGE.start, EDGE.end, "k", {"source": "y"})])
    assert len(GraphElements.of([EDGE, Edge("IS_A", EDGE.start, EDGE.end, "other")]).edges) == 2


def test_a_label_may_be_given_as_its_enum() -> None:
    assert GraphElements.of([Node(NodeType.CONCEPT, "C0000002"), B]) == GraphElements((B,))
    assert canonical_json(Node(NodeType.CONCEPT, "C0000002")) == canonical_json(B)


def test_elements_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        A.key = "other"  # type: ignore[misc]


@pytest.mark.parametrize("value", ["", "λ 🧠\0", 0, -(2**63), 2**63 - 1, 0.0, -1e300, True, [], ["a"], [1, 2], [1.5]])
def test_values_that_fit(value: Any) -> None:
    assert misfit(value) == ""


@pytest.mark.parametrize("value", [None, float("nan"), float("-inf"), 2**63, -(2**63) - 1, "\ud800", b"", object(), 1j])
def test_values_that_do_not_fit_say_why(value: Any) -> None:
    assert misfit(value)
    assert misfit([value])


@pytest.mark.parametrize("value", [(1,), {}, [True], [1, 2.5], [[]], ["a", 1], ["a", "\udfff"], [1, 2**64]])
def test_lists_hold_one_type_and_nothing_is_nested(value: Any) -> None:
    assert misfit(value)
