"""What the compiled loops read and fill: who, the rates as multipliers, the criteria, the paths."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

__all__ = ["BLOCK", "Flags", "Floats", "Ints", "Paths", "Persons", "Rates", "Wanted", "padded"]

BLOCK = 8
"""Rates are summed in blocks of so many (one vector register): an onset changes the sums of few blocks."""


def padded(size: int) -> int:
    """The size rounded up to full blocks."""
    return -(-size // BLOCK) * BLOCK


class Persons(NamedTuple):
    """Whom to draw, already conditioned on the criteria. Axes lie one after another in the flat arrays."""

    axis_start: Ints  # where each axis begins; one more at the end
    axis_cumulative: Floats  # within each axis, given the diagnosis but for the shortfall that `survival` corrects
    axis_log: Floats  # log hazard ratio of each value for the diagnosis
    given_axis: int  # the axis that exposures depend on, -1 for none
    exposure: Floats  # (values of that axis, risk factors), likewise tilted
    risk_log: Floats  # (values of that axis, risk factors): log hazard ratio of each for the diagnosis
    ties: Ints  # rows (axis, risk factor, value if exposed, value if not)
    death_axis: int  # the axis that background mortality depends on, -1 for none
    ages: Floats
    age_cumulative: Floats  # (values of that axis, ages)
    age_guide: Ints  # (values of that axis, quantiles): the last age whose share lies at or below each quantile
    alive: Floats  # (values of that axis, ages): survival of the population
    level: float  # log hazard of the diagnosis at 80
    slope: float  # a year of age
    youngest: float
    before: Floats  # mean years of each stage before the diagnosis, in order
    left: Floats  # (values of that axis, log ratios, ages): share not yet diagnosed among persons in the last stage before
    left_low: float  # the first log ratio, and the step
    left_step: float
    low: float  # the age range asked for at the diagnosis, where earlier onsets can move it; else open
    high: float
    earliest: float  # the age range asked for, where nothing has moved the diagnosis yet
    latest: float


class Rates(NamedTuple):
    """The progression model as multipliers; events are indices, padded to full blocks with events that never happen."""

    base: Floats
    axis_factor: Floats  # (flat axis values, events)
    axis_acts: Flags
    risk_factor: Floats  # (risk factors, events)
    risk_acts: Flags
    acts: Ints  # how the onset of v acts on the others: 0 not, 1 on a few, 2 on many
    few_start: Ints  # compressed rows: the onset of v multiplies the rate of `few_event` by `few_factor`
    few_event: Ints
    few_factor: Floats
    many: Floats  # (events, events): the same for all
    diagnosis_factor: Floats  # what the onset of v multiplies the rate of the diagnosis by
    moves: bool  # whether any of them does
    age_factor: Floats  # (whole years from `youngest`, events)
    ages: int  # how age acts: 0 not, 1 on all events alike (the first column), 2 on each in its own way
    needs: Ints
    unlock_start: Ints
    unlock_event: Ints
    propensity: Floats
    spread: bool
    scheduled: Ints  # stages before the diagnosis, the diagnosis, stages that begin with it
    size: int
    concepts: int  # events below are onsets
    death: int
    oldest: float


class Wanted(NamedTuple):
    """The criteria, as far as the path must meet them."""

    include: Flags
    includes: int
    exclude: Flags
    start: int
    stage: int
    least: int
    most: int
    window: float


class Paths(NamedTuple):
    """What a loop fills: a row a person, and the events of all persons one after another."""

    start: Ints
    event: npt.NDArray[np.int32]
    age: Floats
    entry: Floats
    diagnosis: Floats
    exit: Floats
    died: Flags
    values: npt.NDArray[np.int8]
    exposed: Flags
    tried: Ints

    @classmethod
    def empty(cls, persons: int, events: int, axes: int, risks: int) -> Paths:
        """Room for so many persons with so many events each."""
        room = persons * events + 1  # the table loop writes what it may then refuse
        return cls(
            np.zeros(persons + 1, np.int64),
            np.empty(room, np.int32),
            np.empty(room),
            np.empty(persons),
            np.empty(persons),
            np.empty(persons),
            np.zeros(persons, np.bool_),
            np.zeros((persons, axes), np.int8),
            np.zeros((persons, risks), np.bool_),
            np.zeros(persons, np.int64),
        )
