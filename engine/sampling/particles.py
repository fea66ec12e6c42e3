"""Twisted sequential Monte Carlo: paths steered towards the criteria, weighted by what steering changed.

Each rate is multiplied by h(after) / h(now), h being the probability that the criteria are met: from the exact backward
pass where the closure is small, else from the rates at the moment as if no more onsets changed them (products for what is
included and excluded, Poisson for counts). Weights (path density over twisted density) make any h right on average; a good
h keeps them equal. Particles are resampled (systematic) once a year of follow-up where the effective number falls below half
(Del Moral, Doucet and Jasra 2006; Whiteley and Lee 2014). One record is drawn from each run of particles, so records of
different runs are independent; run i depends on the key and i alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.sampling.kernel import begin, death_row, mix, moved, person, pick, start, total, uniform, workspace
from ontology.compiled import compiled

if TYPE_CHECKING:
    import numpy.typing as npt

    from engine.sampling.tables import Flags, Floats, Ints, Paths, Persons, Rates, Wanted

__all__ = ["RunFigures", "Twist", "run_particles"]

STEP_YEARS = 0.25
"""How often h is looked up anew while nothing begins."""


class Twist(NamedTuple):
    """What steers. With `exact`: h by (class, quarter-year since entry, state); else sets of events to include and exclude."""

    exact: bool
    events: Ints  # the closure, death last
    after: Ints  # (states, events)
    h: Floats  # (classes, times, states)
    first: int  # the state at entry
    stratum: Ints  # what each axis value adds to the class
    propensity: Floats  # bounds between classes of propensity
    include: Flags  # with all that the included require
    exclude: Flags
    start: int
    least: int
    most: int
    stage: int


class RunFigures(NamedTuple):
    """One run: log of the estimated probability, effective share of particles at worst and at the end, distinct ancestors."""

    log_probability: float
    worst: float
    end: float
    ancestors: float


@compiled
def _drawn(state: Any, who: Any, rates: Any, w: Any) -> Any:
    """`person` and `start`, called instead of inlined: this code runs once a particle."""
    state, entry, _, log_ratio = person(state, who, w)
    state, z = start(state, rates, w)
    return state, entry, log_ratio, z


@compiled
def _begun(event: int, rate: Any, live: Any, needs: Any, begun: Any, rates: Any) -> None:
    """`begin`, called."""
    begin(
        event, rate, live, needs, begun, rates.unlock_start, rates.unlock_event, rates.acts, rates.few_start,
        rates.few_event, rates.few_factor, rates.many,
    )  # fmt: skip


@compiled
def _poisson(mean: float, low: int, high: int) -> Any:
    """P(low <= N <= high) for a Poisson count."""
    if high < 0:
        return 0.0
    term = math.exp(-min(mean, 600.0))
    summed = 0.0
    for n in range(high + 1):
        if n > 0:
            term *= mean / n
        if n >= low:
            summed += term
        if n > low and n > mean and term < 1e-12:
            break
    return min(summed, 1.0)


@compiled
def _by_lattice(twist: Any, kind: int, years: float, state: int, live: Any, tilt: Any, events: Any, ratio: Any) -> Any:
    """Fills tilted rates and the closure's ratios; returns h now."""
    times = twist.h.shape[1]
    place = min(years / STEP_YEARS, times - 1.0)
    k = min(int(place), times - 2)
    part = place - k
    now = (1.0 - part) * twist.h[kind, k, state] + part * twist.h[kind, k + 1, state]
    for j in range(live.shape[0]):
        tilt[j] = live[j]
    count = events.shape[0]
    for c in range(count):
        other = twist.after[state, c]
        if c == count - 1:
            value = twist.h[kind, times - 1, state]
        elif other < 0:
            continue
        else:
            value = (1.0 - part) * twist.h[kind, k, other] + part * twist.h[kind, k + 1, other]
        ratio[events[c]] = value / now if now > 0.0 else 0.0
        tilt[events[c]] = live[events[c]] * ratio[events[c]]
    return now


@compiled
def _by_rates(
    twist: Any,
    rates: Any,
    live: Any,
    rate: Any,
    begun: Any,
    needs: Any,
    onsets: int,
    years: float,
    tilt: Any,
    ratio: Any,
) -> Any:
    """The same from the rates of the moment; `years` are left."""
    size, death = live.shape[0], rates.death
    mortal = live[death] if live[death] > 0.0 else 0.3 * rate[death]
    h, others, missing = 1.0, 0.0, 0
    summed = 0.0
    for j in range(size):
        summed += live[j] if j < rates.concepts else 0.0
    for j in range(size):
        ratio[j] = 1.0
        if begun[j]:
            if twist.exclude[j]:
                h = 0.0
            continue
        if twist.include[j] or twist.exclude[j]:
            r = live[j] if needs[j] == 0 else 0.5 * rate[j]
            away = r + mortal
            q = r / away * (1.0 - math.exp(-away * years)) if away > 0.0 else 0.0
            if needs[j] > 0:
                q *= 0.5
            if rates.base[j] == 0.0:
                q = 0.9  # scheduled: its time is the person's
            q = min(max(q, 1e-9), 1.0 - 1e-9)
            if twist.include[j]:
                h *= q
                ratio[j] = 1.0 / q
                missing += j < rates.concepts
            else:
                h *= 1.0 - q
                ratio[j] = 0.0
        elif j < rates.concepts:
            r = live[j] if needs[j] == 0 else 0.5 * rate[j]
            away = r + mortal
            others += r / away * (1.0 - math.exp(-away * years)) if away > 0.0 else 0.0
    counted = twist.least > 0 or twist.most < rates.concepts
    more = 1.0
    if counted:
        low, high = twist.least - onsets - missing, twist.most - onsets - missing
        here = max(_poisson(others, low, high), 1e-200 if high >= 0 else 0.0)
        there = _poisson(max(others - 1.0, 0.3 * others), low - 1, high - 1)
        h *= here
        more = there / here if here > 0.0 else 0.0
    opens = twist.start >= 0 and onsets == 0
    if opens:
        share = live[twist.start] / summed if summed > 0.0 else 0.0
        first = max(share * (1.0 - math.exp(-summed * years)), 1e-9)
        h *= first
    done = onsets >= twist.least and onsets <= twist.most and not opens
    for j in range(size):
        if twist.include[j] and not begun[j]:
            done = False
    for j in range(size):
        if j < rates.concepts and not begun[j]:
            if counted and not twist.include[j]:
                ratio[j] *= more
            if opens:
                ratio[j] = ratio[j] / first if j == twist.start else 0.0
    ratio[death] = 1.0 / h if done and h > 0.0 else 0.0
    for j in range(size):
        tilt[j] = live[j] * ratio[j]
    return h


@compiled
def _resampled(log_weight: Any, pick_of: Any, u: float) -> Any:
    """Systematic resampling; fills `pick_of` and returns log mean weight and the effective share (0 where all are dead)."""
    n = log_weight.shape[0]
    top = -math.inf
    for i in range(n):
        top = max(top, log_weight[i])
    if top == -math.inf:
        return -math.inf, 0.0
    summed = squared = 0.0
    for i in range(n):
        w = math.exp(log_weight[i] - top)
        summed += w
        squared += w * w
    i, reached = 0, math.exp(log_weight[0] - top) / summed
    for k in range(n):
        at = (k + u) / n
        while reached < at and i < n - 1:
            i += 1
            reached += math.exp(log_weight[i] - top) / summed
        pick_of[k] = i
    return top + math.log(summed / n), summed * summed / squared / n


@compiled
def _particles(
    key: Any, index: int, n: int, who: Any, rates: Any, wanted: Any, twist: Any, out: Any, slot: int, position: int
) -> Any:
    """One run; writes one of its paths to `out` and returns figures, where the path ends and whether any met the criteria."""
    w = workspace(who, rates)
    size, planned, before = w.live.shape[0], w.schedule.shape[0], who.before.shape[0]
    axes, risks = w.value.shape[0], w.exposed.shape[0]
    rate, live, needs = np.empty((n, size)), np.empty((n, size)), np.empty((n, size), np.int64)
    begun, schedule = np.empty((n, size), np.bool_), np.empty((n, planned))
    value, exposed = np.empty((n, axes), np.int64), np.empty((n, risks), np.bool_)
    numbers = np.empty((n, 7))  # age, entry, log ratio, log weight, log h, end, diagnosis row
    counts = np.empty((n, 6), np.int64)  # due, onsets, state, class, events, good
    event_of, age_of = np.empty((n, size), np.int32), np.empty((n, size))
    stream, over = np.empty(n, np.uint64), np.zeros(n, np.bool_)
    died, ancestor, picked, log_weight = np.zeros(n, np.bool_), np.arange(n), np.empty(n, np.int64), np.empty(n)
    tilt, ratio, sums = np.empty(size), np.ones(size), np.zeros((2, size >> 3))
    base = mix(key[1] + np.uint64(index)) + np.uint64(0x632BE59BD9B4E019)
    for i in range(n):
        state = mix(key[0] + base + mix(np.uint64(i)))
        state, entry, log_ratio, z = _drawn(state, who, rates, w)
        stream[i] = state
        rate[i], live[i], needs[i], begun[i], schedule[i] = w.rate, w.live, w.needs, w.begun, w.schedule
        value[i], exposed[i] = w.value, w.exposed
        numbers[i, 0], numbers[i, 1], numbers[i, 2], numbers[i, 3] = entry, entry, log_ratio, 0.0
        numbers[i, 5], numbers[i, 6] = min(rates.oldest, entry + wanted.window), death_row(who, w)
        kind = 0
        for axis in range(axes):
            kind += twist.stratum[w.value[axis]]
        bins = twist.propensity.shape[0] + 1
        place = 0
        for b in range(bins - 1):
            place += z > twist.propensity[b]
        counts[i, 0], counts[i, 1], counts[i, 2], counts[i, 3] = 0, 0, twist.first, kind * bins + place
        counts[i, 4], counts[i, 5] = 0, 1
    log_z, worst = 0.0, 1.0
    stream_of_run = mix(key[0] + base)
    checkpoint = 0
    while True:
        running = 0
        for i in range(n):
            _advance(
                i, checkpoint, who, rates, wanted, twist, rate, live, needs, begun, schedule, numbers, counts, event_of, age_of,
                stream, over, died, tilt, ratio, sums, before,
            )  # fmt: skip
            log_weight[i] = numbers[i, 3] + numbers[i, 4]
            running += not over[i]
        stream_of_run, u = uniform(stream_of_run)
        mean, share = _resampled(log_weight, picked, u)
        if mean == -math.inf:
            return -math.inf, worst, 0.0, 0.0, position, False
        if running == 0:
            log_z += mean
            distinct = np.zeros(n, np.bool_)
            met = 0
            for i in range(n):
                if log_weight[i] > -math.inf:
                    distinct[ancestor[i]] = True
                    met += 1
            stream_of_run, u = uniform(stream_of_run)
            top = -math.inf
            for i in range(n):
                top = max(top, log_weight[i])
            summed = 0.0
            for i in range(n):
                summed += math.exp(log_weight[i] - top)
            at, chosen = u * summed, -1
            for i in range(n):
                if log_weight[i] > -math.inf:
                    chosen = i
                    at -= math.exp(log_weight[i] - top)
                    if at < 0.0:
                        break
            for k in range(counts[chosen, 4]):
                out.event[position + k] = event_of[chosen, k]
                out.age[position + k] = age_of[chosen, k]
            position += counts[chosen, 4]
            out.start[slot + 1] = position
            out.entry[slot], out.exit[slot] = numbers[chosen, 1], numbers[chosen, 0]
            out.diagnosis[slot] = schedule[chosen, before] if planned > before else math.nan
            out.died[slot] = died[chosen]
            for axis in range(axes):
                out.values[slot, axis] = value[chosen, axis] - who.axis_start[axis]
            for k in range(risks):
                out.exposed[slot, k] = exposed[chosen, k]
            kinds = 0
            for i in range(n):
                kinds += distinct[i]
            return log_z, worst, share, kinds / n, position, True
        worst = min(worst, share)
        if share < 0.5:
            log_z += mean
            rate, live, needs, begun = rate[picked], live[picked], needs[picked], begun[picked]
            schedule, value, exposed = schedule[picked], value[picked], exposed[picked]
            numbers, counts, over, died = numbers[picked], counts[picked], over[picked], died[picked]
            event_of, age_of, ancestor = event_of[picked], age_of[picked], ancestor[picked]
            for i in range(n):
                numbers[i, 3] = -numbers[i, 4]
        checkpoint += 1


@compiled
def _advance(
    i: int, checkpoint: int, who: Any, rates: Any, wanted: Any, twist: Any, rate_of: Any, live_of: Any, needs_of: Any,
    begun_of: Any, schedule_of: Any, numbers: Any, counts: Any, event_of: Any, age_of: Any, stream: Any, over: Any, died: Any,
    tilt: Any, ratio: Any, sums: Any, before: int,
) -> None:  # fmt: skip
    """One particle to so many years after its entry; leaves its log weight and log h."""
    rate, live, needs, begun, schedule = rate_of[i], live_of[i], needs_of[i], begun_of[i], schedule_of[i]
    age, entry, log_ratio, log_weight, end = numbers[i, 0], numbers[i, 1], numbers[i, 2], numbers[i, 3], numbers[i, 5]
    due, onsets, state, kind, length = counts[i, 0], counts[i, 1], counts[i, 2], counts[i, 3], counts[i, 4]
    good = counts[i, 5] == 1
    planned, events = schedule.shape[0], twist.events
    numbers_now = stream[i]
    aged = np.empty(live.shape[0])
    target = entry + checkpoint
    while not over[i] and good and (age < target or (due < planned and schedule[due] <= age)):
        piece = min(int(age - who.youngest), rates.age_factor.shape[0] - 1)
        if due < planned and schedule[due] <= age:
            event = rates.scheduled[due]
            due += 1
        else:
            until = min(target, end, entry + (int((age - entry) / STEP_YEARS + 1e-9) + 1) * STEP_YEARS)
            if due < planned:
                until = min(until, schedule[due])
            if rates.ages > 0:
                edge = who.youngest + piece + 1.0
                until = min(until, edge if edge > age else age + 1.0)
                for j in range(live.shape[0]):
                    aged[j] = live[j] * rates.age_factor[piece, j]
            else:
                for j in range(live.shape[0]):
                    aged[j] = live[j]
            if until <= age:
                until = age + 1e-9
            if twist.exact:
                now = _by_lattice(twist, kind, age - entry, state, aged, tilt, events, ratio)
            else:
                now = _by_rates(twist, rates, aged, rate, begun, needs, onsets, end - age, tilt, ratio)
            if not now > 0.0:
                good = False
                break
            summed, plain = total(tilt, sums), 0.0
            for j in range(live.shape[0]):
                plain += aged[j]
            numbers_now, u = uniform(numbers_now)
            wait = -math.log(u) / summed if summed > 0.0 else math.inf
            if age + wait >= until:
                log_weight += (summed - plain) * (until - age)
                age = until
                if age >= end:
                    over[i] = True
                continue
            log_weight += (summed - plain) * wait
            age += wait
            numbers_now, u = uniform(numbers_now)
            event = pick(tilt, sums, u * summed)
            log_weight -= math.log(tilt[event] / aged[event])
        event_of[i, length], age_of[i, length] = event, age
        length += 1
        if event == rates.death:
            died[i], over[i] = True, True
            break
        if event < rates.concepts:
            onsets += 1
            if (
                wanted.exclude[event]
                or onsets > wanted.most
                or (onsets == 1 and wanted.start >= 0 and event != wanted.start)
            ):
                good = False
        _begun(event, rate, live, needs, begun, rates)
        if twist.exact:
            for c in range(events.shape[0] - 1):
                if events[c] == event and twist.after[state, c] >= 0:
                    state = twist.after[state, c]
                    break
        if rates.moves and rates.diagnosis_factor[event] != 1.0 and due <= before:
            since = age if before == 0 else max(age, schedule[before - 1])
            when = moved(who, int(numbers[i, 6]), log_ratio, since, schedule[before], rates.diagnosis_factor[event])
            for k in range(before, planned):
                schedule[k] = when
    log_h = -math.inf
    if good and over[i]:
        met = onsets >= wanted.least and (wanted.stage < 0 or begun[wanted.stage])
        for j in range(live.shape[0]):
            if wanted.include[j] and not begun[j]:
                met = False
        if rates.moves and planned > before:
            met = met and who.low <= schedule[before] <= who.high
        log_h = 0.0 if met else -math.inf
    elif good:
        piece = min(int(age - who.youngest), rates.age_factor.shape[0] - 1)
        for j in range(live.shape[0]):
            aged[j] = live[j] * (rates.age_factor[piece, j] if rates.ages > 0 else 1.0)
        if twist.exact:
            now = _by_lattice(twist, kind, age - entry, state, aged, tilt, events, ratio)
        else:
            now = _by_rates(twist, rates, aged, rate, begun, needs, onsets, end - age, tilt, ratio)
        log_h = math.log(now) if now > 0.0 else -math.inf
    if not good:
        over[i] = True
    numbers[i, 0], numbers[i, 3], numbers[i, 4] = age, log_weight, log_h
    counts[i, 0], counts[i, 1], counts[i, 2], counts[i, 4], counts[i, 5] = due, onsets, state, length, int(good)
    stream[i] = numbers_now


def run_particles(
    key: npt.NDArray[np.uint64],
    index: int,
    particles: int,
    who: Persons,
    rates: Rates,
    wanted: Wanted,
    twist: Twist,
    out: Paths,
    slot: int,
    position: int,
) -> tuple[RunFigures, int, bool]:
    """Run `index` of the stream: its figures, where its path ends in `out`, and whether any particle met the criteria."""
    log_z, worst, end, ancestors, position, met = _particles(
        key, index, particles, who, rates, wanted, twist, out, slot, position
    )
    return RunFigures(float(log_z), float(worst), float(end), float(ancestors)), int(position), bool(met)
