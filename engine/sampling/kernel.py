"""The exact loop: persons, then competing hazards with all rates updated at each onset, one random stream a trajectory.

The next event is drawn from the sum of all rates (Gillespie's direct method). An onset multiplies the rates it acts on,
and the sums of the blocks they lie in are then taken anew, so that nothing drifts. Ages act by whole years: the sum is taken anew at each
birthday where they act at all. The diagnosis is drawn with the person; an earlier onset that acts on it moves it by the change
of time that its hazard ratio is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ontology.compiled import compiled, inlined, loop

if TYPE_CHECKING:
    import numpy.typing as npt

    from engine.sampling.tables import Flags, Floats, Ints, Paths, Persons, Rates, Wanted

__all__ = ["DONE", "STUCK", "Work", "run", "run_streams", "streams"]

DONE, STUCK = 0, 1


class Work(NamedTuple):
    """The scratch memory of one person."""

    rate: Floats  # what the rate is once its needs are met
    live: Floats  # the rate now
    weighted: Floats  # the rate at this age
    sums: Floats
    needs: Ints
    begun: Flags
    value: Ints
    exposed: Flags
    schedule: Floats


@compiled
def workspace(who: Any, rates: Any) -> Any:
    """Scratch memory."""
    size = rates.base.shape[0]
    return Work(
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros((2, size >> 3)),
        np.zeros(size, np.int64),
        np.zeros(size, np.bool_),
        np.zeros(who.axis_start.shape[0] - 1, np.int64),
        np.zeros(who.risk_log.shape[1], np.bool_),
        np.zeros(rates.scheduled.shape[0]),
    )


@compiled
def mix(z: Any) -> Any:
    """The finaliser of SplitMix64: a stream's place from its number."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
def streams(key: Any, first: int, count: int) -> Any:
    """Where the random streams of persons `first` ... begin."""
    found = np.empty(count, np.uint64)
    for i in range(count):
        found[i] = mix(key[0] + mix(key[1] + np.uint64(first + i)))
    return found


@compiled
def uniform(state: Any) -> Any:
    """SplitMix64 (Steele, Lea and Flood 2014): the state, and a uniform number strictly between 0 and 1."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return state, (float(z >> np.uint64(12)) + 0.5) * (1.0 / 4503599627370496.0)


@inlined
def block(live: Any, first: int) -> Any:
    """The sum of a block of eight rates, as a tree: four additions deep instead of eight."""
    low = (live[first] + live[first + 1]) + (live[first + 2] + live[first + 3])
    return low + ((live[first + 4] + live[first + 5]) + (live[first + 6] + live[first + 7]))


@inlined
def blocks(live: Any, sums: Any) -> None:
    """The sum of each block."""
    for r in range(sums.shape[1]):
        sums[0, r] = block(live, r * 8)


@inlined
def total(live: Any, sums: Any) -> Any:
    """The sum of the rates; `sums` keeps the sum of each block, and of all blocks up to it."""
    summed = 0.0
    for r in range(sums.shape[1]):
        own = block(live, r * 8)
        summed += own
        sums[0, r], sums[1, r] = own, summed
    return summed


@inlined
def total_again(sums: Any) -> Any:
    """The sum of the rates from the sums of their blocks."""
    summed = 0.0
    for r in range(sums.shape[1]):
        summed += sums[0, r]
        sums[1, r] = summed
    return summed


@inlined
def total_by(live: Any, factor: Any, row: int, weighted: Any, sums: Any) -> Any:
    """The sum of the rates times `factor[row]`; `weighted` keeps the products, `sums` as in `total`."""
    for j in range(live.shape[0]):
        weighted[j] = live[j] * factor[row, j]
    return total(weighted, sums)


@inlined
def pick(live: Any, sums: Any, u: float) -> Any:
    """The event at `u`, between 0 and the sum of the rates; -1 where no rate is above zero. Counts instead of branching."""
    r = 0
    for k in range(sums.shape[1] - 1):
        r += u >= sums[1, k]
    if r > 0:
        u -= sums[1, r - 1]
    q = r * 8
    two, four = live[q] + live[q + 1], live[q + 2] + live[q + 3]
    four += two
    six = four + (live[q + 4] + live[q + 5])
    event = (
        q + (u >= live[q]) + (u >= two) + (u >= two + live[q + 2]) + (u >= four) + (u >= four + live[q + 4])
        + (u >= six) + (u >= six + live[q + 6])
    )  # fmt: skip
    if not live[event] > 0.0:  # rounding led into an event that cannot begin
        event = -1
        for j in range(live.shape[0]):
            if live[j] > 0.0:
                event = j
    return event


@compiled
def left_at(who: Any, row: int, log_ratio: float, age: float) -> Any:
    """The share not yet diagnosed at an age, among persons with this log ratio who are in the last stage before."""
    place = (log_ratio - who.left_low) / who.left_step
    k = min(max(int(place), 0), who.left.shape[1] - 2)
    part = min(max(place - k, 0.0), 1.0)
    cell = (age - who.ages[0]) / (who.ages[1] - who.ages[0])
    c = min(max(int(cell), 0), who.ages.shape[0] - 2)
    at = min(max(cell - c, 0.0), 1.0)
    low = who.left[row, k, c] + at * (who.left[row, k, c + 1] - who.left[row, k, c])
    high = who.left[row, k + 1, c] + at * (who.left[row, k + 1, c + 1] - who.left[row, k + 1, c])
    return low + part * (high - low)


@compiled
def moved(who: Any, row: int, log_ratio: float, now: float, diagnosis: float, factor: float) -> Any:
    """The age at diagnosis once its rate is multiplied from `now` on: the cumulative hazard left stays, time changes."""
    here, there = left_at(who, row, log_ratio, now), left_at(who, row, log_ratio, diagnosis)
    if not (here > 0.0 and factor > 0.0):
        return diagnosis
    wanted = here * (max(there, 1e-300) / here) ** (1.0 / factor)
    low, high = now, who.ages[who.ages.shape[0] - 1]
    for _ in range(40):
        middle = 0.5 * (low + high)
        if left_at(who, row, log_ratio, middle) > wanted:
            low = middle
        else:
            high = middle
    return max(0.5 * (low + high), now + 1e-9)


@inlined
def person(state: Any, who: Any, w: Any) -> Any:
    """A person with the age at diagnosis; fills `value`, `exposed` and `schedule`. Returns state, entry, diagnosis, log ratio.

    The age is proposed from rate times survival and accepted with the probability of no earlier diagnosis.
    """
    value, exposed, schedule = w.value, w.exposed, w.schedule
    axis_start, axis_cumulative, axis_log = who.axis_start, who.axis_cumulative, who.axis_log
    given_axis, exposure, risk_log, ties = who.given_axis, who.exposure, who.risk_log, who.ties
    ages, age_cumulative, age_guide, before_years = who.ages, who.age_cumulative, who.age_guide, who.before
    level, slope, youngest = who.level, who.slope, who.youngest
    axes, risks = value.shape[0], exposed.shape[0]
    bottom = math.exp(slope * (youngest - 80.0))
    while True:
        log_ratio = 0.0
        for axis in range(axes):
            state, u = uniform(state)
            j = axis_start[axis]
            while u > axis_cumulative[j] and j < axis_start[axis + 1] - 1:
                j += 1
            value[axis] = j
            log_ratio += axis_log[j]
        row = 0
        if given_axis >= 0:
            row = value[given_axis] - axis_start[given_axis]
        for k in range(risks):
            state, u = uniform(state)
            has = u < exposure[row, k]
            exposed[k] = has
            log_ratio += has * risk_log[row, k]
        row = death_row(who, w)
        state, u = uniform(state)
        low = age_guide[row, int(u * age_guide.shape[1])]
        while age_cumulative[row, low + 1] <= u and low < ages.shape[0] - 2:
            low += 1
        high = low + 1
        width = age_cumulative[row, high] - age_cumulative[row, low]
        part = (u - age_cumulative[row, low]) / width if width > 0.0 else 0.0
        first, last = (
            max(ages[low], who.earliest),
            min(ages[high], who.latest),
        )  # a range may begin or end within a cell
        diagnosis = first + part * (last - first)
        hazard = math.exp(level + log_ratio) * (math.exp(slope * (diagnosis - 80.0)) - bottom) / slope
        state, u = uniform(state)
        if u < math.exp(-hazard):
            break
    for t in range(ties.shape[0]):
        axis = ties[t, 0]
        value[axis] = axis_start[axis] + (ties[t, 2] if exposed[ties[t, 1]] else ties[t, 3])
    before = before_years.shape[0]
    while True:
        entry = diagnosis
        for k in range(before):
            state, u = uniform(state)
            schedule[k] = -math.log(u) * before_years[k]
            entry -= schedule[k]
        if entry >= youngest:
            break
    age = entry
    for k in range(before):
        years = schedule[k]
        schedule[k] = age
        age += years
    for k in range(before, schedule.shape[0]):
        schedule[k] = diagnosis
    return state, entry, diagnosis, log_ratio


@inlined
def death_row(who: Any, w: Any) -> int:
    """The row of the axis that background mortality depends on."""
    if who.death_axis < 0:
        return 0
    return int(w.value[who.death_axis] - who.axis_start[who.death_axis])


@inlined
def start(state: Any, rates: Any, w: Any) -> Any:
    """The rates of the person in `w` before anything began, with a propensity drawn where the model has one."""
    rate, live, needs, begun, value, exposed = w.rate, w.live, w.needs, w.begun, w.value, w.exposed
    base, needed, propensity = rates.base, rates.needs, rates.propensity
    axis_acts, axis_factor, risk_acts, risk_factor = (
        rates.axis_acts, rates.axis_factor, rates.risk_acts, rates.risk_factor,
    )  # fmt: skip
    size = base.shape[0]
    for j in range(size):
        rate[j] = base[j]
        needs[j] = needed[j]
        begun[j] = False
    for axis in range(value.shape[0]):
        if axis_acts[value[axis]]:
            row = value[axis]
            for j in range(size):
                rate[j] *= axis_factor[row, j]
    for k in range(exposed.shape[0]):
        if exposed[k] and risk_acts[k]:
            for j in range(size):
                rate[j] *= risk_factor[k, j]
    z = 0.0
    if rates.spread:
        state, u = uniform(state)
        state, v = uniform(state)
        z = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)
        last, factor = 0.0, 1.0
        for j in range(size):
            if propensity[j] != 0.0:
                if propensity[j] != last:
                    last = propensity[j]
                    factor = math.exp(last * z)
                rate[j] *= factor
    for j in range(size):
        live[j] = rate[j] if needs[j] == 0 else 0.0
    return state, z


@inlined
def begin(
    event: int,
    rate: Any,
    live: Any,
    needs: Any,
    begun: Any,
    unlock_start: Any,
    unlock_event: Any,
    acts: Any,
    few_start: Any,
    few_event: Any,
    few_factor: Any,
    many: Any,
) -> None:
    """The event has begun: it cannot again, what it opens may, and it multiplies the rates it acts on.

    The arrays are those of `Work` and `Rates`, named one by one: a loop that takes them out of the tuples pays for each.
    """
    begun[event] = True
    live[event] = 0.0
    for c in range(unlock_start[event], unlock_start[event + 1]):
        j = unlock_event[c]
        needs[j] -= 1
        if needs[j] == 0 and not begun[j]:
            live[j] = rate[j]
    if acts[event] == 1:
        for c in range(few_start[event], few_start[event + 1]):
            j = few_event[c]
            rate[j] *= few_factor[c]
            live[j] *= few_factor[c]
    elif acts[event] > 1:
        for j in range(many.shape[1]):
            rate[j] *= many[event, j]
            live[j] *= many[event, j]


@loop
def _run(streams: Any, max_tries: int, who: Any, rates: Any, wanted: Any, out: Any, w: Any) -> Any:
    rate, live, weighted, sums, needs, begun = w.rate, w.live, w.weighted, w.sums, w.needs, w.begun
    schedule, scheduled = w.schedule, rates.scheduled
    unlock_start, unlock_event, acts = rates.unlock_start, rates.unlock_event, rates.acts
    few_start, few_event, few_factor, many = rates.few_start, rates.few_event, rates.few_factor, rates.many
    ages, age_factor, youngest = rates.ages, rates.age_factor, who.youngest
    death, concepts, moves, diagnosis_factor = rates.death, rates.concepts, rates.moves, rates.diagnosis_factor
    include, exclude, most, opening = wanted.include, wanted.exclude, wanted.most, wanted.start
    out_event, out_age = out.event, out.age
    value, exposed = w.value, w.exposed
    axes, risks, planned = value.shape[0], exposed.shape[0], schedule.shape[0]
    before, oldest, window = who.before.shape[0], rates.oldest, wanted.window
    includes, stage, least, low, high = wanted.includes, wanted.stage, wanted.least, who.low, who.high
    position, count = 0, streams.shape[0]
    for i in range(count):
        state = streams[i]
        top, tries, met = position, 0, False
        entry = diagnosis = age = 0.0
        died = False
        while not met:
            if tries >= max_tries:
                out.tried[i] = tries
                return i, STUCK
            tries += 1
            state, entry, diagnosis, log_ratio = person(state, who, w)
            state, _ = start(state, rates, w)
            position = top
            row = death_row(who, w)
            age = entry
            end = min(oldest, entry + window)
            onsets, missing, due = 0, includes, 0
            staged = stage < 0
            died, good = False, True
            sum_now, sum_live, stale, piece, left = 0.0, 0.0, True, -1, 0.0
            blocks(live, sums)
            while True:
                if due < planned and schedule[due] <= age:
                    event = scheduled[due]
                    due += 1
                else:
                    until = end
                    if due < planned and schedule[due] < until:
                        until = schedule[due]
                    if ages > 0:
                        now = min(int(age - youngest), age_factor.shape[0] - 1)
                        edge = youngest + now + 1.0
                        until = min(until, edge if edge > age else age + 1.0)
                        if stale or now != piece:
                            piece = now
                            if ages > 1:
                                sum_live = total_by(live, age_factor, piece, weighted, sums)
                                sum_now = sum_live
                            else:
                                sum_live = total_again(sums) if stale else sum_live
                                sum_now = sum_live * age_factor[piece, 0]
                            stale = False
                    elif stale:
                        stale = False
                        sum_live = total_again(sums)
                        sum_now = sum_live
                    if left <= 0.0:
                        state, u = uniform(state)
                        left = -math.log(u)
                    later = age + left / sum_now if sum_now > 0.0 else math.inf
                    if later >= until:
                        left -= (until - age) * sum_now
                        age = until
                        if age >= end:
                            break
                        continue
                    left = 0.0
                    state, u = uniform(state)
                    event = pick(weighted if ages > 1 else live, sums, u * sum_live)
                    age = later if later > age else age * (1.0 + 3e-16)
                out_event[position] = event
                out_age[position] = age
                position += 1
                if event == death:
                    died = True
                    break
                if event < concepts:
                    onsets += 1
                    if exclude[event] or onsets > most or (onsets == 1 and opening >= 0 and event != opening):
                        good = False
                        break
                    if include[event]:
                        missing -= 1
                elif event == stage:
                    staged = True
                begin(
                    event,
                    rate,
                    live,
                    needs,
                    begun,
                    unlock_start,
                    unlock_event,
                    acts,
                    few_start,
                    few_event,
                    few_factor,
                    many,
                )
                stale = True
                if ages < 2:
                    if acts[event] > 1:
                        blocks(live, sums)
                    else:
                        sums[0, event >> 3] = block(live, (event >> 3) * 8)
                        for c in range(unlock_start[event], unlock_start[event + 1]):
                            r = unlock_event[c] >> 3
                            sums[0, r] = block(live, r * 8)
                        if acts[event] > 0:
                            for c in range(few_start[event], few_start[event + 1]):
                                r = few_event[c] >> 3
                                sums[0, r] = block(live, r * 8)
                if moves and diagnosis_factor[event] != 1.0 and due <= before:
                    since = age if before == 0 else max(age, schedule[before - 1])
                    when = moved(who, row, log_ratio, since, schedule[before], diagnosis_factor[event])
                    for k in range(before, planned):
                        schedule[k] = when
            met = good and missing == 0 and staged and onsets >= least
            if rates.moves and planned > before:
                met = met and low <= schedule[before] <= high
        out.start[i + 1] = position
        out.entry[i] = entry
        out.diagnosis[i] = w.schedule[before] if planned > before else diagnosis
        out.exit[i] = age
        out.died[i] = died
        for axis in range(axes):
            out.values[i, axis] = w.value[axis] - who.axis_start[axis]
        for k in range(risks):
            out.exposed[i, k] = w.exposed[k]
        out.tried[i] = tries
    return count, DONE


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
    return run_streams(streams(key, first, count), max_tries, who, rates, wanted, out)


def run_streams(
    of: npt.NDArray[np.uint64], max_tries: int, who: Persons, rates: Rates, wanted: Wanted, out: Paths
) -> tuple[int, bool]:
    """The same, for persons who have a stream of their own each (`streams`)."""
    made, state = _run(of, max_tries, who, rates, wanted, out, workspace(who, rates))
    return int(made), state == DONE
