"""The lattice of subsets between two visits: exact sums over all orders.

Between two visits a set J of events begins in an unknown order at unknown times. The subsets of J are the states of a
small Markov process whose rates are the model's (2^|J| states; a state's other exits leave it for good). Matrix
exponentials are summed by uniformization, whose terms are all positive.
"""

from __future__ import annotations

import math

import numpy as np

from graph_loaders.estimation.kinds import PANEL, TO_DEATH
from graph_loaders.estimation.loops.rates import HIGHEST, LOWEST, cut_years, fill_linear, fill_rates
from ontology.compiled import compiled

__all__ = ["advance", "forward", "one_interval"]


@compiled
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


@compiled
def one_interval(theta, history, needs, start, end, kind, fixed, state, death, occupied, expected, new, free, begun):
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
            eta = min(max(linear[j] + slope[j] * ages[pieces - 1], LOWEST), HIGHEST)
            log += eta
            if rate[0, pieces - 1, j] == 0.0:  # it waited for an event of the same date: at risk all the same
                for u in range(pieces):
                    r = math.exp(min(max(linear[j] + slope[j] * ages[u], LOWEST), HIGHEST)) * years[u]
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


@compiled
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
