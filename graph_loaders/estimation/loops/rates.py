"""Rates of events in a state, constant within whole years of age."""

from __future__ import annotations

import math

import numpy as np

from ontology.compiled import compiled

__all__ = ["HIGHEST", "LOWEST", "cut_years", "fill_linear", "fill_rates", "may_begin"]

HIGHEST = 5.0
LOWEST = -20.0
"""Bounds of a log rate a year."""


@compiled
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


@compiled
def fill_linear(theta, fixed, begun, out):
    """out[j]: log rate of j at 80 years, from the fixed columns and what has begun; still without bounds."""
    events, fixed_count = theta.shape[0], fixed.shape[0]
    for j in range(events):
        eta = theta[j, 0]
        for k in range(fixed_count):
            eta += theta[j, 2 + k] * fixed[k]
        for v in range(events):
            if begun[v]:
                eta += theta[j, 2 + fixed_count + v]
        out[j] = eta


@compiled
def may_begin(j, have, needs, free):
    """Whether all that j needs has begun, or j is let through without."""
    if not free[j]:
        for v in range(have.shape[0]):
            if needs[j, v] and not have[v]:
                return False
    return True


@compiled
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
            open_ = not have[j] and may_begin(j, have, needs, free)
            for u in range(ages.shape[0]):
                if open_:
                    out[subset, u, j] = math.exp(min(max(eta[j] + slope[j] * ages[u], LOWEST), HIGHEST))
                else:
                    out[subset, u, j] = 0.0
