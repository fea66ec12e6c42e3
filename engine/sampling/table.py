"""Table mode: the model as weights by stratum, age band, phase and last event. Fast, and an approximation.

The rate of j given the last event l is the mean over the exact model's person-time in (stratum, band, phase, l), taken while j
can begin: what began before l is forgotten, except how many stages have begun (the phase), that nothing begins twice and that
what an event requires has begun. On a real cohort that loses likelihood against the exact model (shared propensities and long
memory are gone), so what is sampled this way says so. Weights lie in alias tables (Walker 1977; Vose 1991). Walkers go one
after another: their random numbers come from a counter and do not wait for the path, so the processor overlaps walkers by
itself (blocks of walkers that step in turn were measured: a third slower, since every walker then lives in memory).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.sampling.kernel import (
    begin,
    death_row,
    mix,
    moved,
    person,
    start,
    total,
    total_by,
    uniform,
    workspace,
)
from engine.sampling.kernel import pick as pick_event
from ontology.compiled import compiled, inlined, loop
from ontology.errors import Infeasible

if TYPE_CHECKING:
    import numpy.typing as npt

    from engine.sampling.tables import Flags, Floats, Ints, Paths, Persons, Rates, Wanted

__all__ = ["Table", "alias_rows", "learn", "table_of_weights", "walk"]

_PERSONS = 30_000
_BAND_YEARS = 5.0
_MOST_STRATA = 16
_EXPONENTIAL_BITS = 10
_MOST_CELLS = 8_000_000
_EXACT_BELOW = 16  # cells of the table in which its line would be off by more than 0.0005


class Table(NamedTuple):
    """Alias tables and rates by row = ((stratum * bands + band) * phases + phase) * (events + 1) + last event."""

    cell: npt.NDArray[
        Any
    ]  # (rows, events): threshold in the upper bits, alias xor column in the lower, see `alias_rows`
    gap: Floats  # (rows) mean years to the next candidate: 1 / sum of the rates
    exponential: Floats  # -log of u at even steps of u, to be read between
    needs_start: Ints  # compressed rows: what must have begun
    needs_event: Ints
    scheduled: Ints  # events whose times are drawn with the person
    before: int  # the place of the diagnosis among them
    bands: int
    phases: int  # one more than the stages that may have begun; 1 where they are not told apart
    turn: Ints  # (events): rows from one phase to the next where the event is a stage, else 0
    band_years: float
    youngest: float
    events: int
    concepts: int
    death: int
    oldest: float
    pool_entry: Floats  # persons to draw from: age at entry, ages at what is scheduled, stratum, traits, exposures
    pool_schedule: Floats
    pool_stratum: Ints
    pool_values: npt.NDArray[np.int8]
    pool_exposed: Flags


@loop
def _learn(
    key: Any, count: int, who: Any, rates: Any, strata: Any, bands: int, years: float, phases: int, out: Any, w: Any
) -> None:
    """Person-time, rates and events of exact paths by (stratum, band, phase, last event); `out` holds what is filled."""
    happened, time, entries, schedules, stratum_of, values, exposures = out
    rate, live, weighted, sums, needs, begun = w.rate, w.live, w.weighted, w.sums, w.needs, w.begun
    schedule, scheduled = w.schedule, rates.scheduled
    size, planned, before = rates.size, schedule.shape[0], who.before.shape[0]
    for i in range(count):
        state = mix(key[0] + mix(key[1] + np.uint64(i)))
        state, entry, _, log_ratio = person(state, who, w)
        state, _ = start(state, rates, w)
        mortality = death_row(who, w)
        stratum = 0
        for axis in range(w.value.shape[0]):
            values[i, axis] = w.value[axis] - who.axis_start[axis]
            stratum += strata[w.value[axis]]
        for k in range(w.exposed.shape[0]):
            exposures[i, k] = w.exposed[k]
        entries[i], stratum_of[i] = entry, stratum
        age, due, last, phase = entry, 0, size, 0
        while age < rates.oldest:
            band = min(max(int((age - who.youngest) / years), 0), bands - 1)
            row = ((stratum * bands + band) * phases + phase) * (size + 1) + last
            if due < planned and schedule[due] <= age:
                event = scheduled[due]
                due += 1
            else:
                until = min(rates.oldest, who.youngest + (band + 1) * years)
                if band == bands - 1:
                    until = rates.oldest
                if due < planned and schedule[due] < until:
                    until = schedule[due]
                if rates.ages > 0:
                    piece = min(int(age - who.youngest), rates.age_factor.shape[0] - 1)
                    edge = who.youngest + piece + 1.0
                    until = min(until, edge if edge > age else age + 1.0)
                    sum_now = total_by(live, rates.age_factor, piece, weighted, sums)
                else:
                    sum_now = total(live, sums)
                    for j in range(live.shape[0]):
                        weighted[j] = live[j]
                state, u = uniform(state)
                later = age - math.log(u) / sum_now if sum_now > 0.0 else math.inf
                stop = min(later, until)
                for j in range(size):
                    if not begun[j] and needs[j] == 0:
                        time[row, j] += stop - age
                        happened[row, j] += weighted[j] * (stop - age)
                age = stop
                if later >= until:
                    continue
                state, u = uniform(state)
                event = pick_event(weighted, sums, u * sum_now)
            if event == rates.death:
                break
            begin(
                event, rate, live, needs, begun, rates.unlock_start, rates.unlock_event, rates.acts, rates.few_start,
                rates.few_event, rates.few_factor, rates.many,
            )  # fmt: skip
            last = event
            if phases > 1 and event >= rates.concepts:
                phase += 1
            if rates.moves and rates.diagnosis_factor[event] != 1.0 and due <= before:
                since = age if before == 0 else max(age, schedule[before - 1])
                when = moved(who, mortality, log_ratio, since, schedule[before], rates.diagnosis_factor[event])
                for k in range(before, planned):
                    schedule[k] = when
        for k in range(planned):
            schedules[i, k] = schedule[k]


def learn(key: npt.NDArray[np.uint64], who: Persons, rates: Rates, needs: Flags) -> Table:
    """The table of a model for persons of `who`, from 30,000 exact paths. Cost: about a second for 60 concepts.

    `needs[i, j]`: i cannot begin before j.
    """
    size, flat = rates.size, np.zeros(len(rates.axis_acts), np.int64)
    strata = 1
    for axis in range(len(who.axis_start) - 1):
        part = slice(who.axis_start[axis], who.axis_start[axis + 1])
        values = part.stop - part.start
        if rates.axis_acts[part].any() and strata * values <= _MOST_STRATA:
            flat[part] = strata * np.arange(values)
            strata *= values
    years = _BAND_YEARS if rates.ages else rates.oldest - who.youngest
    bands = max(1, math.ceil((rates.oldest - who.youngest) / years))
    phases = rates.death - rates.concepts + 1
    if strata * bands * phases * (size + 1) * size > _MOST_CELLS:
        phases = 1
    rows = strata * bands * phases * (size + 1)
    happened, time = np.zeros((rows, size)), np.zeros((rows, size))
    entries, stratum_of = np.empty(_PERSONS), np.empty(_PERSONS, np.int64)
    values_of = np.zeros((_PERSONS, len(who.axis_start) - 1), np.int8)
    exposed = np.zeros((_PERSONS, who.risk_log.shape[1]), np.bool_)
    schedules = np.zeros((_PERSONS, len(rates.scheduled)))
    _learn(
        key,
        _PERSONS,
        who,
        rates,
        flat,
        bands,
        years,
        phases,
        (happened, time, entries, schedules, stratum_of, values_of, exposed),
        workspace(who, rates),
    )
    weights = _pooled(happened, time, phases, size)
    weights[:, rates.scheduled] = 0.0
    kept = np.ones(_PERSONS, np.bool_)
    if rates.moves and len(rates.scheduled) > len(who.before):
        diagnosis = schedules[:, len(who.before)]
        kept = (diagnosis >= who.low) & (diagnosis <= who.high)
        if not kept.any():
            raise Infeasible(f"none of {_PERSONS} persons is diagnosed between age {who.low:g} and {who.high:g}", "age")
    pool = (entries[kept], schedules[kept], stratum_of[kept], values_of[kept], exposed[kept])
    return table_of_weights(
        weights,
        needs,
        (rates.scheduled, len(who.before)),
        (bands, years, who.youngest, phases),
        rates.concepts,
        rates.death,
        rates.oldest,
        pool,
    )


def _pooled(happened: Floats, time: Floats, phases: int, size: int) -> Floats:
    """Rates by (group, phase, last). A cell with little person-time leans on the same phase and last event in all groups, that on
    all phases, that on all cells. What could begin for nobody in a phase has no rate there.
    """
    shape = (-1, phases, size + 1, size)
    by = happened.reshape(shape), time.reshape(shape)
    overall = by[0].sum((0, 1, 2)) / np.maximum(by[1].sum((0, 1, 2)), 1e-12)
    last = (by[0].sum((0, 1)) + overall) / (by[1].sum((0, 1)) + 1.0)
    phase = (by[0].sum(0) + last) / (by[1].sum(0) + 1.0)
    found: Floats = (by[0] + phase) / (by[1] + 1.0)
    found[:, :, by[0].sum((0, 1)) == 0.0] = 0.0  # never seen to follow
    at_risk = by[1].sum((0, 2))
    found *= ((at_risk > 0.0) | (at_risk.sum(1, keepdims=True) == 0.0))[None, :, None, :]
    return found.reshape(-1, size)


def table_of_weights(
    weights: Floats,
    needs: Flags,
    scheduled: tuple[Ints, int],
    banded: tuple[int, float, float, int],
    concepts: int,
    death: int,
    oldest: float,
    pool: tuple[Any, Any, Any, Any, Any],
) -> Table:
    """A table of rates (rows = group x phase x last event, columns = next event). The last row of a phase is the start.

    `banded`: how many age bands, their years, the first age, how many phases. `pool`: ages at entry, ages at what is
    scheduled, strata, traits, exposures of the persons to draw from.
    """
    size = weights.shape[1]
    bands, band_years, youngest, phases = banded
    turn = np.zeros(size, np.int64)
    if phases > 1:
        turn[concepts:death] = size + 1
    needed = [np.flatnonzero(row) for row in needs]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in needed])]).astype(np.int64)
    return Table(
        alias_rows(weights), 1.0 / np.maximum(weights.sum(1), 1e-15), _exponential(), starts,
        np.concatenate(needed).astype(np.int64), *scheduled, bands, phases, turn, band_years, youngest, size, concepts,
        death, oldest, *pool,
    )  # fmt: skip


def _exponential() -> Floats:
    steps = 1 << _EXPONENTIAL_BITS
    found: Floats = -np.log(np.maximum(np.arange(steps + 1) / steps, 0.5 / steps))
    return found


def alias_rows(weights: Floats) -> npt.NDArray[Any]:
    """Vose's alias table of each row, packed: the threshold in the upper bits, alias xor column in the lower.

    24 and 8 bits for up to 256 columns, so that small tables lie in the first cache, else 32 and 32. A row of zeros gives cells of
    themselves.
    """
    small = weights.shape[1] <= 1 << 8
    out = np.zeros(weights.shape, np.uint32 if small else np.uint64)
    _alias(np.ascontiguousarray(weights, dtype=np.float64), out, 24 if small else 32, 8 if small else 32)
    return out


@compiled
def _alias(weights: Any, out: Any, bits: int, low_bits: int) -> None:
    rows, n = weights.shape
    most = 2.0**bits
    q, small, large, to = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for r in range(rows):
        summed = 0.0
        for j in range(n):
            summed += weights[r, j]
        smalls = larges = 0
        for j in range(n):
            q[j] = weights[r, j] * n / summed if summed > 0.0 else 1.0
            to[j] = j
            if q[j] < 1.0:
                small[smalls] = j
                smalls += 1
            else:
                large[larges] = j
                larges += 1
        while smalls > 0 and larges > 0:
            smalls -= 1
            j, k = small[smalls], large[larges - 1]
            to[j] = k
            q[k] -= 1.0 - q[j]
            if q[k] < 1.0:
                larges -= 1
                small[smalls] = k
                smalls += 1
        for j in range(n):
            share = 1.0 if to[j] == j else q[j]
            out[r, j] = (np.uint64(min(share * most, most - 1.0)) << np.uint64(low_bits)) | np.uint64(to[j] ^ j)


@inlined
def _met(
    event: Any, first: int, last: int, begun: Any, path: int, concepts: int, must: Any, never: Any, opens: int, stage: int,
    least: int, most: int,
) -> Any:  # fmt: skip
    """Whether a whole path meets the criteria."""
    met = stage < 0 or begun[stage] == path
    for k in range(must.shape[0]):
        met = met and begun[must[k]] == path
    for k in range(never.shape[0]):
        met = met and begun[never[k]] != path
    onsets = 0
    for n in range(first, last):
        if event[n] < concepts:
            onsets += 1
            if onsets == 1 and opens >= 0 and event[n] != opens:
                met = False
    return met and least <= onsets <= most


@loop
def _walk(
    key: Any, first: int, count: int, max_tries: int, table: Any, asked: bool, must: Any, never: Any, opens: int, stage: int,
    least: int, most: int, window: float, out_start: Any, event_of: Any, age_of: Any, out_entry: Any, out_exit: Any,
    out_died: Any, out_pool: Any, out_tried: Any,
    begun: Any,
) -> Any:  # fmt: skip
    cell, gap, exponential, scheduled = table.cell, table.gap, table.exponential, table.scheduled
    needs_start, needs_event = table.needs_start, table.needs_event
    bands, years, youngest, oldest = table.bands, table.band_years, table.youngest, table.oldest
    size, concepts, death, planned = table.events, table.concepts, table.death, table.scheduled.shape[0]
    pool_entry, pool_schedule, pool_stratum = table.pool_entry, table.pool_schedule, table.pool_stratum
    bound = needs_event.shape[0] > 0
    width, turn = (size + 1) * table.phases, table.turn
    zero, one, low32, half = np.uint64(0), np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(32)
    pool, columns, gamma = np.uint64(pool_entry.shape[0]), np.uint64(size), np.uint64(0x9E3779B97F4A7C15)
    low_bits = np.uint64(8) if cell.itemsize == 4 else half
    coarse, low_mask = np.uint64(8) if cell.itemsize == 4 else zero, (one << low_bits) - one
    shift, part = np.uint64(32 - _EXPONENTIAL_BITS), np.uint64((1 << (32 - _EXPONENTIAL_BITS)) - 1)
    scale, exact = 1.0 / (1 << (32 - _EXPONENTIAL_BITS)), np.uint64(_EXACT_BELOW << (32 - _EXPONENTIAL_BITS))
    path, position = 0, 0
    ahead = mix(key[0] + mix(key[1] + np.uint64(first)))
    ahead_drawn = np.int64(((mix(ahead + gamma) >> half) * pool) >> half)
    for i in range(count):
        stream, drawn = ahead, ahead_drawn  # the next walker's numbers are made while this one walks
        ahead = mix(key[0] + mix(key[1] + np.uint64(first + i + 1)))
        ahead_drawn = np.int64(((mix(ahead + gamma) >> half) * pool) >> half)
        top, tries, age, died, chosen, entry = position, 0, 0.0, False, np.int64(0), 0.0
        while True:
            if tries >= max_tries:
                out_tried[i] = tries
                return i, 1
            tries += 1
            path += 1
            position = top
            stream += gamma
            chosen = drawn if tries == 1 else np.int64(((mix(stream) >> half) * pool) >> half)
            entry = pool_entry[chosen]
            age, end, died = entry, min(oldest, entry + window), False
            band = min(max(int((entry - youngest) / years), 0), bands - 1)
            group = (pool_stratum[chosen] * bands + band) * width
            row = group + size
            edge = youngest + (band + 1) * years if band < bands - 1 else math.inf
            due, at = 0, pool_schedule[chosen, 0] if planned > 0 else math.inf
            stop = min(end, edge, at)
            while True:
                stream += gamma
                z = mix(stream)
                u = z & low32
                c = u >> shift
                low = exponential[c]
                wait = low + (exponential[c + one] - low) * (float(np.int64(u & part)) * scale)
                if u < exact:  # where the line between two steps would be off
                    wait = -math.log((float(np.int64(u)) + 0.5) * (1.0 / 4294967296.0))
                scaled = (z >> half) * columns
                column = scaled >> half
                packed = np.uint64(cell[row, column])
                other = np.uint64(((scaled & low32) >> coarse) >= (packed >> low_bits))
                event: Any = np.int64(
                    column ^ (packed & low_mask & (zero - other))
                )  # no branch: it could not be foretold
                later = age + wait * gap[row]
                if later >= stop:
                    age = stop
                    if stop >= end:
                        break
                    if at <= stop:
                        event = scheduled[due]
                        begun[event] = path
                        event_of[position], age_of[position] = event, age
                        position += 1
                        group += turn[event]
                        row = group + event
                        due += 1
                        at = pool_schedule[chosen, due] if due < planned else math.inf
                    else:
                        band += 1
                        group += width
                        row += width
                        edge = youngest + (band + 1) * years if band < bands - 1 else math.inf
                    stop = min(end, edge, at)
                    continue
                age = later
                # written even where it is refused, and then written over: a branch here could not be foretold
                free = begun[event] != path
                if bound:
                    for k in range(needs_start[event], needs_start[event + 1]):
                        free &= begun[needs_event[k]] == path
                event_of[position], age_of[position] = event, age
                position += free
                begun[event] = path if free else begun[event]
                if free and event >= concepts:
                    if event == death:
                        died = True
                        break
                    group += turn[event]
                row = group + event if free else row
            if not asked or _met(
                event_of, top, position, begun, path, concepts, must, never, opens, stage, least, most
            ):
                break
        out_pool[i], out_entry[i], out_exit[i], out_died[i] = chosen, entry, age, died
        out_tried[i] = tries
        out_start[i + 1] = position
    return count, 0


def walk(
    key: npt.NDArray[np.uint64], first: int, count: int, max_tries: int, table: Table, wanted: Wanted, out: Paths
) -> tuple[int, bool]:
    """Fill `out` with walkers `first` ... `first + count - 1` of the stream `key`; how many, and whether all were made.

    Walker i depends on `key`, i and the table alone.
    """
    must, never = np.flatnonzero(wanted.include), np.flatnonzero(wanted.exclude)
    asked = bool(
        len(must) or len(never) or wanted.start >= 0 or wanted.stage >= 0 or wanted.least or wanted.most < table.events
    )
    pool = np.zeros(count, np.int64)
    made, stuck = _walk(
        key, first, count, max_tries, table, asked, must, never, wanted.start, wanted.stage, wanted.least, wanted.most,
        wanted.window, out.start, out.event, out.age, out.entry, out.exit, out.died, pool, out.tried,
        np.full(table.events, -1, np.int64),
    )  # fmt: skip
    place = min(table.before, len(table.scheduled) - 1)
    out.diagnosis[:count] = table.pool_schedule[pool, place] if len(table.scheduled) else np.nan
    for of_pool, into in ((table.pool_values, out.values), (table.pool_exposed, out.exposed)):
        if of_pool.shape[1]:
            np.take(of_pool, pool, axis=0, out=into[:count], mode="clip")
    return int(made), not stuck
