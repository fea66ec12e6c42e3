"""What every store does with elements; queries are in test_store_queries.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from graph_loaders.elements import Edge, GraphElements, Node
from ontology.errors import ConfigError, StoreError
from store_graphs import FACTS, GRAPH, A, cohort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from graph_loaders.stores import GraphStore


def test_what_is_written_is_read_with_the_same_fingerprint(store: GraphStore) -> None:
    store.write(GRAPH)
    assert store.read() == GRAPH
    assert store.read().fingerprint == GRAPH.fingerprint


def test_an_empty_graph_reads_as_one_and_answers_queries(store: GraphStore) -> None:
    assert store.read() == GraphElements()
    assert store.query("MATCH (n) RETURN n") == []
    assert store.query("MATCH (n) RETURN count(n) AS n") == [{"n": 0}]


def test_writing_twice_changes_nothing(store: GraphStore) -> None:
    store.write(GRAPH)
    store.write(GRAPH)
    assert store.read() == GRAPH


def test_writing_in_parts_and_in_another_order_gives_the_same_graph(new_store: Callable[[], GraphStore]) -> None:
    one, other = new_store(), new_store()
    one.write(GRAPH)
    other.write(GRAPH.nodes[::-1])
    other.write(GRAPH.edges[::-1])
    assert other.read().fingerprint == one.read().fingerprint


def test_an_element_is_replaced_by_its_identity(store: GraphStore) -> None:
    store.write(GRAPH)
    store.write([Node("Concept", A.key, {"name": "AD"})])
    assert {n.key: n.properties for n in store.read().nodes}[A.key] == {"name": "AD"}
    assert len(store.read().nodes) == len(GRAPH.nodes)


def test_two_contents_for_one_identity_in_a_batch_are_refused(store: GraphStore) -> None:
    with pytest.raises(StoreError, match="two different nodes for one identity"):
        store.write([A, Node("Concept", A.key, {"name": "other"})])
    assert store.read() == GraphElements()


def test_a_cohort_without_its_node_is_invisible_until_it_comes(store: GraphStore) -> None:
    store.write(FACTS)
    node, *edges = cohort("late")
    store.write(edges)
    assert store.read() == FACTS
    assert store.query("MATCH ()-[p:PRECEDES]->() RETURN p.key AS key") == [{"key": "fact-1"}]
    store.write([node])
    assert store.read() == GraphElements.of([*FACTS, node, *edges])
    assert len(store.query("MATCH ()-[p:PRECEDES]->() RETURN p.key AS key")) == 2


def test_drop_removes_one_cohort_and_nothing_else(store: GraphStore) -> None:
    store.write([*FACTS, *cohort("one"), *cohort("two")])
    store.drop("one")
    assert store.read() == GraphElements.of([*FACTS, *cohort("two")])
    store.drop("none of that name")
    store.drop("two")
    assert store.read() == FACTS


def test_dropped_is_gone_and_does_not_come_back_with_the_node(store: GraphStore) -> None:
    store.write([*FACTS, *cohort("one")])
    store.drop("one")
    store.write([cohort("one")[0]])
    assert store.read() == GraphElements.of([*FACTS, cohort("one")[0]])


def test_a_cohort_is_replaced_in_one_step_or_not_at_all(store: GraphStore) -> None:
    store.write([*FACTS, *cohort("one"), *cohort("two")])
    with pytest.raises(StoreError, match="has no node"):
        store.write([Edge("IS_A", ("Concept", "C9999999"), ("Concept", A.key))], replace="one")
    assert store.read() == GraphElements.of([*FACTS, *cohort("one"), *cohort("two")])
    store.write(cohort("one", persons=9)[:2], replace="one")
    assert store.read() == GraphElements.of([*FACTS, *cohort("one", persons=9)[:2], *cohort("two")])


def test_a_private_cohort_is_read_only_when_asked_for(store: GraphStore) -> None:
    hidden = cohort("ward", private=True)
    store.write([*FACTS, *hidden])
    assert store.read() == FACTS
    assert store.read(private=True) == GraphElements.of([*FACTS, *hidden])
    assert store.query("MATCH (c:Cohort) RETURN c.id") == []


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "None"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ({"a": 1}, "dict"),
        ((1, 2), "tuple"),
        ([1, "a"], "a list that is not all"),
        ([[1]], "a list that is not all"),
        (b"x", "bytes"),
        ("\ud800", "surrogate"),
        (3, "name is 3"),
        (True, "name is True"),
    ],
)
def test_a_property_outside_the_schema_is_refused_with_its_place(store: GraphStore, value: Any, why: str) -> None:
    store.write(FACTS)
    with pytest.raises(ConfigError, match="Concept C0000001") as caught:
        store.write([Node("Concept", "C0000002", {"name": "fine"}), Node("Concept", "C0000001", {"name": value})])
    assert why in str(caught.value)
    assert store.read() == FACTS


def test_labels_and_types_are_closed(store: GraphStore) -> None:
    with pytest.raises(ConfigError) as caught:
        store.write([Node("Patient", "p1"), Edge("KNOWS", ("Concept", "a"), ("Concept", "b"))])
    assert [issue.code for issue in caught.value.issues] == ["unknown-label", "unknown-type"]
    assert store.read() == GraphElements()


def test_an_edge_needs_its_nodes(store: GraphStore) -> None:
    with pytest.raises(StoreError, match="IS_A hpo from Concept C1 to Concept C2 has no node Concept C1"):
        store.write([Node("Concept", "C2"), Edge("IS_A", ("Concept", "C1"), ("Concept", "C2"), "hpo")])
    assert store.read() == GraphElements()


def test_a_failing_source_of_elements_writes_nothing(store: GraphStore) -> None:
    def broken() -> Iterator[Node]:
        yield A
        message = "the reader broke"
        raise OSError(message)

    with pytest.raises(OSError, match="the reader broke"):
        store.write(broken())
    assert store.read() == GraphElements()


def test_close_may_be_called_twice_and_ends_everything(store: GraphStore) -> None:
    store.write(FACTS)
    store.query("RETURN 1 AS x")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.read()
    with pytest.raises(StoreError, match="is closed"):
        store.query("RETURN 1 AS x")
