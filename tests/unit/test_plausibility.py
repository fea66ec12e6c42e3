"""The audit sees whether a data set keeps the order and time of its graph's persons."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine import audit, generate
from engine.audit.fidelity import FIGURES
from engine.audit.plausibility import Recorded, plausibility
from engine.audit.source import Item
from engine.graph import open_graph


@pytest.fixture(scope="module")
def graph():
    with open_graph(catalog="pack") as opened:
        yield opened


@pytest.fixture(scope="module")
def records(graph):
    """Sentences as a run of whole trajectories would have them: one for each onset."""
    some = next(record for record in generate(graph, 30, seed=3) if record.cui)
    rows = []
    for person in graph.sample(60, seed=11):
        for step, onset in enumerate(person.onsets):
            told = replace(some, trajectory_id=person.id, cui=str(onset.cui), age=onset.age, assertion="present")
            rows.append(replace(told, id=f"{person.id}-{step}", step=step, of=len(person.onsets)))
    return rows


def found(graph, records):
    recorded = Recorded()
    assert len(list(recorded.watch(Item(r.text, (), r) for r in records))) == len(records)
    return plausibility(graph, recorded)


def test_persons_of_the_graph_are_within_the_floor_and_reversed_ones_are_not(graph, records):
    nine = found(graph, records).nine
    assert {figure.name for figure in nine.figures} <= set(FIGURES)
    assert len(nine.figures) >= 8
    assert nine.persons == 60
    assert nine.passed >= len(nine.figures) - 1
    first = {}
    for record in records:
        first[record.trajectory_id] = min(record.age, first.get(record.trajectory_id, 200.0))
    last = {record.trajectory_id: record.age for record in records}
    mirrored = [replace(r, age=first[r.trajectory_id] + last[r.trajectory_id] - r.age) for r in records]
    figures = {figure.name: figure for figure in found(graph, mirrored).nine.figures}
    assert not figures["order"].passed
    assert sum(figure.passed for figure in figures.values()) < nine.passed


def test_signs_that_are_denied_and_persons_with_one_sentence_are_no_trajectory(graph, records):
    single = {record.trajectory_id: record for record in records}
    assert found(graph, single.values()).nine is None
    assert found(graph, [replace(record, assertion="absent") for record in records]).persons == 0


def test_the_audit_shows_figures_and_published_tables_in_json_terminal_and_page(graph, records):
    report = audit(records, graph)
    data = report.as_data()["fidelity"]
    assert data["persons"] == 60
    assert len(data["nine"]["figures"]) >= 8
    assert {row["kendall_tau"] for row in data["orders"] if row["use"] == "fit"} == {1.0}
    assert any(row["fact"] == "survival-men" and row["used"] for row in data["published"])
    titles = [title for title, *_ in report.tables()]
    assert any(title.startswith("order and time: ") for title in titles)
    page = report.to_html()
    assert "Order and time: " in page
    assert "survival-men" in page
    assert "Published orders" in page
    few = audit(records[:1], graph)
    assert few.as_data()["fidelity"]["nine"] is None
    assert "generate whole trajectories" in few.to_html()
