from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.quotas import Cell, allot, cells_in_turn
from ontology.errors import Infeasible


@st.composite
def axes(draw):
    total = draw(st.integers(1, 60))
    found = {}
    for axis in draw(st.lists(st.sampled_from(["label", "stage", "sex", "informant"]), min_size=1, unique=True)):
        cuts = sorted(draw(st.lists(st.integers(0, total), max_size=4)))
        counts = [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]
        found[axis] = {f"{axis}{i}": count for i, count in enumerate(counts) if count}
    return found


def sums(cells):
    found = Counter()
    for cell, count in cells.items():
        for place in cell.values:
            found[place] += count
    return found


@given(axes())
def test_every_quota_of_every_axis_is_met_exactly(asked):
    cells = allot(asked, lambda cell: True)
    assert sums(cells) == {(axis, value): count for axis, values in asked.items() for value, count in values.items()}
    assert all(count > 0 for count in cells.values())


@given(axes(), st.integers(0, 2**32))
def test_only_what_can_be_planned_is_allotted(asked, seed):
    def able(cell: Cell) -> bool:
        return len(cell.values) < 2 or hash((seed, str(cell))) % 4 != 0

    try:
        cells = allot(asked, able)
    except Infeasible:
        return
    assert all(able(cell) for cell in cells)
    assert sums(cells) == {(axis, value): count for axis, values in asked.items() for value, count in values.items()}


def test_a_table_that_needs_places_to_be_exchanged_is_found():
    forbidden = {"a, stage:mild", "b, stage:severe"}
    cells = allot(
        {"label": {"a": 5, "b": 5}, "stage": {"mild": 5, "severe": 5}}, lambda cell: str(cell) not in forbidden
    )
    assert {str(cell): count for cell, count in cells.items()} == {"a, stage:severe": 5, "b, stage:mild": 5}
    with pytest.raises(Infeasible, match=r"stage:mild 1 sentences find no place"):
        allot({"label": {"a": 5, "b": 5}, "stage": {"mild": 6, "severe": 4}}, lambda cell: str(cell) not in forbidden)


@given(axes())
def test_cells_in_turn_are_those_allotted_and_any_beginning_is_nearly_balanced(asked):
    cells = allot(asked, lambda cell: True)
    labels = tuple(asked.get("label", ()))
    turn = list(cells_in_turn(cells, labels))
    assert Counter(turn) == cells
    if labels:
        begun = Counter(cell.get("label") for cell in turn[: len(labels)])
        assert set(begun.values()) == {1}
