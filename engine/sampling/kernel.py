"""The inner loop: persons, then competing hazards, one random stream a trajectory. The only module that needs numba.

`run` is compiled at its first use and kept in numba's cache beside this file or, where that folder is not writable, in the
user's cache folder; without any writable folder it is compiled anew in each process (about ten seconds).
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

__all__ = ["Paths", "Persons", "Rates", "Wanted", "run"]

DONE = 0
STUCK = 1


class Persons(NamedTuple):
    """Whom to draw, already conditioned on the criteria. Axes lie one after another in the flat arrays."""

    axis_start: Ints  # where each axis begins; one more at the end
    axis_cumulative: Floats  # within each axis, given the diagnosis but for the shortfall that `survival` corrects
    axis_log: Floats  # log hazard ratio of each value for the diagnosis
    given_axis: int  # the axis that exposures depend on, -1 for none
    exposure: Floats  # (values of that axis, risk factors), likewise tilted
    risk_log: Floats
    ties: Ints  # rows (axis, risk factor, value if exposed, value if not)
    death_axis: int  # the axis that background mortality depends on, -1 for none
    ages: Floats
    age_cumulative: Floats  # (values of that axis, ages)
    level: float  # log hazard of the diagnosis at 80
    slope: float  # a year of age
    youngest: float
    before: Floats  # mean years of each stage before the diagnosis, in order


class Rates(NamedTuple):
    """The progression model as multipliers; events are indices."""

    base: Floats
    axis_factor: Floats  # (flat axis values, events)
    axis_acts: Flags
    risk_factor: Floats  # (risk factors, events)
    risk_acts: Flags
    history_start: Ints  # compressed rows: the onset of v multiplies the rate of `history_event` by `history_factor`
    history_event: Ints
    history_factor: Floats
    count_factor: Floats
    counts: bool
    age_factor: Floats  # (whole years from `youngest`, events)
    ages: bool
    needs: Ints
    unlock_start: Ints
    unlock_event: Ints
    propensity: Floats
    scheduled: Ints  # stages before the diagnosis, the diagnosis, stages that begin with it
    concepts: int  # events below are onsets
    death: int
    oldest: float


class Wanted(NamedTuple):
    """The criteria that are met by rejection."""

    include: Flags
    includes: int
    exclude: Flags
    start: int
    stage: int
    least: int
    most: int
    window: float


class Paths(NamedTuple):
    """What `run` fills: a row a person, and the events of all persons one after another."""

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
        room = persons * events
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


def _mix(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _next(state: Any) -> Any:
    """SplitMix64 (Steele, Lea and Flood 2014): the state, and a uniform number strictly between 0 and 1."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return state, (float(z >> np.uint64(12)) + 0.5) * (1.0 / 4503599627370496.0)


def _loop(  # noqa: C901, PLR0912, PLR0915 - one compiled loop: calls and objects would cost what it is for
    key: Any, first: int, count: int, max_tries: int, who: Persons, rates: Rates, wanted: Wanted, out: Paths
) -> tuple[int, int]:
    """Persons `first` ... `first + count - 1`; returns how many were made and DONE, or STUCK at `max_tries`."""
    size = rates.base.shape[0]
    axes = who.axis_start.shape[0] - 1
    risks = who.risk_log.shape[0]
    planned = rates.scheduled.shape[0]
    before = who.before.shape[0]
    bottom = math.exp(who.slope * (who.youngest - 80.0))
    rate = np.empty(size)  # what the rate is once its needs are met
    live = np.empty(size)  # the rate now
    needs = np.empty(size, np.int64)
    begun = np.zeros(size, np.bool_)
    value = np.zeros(axes, np.int64)
    exposed = np.zeros(risks, np.bool_)
    schedule = np.empty(planned)
    position = 0
    for person in range(count):
        state = _mix(key[0] + _mix(key[1] + np.uint64(first + person)))
        tries = 0
        while True:
            if tries >= max_tries:
                out.tried[person] = tries
                return person, STUCK
            tries += 1
            # the person and the age at diagnosis: proposal from rate times survival, accepted if no earlier diagnosis
            while True:
                log_ratio = 0.0
                for axis in range(axes):
                    state, u = _next(state)
                    j = who.axis_start[axis]
                    while u > who.axis_cumulative[j] and j < who.axis_start[axis + 1] - 1:
                        j += 1
                    value[axis] = j
                    log_ratio += who.axis_log[j]
                row = 0
                if who.given_axis >= 0:
                    row = value[who.given_axis] - who.axis_start[who.given_axis]
                for k in range(risks):
                    state, u = _next(state)
                    exposed[k] = u < who.exposure[row, k]
                    if exposed[k]:
                        log_ratio += who.risk_log[k]
                row = 0
                if who.death_axis >= 0:
                    row = value[who.death_axis] - who.axis_start[who.death_axis]
                state, u = _next(state)
                low, high = 0, who.ages.shape[0] - 1
                while high - low > 1:
                    middle = (low + high) // 2
                    if who.age_cumulative[row, middle] <= u:
                        low = middle
                    else:
                        high = middle
                width = who.age_cumulative[row, high] - who.age_cumulative[row, low]
                part = (u - who.age_cumulative[row, low]) / width if width > 0.0 else 0.0
                diagnosis = who.ages[low] + part * (who.ages[high] - who.ages[low])
                hazard = (
                    math.exp(who.level + log_ratio) * (math.exp(who.slope * (diagnosis - 80.0)) - bottom) / who.slope
                )
                state, u = _next(state)
                if u < math.exp(-hazard):
                    break
            for t in range(who.ties.shape[0]):
                axis = who.ties[t, 0]
                value[axis] = who.axis_start[axis] + (who.ties[t, 2] if exposed[who.ties[t, 1]] else who.ties[t, 3])
            while True:
                entry = diagnosis
                for k in range(before):
                    state, u = _next(state)
                    schedule[k] = -math.log(u) * who.before[k]
                    entry -= schedule[k]
                if entry >= who.youngest:
                    break
            age = entry
            for k in range(before):
                years = schedule[k]
                schedule[k] = age
                age += years
            for k in range(before, planned):
                schedule[k] = diagnosis
            # the rates of this person
            for j in range(size):
                rate[j] = rates.base[j]
                needs[j] = rates.needs[j]
                begun[j] = False
            for axis in range(axes):
                if rates.axis_acts[value[axis]]:
                    for j in range(size):
                        rate[j] *= rates.axis_factor[value[axis], j]
            for k in range(risks):
                if exposed[k] and rates.risk_acts[k]:
                    for j in range(size):
                        rate[j] *= rates.risk_factor[k, j]
            state, u = _next(state)
            state, w = _next(state)
            z = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * w)
            last = 0.0
            factor = 1.0
            for j in range(size):
                if rates.propensity[j] != 0.0:
                    if rates.propensity[j] != last:
                        last = rates.propensity[j]
                        factor = math.exp(last * z)
                    rate[j] *= factor
            total = 0.0
            for j in range(size):
                live[j] = rate[j] if needs[j] == 0 else 0.0
                total += live[j]
            # the path
            age = entry
            end = min(rates.oldest, entry + wanted.window)
            top = position
            onsets, missing, due = 0, wanted.includes, 0
            staged = wanted.stage < 0
            died = False
            good = True
            while True:
                event = -1
                if due < planned and schedule[due] <= age:
                    event = rates.scheduled[due]
                    due += 1
                else:
                    until = end
                    if due < planned and schedule[due] < until:
                        until = schedule[due]
                    if rates.ages:
                        piece = int(age - who.youngest)
                        piece = min(piece, rates.age_factor.shape[0] - 1)
                        edge = who.youngest + piece + 1.0
                        if edge <= age:
                            edge = age + 1.0
                        until = min(until, edge)
                        total = 0.0
                        for j in range(size):
                            total += live[j] * rates.age_factor[piece, j]
                    state, u = _next(state)
                    later = age + (-math.log(u) / total if total > 0.0 else math.inf)
                    if later >= until:
                        age = until
                        if age >= end:
                            break
                        continue
                    age = max(later, np.nextafter(age, math.inf))
                    state, u = _next(state)
                    u *= total
                    j = 0
                    reached = 0.0
                    while j < size:
                        if live[j] > 0.0:
                            event = j
                            reached += live[j] * rates.age_factor[piece, j] if rates.ages else live[j]
                            if reached > u:
                                break
                        j += 1
                begun[event] = True
                out.event[position] = event
                out.age[position] = age
                position += 1
                if event == rates.death:
                    died = True
                    break
                if event < rates.concepts:
                    onsets += 1
                    if (
                        wanted.exclude[event]
                        or onsets > wanted.most
                        or (onsets == 1 and wanted.start >= 0 and event != wanted.start)
                    ):
                        good = False
                        break
                    if wanted.include[event]:
                        missing -= 1
                elif event == wanted.stage:
                    staged = True
                total -= live[event]
                live[event] = 0.0
                for c in range(rates.unlock_start[event], rates.unlock_start[event + 1]):
                    j = rates.unlock_event[c]
                    needs[j] -= 1
                    if needs[j] == 0 and not begun[j]:
                        live[j] = rate[j]
                        total += live[j]
                for c in range(rates.history_start[event], rates.history_start[event + 1]):
                    j = rates.history_event[c]
                    rate[j] *= rates.history_factor[c]
                    if live[j] > 0.0:
                        total += rate[j] - live[j]
                        live[j] = rate[j]
                if rates.counts and event < rates.concepts:
                    total = 0.0
                    for j in range(size):
                        rate[j] *= rates.count_factor[j]
                        if live[j] > 0.0:
                            live[j] = rate[j]
                        total += live[j]
                elif event >= rates.concepts or total <= 1e-9:  # noqa: PLR2004 - sums drift by rounding: start afresh
                    total = 0.0
                    for j in range(size):
                        total += live[j]
            if good and missing == 0 and staged and onsets >= wanted.least:
                break
            position = top
        out.start[person + 1] = position
        out.entry[person] = entry
        out.diagnosis[person] = diagnosis
        out.exit[person] = age
        out.died[person] = died
        for axis in range(axes):
            out.values[person, axis] = value[axis] - who.axis_start[axis]
        for k in range(risks):
            out.exposed[person, k] = exposed[k]
        out.tried[person] = tries
    return count, DONE


@cache
def _compiled() -> Callable[..., Any]:
    import numba

    names = {"_mix": numba.njit(inline="always")(_mix), "_next": numba.njit(inline="always")(_next)}
    globals().update(names)
    try:
        return numba.njit(cache=True, error_model="numpy")(_loop)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder that can hold the cache
        return numba.njit(error_model="numpy")(_loop)  # type: ignore[no-any-return]


def run(
    key: npt.NDArray[np.uint64],
    first: int,
    count: int,
    max_tries: int,
    who: Persons,
    rates: Rates,
    wanted: Wanted,
    out: Paths,
) -> tuple[int, bool]:
    """Fill `out` with persons `first` ... `first + count - 1` of the stream `key`; how many, and whether all were made.

    Person i depends on `key`, i and the tables alone. Stops at the first person for whom `max_tries` draws failed.
    """
    made, state = _compiled()(key, first, count, max_tries, who, rates, wanted, out)
    return int(made), state == DONE
