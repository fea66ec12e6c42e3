"""The pack as a graph: shapes of the schema, sources everywhere, and no step that the pack rules out."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

import pytest

from graph_loaders.facts import cited_orders, facts_to_elements, log_hazard_ratio, needs_of, node_key
from graph_loaders.schema import DEATH, EDGES, END, NODES, START, EdgeType, NodeType
from ontology.errors import ConfigError
from ontology.pack import Fact, Modifier, Pack, Requirement, load_pack

if TYPE_CHECKING:
    from graph_loaders.elements import Edge, GraphElements

TYPES: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool, "list[str]": list}
AD, DEPRESSION, AGITATION = "C0002395", "C0011581", "C0085631"
URINARY, BOWEL = "C0042024", "C0015732"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack()


@pytest.fixture(scope="module")
def graph(pack: Pack) -> GraphElements:
    return facts_to_elements(pack)


def steps(graph: GraphElements) -> dict[tuple[str, str], Edge]:
    return {(e.start[1], e.end[1]): e for e in graph.edges if e.type == "PRECEDES"}


def test_every_element_has_the_shape_of_the_schema(graph: GraphElements) -> None:
    labels = {(node.label, node.key) for node in graph.nodes}
    for node in graph.nodes:
        allowed = NODES[NodeType(node.label)].properties
        for name, value in node.properties.items():
            assert isinstance(value, TYPES[allowed[name]]), (node, name)
    for edge in graph.edges:
        shape = EDGES[EdgeType(edge.type)]
        assert {edge.start, edge.end} <= labels, edge
        assert edge.start[0] in shape.starts, edge
        assert edge.end[0] in shape.ends, edge
        for name, value in edge.properties.items():
            assert isinstance(value, TYPES[shape.properties[name]]), (edge, name)


def test_every_fact_of_the_graph_names_a_source_of_the_pack(pack: Pack, graph: GraphElements) -> None:
    known = {source.id for source in pack.sources} | {assumption.id for assumption in pack.assumptions}
    for edge in graph.edges:
        assert edge.properties["source"] in known, edge


def test_no_cohort_no_person_and_no_count_comes_from_facts(graph: GraphElements) -> None:
    assert {node.label for node in graph.nodes}.isdisjoint({NodeType.COHORT.value})
    for edge in graph.edges:
        assert {"cohort", "persons", "person_years", "gap_days"}.isdisjoint(edge.properties), edge


def test_all_rows_of_the_pack_are_in_the_graph(pack: Pack, graph: GraphElements) -> None:
    keys = {node.key for node in graph.nodes}
    assert {c.cui for c in pack.concepts} <= keys
    assert {f"stage:{s.id}" for s in pack.stages} <= keys
    assert {f"risk:{r.id}" for r in pack.risk_factors} | {d.id for d in pack.demographics} <= keys
    assert {START[1], DEATH[1], END[1]} <= keys
    assert {e.key for e in graph.edges if e.type == "MODIFIES"} == {m.id for m in pack.modifiers}
    assert sum(e.type == "EXPOSED" for e in graph.edges) == sum(bool(x.given) for x in pack.exposures)
    assert sum(e.type == "REQUIRES" for e in graph.edges) == len(pack.requirements)


def test_no_step_contradicts_a_requirement_or_the_order_of_stages(pack: Pack, graph: GraphElements) -> None:
    needs = needs_of(pack)
    rank = {f"stage:{s.id}": s.ordinal for s in pack.stages}
    for first, second in steps(graph):
        assert second not in needs.get(first, ()), f"{second} begins before {first}, never after it"
        if first == START[1]:
            assert second not in needs, f"{second} cannot be the first event"
        if first in rank and second in rank:
            assert rank[first] < rank[second]


def test_mild_impairment_never_begins_after_the_diagnosis_or_what_needs_it(graph: GraphElements) -> None:
    walk = steps(graph)
    for later in (AD, "stage:mild", "stage:severe", "C0741453"):
        assert (later, "stage:mci") not in walk
        assert (later, "C1270972") not in walk
    assert ("stage:mci", AD) in walk


def test_every_event_can_be_reached_and_death_follows_from_each(pack: Pack, graph: GraphElements) -> None:
    walk = steps(graph)
    events = {c.cui for c in pack.concepts} | {f"stage:{s.id}" for s in pack.stages}
    needs = needs_of(pack)
    for event in events:
        assert (event, DEATH[1]) in walk
        assert (START[1], event) in walk or all((needed, event) in walk for needed in needs[event])
        assert (event, event) not in walk
    assert not any(first == DEATH[1] for first, _ in walk)


def test_published_orders_are_cited_and_the_rest_is_assumed(pack: Pack, graph: GraphElements) -> None:
    walk = steps(graph)
    published = {source.id for source in pack.sources}
    assumed = {assumption.id for assumption in pack.assumptions}
    assert walk[DEPRESSION, AD].properties == {"basis": "cited", "source": "jost1996"}
    assert walk[AD, AGITATION].properties["basis"] == "cited"
    assert walk[URINARY, BOWEL].properties["source"] == "fast"
    assert walk["stage:mild", "stage:moderate"].properties["basis"] == "cited"
    assert walk[AGITATION, AD].properties == {"basis": "assumed", "source": "skeleton"}
    for edge in walk.values():
        assert edge.properties["source"] in (published if edge.properties["basis"] == "cited" else assumed)


@pytest.mark.parametrize(
    ("kind", "unit", "a", "b", "cited"),
    [
        ("order", "rank", {"value": 1.0}, {"value": 2.0}, True),
        ("order", "rank", {"value": 2.0}, {"value": 2.0}, False),
        ("order", "words", {"value": 1.0}, {"value": 2.0}, False),
        ("timing", "months_from_diagnosis", {"high": 5.0}, {"low": 5.0, "high": 10.0}, True),
        ("timing", "months_from_diagnosis", {"low": 5.0}, {"low": 5.0, "high": 10.0}, False),
        ("timing", "years_from_diagnosis", {"value": -5.5}, {"value": -1.0}, True),
        ("prevalence", "percent", {"value": 1.0}, {"value": 2.0}, False),
    ],
)
def test_an_order_is_cited_only_where_the_rows_give_one(
    pack: Pack, kind: str, unit: str, a: dict[str, Any], b: dict[str, Any], cited: bool
) -> None:
    rows = tuple(
        Fact(cui, kind, cui, "g", unit, "fit", "jost1996", **at) for cui, at in ((DEPRESSION, a), (AGITATION, b))
    )
    orders = cited_orders(dataclasses.replace(pack, facts=rows, requirements=(), stages=()))
    assert ((DEPRESSION, AGITATION) in orders) is cited
    assert (AGITATION, DEPRESSION) not in orders


def test_an_order_that_is_only_assumed_is_not_cited(pack: Pack) -> None:
    rows = tuple(
        Fact(cui, "order", cui, "g", "rank", "fit", "skeleton", value=rank)
        for cui, rank in ((DEPRESSION, 1.0), (AGITATION, 2.0))
    )
    assert not cited_orders(dataclasses.replace(pack, facts=rows, requirements=(), stages=()))


def test_needs_are_closed_and_a_cycle_shows_itself(pack: Pack) -> None:
    needs = needs_of(pack)
    assert {"stage:moderate", "stage:mild", AD} <= needs["stage:severe"]
    assert not any(event in needed for event, needed in needs.items())
    ring = (Requirement("a", "b", "s"), Requirement("b", "a", "s"))
    assert "a" in needs_of(dataclasses.replace(pack, requirements=ring))["a"]


@pytest.mark.parametrize(
    ("risk", "odds", "hazard"), [(0.05, 14.9, 11.29), (0.1, 3.2, 2.89), (0.2, 2.6, 2.24), (0.4, 3.2, 2.24)]
)
def test_an_odds_ratio_becomes_the_hazard_ratio_at_its_risk(risk: float, odds: float, hazard: float) -> None:
    log_ratio, se = log_hazard_ratio(Modifier("m", "risk:smoking", AD, "OR", odds, "s", baseline_risk=risk))
    assert math.exp(log_ratio) == pytest.approx(hazard, abs=0.006)
    assert se is None


def test_a_ratio_of_risks_keeps_its_value_and_its_interval() -> None:
    log_ratio, se = log_hazard_ratio(Modifier("m", "risk:smoking", AD, "RR", 1.59, "s", low=1.15, high=2.20))
    assert log_ratio == pytest.approx(math.log(1.59))
    assert se == pytest.approx(0.1655, abs=1e-4)


@pytest.mark.parametrize("risk", [None, 0.0, 1.0])
def test_an_odds_ratio_without_a_risk_is_refused(pack: Pack, risk: float | None) -> None:
    odds = Modifier("my-odds", "risk:smoking", AD, "OR", 2.0, "lee2022", baseline_risk=risk)
    with pytest.raises(ConfigError, match="my-odds") as error:
        facts_to_elements(dataclasses.replace(pack, modifiers=(odds,)))
    assert error.value.issues[0].where == "modifiers.csv"
    assert error.value.issues[0].hint


@pytest.mark.parametrize(
    ("event", "label"),
    [
        ("C0002395", "Concept"),
        ("stage:mild", "Stage"),
        ("death", "Death"),
        ("risk:diabetes", "RiskFactor"),
        ("sex:female", "Demographic"),
        ("label:none", "Category"),
    ],
)
def test_an_event_of_the_pack_is_one_node(event: str, label: str) -> None:
    assert node_key(event) == (label, event)


def test_the_same_pack_gives_the_same_graph_fast(pack: Pack, graph: GraphElements) -> None:
    start = time.process_time()
    again = facts_to_elements(pack)
    assert time.process_time() - start < 1.0
    assert again.fingerprint == graph.fingerprint
    shuffled = dataclasses.replace(pack, concepts=pack.concepts[::-1], modifiers=pack.modifiers[::-1])
    assert facts_to_elements(shuffled).fingerprint == graph.fingerprint
