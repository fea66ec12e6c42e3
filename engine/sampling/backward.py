"""The exact backward pass: the probability of meeting the criteria from every state, where few events matter.

Only events that the criteria name, and whatever acts on their rates, must be followed; their closure under "acts on" and
"requires" is often small in a large graph. States are the sets of closed-over events that can have begun. Between two times the
rates are constant, and h = P(criteria met | state, time) is carried back by uniformisation (Jensen 1953), exact to rounding:

    h(t) = exp(Q dt) h(t + dt),   h(end) = 1[criteria met],   death leads to 1[criteria met] at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.sampling.tables import Floats, Ints
from ontology.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.sampling.model import ProgressionModel
    from engine.sampling.tables import Rates, Wanted

__all__ = ["MOST_EVENTS", "Lattice", "carried_back", "closure", "lattice", "probability_of_person"]

MOST_EVENTS = 16
"""Closures with more events than this are left to particles (2**16 states)."""

_MOST_TERMS = 10_000
_FAILED = -1  # the state in which another onset was the first


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """States over the closure. `events`: what is followed, death last; `after[s, c]`: the state once `events[c]` began, -1 where
    it cannot; `met[s]`: 1 where the criteria are met if nothing more begins; `sets[s]`: the state as bits over `events`.
    """

    events: Ints
    after: Ints
    met: Floats
    sets: tuple[int, ...]
    start: int

    def state(self, begun: Iterable[int]) -> int:
        """The state in which these events have begun; -1 where it cannot be reached."""
        place = {int(j): c for c, j in enumerate(self.events[:-1])}
        bits = sum(1 << place[j] for j in set(begun) if j in place)
        return self.sets.index(bits) if bits in self.sets else -1


def closure(model: ProgressionModel, rates: Rates, wanted: Wanted) -> list[int] | None:
    """Events whose beginning can change whether the criteria are met; None where all can (counts of onsets, first onset)."""
    counted = wanted.least > 0 or wanted.most < rates.concepts or wanted.start >= 0
    size = rates.size
    todo = [int(j) for j in np.flatnonzero(wanted.include | wanted.exclude)] + [rates.death]
    todo += [wanted.stage] if wanted.stage >= 0 else []
    if counted:
        todo = list(range(size))
    scheduled = {int(j) for j in rates.scheduled}
    found: set[int] = set()
    while todo:
        j = todo.pop()
        if j in found:
            continue
        found.add(j)
        acting = np.flatnonzero(rates.many[:size, j] != 1.0) if rates.base[j] > 0.0 else np.zeros(0, np.int64)
        needed = np.flatnonzero(model.needs[j])
        todo += [int(v) for v in (*acting, *needed)]
        if j in scheduled:
            todo += scheduled
            todo += [int(v) for v in np.flatnonzero(rates.diagnosis_factor[:size] != 1.0)]
    possible = {j for j in found if rates.base[j] > 0.0 or j in scheduled}
    return sorted(possible - {rates.death}) if len(possible) - 1 <= MOST_EVENTS else None


def lattice(model: ProgressionModel, rates: Rates, wanted: Wanted, followed: list[int]) -> Lattice:
    """The states that can be reached with these events; stages that begin with the diagnosis begin with it here too."""
    place = {j: c for c, j in enumerate(followed)}
    scheduled = [int(j) for j in rates.scheduled]
    diagnosis = model.index(model.pack.diagnosis)
    with_it = [j for j in scheduled[scheduled.index(diagnosis) + 1 :] if j in place] if diagnosis in scheduled else []
    needs = [sum(1 << place[v] for v in np.flatnonzero(model.needs[j]) if v in place) for j in followed]
    for earlier, later in pairwise(j for j in scheduled if j in place):
        needs[place[later]] |= 1 << place[earlier]
    first = [] if not scheduled else scheduled[:1] if scheduled[0] != diagnosis else [diagnosis, *with_it]
    opening = sum(1 << place[j] for j in first if j in place)
    sets, index, rows = [opening], {opening: 0}, []
    concepts = sum(1 << c for c, j in enumerate(followed) if j < rates.concepts)
    at = 0
    while at < len(sets):
        bits, row = sets[at], []
        at += 1
        for c, j in enumerate(followed):
            if bits == _FAILED or bits >> c & 1 or needs[c] & ~bits or j in with_it:
                row.append(-1)
                continue
            after = bits | 1 << c
            if j == diagnosis:
                for k in with_it:
                    after |= 1 << place[k]
            if wanted.start >= 0 and not bits & concepts and j < rates.concepts and j != wanted.start:
                after = _FAILED
            if after not in index:
                index[after] = len(sets)
                sets.append(after)
            row.append(index[after])
        rows.append([*row, -1])
    met = np.array([bits != _FAILED and _met(bits, place, followed, rates, wanted) for bits in sets], np.float64)
    return Lattice(np.array([*followed, rates.death], np.int64), np.array(rows, np.int64), met, tuple(sets), 0)


def _met(bits: int, place: dict[int, int], followed: list[int], rates: Rates, wanted: Wanted) -> bool:
    begun = {j for j in followed if bits >> place[j] & 1}
    onsets = sum(j < rates.concepts for j in begun)
    return (
        all(j in begun for j in np.flatnonzero(wanted.include))
        and not any(j in begun for j in np.flatnonzero(wanted.exclude))
        and (wanted.stage < 0 or wanted.stage in begun)
        and wanted.least <= onsets <= wanted.most
    )


def state_rates(grid: Lattice, rates: Rates, personal: Floats, timed: dict[int, float]) -> Floats:
    """(states, events) rates: those of the person, times what has begun in the state; `timed`: rates of scheduled events."""
    count = len(grid.events)
    out = np.zeros((len(grid.sets), count))
    for s, bits in enumerate(grid.sets):
        row = personal[grid.events].copy()
        for c in range(count - 1):
            if bits >> c & 1:
                row *= rates.many[grid.events[c], grid.events]
        for c, j in enumerate(grid.events[:-1]):
            if int(j) in timed:
                row[c] = timed[int(j)]
                for v in range(count - 1):
                    if bits >> v & 1:
                        row[c] *= rates.diagnosis_factor[grid.events[v]]
        possible = grid.after[s] >= 0
        possible[-1] = _may_die(grid, bits, rates)
        out[s] = np.where(possible, row, 0.0)
    return out


def _may_die(grid: Lattice, bits: int, rates: Rates) -> bool:
    """Death needs what it needs (the diagnosis) to have begun."""
    opens = [
        c for c, j in enumerate(grid.events[:-1])
        if rates.death in rates.unlock_event[rates.unlock_start[j] : rates.unlock_start[j + 1]]
    ]  # fmt: skip
    return all(bits >> c & 1 for c in opens)


@compiled
def _back(h: Any, rates: Any, after: Any, met: Any, years: float, out: Any) -> None:
    states, events = rates.shape
    most = 1e-12
    for s in range(states):
        leaving = 0.0
        for c in range(events):
            leaving += rates[s, c]
        most = max(most, leaving)
    mean = most * years
    weight = math.exp(-mean)
    now, later = h.copy(), np.empty(states)
    for s in range(states):
        out[s] = weight * now[s]
    n, covered = 0, weight
    while covered < 1.0 - 1e-13 and n < _MOST_TERMS:
        n += 1
        for s in range(states):
            value, leaving = 0.0, 0.0
            for c in range(events):
                r = rates[s, c]
                if r > 0.0:
                    leaving += r
                    value += r * (met[s] if c == events - 1 else now[after[s, c]])
            later[s] = (value + (most - leaving) * now[s]) / most
        weight *= mean / n
        covered += weight
        for s in range(states):
            now[s] = later[s]
            out[s] += weight * now[s]


def carried_back(grid: Lattice, h: Floats, rates: Floats, years: float) -> Floats:
    """H so many years earlier, at constant `rates` (states, events). Rates times years up to some 500."""
    steps = max(1, math.ceil(years * float(rates.sum(1).max(initial=0.0)) / 50.0))
    for _ in range(steps):
        out = np.empty_like(h)
        _back(h, rates, grid.after, grid.met, years / steps, out)
        h = out
    return h


def probability_of_person(
    grid: Lattice,
    rates: Rates,
    personal: Floats,
    youngest: float,
    entry: float,
    end: float,
    schedule: dict[int, float],
) -> float:
    """P(criteria met) for one person with rates `personal`, followed from `entry` to `end`; exact to rounding.

    `schedule`: ages at which scheduled events begin (at `entry` or later). Earlier onsets do not move them here.
    """
    stops = {entry, end, *(a for a in schedule.values() if entry < a < end)}
    if rates.ages:
        stops |= {youngest + k for k in range(len(rates.age_factor)) if entry < youngest + k < end}
    times = sorted(stops)
    h = grid.met.copy()
    fixed = state_rates(grid, rates, personal, {})
    place = {int(j): c for c, j in enumerate(grid.events)}
    for j in schedule:
        if j in place:
            fixed[:, place[j]] = 0.0
    for low, high in reversed(list(pairwise(times))):
        begins = [j for j, a in schedule.items() if a == high and j in place]
        for j in reversed(begins):
            column = grid.after[:, place[j]]
            h = np.where(column >= 0, h[np.maximum(column, 0)], h)
        now = fixed
        if rates.ages:
            piece = min(int((low + high) / 2 - youngest), len(rates.age_factor) - 1)
            now = fixed * rates.age_factor[piece][grid.events]
        h = carried_back(grid, h, now, high - low)
    bits = 0
    for j, a in schedule.items():
        if a <= entry and j in place:
            bits |= 1 << place[j]
    return float(h[grid.sets.index(bits)])
