"""Quotas: how many sentences of each label, stage, informant, assertion or trait; and the slots that meet all of them at once.

A key of a recipe's quotas is a label, or `axis:value`: `stage:mild`, `informant:wife`, `assertion:absent`, `risk:diabetes`, or
an axis of the persona (`sex:female`). The quotas of an axis add up to n; `axis:*` is every value that has no quota of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ontology.errors import Infeasible
from ontology.mention import Informant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from engine.plan import Plan
    from engine.record import Record

__all__ = ["ANY", "LABEL", "Cell", "allot", "by_axis", "cells_in_turn"]

LABEL, ANY = "label", "*"


@dataclass(frozen=True, slots=True)
class Cell:
    """What the sentence of a slot must be: a value for each axis with quotas, in the order of the axes. `others` holds, for an
    axis whose value is `*`, the values that it must not have.
    """

    values: tuple[tuple[str, str], ...] = ()
    others: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return ", ".join(value if axis == LABEL else f"{axis}:{value}" for axis, value in self.values)

    def get(self, axis: str) -> str:
        """The value asked for, or "" where any will do."""
        return next((value for name, value in self.values if name == axis and value != ANY), "")

    def holds(self, plan: Plan) -> bool:
        """Whether a plan is what this cell asks for."""
        return all(self._holds(axis, value, plan) for axis, value in self.values)

    def _holds(self, axis: str, value: str, plan: Plan) -> bool:
        named = (value,) if value != ANY else next(names for name, names in self.others if name == axis)
        return any(_is(axis, one, plan) for one in named) is (value != ANY)


def _is(axis: str, value: str, plan: Plan) -> bool:
    if axis == LABEL:
        return plan.label == value
    if axis == "stage":
        return plan.stage == value
    if axis == "assertion":
        return plan.assertion.value == value
    if axis == "informant":
        return Informant(value).covers(plan.informant)
    if axis == "risk":
        return value in plan.persona.risk_factors
    return plan.persona.traits.get(axis) == value


def counted(record: Record, axes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """The quotas that a record counts for, as keys of a recipe's quotas."""
    for axis, values in axes.items():
        have = {
            LABEL: (record.label,),
            "stage": (record.stage,),
            "assertion": (record.assertion,),
            "risk": record.risk_factors,
        }.get(axis)
        if axis == "informant":
            said = Informant(record.informant)
            have = tuple(value for value in values if value != ANY and Informant(value).covers(said))
        elif have is None:
            have = tuple(trait.partition(":")[2] for trait in record.traits if trait.startswith(f"{axis}:"))
        met = next((value for value in values if value in have), ANY)
        if met in values:
            yield key_of(axis, met)


def key_of(axis: str, value: str) -> str:
    """A key of a recipe's quotas."""
    return value if axis == LABEL else f"{axis}:{value}"


def by_axis(quotas: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Axis -> value -> sentences, labels first, in the order given; what is asked for no time is left out.

    >>> by_axis({"stage:mild": 2, "none": 1, "stage:severe": 1, "memory": 2})
    {'label': {'none': 1, 'memory': 2}, 'stage': {'mild': 2, 'severe': 1}}
    """
    found: dict[str, dict[str, int]] = {LABEL: {}}
    for key, count in quotas.items():
        axis, colon, value = key.partition(":")
        if count:
            found.setdefault(axis if colon else LABEL, {})[value if colon else key] = count
    return found if found[LABEL] else {axis: values for axis, values in found.items() if axis != LABEL}


def allot(axes: Mapping[str, Mapping[str, int]], able: Callable[[Cell], bool]) -> dict[Cell, int]:
    """Sentences for each combination of values, so that the quotas of every axis are met exactly and only combinations occur
    that `able` says can be planned; near to independent axes. Infeasible names an axis that cannot be met beside the others.

    One axis after another joins: what stands so far are the rows of a transport problem, the values of the new axis its columns;
    solved exactly, by proportional shares rounded down and augmenting paths for the rest. `able` is asked once for each combination
    that would be used.

    >>> allot({"label": {"a": 2, "b": 2}, "stage": {"mild": 3, "severe": 1}}, lambda cell: True)
    ... # doctest: +ELLIPSIS
    {Cell(values=(('label', 'a'), ('stage', 'mild')), ...): 2, ...}
    """
    rows: dict[Cell, int] = {Cell(): sum(next(iter(axes.values())).values())} if axes else {}
    for axis, values in axes.items():
        named = tuple(value for value in values if value != ANY)

        def joined(cell: Cell, value: str, axis: str = axis, named: tuple[str, ...] = named) -> Cell:
            others = ((axis, named),) if value == ANY else ()
            return Cell((*cell.values, (axis, value)), cell.others + others)

        table = _Table(rows, values, lambda cell, value: able(joined(cell, value)))
        if table.missing:
            short = ", ".join(f"{key_of(axis, value)} {count}" for value, count in table.missing.items())
            able_rows = "; ".join(str(cell) for cell in rows if any(table.can(cell, value) for value in table.missing))
            raise Infeasible(
                f"the quotas cannot all be met: {short} sentences find no place beside the other quotas; "
                + (f"only these can carry them: {able_rows}; " if rows.keys() != {Cell()} and able_rows else "")
                + "lower these quotas, or raise those of what can carry them",
                axis,
            )
        rows = {joined(cell, value): count for (cell, value), count in table.counts.items()}
    return rows


class _Table:
    """A two-way table of whole numbers with given sums of rows and columns; `missing` is what found no place."""

    def __init__(self, rows: Mapping[Cell, int], columns: Mapping[str, int], able: Callable[[Cell, str], bool]) -> None:
        self.rows, self.columns, self._able = rows, columns, able
        self._known: dict[tuple[Cell, str], bool] = {}
        total = sum(rows.values())
        left_row, left_column = dict(rows), dict(columns)
        self.counts: dict[tuple[Cell, str], int] = {}
        for row, have in rows.items():
            for column, want in columns.items():
                share = min(have * want // max(1, total), left_row[row], left_column[column])
                if share and self.can(row, column):
                    self._move(row, column, share, left_row, left_column)
        for row in rows:
            while left_row[row] and (path := self._path(row, left_column)):
                self._shift(path, left_row, left_column)
        self.counts = {place: self.counts[place] for place in self._order if self.counts.get(place)}
        self.missing = {column: left for column, left in left_column.items() if left}

    @cached_property
    def _order(self) -> list[tuple[Cell, str]]:
        return [(row, column) for row in self.rows for column in self.columns]

    def can(self, row: Cell, column: str) -> bool:
        """Whether the combination can be planned; asked once."""
        if (row, column) not in self._known:
            self._known[row, column] = self._able(row, column)
        return self._known[row, column]

    def _move(self, row: Cell, column: str, count: int, rows: dict[Cell, int], columns: dict[str, int]) -> None:
        self.counts[row, column] = self.counts.get((row, column), 0) + count
        rows[row] -= count
        columns[column] -= count

    def _path(self, row: Cell, left: Mapping[str, int]) -> list[tuple[Cell, str]]:
        """The shortest way to give the row one more: places that get more and less by turns, ending in a column with room."""
        came: dict[str, list[tuple[Cell, str]]] = {}
        front: list[tuple[Cell, list[tuple[Cell, str]]]] = [(row, [])]
        while front:
            then: list[tuple[Cell, list[tuple[Cell, str]]]] = []
            for at, way in front:
                for column in sorted(self.columns, key=lambda c: -left[c]):
                    if column in came or not self.can(at, column):
                        continue
                    came[column] = [*way, (at, column)]
                    if left[column]:
                        return came[column]
                    then += [(r, [*came[column], (r, column)]) for r in self.rows if self.counts.get((r, column))]
            front = then
        return []

    def _shift(self, path: Sequence[tuple[Cell, str]], rows: dict[Cell, int], columns: dict[str, int]) -> None:
        first, last = path[0][0], path[-1][1]
        count = min([rows[first], columns[last], *(self.counts[place] for place in path[1::2])])
        for i, place in enumerate(path):
            self.counts[place] = self.counts.get(place, 0) + (count if i % 2 == 0 else -count)
        rows[first] -= count
        columns[last] -= count


def cells_in_turn(cells: Mapping[Cell, int], labels: Sequence[str]) -> Iterator[Cell]:
    """Cells, each as often as it is allotted: labels in turn, and the cells of a label in turn, so that a run that stops early is
    still nearly balanced.

    >>> cells = {Cell((("label", "a"),)): 2, Cell((("label", "b"),)): 1}
    >>> [str(cell) for cell in cells_in_turn(cells, ("a", "b"))]
    ['a', 'b', 'a']
    """
    lines = [_in_turn({c: n for c, n in cells.items() if c.get(LABEL) == label}) for label in labels]
    lines.append(_in_turn({cell: count for cell, count in cells.items() if cell.get(LABEL) not in labels}))
    while lines:
        for line in tuple(lines):
            cell = next(line, None)
            if cell is None:
                lines.remove(line)
            else:
                yield cell


def _in_turn(cells: Mapping[Cell, int]) -> Iterator[Cell]:
    """Whichever cell is the furthest behind its share (Webster's method: the first whose next half is due)."""
    from heapq import heapify, heappop, heapreplace

    due = [(1 / (2 * count), place, 0, count, cell) for place, (cell, count) in enumerate(cells.items())]
    heapify(due)
    while due:
        _, place, done, count, cell = due[0]
        yield cell
        if done + 1 == count:
            heappop(due)
        else:
            heapreplace(due, ((2 * done + 3) / (2 * count), place, done + 1, count, cell))
