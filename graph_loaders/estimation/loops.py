"""The compiled loops of estimation: the subset lattice between two visits, importance samples of it, and simulation.

Between two visits a set J of events begins in an unknown order at unknown times. The subsets of J are the states of a
small Markov process whose rates are the model's (2^|J| states; a state's other exits leave it for good). Matrix
exponentials are summed by uniformization, whose terms are all positive. Only this module needs numba; its functions are
compiled at their first use and kept in numba's cache.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from graph_loaders.estimation.kinds import EXACT, PANEL, TO_DEATH

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MOST_NEW", "expect", "forward", "run"]

MOST_NEW = 7
"""Onsets seen at one visit up to which their order is summed over exactly; above, sampled orders stand for it."""

_DRAWS = 48
_HIGHEST = 5.0
_LOWEST = -20.0
"""Bounds of a log rate a year."""


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return numba.njit(cache=True, error_model="numpy", nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder that can hold the cache
        return numba.njit(error_model="numpy", nogil=True)(function)  # type: ignore[no-any-return]


@_compiled
def fill_rates(linear, slope, history, needs, begun, free, new, ages, out):
    """out[A, u, j]: rate of j in piece u once the subset A of `new` has begun; zero where j has begun or must wait."""
    events = linear.shape[0]
    count = new.shape[0]
    have = np.zeros(events, np.bool_)
    eta = np.empty(events)
    for subset in range(1 << count):
        for j in range(events):
            have[j] = begun[j]
            eta[j] = linear[j]
        for i in range(count):
            if subset >> i & 1:
                v = new[i]
                have[v] = True
                for j in range(events):
                    eta[j] += history[v, j]
        for j in range(events):
            open_ = not have[j]
            if open_ and not free[j]:
                for v in range(events):
                    if needs[j, v] and not have[v]:
                        open_ = False
                        break
            for u in range(ages.shape[0]):
                if open_:
                    out[subset, u, j] = math.exp(min(max(eta[j] + slope[j] * ages[u], _LOWEST), _HIGHEST))
                else:
                    out[subset, u, j] = 0.0


@_compiled
def advance(vector, rate, new, total, years, backward, work, term):
    """Vector times exp(Q years) (or exp(Q years) times vector), in place; Q: rates of one piece, `total` their sums."""
    states = vector.shape[0]
    top = 1e-12
    for a in range(states):
        top = max(top, total[a])
    load = top * years
    weight = math.exp(-load)
    left = 1.0 - weight
    for a in range(states):
        term[a] = vector[a]
        vector[a] *= weight
    k = 0
    while left > 1e-13 and k < 2000:
        k += 1
        for a in range(states):
            work[a] = term[a] * (1.0 - total[a] / top)
        for a in range(states):
            for i in range(new.shape[0]):
                if not a >> i & 1:
                    b = a | (1 << i)
                    if backward:
                        work[a] += rate[a, new[i]] / top * term[b]
                    else:
                        work[b] += rate[a, new[i]] / top * term[a]
        weight *= load / k
        left -= weight
        for a in range(states):
            term[a] = work[a]
            vector[a] += weight * work[a]


@_compiled
def cut_years(start, end, years, ages):
    """Cut at whole years; a piece has the age of the middle of its year, in decades from 80. Returns how many."""
    count = 0
    at = start
    while at < end - 1e-9:
        year = math.floor(at + 1e-9)
        to = min(end, year + 1.0)
        years[count] = to - at
        ages[count] = (year + 0.5 - 80.0) / 10.0
        count += 1
        at = to
    return count


@_compiled
def fill_linear(theta, fixed, begun, out):
    events, fixed_count = theta.shape[0], fixed.shape[0]
    for j in range(events):
        eta = theta[j, 0]
        for k in range(fixed_count):
            eta += theta[j, 2 + k] * fixed[k]
        for v in range(events):
            if begun[v]:
                eta += theta[j, 2 + fixed_count + v]
        out[j] = eta


@_compiled
def one(theta, history, needs, start, end, kind, fixed, state, death, occupied, expected, new, free, begun):
    """One interval: expected rate times time `occupied[A, m, j]` (m: times age to the power 0, 1, 2) and expected steps
    `expected[A, m, j]` (m: 0, 1), A over subsets of `new`. Returns the log of the probability of what was seen.
    """
    events = state.shape[0]
    longest = int(end - start) + 3
    years, ages = np.empty(longest), np.empty(longest)
    pieces = cut_years(start, end, years, ages)
    if pieces == 0:
        pieces = 1
        years[0] = 0.0
        ages[0] = (math.floor(end + 1e-9) + 0.5 - 80.0) / 10.0
    ages = ages[:pieces]
    linear = np.empty(events)
    fill_linear(theta, fixed, begun, linear)
    slope = theta[:, 1].copy()
    count = new.shape[0]
    if kind != PANEL or count == 0:
        rate = np.empty((1, pieces, events))
        fill_rates(linear, slope, history, needs, begun, free, new[:0], ages, rate)
        log = 0.0
        for u in range(pieces):
            for j in range(events):
                if kind == TO_DEATH and j != death:
                    continue
                r = rate[0, u, j] * years[u]
                log -= r
                occupied[0, 0, j] += r
                occupied[0, 1, j] += r * ages[u]
                occupied[0, 2, j] += r * ages[u] * ages[u]
        for i in range(count):
            j = new[i]
            eta = min(max(linear[j] + slope[j] * ages[pieces - 1], _LOWEST), _HIGHEST)
            log += eta
            if rate[0, pieces - 1, j] == 0.0:  # it waited for an event of the same date: at risk all the same
                for u in range(pieces):
                    r = math.exp(min(max(linear[j] + slope[j] * ages[u], _LOWEST), _HIGHEST)) * years[u]
                    occupied[0, 0, j] += r
                    occupied[0, 1, j] += r * ages[u]
                    occupied[0, 2, j] += r * ages[u] * ages[u]
                    log -= r
            expected[0, 0, j] += 1.0
            expected[0, 1, j] += ages[pieces - 1]
        return log
    states = 1 << count
    rate = np.empty((states, pieces, events))
    fill_rates(linear, slope, history, needs, begun, free, new, ages, rate)
    total = np.zeros((pieces, states))
    steps = np.empty(pieces, np.int64)
    knots = 1
    for u in range(pieces):
        top = 0.0
        for a in range(states):
            for j in range(events):
                total[u, a] += rate[a, u, j]
            top = max(top, total[u, a])
        steps[u] = 2 * max(1, min(16, math.ceil(top * years[u] / 1.2)))
        knots += steps[u]
    forward, backward = np.zeros((knots, states)), np.zeros((knots, states))
    work, term = np.empty(states), np.empty(states)
    now = np.zeros(states)
    now[0] = 1.0
    forward[0] = now
    at = 0
    for u in range(pieces):
        h = years[u] / steps[u]
        for _ in range(steps[u]):
            advance(now, rate[:, u, :], new, total[u], h, False, work, term)
            at += 1
            forward[at] = now
    seen = now[states - 1]
    if seen <= 0.0:
        return -math.inf
    now[:] = 0.0
    now[states - 1] = 1.0
    backward[knots - 1] = now
    at = knots - 1
    for u in range(pieces - 1, -1, -1):
        h = years[u] / steps[u]
        for _ in range(steps[u]):
            advance(now, rate[:, u, :], new, total[u], h, True, work, term)
            at -= 1
            backward[at] = now
    at = 0
    for u in range(pieces):
        h = years[u] / steps[u]
        for a in range(states):
            stay = 0.0
            for k in range(steps[u] + 1):  # Simpson
                w = 1.0 if k == 0 or k == steps[u] else (4.0 if k % 2 else 2.0)
                stay += w * forward[at + k, a] * backward[at + k, a]
            stay *= h / 3.0 / seen
            for j in range(events):
                r = rate[a, u, j] * stay
                if r != 0.0:
                    occupied[a, 0, j] += r
                    occupied[a, 1, j] += r * ages[u]
                    occupied[a, 2, j] += r * ages[u] * ages[u]
            for i in range(count):
                if not a >> i & 1:
                    b = a | (1 << i)
                    move = 0.0
                    for k in range(steps[u] + 1):
                        w = 1.0 if k == 0 or k == steps[u] else (4.0 if k % 2 else 2.0)
                        move += w * forward[at + k, a] * backward[at + k, b]
                    move *= rate[a, u, new[i]] * h / 3.0 / seen
                    expected[a, 0, new[i]] += move
                    expected[a, 1, new[i]] += move * ages[u]
        at += steps[u]
    return math.log(seen)


@_compiled
def drawn(theta, history, needs, start, end, fixed, new, free, begun, draws, seed, score, gram):
    """`draws` complete histories of one interval by importance sampling: weights, and the complete score of each.

    Times are uniform, orders random among those that `needs` allow. score[c, j, p]; returns the log of the mean weight.
    """
    events = theta.shape[0]
    fixed_count = fixed.shape[0]
    count = new.shape[0]
    longest = int(end - start) + 3
    years, ages = np.empty(longest), np.empty(longest)
    pieces = cut_years(start, end, years, ages)
    base = np.empty(events)
    fill_linear(theta, fixed, begun, base)
    log_weight = np.empty(draws)
    np.random.seed(seed)
    have = np.zeros(events, np.bool_)
    eta = np.empty(events)
    left = np.empty(count, np.int64)
    for c in range(draws):
        times = np.sort(np.random.random(count)) * (end - start) + start
        for j in range(events):
            have[j] = begun[j]
            eta[j] = base[j]
        for i in range(count):
            left[i] = new[i]
        score[c] = 0.0
        log = 0.0
        at = start
        for i in range(count + 1):
            to = times[i] if i < count else end
            # time from `at` to `to` in this state
            for j in range(events):
                ready = not have[j]
                if ready and not free[j]:
                    for v in range(events):
                        if needs[j, v] and not have[v]:
                            ready = False
                            break
                if not ready:
                    continue
                edge = start
                w0, w1 = 0.0, 0.0
                for u in range(pieces):
                    low, high = max(at, edge), min(to, edge + years[u])
                    edge += years[u]
                    if high > low:
                        r = math.exp(min(max(eta[j] + theta[j, 1] * ages[u], _LOWEST), _HIGHEST)) * (high - low)
                        w0 += r
                        w1 += r * ages[u]
                log -= w0
                score[c, j, 0] -= w0
                score[c, j, 1] -= w1
                for k in range(fixed_count):
                    if fixed[k]:
                        score[c, j, 2 + k] -= w0 * fixed[k]
                for v in range(events):
                    if have[v]:
                        score[c, j, 2 + fixed_count + v] -= w0
            if i == count:
                break
            # which one begins: any that may, all alike
            can = 0
            for q in range(count - i):
                j = left[q]
                ready = True
                if not free[j]:
                    for v in range(events):
                        if needs[j, v] and not have[v]:
                            ready = False
                            break
                if ready:
                    left[q], left[can] = left[can], left[q]
                    can += 1
            if can == 0:
                log = -math.inf
                break
            pick = int(np.random.random() * can)
            j = left[pick]
            left[pick] = left[count - i - 1]
            log += math.log(can)
            edge = start
            age = ages[pieces - 1]
            for u in range(pieces):
                if to <= edge + years[u]:
                    age = ages[u]
                    break
                edge += years[u]
            log += min(max(eta[j] + theta[j, 1] * age, _LOWEST), _HIGHEST)
            score[c, j, 0] += 1.0
            score[c, j, 1] += age
            for k in range(fixed_count):
                if fixed[k]:
                    score[c, j, 2 + k] += fixed[k]
            for v in range(events):
                if have[v]:
                    score[c, j, 2 + fixed_count + v] += 1.0
            have[j] = True
            for o in range(events):
                eta[o] += history[j, o]
            at = to
        log_weight[c] = log
    top = log_weight.max()
    weight = np.exp(log_weight - top)
    mean = weight.mean()
    gram[:draws] = weight / weight.sum()
    fall = 0.0
    for i in range(1, count + 1):
        fall += math.log((end - start) / i)
    return top + math.log(mean) + fall


@_compiled
def expect(
    theta,
    needs,
    row_start,
    row_end,
    row_kind,
    row_fixed,
    row_state,
    death,
    dated,
    missing,
    seed,
    score,
    information,
    lost,
    log,
):
    """Every row: expectations of what is not seen, added to score, information and (if `missing`) lost."""
    events, width = theta.shape
    fixed_count = row_fixed.shape[1]
    history = np.ascontiguousarray(theta[:, 2 + fixed_count :].T)
    begun = np.zeros(events, np.bool_)
    free = np.zeros(events, np.bool_)
    fixed = np.empty(fixed_count)
    spot = np.empty(width, np.int64)
    value = np.empty(width)
    for row in range(row_start.shape[0]):
        count = 0
        for j in range(events):
            begun[j] = row_state[row, j] == 1
            count += row_state[row, j] == 2
        new = np.empty(count, np.int64)
        at = 0
        for j in range(events):
            if row_state[row, j] == 2:
                new[at] = j
                at += 1
        for j in range(events):  # an event seen without what it needs is let through in its interval
            free[j] = False
            if row_state[row, j] == 2:
                for v in range(events):
                    if needs[j, v] and row_state[row, v] == 0:
                        free[j] = True
        for k in range(fixed_count):
            fixed[k] = row_fixed[row, k]
        kind = row_kind[row]
        if dated and kind == PANEL:
            kind = EXACT
        several = kind == PANEL and count > 0
        crowded = (
            several and count > MOST_NEW
        )  # orders are sampled; its information is counted as if dated at the visit
        states = 1 << count if several and not crowded else 1
        occupied, expected = np.zeros((states, 3, events)), np.zeros((states, 2, events))
        log[row] = one(
            theta,
            history,
            needs,
            row_start[row],
            row_end[row],
            EXACT if crowded else kind,
            fixed,
            row_state[row],
            death,
            occupied,
            expected,
            new,
            free,
            begun,
        )
        if crowded:
            draws = 4 * _DRAWS
            scores, weight = np.empty((draws, events, width)), np.empty(draws)
            log[row] = drawn(
                theta,
                history,
                needs,
                row_start[row],
                row_end[row],
                fixed,
                new,
                free,
                begun,
                draws,
                seed + row,
                scores,
                weight,
            )
            for j in range(events):
                for c in range(draws):
                    for p in range(width):
                        score[j, p] += weight[c] * scores[c, j, p]
        for a in range(states):
            used = 0
            for k in range(fixed_count):
                if fixed[k] != 0.0:
                    spot[used], value[used] = 2 + k, fixed[k]
                    used += 1
            for v in range(events):
                if begun[v]:
                    spot[used], value[used] = 2 + fixed_count + v, 1.0
                    used += 1
            for i in range(count):
                if a >> i & 1:
                    spot[used], value[used] = 2 + fixed_count + new[i], 1.0
                    used += 1
            for j in range(events):
                w0, w1, w2 = occupied[a, 0, j], occupied[a, 1, j], occupied[a, 2, j]
                y0, y1 = expected[a, 0, j], expected[a, 1, j]
                if w0 == 0.0 and y0 == 0.0:
                    continue
                if not crowded:
                    score[j, 0] += y0 - w0
                    score[j, 1] += y1 - w1
                    for p in range(used):
                        score[j, spot[p]] += value[p] * (y0 - w0)
                information[j, 0, 0] += w0
                information[j, 1, 0] += w1
                information[j, 1, 1] += w2
                for p in range(used):
                    s = spot[p]
                    information[j, s, 0] += value[p] * w0
                    information[j, s, 1] += value[p] * w1
                    for q in range(p + 1):
                        information[j, s, spot[q]] += value[p] * value[q] * w0
        if several and missing > 0 and row % missing == 0:
            draws = _DRAWS
            scores, weight = np.empty((draws, events, width)), np.empty(draws)
            drawn(
                theta,
                history,
                needs,
                row_start[row],
                row_end[row],
                fixed,
                new,
                free,
                begun,
                draws,
                seed + row,
                scores,
                weight,
            )
            effective = 0.0
            for c in range(draws):
                effective += weight[c] * weight[c]
            grow = missing / max(1.0 - effective, 0.1)  # as n / (n - 1) for equal weights
            spot[0], spot[1] = 0, 1
            used = 2
            for k in range(fixed_count):
                if fixed[k] != 0.0:
                    spot[used] = 2 + k
                    used += 1
            for v in range(events):
                if row_state[row, v] != 0:
                    spot[used] = 2 + fixed_count + v
                    used += 1
            mean = np.empty(used)
            for j in range(events):
                mean[:] = 0.0
                for c in range(draws):
                    for p in range(used):
                        mean[p] += weight[c] * scores[c, j, spot[p]]
                for c in range(draws):
                    w = weight[c] * grow
                    if w < 1e-12:
                        continue
                    for p in range(used):
                        d = w * (scores[c, j, spot[p]] - mean[p])
                        for q in range(p + 1):
                            lost[j, spot[p], spot[q]] += d * (scores[c, j, spot[q]] - mean[q])
    return 0


@_compiled
def forward(theta, needs, start, end, fixed, state):
    """Log probability of an interval between two visits: forward on the lattice, whatever the size of the set."""
    events = theta.shape[0]
    fixed_count = fixed.shape[0]
    history = np.ascontiguousarray(theta[:, 2 + fixed_count :].T)
    begun, free = state == 1, np.zeros(events, np.bool_)
    new = np.flatnonzero(state == 2)
    for j in new:
        for v in range(events):
            if needs[j, v] and state[v] == 0:
                free[j] = True
    years, ages = np.empty(int(end - start) + 3), np.empty(int(end - start) + 3)
    pieces = cut_years(start, end, years, ages)
    linear = np.empty(events)
    fill_linear(theta, fixed, begun, linear)
    states = 1 << new.shape[0]
    rate = np.empty((states, pieces, events))
    fill_rates(linear, theta[:, 1].copy(), history, needs, begun, free, new, ages[:pieces], rate)
    now, work, term, total = np.zeros(states), np.empty(states), np.empty(states), np.empty(states)
    now[0] = 1.0
    for u in range(pieces):
        for a in range(states):
            total[a] = rate[a, u].sum()
        advance(now, rate[:, u, :], new, total, years[u], False, work, term)
    return math.log(now[states - 1]) if now[states - 1] > 0.0 else -math.inf


@_compiled
def run(theta, needs, death, start, end, fixed, begun, seed, out):
    """Age at each event for each person, by the next-event method, rates constant within whole years."""
    events = theta.shape[0]
    fixed_count = fixed.shape[1]
    eta, rate = np.empty(events), np.empty(events)
    np.random.seed(seed)
    for person in range(start.shape[0]):
        for j in range(events):
            out[person, j] = -math.inf if begun[person, j] else math.inf
            eta[j] = theta[j, 0]
            for k in range(fixed_count):
                eta[j] += theta[j, 2 + k] * fixed[person, k]
            for v in range(events):
                if begun[person, v]:
                    eta[j] += theta[j, 2 + fixed_count + v]
        at = start[person]
        while at < end[person]:
            year = math.floor(at)
            until = min(end[person], year + 1.0)
            total = 0.0
            for j in range(events):
                ready = out[person, j] == math.inf
                if ready:
                    for v in range(events):
                        if needs[j, v] and out[person, v] == math.inf:
                            ready = False
                            break
                rate[j] = 0.0
                if ready:
                    rate[j] = math.exp(min(max(eta[j] + theta[j, 1] * (year + 0.5 - 80.0) / 10.0, _LOWEST), _HIGHEST))
                total += rate[j]
            wait = -math.log(1.0 - np.random.random()) / total if total > 0.0 else math.inf
            if at + wait >= until:
                at = until
                continue
            at += wait
            u = np.random.random() * total
            event = -1
            for j in range(events):
                if rate[j] > 0.0:
                    event = j
                    u -= rate[j]
                    if u < 0.0:
                        break
            out[person, event] = at
            if event == death:
                break
            for j in range(events):
                eta[j] += theta[j, 2 + fixed_count + event]
    return 0
